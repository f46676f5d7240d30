/* Against a real broker: kafka.py run -- test_kafka_clients [txn|input|reader|admin|restart]… */
#include <stdio.h>

#include "tests/integration/kafka_clients/common.h"

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} suites[] = {
		{"txn", run_txn_tests},	    {"input", run_input_tests},	    {"reader", run_reader_tests},
		{"admin", run_admin_tests}, {"restart", run_restart_tests},
	};
	int failed = 0;

	if (!getenv("SEG_BROKERS") || !getenv("SEG_KAFKA_CONTROL")) {
		fprintf(stderr, "run me through tests/support/kafka/kafka.py\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
		bool wanted = argc == 1;

		for (int j = 1; j < argc; j++)
			wanted |= strcmp(argv[j], suites[i].name) == 0;
		if (wanted)
			failed += suites[i].run();
	}
	return failed != 0;
}
