/* A clock that a test may set while its process runs, for LD_PRELOAD.
 *
 * CLOCK_REALTIME reads so many milliseconds later as stand in the file that HEIJUNKA_TEST_SKEW names: one
 * int64 in native order, mapped and read at every call. Other clocks stay as they are. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MS_PER_S 1000
#define NS_PER_MS 1000000

static const volatile int64_t *ahead_ms;

__attribute__((constructor)) static void map_the_file(void)
{
    const char *path = getenv("HEIJUNKA_TEST_SKEW");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *ahead_ms, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        ahead_ms = mapped;
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    int failed = (int)syscall(SYS_clock_gettime, which, now);
    if (failed || ahead_ms == NULL || (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE))
        return failed;
    int64_t ms = *ahead_ms;
    now->tv_sec += ms / MS_PER_S;
    now->tv_nsec += ms % MS_PER_S * NS_PER_MS;
    if (now->tv_nsec >= MS_PER_S * NS_PER_MS) {
        now->tv_sec += 1;
        now->tv_nsec -= MS_PER_S * NS_PER_MS;
    } else if (now->tv_nsec < 0) {
        now->tv_sec -= 1;
        now->tv_nsec += MS_PER_S * NS_PER_MS;
    }
    return 0;
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

time_t time(time_t *also)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return (time_t)-1;
    if (also != NULL)
        *also = now.tv_sec;
    return now.tv_sec;
}
