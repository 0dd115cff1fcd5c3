/* idx.c: the IDX format of the MNIST data sets, gzipped or not.
 *
 *   two bytes 0, one byte for the element type, one for the number of dims, each dim as 4 bytes, the elements; numbers
 *   are big-endian. Bytes become u8; signed bytes, shorts and ints i32; floats f32; doubles f64.
 *   source   http://yann.lecun.com/exdb/mnist, "the IDX file format"
 *
 * Sizes are not believed: they are compared with the file before anything is allocated. */
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "core.h"
#include "files.h"

enum { MOST_PER_BYTE = 1032 }; /* deflate turns one byte into no more than so many */

static const struct {
  uint8_t code, bytes, dtype;
} types[] = {
  { 0x08, 1, YT_U8 },  { 0x09, 1, YT_I32 }, { 0x0b, 2, YT_I32 },
  { 0x0c, 4, YT_I32 }, { 0x0d, 4, YT_F32 }, { 0x0e, 8, YT_F64 },
};

static int read_exactly(gzFile f, const char *path, void *to, unsigned n)
{
  int problem;
  const int got = gzread(f, to, n);
  if (got == (int)n) return 0;
  const char *why = gzerror(f, &problem);
  return got < 0 && problem != Z_BUF_ERROR ? yt__fail("%s: not readable as IDX: %s", path, why)
                                           : yt__fail("%s: cut short", path);
}
static uint64_t big_endian(const uint8_t *p, int n)
{
  uint64_t v = 0;
  for (int i = 0; i < n; i++) v = v << 8 | p[i];
  return v;
}
static void decode(yt_tensor *t, int64_t at, const uint8_t *from, int64_t n, int code)
{
  uint8_t *u8 = t->data;
  int32_t *i32 = t->data;
  uint32_t *w32 = t->data; /* the bits of f32 */
  uint64_t *w64 = t->data; /* and of f64 */
  switch (code) {
  case 0x08: memcpy(u8 + at, from, (size_t)n); break;
  case 0x09:
    for (int64_t i = 0; i < n; i++) i32[at + i] = (int8_t)from[i];
    break;
  case 0x0b:
    for (int64_t i = 0; i < n; i++) i32[at + i] = (int16_t)big_endian(from + 2 * i, 2);
    break;
  case 0x0e:
    for (int64_t i = 0; i < n; i++) w64[at + i] = big_endian(from + 8 * i, 8);
    break;
  default:
    for (int64_t i = 0; i < n; i++) w32[at + i] = (uint32_t)big_endian(from + 4 * i, 4);
  }
}
static int read_elements(gzFile f, const char *path, yt_tensor *t, int code, int bytes)
{
  uint8_t buffer[1 << 14], more;
  for (int64_t at = 0, n; at < t->numel; at += n) {
    n = (int64_t)sizeof buffer / bytes;
    if (n > t->numel - at) n = t->numel - at;
    if (read_exactly(f, path, buffer, (unsigned)(n * bytes))) return -1;
    decode(t, at, buffer, n, code);
  }
  const int rest = gzread(f, &more, 1);
  if (rest > 0)
    return yt__fail("%s: %lld elements of %s were promised and there are more", path, (long long)t->numel, yt__show(t));
  return rest < 0 ? read_exactly(f, path, &more, 1) : 0; /* a checksum that does not fit */
}
/* The header, and what the elements should take; -1 after an error. */
static int read_header(gzFile f, const char *path, int64_t most, yt_shape *shape)
{
  uint8_t head[4], dims[4 * YT_DIMS];
  int type = 0;
  if (read_exactly(f, path, head, 4)) return -1;
  while (type < 6 && types[type].code != head[2]) type++;
  if (head[0] || head[1] || type == 6)
    return yt__fail("%s: not an IDX file: it begins with %02x %02x %02x %02x", path, head[0], head[1], head[2],
                    head[3]);
  if (head[3] > YT_DIMS) return yt__fail("%s: %d dims, at most %d are possible", path, head[3], YT_DIMS);
  if (read_exactly(f, path, dims, 4u * head[3])) return -1;
  shape->ndim = head[3];
  const uint64_t limit = (uint64_t)most;
  uint64_t bytes = types[type].bytes;
  int empty = 0;
  for (int d = 0; d < head[3]; d++) empty |= !(shape->size[d] = (int64_t)big_endian(dims + 4 * d, 4));
  for (int d = 0; d < head[3] && !empty; d++) {
    if (bytes > limit / (uint64_t)shape->size[d])
      return yt__fail("%s: promises more than the file can hold: dim \1%d is %lld", path, d, (long long)shape->size[d]);
    bytes *= (uint64_t)shape->size[d];
  }
  return type;
}
static yt_tensor *read_all(gzFile f, const char *path, int64_t most)
{
  yt_shape shape;
  const int type = read_header(f, path, most, &shape);
  yt_tensor *t = type < 0 ? NULL : yt_empty(types[type].dtype, &shape, YT_CPU);
  if (!t || !read_elements(f, path, t, types[type].code, types[type].bytes)) return t;
  yt__discard(t);
  return NULL;
}
yt_tensor *yt_idx_read(const char *path)
{
  uint8_t magic[2];
  int64_t size;
  const int fd = yt__open_to_read(path, &size);
  if (fd < 0) return NULL;
  if (size < 4 || yt__read_at(fd, path, magic, 2, 0)) return close(fd), yt__fail("%s: cut short", path), NULL;
  const int packed = magic[0] == 0x1f && magic[1] == 0x8b;
  gzFile f = gzdopen(fd, "rb");
  if (!f) return close(fd), yt__fail("%s: out of memory", path), NULL;
  gzbuffer(f, 1 << 17);
  yt_tensor *t = read_all(f, path, packed ? size > INT64_MAX / MOST_PER_BYTE ? INT64_MAX : size * MOST_PER_BYTE : size);
  gzclose_r(f);
  return t;
}
