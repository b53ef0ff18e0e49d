/* Counts the file operations of a process below one folder and kills it at one of them. Built by every.py, loaded by
   LD_PRELOAD. An operation is counted before it is done, so the process dies without it; of a write, half is done. */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char below[PATH_MAX];
static long counted, fatal;

/* Begins to count below a folder; the operation of that number is the last, and none is where it is 0. */
void shim_arm(const char *folder, long number) {
  snprintf(below, sizeof below, "%s/", folder);
  fatal = number;
  counted = 0;
}

long shim_counted(void) { return counted; }

static int inside(int at, const char *path) {
  char full[2 * PATH_MAX], link[64];
  ssize_t length = 0;
  if (!*below) return 0;
  if (path && *path == '/') return !strncmp(path, below, strlen(below));
  if (path && at == AT_FDCWD) {
    if (!getcwd(full, PATH_MAX)) return 0;
    length = strlen(full);
  } else {
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    if ((length = readlink(link, full, PATH_MAX - 1)) < 0) return 0;
  }
  snprintf(full + length, sizeof full - length, "/%s", path ? path : "");
  return !strncmp(full, below, strlen(below));
}

static int last(void) { return ++counted == fatal; }
static void die(void) { kill(getpid(), SIGKILL), pause(); }
static void count(int at, const char *path) {
  if (inside(at, path) && last()) die();
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE(flags, mode)                            \
  mode_t mode = 0;                                   \
  if ((flags) & O_CREAT) {                           \
    va_list more;                                    \
    va_start(more, flags);                           \
    mode = va_arg(more, mode_t);                     \
    va_end(more);                                    \
  }

#define OPEN(name)                                   \
  int name(const char *path, int flags, ...) {       \
    MODE(flags, mode)                                \
    if (WRITES(flags)) count(AT_FDCWD, path);        \
    return REAL(name)(path, flags, mode);            \
  }
#define OPENAT(name)                                 \
  int name(int at, const char *path, int flags, ...) { \
    MODE(flags, mode)                                \
    if (WRITES(flags)) count(at, path);              \
    return REAL(name)(at, path, flags, mode);        \
  }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)

#define FOPEN(name)                                  \
  FILE *name(const char *path, const char *mode) {   \
    if (strpbrk(mode, "wa+")) count(AT_FDCWD, path); \
    return REAL(name)(path, mode);                   \
  }
FOPEN(fopen) FOPEN(fopen64)

ssize_t write(int fd, const void *bytes, size_t size) {
  if (inside(fd, NULL) && last()) REAL(write)(fd, bytes, size / 2), die();
  return REAL(write)(fd, bytes, size);
}
#define PWRITE(name, offset_type)                                            \
  ssize_t name(int fd, const void *bytes, size_t size, offset_type offset) { \
    if (inside(fd, NULL) && last()) REAL(name)(fd, bytes, size / 2, offset), die(); \
    return REAL(name)(fd, bytes, size, offset);                              \
  }
PWRITE(pwrite, off_t) PWRITE(pwrite64, off64_t)

#define ONE_PATH(result, name, parameters, given, at, path) \
  result name parameters {                                  \
    count(at, path);                                        \
    return REAL(name) given;                                \
  }
ONE_PATH(ssize_t, writev, (int fd, const struct iovec *parts, int number), (fd, parts, number), fd, NULL)
ONE_PATH(int, rename, (const char *from, const char *to), (from, to), AT_FDCWD, to)
ONE_PATH(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), b, to)
ONE_PATH(int, link, (const char *from, const char *to), (from, to), AT_FDCWD, to)
ONE_PATH(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), b, to)
ONE_PATH(int, symlink, (const char *to, const char *path), (to, path), AT_FDCWD, path)
ONE_PATH(int, unlink, (const char *path), (path), AT_FDCWD, path)
ONE_PATH(int, unlinkat, (int at, const char *path, int flags), (at, path, flags), at, path)
ONE_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
ONE_PATH(int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), at, path)
ONE_PATH(int, rmdir, (const char *path), (path), AT_FDCWD, path)
ONE_PATH(int, ftruncate, (int fd, off_t size), (fd, size), fd, NULL)
ONE_PATH(int, ftruncate64, (int fd, off64_t size), (fd, size), fd, NULL)
ONE_PATH(int, fsync, (int fd), (fd), fd, NULL)
ONE_PATH(int, fdatasync, (int fd), (fd), fd, NULL)
ONE_PATH(ssize_t, sendfile, (int to, int from, off_t *offset, size_t size), (to, from, offset, size), to, NULL)
ONE_PATH(ssize_t, sendfile64, (int to, int from, off64_t *offset, size_t size), (to, from, offset, size), to, NULL)
ONE_PATH(ssize_t, copy_file_range, (int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags),
         (from, a, to, b, size, flags), to, NULL)
