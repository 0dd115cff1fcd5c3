/* files.c: reading and writing whole files.
 *
 * A save goes to a file of another name beside the target, is forced to the disk, and is then renamed over it: whoever
 * is killed at whatever moment leaves either the old file or the new one. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core.h"
#include "files.h"

static int fail(const char *path, const char *what)
{
  char reason[128];
  return yt__fail("%s: %s: %s", path, what, strerror_r(errno, reason, sizeof reason));
}
static void forget(yt_writer *w)
{
  free(w->path), free(w->temporary);
  *w = (yt_writer){ .fd = -1 };
}

/* ---- writing ---- */
int yt__write_begin(yt_writer *w, const char *path)
{
  static atomic_uint turn;
  const size_t n = path ? strlen(path) : 0;
  *w = (yt_writer){ .fd = -1 };
  if (!n) return yt__fail("cannot save: no path");
  w->path = yt__malloc(n + 1), w->temporary = yt__malloc(n + 40);
  if (!w->path || !w->temporary) return forget(w), -1;
  memcpy(w->path, path, n + 1);
  do { /* left over from a process of the same number that was killed: take the next name */
    snprintf(w->temporary, n + 40, "%s.%ld-%u.tmp", path, (long)getpid(), atomic_fetch_add(&turn, 1));
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (w->fd < 0 && errno == EEXIST);
  if (w->fd < 0) return fail(path, "cannot be written"), forget(w), -1;
  return 0;
}
int yt__write(yt_writer *w, const void *data, size_t n)
{
  for (const char *p = data; n;) {
    const ssize_t did = write(w->fd, p, n < (1u << 30) ? n : 1u << 30);
    if (did < 0 && errno == EINTR) continue;
    if (did <= 0) return fail(w->path, "cannot be written");
    p += did, n -= (size_t)did;
  }
  return 0;
}
static void sync_folder(const char *path) /* so that the rename survives a power cut */
{
  const char *slash = strrchr(path, '/');
  const size_t n = slash ? (size_t)(slash - path) + 1 : 2;
  char *folder = yt__malloc(n + 1);
  if (!folder) return;
  memcpy(folder, slash ? path : "./", n), folder[n] = 0;
  const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) fsync(fd), close(fd);
  free(folder);
}
int yt__write_commit(yt_writer *w)
{
  int r = fsync(w->fd) ? fail(w->path, "cannot be written") : 0;
  if (close(w->fd) && !r) r = fail(w->path, "cannot be written");
  w->fd = -1;
  if (!r && rename(w->temporary, w->path)) r = fail(w->path, "cannot be replaced");
  if (r) return yt__write_abandon(w), -1;
  sync_folder(w->path);
  forget(w);
  return 0;
}
void yt__write_abandon(yt_writer *w)
{
  if (w->fd >= 0) close(w->fd);
  if (w->temporary) unlink(w->temporary);
  forget(w);
}

/* ---- reading ---- */
int yt__open_to_read(const char *path, int64_t *size)
{
  struct stat s;
  if (!path) return yt__fail("cannot read: no path");
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait */
  if (fd < 0) return fail(path, "cannot be read");
  if (fstat(fd, &s) || !S_ISREG(s.st_mode)) {
    close(fd);
    return yt__fail("%s: cannot be read: not a plain file", path);
  }
  *size = s.st_size;
  return fd;
}
int yt__read_at(int fd, const char *path, void *to, size_t n, int64_t offset)
{
  for (char *p = to; n;) {
    const ssize_t did = pread(fd, p, n < (1u << 30) ? n : 1u << 30, (off_t)offset);
    if (did < 0 && errno == EINTR) continue;
    if (did < 0) return fail(path, "cannot be read");
    if (!did) return yt__fail("%s: cut short: %zu bytes are missing at the end", path, n);
    p += did, n -= (size_t)did, offset += did;
  }
  return 0;
}
