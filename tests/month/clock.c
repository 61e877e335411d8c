// The clock of tests/month/play: the true time plus the seconds that stand in a file, eight bytes, for every program that is started
// with LD_PRELOAD of this library and RECO_CLOCK, the file's name. libfaketime reads its file again only after a second, and gives the
// true time to whatever was forked while the postmaster slept in select(): pg_cron's scheduler and all background workers.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static const volatile long *offset;
static int (*true_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void)
{
    const char *name = getenv("RECO_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    true_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (file < 0 || mapped == MAP_FAILED || !true_clock)
        abort();
    offset = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!true_clock)
        start();
    int failed = true_clock(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise))
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *copy)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (copy)
        *copy = now.tv_sec;
    return now.tv_sec;
}
