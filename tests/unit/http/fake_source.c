#include "tests/support/test.h"

#include "fake_source.h"

#include <string.h>

#include "base/clock.h"

static const struct seg_metric_spec refreshed = {"t_refreshed_total", "Scrapes", SEG_METRIC_COUNTER,
						 {NULL, NULL},	      NULL,	 0};

void fake_init(struct fake *f)
{
	*f = (struct fake){.metrics = seg_metrics_new()};
	assert_non_null(f->metrics);
	f->ready = true;
	f->healthy = true;
}

void fake_release(struct fake *f)
{
	seg_metrics_free(f->metrics);
}

static void refresh(void *ctx)
{
	struct fake *f = ctx;

	atomic_fetch_add(&f->refreshed, 1);
	seg_metric_inc(seg_metrics_series(f->metrics, &refreshed, NULL, NULL), 1);
}

static enum seg_rc status(void *ctx, struct seg_buf *out, struct seg_error *err)
{
	struct fake *f = ctx;

	seg_sleep_ms(f->status_ms);
	seg_buf_append(out, FAKE_STATUS, strlen(FAKE_STATUS));
	return f->failing ? seg_error_set(err, SEG_NO_MEMORY, "as the test wants it") : SEG_OK;
}

static bool ready(void *ctx)
{
	return ((struct fake *)ctx)->ready;
}

static bool healthy(void *ctx)
{
	return ((struct fake *)ctx)->healthy;
}

struct seg_http_source fake_source(struct fake *f)
{
	return (struct seg_http_source){
		.metrics = f->metrics,
		.refresh = refresh,
		.status = status,
		.ready = ready,
		.healthy = healthy,
		.ctx = f,
	};
}

struct seg_http *fake_start(struct fake *f)
{
	struct seg_http_options options = {.listen = "127.0.0.1:0", .source = fake_source(f)};
	struct seg_error err = {0};
	struct seg_http *h = NULL;

	if (seg_http_start(&options, &h, &err))
		fail_msg("%s", err.text);
	return h;
}
