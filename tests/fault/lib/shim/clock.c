/*
 * A wall clock that jumps, for one process: a library for LD_PRELOAD that stands between a program and the C library.
 *
 *   SEGCLOCK_CONTROL   a file of at least 8 bytes, made by the test and mapped by both: by how many milliseconds the
 *                      process's wall clock is ahead (below 0: behind)
 *
 * CLOCK_REALTIME, gettimeofday, time and timespec_get are shifted, and so are the deadlines of waits that name that clock:
 * as in the kernel, one that is set back makes them longer, and one that is set forward ends them. Monotonic clocks and
 * waits by them are untouched.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* A wait looks at the clock that often. Deadlines below a year after 1970 are those of a condition by a monotonic clock. */
enum { SLICE_MS = 50, MONOTONIC_BELOW_S = 31536000 };

static _Atomic int64_t zero;
static _Atomic int64_t *ahead_ms = &zero;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("SEGCLOCK_CONTROL");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd >= 0 ? mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED) {
		fprintf(stderr, "clock.c: SEGCLOCK_CONTROL must name a file of 8 bytes\n");
		_exit(2);
	}
	ahead_ms = map;
}

static struct timespec plus_ms(struct timespec t, int64_t ms)
{
	int64_t ns = t.tv_nsec + ms % 1000 * 1000000;

	t.tv_sec += ms / 1000 + ns / 1000000000;
	t.tv_nsec = ns % 1000000000;
	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}

static bool is_before(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

/* The machine's own clock, past every wrapper. */
static struct timespec machine_clock(void)
{
	struct timespec t = {0, 0};

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
	return t;
}

static struct timespec shifted_clock(void)
{
	return plus_ms(machine_clock(), atomic_load(ahead_ms));
}

/* ---- reading it ---- */

int clock_gettime(clockid_t clock, struct timespec *to)
{
	static int (*real)(clockid_t, struct timespec *);

	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
		*to = shifted_clock();
		return 0;
	}
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	return real(clock, to);
}

int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
	struct timespec t = shifted_clock();

	(void)zone;
	*to = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *to)
{
	time_t t = shifted_clock().tv_sec;

	if (to)
		*to = t;
	return t;
}

int timespec_get(struct timespec *to, int base)
{
	if (base != TIME_UTC)
		return 0;
	*to = shifted_clock();
	return base;
}

/* ---- waiting by it ---- */

static int cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
	static int (*real)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);

	if (!real)
		real = (int (*)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *))dlsym(
			RTLD_NEXT, "pthread_cond_clockwait");
	return real(cond, mutex, clock, until);
}

/* In slices, so that a jump is seen; who waits takes the end of a slice for a wake-up without a cause. */
static int wait_shifted(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	struct timespec end = plus_ms(*until, -atomic_load(ahead_ms)), slice = plus_ms(machine_clock(), SLICE_MS);
	int failed = cond_clockwait(cond, mutex, CLOCK_REALTIME, is_before(end, slice) ? &end : &slice);

	return failed == ETIMEDOUT && is_before(shifted_clock(), *until) ? 0 : failed;
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
	return clock == CLOCK_REALTIME ? wait_shifted(cond, mutex, until) : cond_clockwait(cond, mutex, clock, until);
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
			   const struct timespec *restrict until)
{
	if (until->tv_sec < MONOTONIC_BELOW_S)
		return cond_clockwait(cond, mutex, CLOCK_MONOTONIC, until);
	return wait_shifted(cond, mutex, until);
}

/* The C library's conditions are POSIX's under another name; librdkafka waits by these. */
int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until)
{
	int failed = wait_shifted((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until);

	return failed == 0 ? thrd_success : failed == ETIMEDOUT ? thrd_timedout : thrd_error;
}
