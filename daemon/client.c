#include "daemon/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 16 << 20, CONNECT_MS = 5000, TIMEOUT_MS = 30000, REDIRECTS = 3 };

static size_t take(char *data, size_t size, size_t n, void *out)
{
	struct seg_buf *to = out;
	seg_buf_append(to, data, size * n);
	return to->failed ? 0 : size * n;
}

char *seg_client_path(const char *before, const char *id, const char *after)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	struct seg_buf out;
	seg_buf_init(&out, 1 << 16);
	seg_buf_append(&out, before, strlen(before));
	for (const char *at = id; *at; at++) {
		if (strchr(plain, *at))
			seg_buf_u8(&out, (uint8_t)*at);
		else
			seg_buf_printf(&out, "%%%02X", (unsigned)(unsigned char)*at);
	}
	seg_buf_append(&out, after, strlen(after) + 1);
	if (!out.failed)
		return (char *)out.data;
	seg_buf_release(&out);
	return NULL;
}

void seg_client_print(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static enum seg_rc unreachable(const char *url, CURLcode code, const char *why, struct seg_error *err)
{
	switch ((int)code) {
	case CURLE_COULDNT_CONNECT:
		return seg_error_set(err, SEG_RETRY,
				     "%s: nobody listens there; is segmentd running, and is this its http.listen?",
				     url);
	case CURLE_COULDNT_RESOLVE_HOST:
		return seg_error_set(err, SEG_RETRY, "%s: this host is not known", url);
	case CURLE_OPERATION_TIMEDOUT:
		return seg_error_set(err, SEG_RETRY, "%s: no answer in time", url);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		return seg_error_set(err, SEG_INVALID, "--url %s: an address like http://127.0.0.1:8080 is needed",
				     url);
	default:
		return seg_error_set(err, SEG_IO, "%s: %s", url, why[0] ? why : curl_easy_strerror(code));
	}
}

/* What segmentd has said is wrong, and for some what helps. */
static enum seg_rc refused(long status, const json_t *json, struct seg_error *err)
{
	const char *detail = json_string_value(json_object_get(json, "detail"));
	const char *hint = status == 401 ? " (give --token TOKEN or SEGMENTD_TOKEN)" : "";
	enum seg_rc rc = status == 404 ? SEG_NOT_FOUND : status == 503 || status == 429 ? SEG_RETRY : SEG_SKIP;
	return seg_error_set(err, rc, "%ld: %s%s", status, detail ? detail : "refused without a reason", hint);
}

static enum seg_rc judge(const struct seg_client_request *request, long status, const struct seg_buf *text,
			 json_t **ret_json, struct seg_error *err)
{
	json_t *json = text->len > 0 ? json_loadb((const char *)text->data, text->len, 0, NULL) : NULL;
	if (status >= 200 && status < 300 && json) {
		*ret_json = json;
		return SEG_OK;
	}
	enum seg_rc rc = json && status >= 300 ? refused(status, json, err)
					       : seg_error_set(err, SEG_IO, "%s: the answer (%ld) is not segmentd's",
							       request->url, status);
	json_decref(json);
	return rc;
}

static char *address(const struct seg_client_request *request)
{
	size_t len = strlen(request->url);
	char *url = NULL;
	while (len > 0 && request->url[len - 1] == '/')
		len--;
	return asprintf(&url, "%.*s%s", (int)len, request->url, request->path) < 0 ? NULL : url;
}

static void set_options(CURL *curl, const struct seg_client_request *request, const char *url,
			struct curl_slist *headers, struct seg_buf *text, char *why)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (request->body || strcmp(request->method, "POST") == 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body ? request->body : "");
		curl_easy_setopt(curl, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
	}
	if (strcmp(request->method, "GET") != 0)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	if (!request->token || !request->token[0])
		return;
	/* The instances of an application share the token: it goes along to where one of them sends us. */
	curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
	curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, request->token);
	curl_easy_setopt(curl, CURLOPT_UNRESTRICTED_AUTH, 1L);
}

enum seg_rc seg_client_ask(const struct seg_client_request *request, json_t **ret_json, struct seg_buf *ret_text,
			   struct seg_error *err)
{
	char why[CURL_ERROR_SIZE] = "", *url = address(request);
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	struct seg_buf text;
	enum seg_rc rc;
	long status = 0;
	seg_buf_init(&text, ANSWER_MAX);
	if (!url || !curl || !headers) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	} else {
		set_options(curl, request, url, headers, &text, why);
		CURLcode code = curl_easy_perform(curl);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		rc = code ? unreachable(request->url, code, why, err) : judge(request, status, &text, ret_json, err);
	}
	if (!rc && ret_text)
		*ret_text = text;
	else
		seg_buf_release(&text);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	free(url);
	return rc;
}
