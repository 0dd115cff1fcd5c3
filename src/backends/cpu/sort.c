/* sort.c: the order that sorts, and the k best.
 *
 * Each element becomes an unsigned key whose order is the one wanted (floats by their bits, NaN above all), so one
 * stable radix sort of 32-bit keys serves every dtype and both directions: 64-bit keys are sorted by their lower half,
 * then by the upper. Few out of many, and short rows, go through a heap instead. */
#include <string.h>
#include "cpu.h"

enum { SHORT = 32, FEW = 16 }; /* rows up to SHORT, and k up to n / FEW, take the heap */

/* a row of elements of one compute type, and what its keys look like */
typedef struct {
  const char *x;
  long inner;
  int c, descending, nan_first;
} row;
static inline uint64_t key_of(const row *r, long i)
{
  uint64_t key;
  int nan = 0;
  i *= r->inner;
  if (r->c == CPU_F32) {
    uint32_t u;
    memcpy(&u, r->x + i * 4, 4);
    nan = (u & 0x7fffffff) > 0x7f800000;
    if (!(u << 1)) u = 0; /* -0 is 0 */
    u = u >> 31 ? ~u : u | 1u << 31;
    if (!nan) return r->descending ? ~u : u;
  } else {
    memcpy(&key, r->x + i * 8, 8);
    if (r->c == CPU_I64) return key ^ (r->descending ? UINT64_MAX >> 1 : (uint64_t)1 << 63);
    nan = (key & INT64_MAX) > (uint64_t)0x7ff << 52;
    if (!(key << 1)) key = 0;
    key = key >> 63 ? ~key : key | (uint64_t)1 << 63;
    if (!nan) return r->descending ? ~key : key;
  }
  return r->nan_first ? 0 : r->c == CPU_F32 ? UINT32_MAX : UINT64_MAX;
}

/* Radix sort, eight bits at a time, least first; digits that all share are passed over. Returns a or b, whichever
 * holds the result. */
typedef struct {
  uint32_t key, place;
} item;
static item *radix(item *a, item *b, long n)
{
  uint32_t count[4][256] = { { 0 } };
  for (long i = 0; i < n; i++)
    for (int digit = 0; digit < 4; digit++) count[digit][a[i].key >> 8 * digit & 255]++;
  for (int digit = 0; digit < 4; digit++) {
    uint32_t *at = count[digit], sum = 0;
    if (at[a[0].key >> 8 * digit & 255] == n) continue;
    for (int v = 0; v < 256; v++) {
      const uint32_t here = at[v];
      at[v] = sum, sum += here;
    }
    for (long i = 0; i < n; i++) b[at[a[i].key >> 8 * digit & 255]++] = a[i];
    item *other = a;
    a = b, b = other;
  }
  return a;
}
static void sort_row(const row *r, long n, long k, int64_t *to, long step, int base, item *a)
{
  for (long i = 0; i < n; i++) a[i] = (item){ (uint32_t)key_of(r, i), (uint32_t)i };
  item *sorted = radix(a, a + n, n);
  if (r->c != CPU_F32) {
    for (long i = 0; i < n; i++) sorted[i].key = (uint32_t)(key_of(r, sorted[i].place) >> 32);
    sorted = radix(sorted, sorted == a ? a + n : a, n);
  }
  for (long i = 0; i < k; i++) to[i * step] = (int64_t)sorted[i].place + base;
}

/* A heap of the k best so far, the worst of them on top; among equals the later is the worse. */
typedef struct {
  uint64_t key;
  long place;
} best;
static inline int worse(best a, best b) { return a.key > b.key || (a.key == b.key && a.place > b.place); }
static void sink(best *heap, long n, best v, long at)
{
  for (long child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && worse(heap[child + 1], heap[child])) child++;
    if (!worse(heap[child], v)) break;
    heap[at] = heap[child];
  }
  heap[at] = v;
}
static void choose(const row *r, long n, long k, int64_t *to, long step, int base, best *heap)
{
  for (long i = 0; i < k; i++) heap[i] = (best){ key_of(r, i), i };
  for (long i = k / 2 - 1; i >= 0; i--) sink(heap, k, heap[i], i);
  for (long i = k; i < n; i++) {
    const uint64_t key = key_of(r, i);
    if (key < heap[0].key) sink(heap, k, (best){ key, i }, 0);
  }
  for (long i = k - 1; i >= 0; i--) { /* the worst last */
    to[i * step] = heap[0].place + base;
    sink(heap, i, heap[i], 0);
  }
}

typedef struct {
  row first;
  int64_t *to;
  char *room; /* room_bytes for each slice */
  size_t room_bytes;
  long outer, n, k;
  int base, width;
} job;
static void order_slice(void *ctx, int slice, int slices)
{
  const job *j = ctx;
  const long inner = j->first.inner, rows = j->outer * inner, end = cpu__first(rows, slice + 1, slices);
  void *room = j->room + (size_t)slice * j->room_bytes;
  for (long o = cpu__first(rows, slice, slices); o < end; o++) {
    row r = j->first;
    r.x += (o / inner * j->n * inner + o % inner) * j->width;
    int64_t *to = j->to + o / inner * j->k * inner + o % inner;
    if (j->n <= SHORT || j->k <= j->n / FEW) choose(&r, j->n, j->k, to, inner, j->base, room);
    else sort_row(&r, j->n, j->k, to, inner, j->base, room);
  }
}
static int order(const char *op, yt_tensor *out, const yt_tensor *x, int dim, const row *how, long k, int base)
{
  job j = { .first = *how, .k = k, .base = base };
  const int c = cpu__compute(x->dtype), dtype = cpu__compute_dtype[c];
  j.first.c = c, j.width = yt__dtype_size(dtype);
  cpu__around(x, dim, &j.outer, &j.n, &j.first.inner);
  if (j.n > UINT32_MAX) return yt__fail("%s: rows of over 2^32 - 1 elements: %s", op, yt__show(x));
  const int slices = cpu__slices((double)x->numel * 1e-2, j.outer * j.first.inner);
  j.room_bytes = (size_t)j.n * sizeof(best); /* a heap, or two arrays of items */
  if (!(j.first.x = cpu__read(x, dtype, 1)) || !(j.to = cpu__target(out, YT_I64, 2))) return -1;
  if (!(j.room = cpu__scratch(3, j.room_bytes * (size_t)slices))) return -1;
  cpu__run(order_slice, &j, slices);
  cpu__write(out, YT_I64, j.to);
  return 0;
}
int cpu_argsort(yt_tensor *out, const args_argsort *p)
{
  const row how = { .descending = p->descending };
  return order("argsort", out, p->x, p->dim, &how, p->x->ndim ? p->x->size[p->dim] : 1, p->base);
}
int cpu_argtopk(yt_tensor *out, const args_argtopk *p) /* a NaN counts as the largest */
{
  const row how = { .descending = p->largest, .nan_first = p->largest };
  return order("argtopk", out, p->x, p->dim, &how, p->k, p->base);
}
