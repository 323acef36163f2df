/* The disk goes away at the n-th call: for tests of what a program leaves behind.
 *
 * Loaded by LD_PRELOAD, this counts the calls that touch one folder, by path or by descriptor, and
 * at call `at` it kills the process, or lets the call fail with an error of the caller's choice. What it is to do, and what it has seen, is in a small file that the test maps
 * too; all processes of a run share it, so their calls are counted together.
 *
 * Source of the idea: sqlite.org/testing.html, "I/O Error Testing": fail the n-th call, n = 1, 2 ...
 * until a run needs no n-th call any more.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { KILL = -1, LOGGED = 1000, NAME = 16 };

struct control { /* `Disk` of tests/faults.py has the same layout */
    int at;      /* which call, from 1; 0 for none */
    int how;     /* an errno, or KILL */
    int count;   /* calls so far */
    int length;  /* of `folder`; 0 while nothing is watched */
    char folder[PATH_MAX];
    char calls[LOGGED][NAME];
};

static struct control *control;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("FAIL_AT");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) control = at;
}

static int is_inside(const char *path) {
    size_t length = (size_t)control->length;
    return !strncmp(path, control->folder, length) && (path[length] == '/' || !path[length]);
}

static int path_is_watched(int at, const char *path) {
    if (!control || !control->length || !path) return 0;
    if (path[0] == '/') return is_inside(path);
    char whole[2 * PATH_MAX];
    char link[64];
    ssize_t length;
    if (at == AT_FDCWD) {
        if (!getcwd(whole, PATH_MAX)) return 0;
        length = (ssize_t)strlen(whole);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        length = readlink(link, whole, PATH_MAX);
        if (length < 0) return 0;
    }
    snprintf(whole + length, sizeof whole - (size_t)length, "/%s", path);
    return is_inside(whole);
}

static int descriptor_is_watched(int fd) {
    if (!control || !control->length) return 0;
    char link[64], path[PATH_MAX + 1];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX);
    if (length < 0) return 0;
    path[length] = 0;
    return is_inside(path);
}

/* Count a call that is watched; whether it is the one to fail, with errno set. */
static int fails(const char *name) {
    int number = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
    if (number <= LOGGED) strncpy(control->calls[number - 1], name, NAME - 1);
    if (number != control->at) return 0;
    if (control->how == KILL) kill(getpid(), SIGKILL);
    errno = control->how;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define BY_DESCRIPTOR(kind, name, parameters, arguments)                      \
    kind name parameters {                                                    \
        if (descriptor_is_watched(fd) && fails(#name)) return -1;             \
        return REAL(name) arguments;                                          \
    }
#define BY_PATH(name, parameters, arguments, watched)                         \
    int name parameters {                                                     \
        if ((watched) && fails(#name)) return -1;                             \
        return REAL(name) arguments;                                          \
    }
#define AT(path) path_is_watched(AT_FDCWD, path)

BY_DESCRIPTOR(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n))
BY_DESCRIPTOR(ssize_t, pread64, (int fd, void *to, size_t n, off64_t o), (fd, to, n, o))
BY_DESCRIPTOR(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n))
BY_DESCRIPTOR(ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t o), (fd, from, n, o))
BY_DESCRIPTOR(ssize_t, writev, (int fd, const struct iovec *from, int n), (fd, from, n))
BY_DESCRIPTOR(int, fsync, (int fd), (fd))
BY_DESCRIPTOR(int, fdatasync, (int fd), (fd))
BY_DESCRIPTOR(int, ftruncate64, (int fd, off64_t length), (fd, length))
BY_DESCRIPTOR(int, fchmod, (int fd, mode_t mode), (fd, mode))
BY_DESCRIPTOR(int, futimens, (int fd, const struct timespec times[2]), (fd, times))

BY_PATH(link, (const char *from, const char *to), (from, to), AT(from) || AT(to))
BY_PATH(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags),
        path_is_watched(a, from) || path_is_watched(b, to))
BY_PATH(rename, (const char *from, const char *to), (from, to), AT(from) || AT(to))
BY_PATH(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to),
        path_is_watched(a, from) || path_is_watched(b, to))
BY_PATH(unlink, (const char *path), (path), AT(path))
BY_PATH(unlinkat, (int at, const char *path, int flags), (at, path, flags),
        path_is_watched(at, path))
BY_PATH(mkdir, (const char *path, mode_t mode), (path, mode), AT(path))
BY_PATH(mkdirat, (int at, const char *path, mode_t mode), (at, path, mode),
        path_is_watched(at, path))
BY_PATH(rmdir, (const char *path), (path), AT(path))

int close(int fd) { /* a descriptor is closed even where that fails, as Linux does it */
    int failed = descriptor_is_watched(fd) && fails("close");
    int error = errno;
    int closed = REAL(close)(fd);
    if (failed) errno = error;
    return failed ? -1 : closed;
}

DIR *opendir(const char *path) {
    if (AT(path) && fails("opendir")) return NULL;
    return REAL(opendir)(path);
}

#define OPENS(name, watched, arguments)                                       \
    mode_t mode = 0;                                                          \
    if (flags & (O_CREAT | O_TMPFILE)) {                                      \
        va_list rest;                                                         \
        va_start(rest, flags);                                                \
        mode = va_arg(rest, mode_t);                                          \
        va_end(rest);                                                         \
    }                                                                         \
    if ((watched) && fails("open")) return -1;                                \
    return REAL(name) arguments

int open(const char *path, int flags, ...) { OPENS(open, AT(path), (path, flags, mode)); }
int open64(const char *path, int flags, ...) { OPENS(open64, AT(path), (path, flags, mode)); }
int openat(int at, const char *path, int flags, ...) {
    OPENS(openat, path_is_watched(at, path), (at, path, flags, mode));
}
int openat64(int at, const char *path, int flags, ...) {
    OPENS(openat64, path_is_watched(at, path), (at, path, flags, mode));
}
