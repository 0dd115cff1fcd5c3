/* files.h: reading and writing whole files. Every message begins with the path. */
#ifndef FILES_H
#define FILES_H
#include <stddef.h>
#include <stdint.h>

/* A file that appears under its name only when it is complete and on the disk. */
typedef struct yt_writer {
  int fd;
  char *path, *temporary; /* owned */
} yt_writer;

int yt__write_begin(yt_writer *w, const char *path);
int yt__write(yt_writer *w, const void *data, size_t n);
int yt__write_commit(yt_writer *w);   /* ends w, whatever it returns */
void yt__write_abandon(yt_writer *w); /* ends w: nothing of it stays */

int yt__open_to_read(const char *path, int64_t *size); /* a descriptor, or -1; errors: not a plain file */
int yt__read_at(int fd, const char *path, void *to, size_t n, int64_t offset); /* errors: ends before n bytes */
#endif
