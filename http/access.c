#include "http/access.h"

#include <math.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

static void digest(const struct seg_access *a, const char *token, size_t len, unsigned char ret[32])
{
	crypto_generichash(ret, 32, (const unsigned char *)token, len, a->key, sizeof(a->key));
}

bool seg_access_init(struct seg_access *a, const char *token, double per_second, int64_t now_ms)
{
	*a = (struct seg_access){.per_second = per_second, .left = per_second, .since_ms = now_ms};
	if (sodium_init() < 0)
		return false;
	pthread_mutex_init(&a->lock, NULL);
	randombytes_buf(a->key, sizeof(a->key));
	if (!token || !token[0])
		return true;
	a->has_token = true;
	digest(a, token, strlen(token), a->digest);
	return true;
}

void seg_access_release(struct seg_access *a)
{
	sodium_memzero(a->key, sizeof(a->key));
	pthread_mutex_destroy(&a->lock);
}

unsigned seg_access_try(struct seg_access *a, int64_t now_ms)
{
	unsigned wait_s = 0;

	if (a->per_second <= 0)
		return 0;
	pthread_mutex_lock(&a->lock);
	a->left += (double)(now_ms - a->since_ms) / 1000.0 * a->per_second;
	a->left = fmin(a->left, fmax(a->per_second, 1));
	a->since_ms = now_ms;
	if (a->left >= 1)
		a->left -= 1;
	else
		wait_s = (unsigned)ceil((1 - a->left) / a->per_second);
	pthread_mutex_unlock(&a->lock);
	return wait_s;
}

/* Digests are compared, so that neither the place of a difference nor the length can be seen by the time it takes. */
enum seg_access_verdict seg_access_check(const struct seg_access *a, const char *authorization)
{
	static const char scheme[] = "Bearer ";
	unsigned char given[32];
	const char *token;

	if (!a->has_token)
		return SEG_ACCESS_OFF;
	if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return SEG_ACCESS_MISSING;
	token = authorization + sizeof(scheme) - 1;
	token += strspn(token, " ");
	digest(a, token, strlen(token), given);
	return sodium_memcmp(given, a->digest, sizeof(given)) == 0 ? SEG_ACCESS_GRANTED : SEG_ACCESS_WRONG;
}
