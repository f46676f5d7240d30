/* A request that trickles in: each byte is in time, the whole never comes. Takes as long as the server's patience. */
#include "tests/support/test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "fake_source.h"

static void test_trickle_is_cut_off(void **state)
{
	struct seg_http *http;
	struct fake fake;
	int64_t began = seg_monotonic_ms(), took;
	char byte = 'x';
	ssize_t got = -1;
	int fd;

	(void)state;
	fake_init(&fake);
	http = fake_start(&fake);
	fd = client_connect(seg_http_port(http));
	assert_true(send(fd, "GET /healthz HTTP/1.1\r\nX: ", 26, MSG_NOSIGNAL) == 26);
	while (got < 0 && seg_monotonic_ms() - began < 40000) {
		seg_sleep_ms(500);
		if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
			break;
		got = recv(fd, &byte, 1, MSG_DONTWAIT);
	}
	took = seg_monotonic_ms() - began;
	assert_in_range(took, 19000, 35000);
	close(fd);
	seg_http_stop(http);
	fake_release(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_trickle_is_cut_off)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
