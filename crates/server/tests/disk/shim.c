/* A disk that fails on demand, for tests alone: loaded into the program with LD_PRELOAD.
 *
 * FAULTY_DISK_UNDER names the directory whose files are on the faulty disk, FAULTY_DISK_CONTROL a file whose
 * first byte says how it fails at the moment:
 *
 *   o  it does not
 *   f  it is full: what makes a file longer fails with ENOSPC
 *   r  it was made read-only: every write fails with EROFS
 *   w  it is broken: every write fails with EIO
 *   s  it cannot flush: every fsync fails with EIO
 *
 * With FAULTY_DISK_UNDO, a directory, it also keeps what every write replaced until the file is flushed, so that
 * the test can take back what a loss of power would have lost. A record is four native 64-bit numbers (offset,
 * the file's length before, the length of what was replaced, the length of the path), the path, what was replaced.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *under, *undo;
static const volatile char *control;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);

__attribute__((constructor)) static void start(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
  under = getenv("FAULTY_DISK_UNDER");
  undo = getenv("FAULTY_DISK_UNDO");
  int fd = open(getenv("FAULTY_DISK_CONTROL"), O_RDONLY);
  control = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
  if (under == NULL || control == MAP_FAILED) abort();
  close(fd);
}

/* Whether the file is on the disk; its path if so. */
static int is_there(int fd, char path[4096]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, 4095);
  if (length < 0) return 0;
  path[length] = 0;
  size_t prefix = strlen(under);
  return strncmp(path, under, prefix) == 0 && path[prefix] == '/';
}

static void undo_file(int fd, char name[4096]) {
  struct stat now;
  fstat(fd, &now);
  snprintf(name, 4096, "%s/%llu", undo, (unsigned long long)now.st_ino);
}

/* Notes what is about to be replaced. The shared memory of the log is no file of its own right. */
static void note(int fd, const char *path, off_t offset, size_t length) {
  if (undo == NULL || strstr(path, "-shm") != NULL) return;
  struct stat now;
  fstat(fd, &now);
  uint64_t kept = 0;
  if (offset < now.st_size) {
    kept = (uint64_t)(now.st_size - offset);
    if (kept > length) kept = length;
  }
  uint64_t head[4] = {(uint64_t)offset, (uint64_t)now.st_size, kept, strlen(path)};
  char name[4096];
  undo_file(fd, name);
  int to = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
  /* The descriptor may be there for writing alone. */
  int from = open(path, O_RDONLY);
  char *buffer = malloc(sizeof head + head[3] + kept);
  memcpy(buffer, head, sizeof head);
  memcpy(buffer + sizeof head, path, head[3]);
  if (pread(from, buffer + sizeof head + head[3], kept, offset) != (ssize_t)kept) abort();
  ssize_t size = (ssize_t)(sizeof head + head[3] + kept);
  if (real_write(to, buffer, (size_t)size) != size) abort();
  free(buffer);
  close(from);
  close(to);
}

/* The error that the disk answers a write with, or 0. */
static int refusal(int fd, off_t offset, size_t length) {
  struct stat now;
  switch (*control) {
    case 'f':
      fstat(fd, &now);
      return offset + (off_t)length > now.st_size ? ENOSPC : 0;
    case 'r':
      return EROFS;
    case 'w':
      return EIO;
    default:
      return 0;
  }
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
  char path[4096];
  if (!is_there(fd, path)) return real_pwrite(fd, bytes, length, offset);
  pthread_mutex_lock(&lock);
  int error = refusal(fd, offset, length);
  ssize_t written = -1;
  if (error == 0) {
    note(fd, path, offset, length);
    written = real_pwrite(fd, bytes, length, offset);
    error = errno;
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
  char path[4096];
  if (!is_there(fd, path)) return real_write(fd, bytes, length);
  struct stat now;
  fstat(fd, &now);
  off_t offset = fcntl(fd, F_GETFL) & O_APPEND ? now.st_size : lseek(fd, 0, SEEK_CUR);
  pthread_mutex_lock(&lock);
  int error = refusal(fd, offset, length);
  ssize_t written = -1;
  if (error == 0) {
    note(fd, path, offset, length);
    written = real_write(fd, bytes, length);
    error = errno;
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return written;
}

static int flush(int fd, int (*real)(int)) {
  char path[4096], name[4096];
  if (!is_there(fd, path)) return real(fd);
  if (*control == 's' || *control == 'w') {
    errno = EIO;
    return -1;
  }
  pthread_mutex_lock(&lock);
  int flushed = real(fd), error = errno;
  if (flushed == 0 && undo != NULL) {
    undo_file(fd, name);
    unlink(name);
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return flushed;
}

int fsync(int fd) { return flush(fd, real_fsync); }
int fdatasync(int fd) { return flush(fd, real_fdatasync); }

int ftruncate64(int fd, off_t length) {
  char path[4096];
  if (!is_there(fd, path)) return real_ftruncate(fd, length);
  if (*control == 'r' || *control == 'w') {
    errno = *control == 'r' ? EROFS : EIO;
    return -1;
  }
  pthread_mutex_lock(&lock);
  struct stat now;
  fstat(fd, &now);
  if (length < now.st_size) note(fd, path, length, (size_t)(now.st_size - length));
  int done = real_ftruncate(fd, length), error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
