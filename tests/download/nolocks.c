/* A file system where every lock is granted and none holds anything; with AAVA_TEST_NO_EXCL
   files that must not exist yet are created all the same. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/types.h>

int flock(int descriptor, int operation) { return 0; }
int lockf(int descriptor, int command, off_t size) { return 0; }

static int open_without_excl(const char *path, int flags, mode_t mode) {
    static int (*real)(const char *, int, ...);
    if (!real) real = dlsym(RTLD_NEXT, "open64");
    if (getenv("AAVA_TEST_NO_EXCL")) flags &= ~O_EXCL;
    return real(path, flags, mode);
}

#define MODE(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & O_CREAT) { va_list rest; va_start(rest, flags); \
        mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_without_excl(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_without_excl(path, flags, mode);
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
