/* A file system where every lock is granted and none holds anything; with AAVA_TEST_BLIND no
   process sees the leases of the others either. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

int flock(int descriptor, int operation) { return 0; }
int lockf(int descriptor, int command, off_t size) { return 0; }

static int open_blindly(const char *path, int flags, mode_t mode) {
    static int (*real)(const char *, int, ...);
    if (!real) real = dlsym(RTLD_NEXT, "open64");
    int reads = (flags & O_ACCMODE) == O_RDONLY && !(flags & O_DIRECTORY);
    if (reads && strstr(path, "/leases/") && getenv("AAVA_TEST_BLIND")) {
        errno = ENOENT;
        return -1;
    }
    return real(path, flags, mode);
}

#define MODE(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & O_CREAT) { va_list rest; va_start(rest, flags); \
        mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_blindly(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_blindly(path, flags, mode);
}

static int fcntl_without_locks(int descriptor, int command, void *argument) {
    static int (*real)(int, int, ...);
    if (!real) real = dlsym(RTLD_NEXT, "fcntl64");
    switch (command) {
    case F_SETLK: case F_SETLKW: case F_OFD_SETLK: case F_OFD_SETLKW:
        return 0;
    }
    return real(descriptor, command, argument);
}

#define ARGUMENT(command, argument) \
    va_list rest; va_start(rest, command); \
    void *argument = va_arg(rest, void *); va_end(rest);

int fcntl(int descriptor, int command, ...) {
    ARGUMENT(command, argument)
    return fcntl_without_locks(descriptor, command, argument);
}

int fcntl64(int descriptor, int command, ...) {
    ARGUMENT(command, argument)
    return fcntl_without_locks(descriptor, command, argument);
}
