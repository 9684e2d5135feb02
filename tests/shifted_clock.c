// The wall clock of the processes of a test, as far off as a file says: put into /etc/ld.so.preload of the test's own mount
// namespace (clock.py), so that the appliance as it ships runs at any time, and sees the clock being set, with no way in for it
// in the appliance itself.
//
// The file is this library's own path and ".offset": 8 bytes, the seconds to add. CLOCK_REALTIME alone is moved; a timerfd on
// it becomes a watch of the file, since nothing else is asked of one here than to tell that the clock was set.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t* offset;
static char file[4096];

__attribute__((constructor)) static void find_offset(void) {
    Dl_info own;
    if (!dladdr((void*)find_offset, &own) || snprintf(file, sizeof file, "%s.offset", own.dli_fname) >= (int)sizeof file) return;
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    void* mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) offset = mapped;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
    const int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset;
    return result;
}

time_t time(time_t* into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
    (void)zone;
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

int timerfd_create(int clock, int flags) {
    if (clock != CLOCK_REALTIME || !offset) return (int)syscall(SYS_timerfd_create, clock, flags);
    const int fd = inotify_init1((flags & TFD_NONBLOCK ? IN_NONBLOCK : 0) | (flags & TFD_CLOEXEC ? IN_CLOEXEC : 0));
    if (fd >= 0) inotify_add_watch(fd, file, IN_MODIFY);
    return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec* at, struct itimerspec* before) {
    if (flags & TFD_TIMER_CANCEL_ON_SET && offset) return 0;
    return (int)syscall(SYS_timerfd_settime, fd, flags, at, before);
}
