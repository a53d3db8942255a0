/* `nolocks_fuse FOLDER MOUNT`: FOLDER once more at MOUNT, where every lock is granted and none
   holds anything, as on some network disks. Build it with libfuse 3. */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[PATH_MAX];
#define AT(path) char full[2 * PATH_MAX]; snprintf(full, sizeof full, "%s%s", root, path)
#define DONE(call) return (call) < 0 ? -errno : 0

static int n_getattr(const char *p, struct stat *s, struct fuse_file_info *i) {
    if (i) DONE(fstat(i->fh, s));
    AT(p); DONE(lstat(full, s));
}
static int n_readdir(const char *p, void *b, fuse_fill_dir_t fill, off_t o, struct fuse_file_info *i,
                     enum fuse_readdir_flags f) {
    (void)o; (void)i; (void)f; AT(p);
    DIR *d = opendir(full);
    if (!d) return -errno;
    for (struct dirent *e; (e = readdir(d));) fill(b, e->d_name, NULL, 0, 0);
    closedir(d);
    return 0;
}
static int n_mkdir(const char *p, mode_t m) { AT(p); DONE(mkdir(full, m)); }
static int n_unlink(const char *p) { AT(p); DONE(unlink(full)); }
static int n_rmdir(const char *p) { AT(p); DONE(rmdir(full)); }
static int n_symlink(const char *t, const char *p) { AT(p); DONE(symlink(t, full)); }
static int n_readlink(const char *p, char *b, size_t n) {
    AT(p); ssize_t got = readlink(full, b, n - 1);
    if (got < 0) return -errno;
    b[got] = 0; return 0;
}
static int n_rename(const char *p, const char *q, unsigned f) {
    AT(p); char to[2 * PATH_MAX]; snprintf(to, sizeof to, "%s%s", root, q);
    DONE(renameat2(AT_FDCWD, full, AT_FDCWD, to, f));
}
static int n_link(const char *p, const char *q) {
    AT(p); char to[2 * PATH_MAX]; snprintf(to, sizeof to, "%s%s", root, q);
    DONE(link(full, to));
}
static int n_chmod(const char *p, mode_t m, struct fuse_file_info *i) {
    (void)i; AT(p); DONE(chmod(full, m));
}
static int n_chown(const char *p, uid_t u, gid_t g, struct fuse_file_info *i) {
    (void)i; AT(p); DONE(lchown(full, u, g));
}
static int n_truncate(const char *p, off_t n, struct fuse_file_info *i) {
    if (i) DONE(ftruncate(i->fh, n));
    AT(p); DONE(truncate(full, n));
}
static int n_utimens(const char *p, const struct timespec t[2], struct fuse_file_info *i) {
    (void)i; AT(p); DONE(utimensat(AT_FDCWD, full, t, AT_SYMLINK_NOFOLLOW));
}
static int opened(int fd, struct fuse_file_info *i) {
    if (fd < 0) return -errno;
    i->fh = fd;
    return 0;
}
static int n_create(const char *p, mode_t m, struct fuse_file_info *i) {
    AT(p); return opened(open(full, i->flags, m), i);
}
static int n_open(const char *p, struct fuse_file_info *i) {
    AT(p); return opened(open(full, i->flags & ~O_APPEND), i);
}
static int n_read(const char *p, char *b, size_t n, off_t o, struct fuse_file_info *i) {
    (void)p; ssize_t r = pread(i->fh, b, n, o); return r < 0 ? -errno : (int)r;
}
static int n_write(const char *p, const char *b, size_t n, off_t o, struct fuse_file_info *i) {
    (void)p; ssize_t r = pwrite(i->fh, b, n, o); return r < 0 ? -errno : (int)r;
}
static int n_release(const char *p, struct fuse_file_info *i) { (void)p; DONE(close(i->fh)); }
static int n_fsync(const char *p, int d, struct fuse_file_info *i) { (void)p; (void)d; DONE(fsync(i->fh)); }
static int n_fsyncdir(const char *p, int d, struct fuse_file_info *i) { (void)p; (void)d; (void)i; return 0; }
static int n_fallocate(const char *p, int m, off_t o, off_t n, struct fuse_file_info *i) {
    (void)p; DONE(fallocate(i->fh, m, o, n));
}
static int n_statfs(const char *p, struct statvfs *s) { AT(p); DONE(statvfs(full, s)); }
static int n_lock(const char *p, struct fuse_file_info *i, int c, struct flock *l) {
    (void)p; (void)i;
    if (c == F_GETLK) l->l_type = F_UNLCK;
    return 0;
}
static int n_flock(const char *p, struct fuse_file_info *i, int o) {
    (void)p; (void)i; (void)o;
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3 || !realpath(argv[1], root)) return 2;
    argv[1] = argv[0];
    static const struct fuse_operations all = {
        .getattr = n_getattr, .readdir = n_readdir, .mkdir = n_mkdir, .unlink = n_unlink, .rmdir = n_rmdir,
        .symlink = n_symlink, .readlink = n_readlink, .rename = n_rename, .link = n_link, .chmod = n_chmod,
        .chown = n_chown, .truncate = n_truncate, .utimens = n_utimens, .create = n_create, .open = n_open,
        .read = n_read, .write = n_write, .release = n_release, .fsync = n_fsync, .fsyncdir = n_fsyncdir,
        .fallocate = n_fallocate, .statfs = n_statfs, .lock = n_lock, .flock = n_flock};
    return fuse_main(argc - 1, argv + 1, &all, NULL);
}
