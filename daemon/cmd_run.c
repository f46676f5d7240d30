#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/command.h"
#include "daemon/server.h"

enum { LOOK_MS = 100 };

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void)number;
	if (signals++ > 0)
		_exit(SEG_EXIT_FAILED); /* asked twice: at once */
}

static void watch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static enum seg_rc serve(const struct seg_server_options *options, struct seg_error *err)
{
	struct seg_server *server;
	enum seg_rc rc = seg_server_start(options, &server, err);
	if (rc)
		return rc;
	while (!signals && !rc) {
		seg_sleep_ms(LOOK_MS);
		rc = seg_server_check(server, err);
	}
	seg_log(SEG_LOG_INFO, "stopping", "reason=%s", rc ? "failure" : "signal");
	int64_t since_ms = seg_monotonic_ms();
	enum seg_rc stopped = seg_server_stop(server, rc ? NULL : err);
	if (!rc && !stopped)
		seg_log(SEG_LOG_INFO, "stopped", "ms=%lld", (long long)(seg_monotonic_ms() - since_ms));
	return rc ? rc : stopped;
}

int seg_cmd_run(const struct seg_args *args)
{
	struct seg_config *config = seg_args_config(args);
	if (!config)
		return seg_args_has(args, "config") ? SEG_EXIT_FAILED : SEG_EXIT_USAGE;
	watch_signals();
	struct seg_error err = {0};
	struct seg_server_options options = {
		.config = config,
		.accept_config_change = seg_args_has(args, "accept-config-change"),
	};
	seg_log(SEG_LOG_INFO, "starting", "version=%s app=%s instance=%s workers=%lld", SEG_VERSION, config->app,
		config->instance, (long long)config->workers);
	int code = serve(&options, &err) ? seg_failed(args, &err) : SEG_EXIT_DONE;
	seg_config_free(config);
	return code;
}
