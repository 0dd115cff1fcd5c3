/* index.c: parts of a tensor chosen by indices, read and written. Indices are checked before anything is written; a
 * wrong one is shown in the caller's base. Writes happen in the index's order, so the last of equal ones stays and sums
 * are the same for any number of threads. */
#include <string.h>
#include "cpu.h"

/* The indices, i64 and dense, all within base .. base + size - 1. NULL: one is not, or no memory. */
static const int64_t *indices(const char *op, const yt_tensor *t, int base, int64_t size, int slot)
{
  const int64_t *index = cpu__read(t, YT_I64, slot);
  int outside = 0;
  for (long i = 0; index && i < t->numel; i++) outside |= (uint64_t)index[i] - (uint64_t)base >= (uint64_t)size;
  for (long i = 0; outside; i++)
    if ((uint64_t)index[i] - (uint64_t)base >= (uint64_t)size)
      return yt__fail("%s: index %lld is not in %d to %lld", op, (long long)index[i], base,
                      (long long)(base + size - 1)),
             NULL;
  return index;
}

/* ---- whole parts along a dim ---- */
/* Runs of `inner` elements: to[o][i] = from[o][index[i]] when it gathers, else to[o][index[i]] = from[o][i]. */
typedef struct {
  char *to;
  const char *from;
  const int64_t *index;
  long outer, n, to_n, from_n, inner;
  int base, width, gathers;
} parts;
static inline __attribute__((always_inline)) void move_parts(const parts *p, char *to, const char *from, long first,
                                                             long end, size_t run)
{
  for (long i = first; i < end; i++) {
    const size_t at = (size_t)(p->index[i] - p->base) * run, here = (size_t)i * run;
    memcpy(to + (p->gathers ? here : at), from + (p->gathers ? at : here), run);
  }
}
static void parts_slice(void *ctx, int slice, int slices)
{
  const parts *p = ctx;
  const size_t run = (size_t)(p->inner * p->width);
  const long end = cpu__first(p->outer * p->n, slice + 1, slices);
  for (long k = cpu__first(p->outer * p->n, slice, slices), next; k < end; k = next) {
    const long o = k / p->n, first = k % p->n, last = end - o * p->n < p->n ? end - o * p->n : p->n;
    char *to = p->to + (size_t)(o * p->to_n) * run;
    const char *from = p->from + (size_t)(o * p->from_n) * run;
    switch (run) { /* a known size is a move or two */
    case 4: move_parts(p, to, from, first, last, 4); break;
    case 8: move_parts(p, to, from, first, last, 8); break;
    case 16: move_parts(p, to, from, first, last, 16); break;
    default: move_parts(p, to, from, first, last, run);
    }
    next = o * p->n + last;
  }
}
int cpu_index_select(yt_tensor *out, const args_index_select *p)
{
  const int dtype = p->x->dtype;
  parts j = { .base = p->base, .width = yt__dtype_size(dtype), .gathers = 1 };
  cpu__around(p->x, p->dim, &j.outer, &j.from_n, &j.inner);
  j.n = j.to_n = p->index->size[0];
  if (!(j.index = indices("index_select", p->index, p->base, p->x->size[p->dim], 1))) return -1;
  if (!(j.from = cpu__read(p->x, dtype, 2)) || !(j.to = cpu__target(out, dtype, 3))) return -1;
  cpu__run(parts_slice, &j, cpu__slices((double)out->numel * j.width * 5e-5, j.outer * j.n));
  cpu__write(out, dtype, j.to);
  return 0;
}
/* Into x: dense, or a dense copy that goes home afterwards. */
static void *writable(yt_tensor *x, int dtype, int slot)
{
  return x->dense && x->dtype == dtype ? x->data : (void *)cpu__read(x, dtype, slot);
}
int cpu_index_copy(yt_tensor *out, const args_index_copy *p)
{
  const int dtype = out->dtype;
  parts j = { .base = p->base, .width = yt__dtype_size(dtype) };
  cpu__around(out, p->dim, &j.outer, &j.to_n, &j.inner);
  j.n = j.from_n = p->index->size[0];
  if (!(j.index = indices("index_copy", p->index, p->base, out->size[p->dim], 1))) return -1;
  if (!(j.from = cpu__read(p->src, dtype, 2)) || !(j.to = writable(out, dtype, 3))) return -1;
  if (p->src->ndim) parts_slice(&j, 0, 1);
  else /* one number stands for all */
    for (long k = 0; k < j.outer * j.n; k++)
      for (long i = 0; i < j.inner; i++)
        memcpy(j.to + ((k / j.n * j.to_n + j.index[k % j.n] - j.base) * j.inner + i) * j.width, j.from,
               (size_t)j.width);
  cpu__write(out, dtype, j.to);
  return 0;
}

/* Sums: each slice takes a range of the inner elements, all in the index's order. */
typedef struct {
  void *y;
  const void *from;
  const int64_t *index;
  long outer, n, size, inner, step; /* step 0: one number stands for all */
  int base, c;
} addition;
#define ADD_PARTS(C)                                                         \
  for (long o = 0; o < a->outer; o++)                                        \
    for (long i = 0; i < a->n; i++) {                                        \
      C *y = (C *)a->y + (o * a->size + a->index[i] - a->base) * a->inner;   \
      const C *v = (const C *)a->from + (o * a->n + i) * a->inner * a->step; \
      if (a->step)                                                           \
        for (long q = first; q < end; q++) y[q] = (C)(y[q] + v[q]);          \
      else                                                                   \
        for (long q = first; q < end; q++) y[q] = (C)(y[q] + v[0]);          \
    }
static void add_slice(void *ctx, int slice, int slices)
{
  const addition *a = ctx;
  const long first = cpu__first(a->inner, slice, slices), end = cpu__first(a->inner, slice + 1, slices);
  if (a->c == CPU_F32) ADD_PARTS(float)
  else if (a->c == CPU_F64) ADD_PARTS(double)
  else ADD_PARTS(int64_t)
}
int cpu_index_add(yt_tensor *out, const args_index_add *p)
{
  addition a = { .base = p->base, .c = cpu__compute(out->dtype), .n = p->index->size[0], .step = p->src->ndim > 0 };
  const int dtype = cpu__compute_dtype[a.c];
  cpu__around(out, p->dim, &a.outer, &a.size, &a.inner);
  if (!(a.index = indices("index_add", p->index, p->base, a.size, 1))) return -1;
  if (!(a.from = cpu__read(p->src, dtype, 2)) || !(a.y = writable(out, dtype, 3))) return -1;
  cpu__run(add_slice, &a, cpu__slices((double)(a.outer * a.n * a.inner) * 2e-4, a.inner / 32));
  cpu__write(out, dtype, a.y);
  return 0;
}
int cpu_place(yt_tensor *out, const args_place *p)
{
  yt_tensor part = *out;
  if (!p->src->numel) return 0;
  part.size[p->dim] = p->src->size[p->dim], part.stride[p->dim] *= p->step;
  part.data = (char *)out->data + p->start * out->stride[p->dim] * yt__dtype_size(out->dtype);
  part.numel = p->src->numel, part.dense = 1;
  long dense = 1;
  for (int d = part.ndim - 1; d >= 0; d--) {
    if (part.size[d] != 1 && part.stride[d] != dense) part.dense = 0;
    dense *= part.size[d];
  }
  return cpu__copy(&part, p->src);
}

/* ---- element by element ---- */
/* An index is walked a line at a time, along its last dim of more than one element. In a tensor of these strides, whose
 * own dim `dim` the index replaces, a line starts at `start`; its i-th element is i step + (index - base) along on. */
typedef struct {
  long start, step, along;
} line;
static int line_dim(const yt_tensor *index)
{
  int d = index->ndim - 1;
  while (d > 0 && index->size[d] == 1) d--;
  return d;
}
static long line_length(const yt_tensor *index) { return index->ndim ? index->size[line_dim(index)] : 1; }
static line line_of(const yt_tensor *index, long i, const int64_t *stride, int dim)
{
  const int last = line_dim(index);
  line l = { 0 };
  if (last < 0) return l;
  l.along = dim < 0 ? 0 : stride[dim], l.step = dim == last ? 0 : stride[last];
  for (int d = last - 1; d >= 0; i /= index->size[d--])
    if (d != dim) l.start += i % index->size[d] * stride[d];
  return l;
}

typedef struct {
  const yt_tensor *x, *index;
  const int64_t *at;
  char *y;
  int dim, base, width;
} gather_job;
#define GATHER(C) \
  for (long q = 0; q < n; q++) ((C *)j->y)[e + q] = ((const C *)j->x->data)[start + q * l.step + at[q] * l.along]
static void gather_slice(void *ctx, int slice, int slices)
{
  const gather_job *j = ctx;
  const long length = line_length(j->index), end = cpu__first(j->index->numel, slice + 1, slices);
  for (long e = cpu__first(j->index->numel, slice, slices), n; e < end; e += n) {
    const long first = e % length;
    const line l = line_of(j->index, e / length, j->x->stride, j->dim);
    const int64_t *at = j->at + e;
    const long start = l.start + first * l.step - j->base * l.along;
    n = length - first < end - e ? length - first : end - e;
    switch (j->width) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    default: GATHER(uint64_t);
    }
  }
}
int cpu_gather(yt_tensor *out, const args_gather *p)
{
  gather_job j = { p->x, p->index, .dim = p->dim, .base = p->base, .width = yt__dtype_size(out->dtype) };
  if (!(j.at = indices("gather", p->index, p->base, p->x->ndim ? p->x->size[p->dim] : 1, 1))) return -1;
  if (!(j.y = cpu__target(out, out->dtype, 2))) return -1;
  cpu__run(gather_slice, &j, cpu__slices((double)out->numel * 1e-3, out->numel));
  cpu__write(out, out->dtype, j.y);
  return 0;
}

/* Every element of the index, with at[] where it points in y and v[] where its source is in src. */
static void dense_strides(const yt_tensor *t, int64_t *stride) /* none for a number: it stands for all */
{
  long n = 1;
  for (int d = YT_DIMS - 1; d >= 0; d--)
    if (d >= t->ndim) stride[d] = 0;
    else stride[d] = n, n *= t->size[d];
}
#define SCATTER(C, op)                                                                          \
  for (long e = 0; e < p->index->numel; e += length) {                                          \
    const line l = line_of(p->index, e / length, strides, p->dim);                              \
    const line s = line_of(p->index, e / length, steps, -1);                                    \
    C *to = (C *)y + l.start - p->base * l.along;                                               \
    const C *v = (const C *)from + s.start;                                                     \
    for (long q = 0; q < length; q++) to[q * l.step + index[e + q] * l.along] op v[q * s.step]; \
  }
int cpu_scatter(yt_tensor *out, const args_scatter *p)
{
  const long length = line_length(p->index);
  const int64_t *index = indices("scatter", p->index, p->base, out->ndim ? out->size[p->dim] : 1, 1);
  const void *from = index ? cpu__read(p->src, out->dtype, 2) : NULL;
  void *y = out->data;
  const int64_t *strides = out->stride;
  int64_t steps[YT_DIMS];
  if (!from) return -1;
  dense_strides(p->src, steps);
  switch (yt__dtype_size(out->dtype)) {
  case 1: SCATTER(uint8_t, =) break;
  case 2: SCATTER(uint16_t, =) break;
  case 4: SCATTER(uint32_t, =) break;
  default: SCATTER(uint64_t, =)
  }
  return 0;
}
int cpu_scatter_add(yt_tensor *out, const args_scatter_add *p)
{
  const int c = cpu__compute(out->dtype), dtype = cpu__compute_dtype[c], here = out->dtype == dtype;
  const long length = line_length(p->index);
  const int64_t *index = indices("scatter_add", p->index, p->base, out->ndim ? out->size[p->dim] : 1, 1);
  const void *from = index ? cpu__read(p->src, dtype, 2) : NULL;
  void *y = !from ? NULL : here ? out->data : (void *)cpu__read(out, dtype, 3);
  int64_t steps[YT_DIMS], strides[YT_DIMS];
  if (!y) return -1;
  dense_strides(p->src, steps);
  if (here) memcpy(strides, out->stride, sizeof strides);
  else dense_strides(out, strides);
  if (c == CPU_F32) SCATTER(float, +=)
  else if (c == CPU_F64) SCATTER(double, +=)
  else SCATTER(int64_t, +=)
  if (!here) cpu__write(out, dtype, y);
  return 0;
}

/* ---- where, and triangles ---- */
#define NONZERO(C)                                                            \
  for (long row = 0; row < p->x->numel / length && found < p->n; row++) {     \
    const C *v = (const C *)x + row * length;                                 \
    for (long i = 0; i < length && found < p->n; i++)                         \
      if (v[i] != 0) {                                                        \
        for (int d = 0; d < nd - 1; d++) y[found * nd + d] = at[d] + p->base; \
        if (nd) y[found * nd + nd - 1] = i + p->base;                         \
        found++;                                                              \
      }                                                                       \
    for (int d = nd - 2; d >= 0 && ++at[d] == p->x->size[d]; d--) at[d] = 0;  \
  }
int cpu_nonzero_n(yt_tensor *out, const args_nonzero_n *p)
{
  const int c = cpu__compute(p->x->dtype), nd = p->x->ndim;
  const long length = nd ? p->x->size[nd - 1] : 1;
  if (p->n > p->x->numel) return yt__fail("nonzero_n: %lld of %s", (long long)p->n, yt__show(p->x));
  const void *x = cpu__read(p->x, cpu__compute_dtype[c], 1);
  int64_t *y = cpu__target(out, YT_I64, 2);
  long at[YT_DIMS] = { 0 }, found = 0;
  if (!x || !y) return -1;
  if (c == CPU_F32) NONZERO(float)
  else if (c == CPU_F64) NONZERO(double)
  else NONZERO(int64_t)
  if (found < p->n) return yt__fail("nonzero_n: %lld elements are not 0, only %ld", (long long)p->n, found);
  cpu__write(out, YT_I64, y);
  return 0;
}
static int triangle(yt_tensor *out, const yt_tensor *x, int64_t diagonal, int upper)
{
  const int width = yt__dtype_size(x->dtype);
  const long rows = x->size[x->ndim - 2], columns = x->size[x->ndim - 1];
  const char *from = cpu__read(x, x->dtype, 1);
  char *to = cpu__target(out, x->dtype, 2);
  if (!from || !to) return -1;
  for (long r = 0; r < x->numel / columns; r++) {
    long cut = r % rows + diagonal + !upper; /* the first column that the upper triangle has, or the lower has not */
    cut = cut < 0 ? 0 : cut > columns ? columns : cut;
    const long first = upper ? cut : 0, last = upper ? columns : cut;
    char *row = to + r * columns * width;
    memset(row, 0, (size_t)(columns * width));
    memcpy(row + first * width, from + (r * columns + first) * width, (size_t)((last - first) * width));
  }
  cpu__write(out, x->dtype, to);
  return 0;
}
int cpu_tril(yt_tensor *out, const args_tril *p) { return triangle(out, p->x, p->diagonal, 0); }
int cpu_triu(yt_tensor *out, const args_triu *p) { return triangle(out, p->x, p->diagonal, 1); }
