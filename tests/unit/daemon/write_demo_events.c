/* write_demo_events SEED FILE: the demo's stream, each event as source, key and value lengths, time, key, value. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/demo_events.h"

int main(int argc, char **argv)
{
	struct seg_demo_events *it;
	struct seg_demo_event ev;
	struct seg_error err;
	FILE *f;

	if (argc != 3) {
		fprintf(stderr, "usage: write_demo_events SEED FILE\n");
		return 2;
	}
	f = fopen(argv[2], "wb");
	if (!f || seg_demo_events_open(strtoull(argv[1], NULL, 10), NULL, &it, &err) != SEG_OK) {
		fprintf(stderr, "write_demo_events: %s\n", f ? err.text : argv[2]);
		return 1;
	}
	while (seg_demo_events_next(it, &ev) == SEG_OK) {
		const uint32_t head[] = {ev.source, ev.key.len, ev.value.len};

		fwrite(head, sizeof head, 1, f);
		fwrite(&ev.time_ms, sizeof ev.time_ms, 1, f);
		fwrite(ev.key.ptr, 1, ev.key.len, f);
		fwrite(ev.value.ptr, 1, ev.value.len, f);
	}
	seg_demo_events_close(it);
	return fclose(f) ? 1 : 0;
}
