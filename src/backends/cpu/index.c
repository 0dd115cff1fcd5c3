/* index.c: parts of a tensor chosen by indices, read and written. Indices are checked before anything is written; a
 * wrong one is shown in the caller's base. */
#include <string.h>
#include "cpu.h"

/* The indices, i64 and dense, all within base .. base + size - 1. NULL: one is not, or no memory. */
static const int64_t *indices(const char *op, const yt_tensor *t, int base, int64_t size, int slot)
{
  const int64_t *index = cpu__read(t, YT_I64, slot);
  for (long i = 0; index && i < t->numel; i++)
    if (index[i] < base || index[i] >= base + size)
      return yt__fail("%s: index %lld is not in %d to %lld", op, (long long)index[i], base, (long long)(base + size - 1)), NULL;
  return index;
}

/* ---- whole parts along a dim ---- */
/* Copies or adds runs of `inner` elements: to[o][at(i)] and from[o][at(i)] with one side indexed. */
typedef struct { char *to; const char *from; const int64_t *index; long outer, n, to_n, from_n, inner; int base, width, gathers; } parts;
static void parts_slice(void *ctx, int slice, int slices)
{
  const parts *p = ctx;
  const long run = p->inner * p->width, end = cpu__first(p->outer * p->n, slice + 1, slices);
  for (long k = cpu__first(p->outer * p->n, slice, slices); k < end; k++) {
    const long o = k / p->n, i = k % p->n, at = p->index[i] - p->base;
    memcpy(p->to + (o * p->to_n + (p->gathers ? i : at)) * run, p->from + (o * p->from_n + (p->gathers ? at : i)) * run, (size_t)run);
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
/* src in x's dtype; one number stands for all */
static const void *source(const yt_tensor *src, int dtype, int slot, int64_t *step)
{
  *step = src->ndim > 0;
  return cpu__read(src, dtype, slot);
}
int cpu_index_copy(yt_tensor *out, const args_index_copy *p)
{
  const int dtype = out->dtype;
  int64_t step;
  parts j = { .base = p->base, .width = yt__dtype_size(dtype), .outer = 0 };
  cpu__around(out, p->dim, &j.outer, &j.to_n, &j.inner);
  j.n = j.from_n = p->index->size[0];
  if (!(j.index = indices("index_copy", p->index, p->base, out->size[p->dim], 1))) return -1;
  if (!(j.from = source(p->src, dtype, 2, &step)) || !(j.to = writable(out, dtype, 3))) return -1;
  if (step) parts_slice(&j, 0, 1);                    /* in order: the last of equals stays */
  else for (long k = 0; k < j.outer * j.n; k++)
    for (long i = 0; i < j.inner; i++)
      memcpy(j.to + (((k / j.n) * j.to_n + j.index[k % j.n] - j.base) * j.inner + i) * j.width, j.from, (size_t)j.width);
  cpu__write(out, dtype, j.to);
  return 0;
}
#define ADD(C) do { C *to = (C *)y + at; const C *v = (const C *)from + k * inner * step; for (long q = 0; q < inner; q++) to[q] = (C)(to[q] + v[q * step]); } while (0)
int cpu_index_add(yt_tensor *out, const args_index_add *p)
{
  const int c = cpu__compute(out->dtype), dtype = cpu__compute_dtype[c];
  long outer, size, inner;
  int64_t step;
  cpu__around(out, p->dim, &outer, &size, &inner);
  const long n = p->index->size[0];
  const int64_t *index = indices("index_add", p->index, p->base, size, 1);
  const void *from = index ? source(p->src, dtype, 2, &step) : NULL;
  void *y = from ? writable(out, dtype, 3) : NULL;
  if (!y) return -1;
  for (long k = 0; k < outer * n; k++) {
    const long at = ((k / n) * size + index[k % n] - p->base) * inner;
    if (c == CPU_F32) ADD(float); else if (c == CPU_F64) ADD(double); else ADD(int64_t);
  }
  cpu__write(out, dtype, y);
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
/* Walks an index and says, for each of its elements, where it is in a tensor of other sizes and strides, dim replaced. */
typedef struct { const yt_tensor *index; long at[YT_DIMS], offset; } walker;
static long next(walker *w, const int64_t *stride, int dim)          /* the offset without dim's part; then moves on */
{
  const long here = w->offset;
  for (int d = w->index->ndim - 1; d >= 0; d--) {
    if (d != dim) w->offset += stride[d];
    if (++w->at[d] < w->index->size[d]) break;
    if (d != dim) w->offset -= stride[d] * w->index->size[d];
    w->at[d] = 0;
  }
  return here;
}
int cpu_gather(yt_tensor *out, const args_gather *p)
{
  const int width = yt__dtype_size(out->dtype);
  const int64_t *index = indices("gather", p->index, p->base, p->x->ndim ? p->x->size[p->dim] : 1, 1);
  char *y = index ? cpu__target(out, out->dtype, 2) : NULL;
  walker w = { .index = p->index };
  const long along = p->x->ndim ? p->x->stride[p->dim] : 0;
  if (!y) return -1;
  for (long i = 0; i < out->numel; i++) {
    const long at = next(&w, p->x->stride, p->dim) + (index[i] - p->base) * along;
    if (width == 4) ((uint32_t *)y)[i] = ((const uint32_t *)p->x->data)[at];
    else memcpy(y + i * width, (const char *)p->x->data + at * width, (size_t)width);
  }
  cpu__write(out, out->dtype, y);
  return 0;
}
/* src's element for each element of the index, 0 steps for one number */
static void source_steps(const yt_tensor *src, int64_t *stride)
{
  long n = 1;
  for (int d = src->ndim - 1; d >= 0; d--) stride[d] = n, n *= src->size[d];
  for (int d = src->ndim; d < YT_DIMS; d++) stride[d] = 0;
}
int cpu_scatter(yt_tensor *out, const args_scatter *p)
{
  const int width = yt__dtype_size(out->dtype);
  const int64_t *index = indices("scatter", p->index, p->base, out->ndim ? out->size[p->dim] : 1, 1);
  const char *from = index ? cpu__read(p->src, out->dtype, 2) : NULL;
  int64_t steps[YT_DIMS];
  walker w = { .index = p->index }, s = { .index = p->index };
  const long along = out->ndim ? out->stride[p->dim] : 0;
  if (!from) return -1;
  source_steps(p->src, steps);
  for (long i = 0; i < p->index->numel; i++) {
    const long at = next(&w, out->stride, p->dim) + (index[i] - p->base) * along;
    memcpy((char *)out->data + at * width, from + next(&s, steps, -1) * width, (size_t)width);
  }
  return 0;
}
#define ADD_ONE(C) ((C *)y)[at] = (C)(((C *)y)[at] + ((const C *)from)[v])
int cpu_scatter_add(yt_tensor *out, const args_scatter_add *p)
{
  const int c = cpu__compute(out->dtype), dtype = cpu__compute_dtype[c], here = out->dtype == dtype;
  const int64_t *index = indices("scatter_add", p->index, p->base, out->ndim ? out->size[p->dim] : 1, 1);
  const void *from = index ? cpu__read(p->src, dtype, 2) : NULL;
  void *y = !from ? NULL : here ? out->data : (void *)cpu__read(out, dtype, 3);
  int64_t steps[YT_DIMS], own[YT_DIMS];
  walker w = { .index = p->index }, s = { .index = p->index };
  if (!y) return -1;
  source_steps(p->src, steps);
  source_steps(out, own);
  const int64_t *stride = here ? out->stride : own;
  for (long i = 0; i < p->index->numel; i++) {
    const long at = next(&w, stride, p->dim) + (index[i] - p->base) * (out->ndim ? stride[p->dim] : 0), v = next(&s, steps, -1);
    if (c == CPU_F32) ADD_ONE(float); else if (c == CPU_F64) ADD_ONE(double); else ADD_ONE(int64_t);
  }
  if (!here) cpu__write(out, dtype, y);
  return 0;
}

/* ---- where, and triangles ---- */
int cpu_nonzero_n(yt_tensor *out, const args_nonzero_n *p)
{
  const int c = cpu__compute(p->x->dtype), dtype = cpu__compute_dtype[c], nd = p->x->ndim;
  const void *x = cpu__read(p->x, dtype, 1);
  int64_t *y = cpu__target(out, YT_I64, 2);
  long at[YT_DIMS] = { 0 }, found = 0;
  if (!x || !y) return -1;
  for (long i = 0; i < p->x->numel && found < p->n; i++) {
    const int is = c == CPU_F32 ? ((const float *)x)[i] != 0 : c == CPU_F64 ? ((const double *)x)[i] != 0 : ((const int64_t *)x)[i] != 0;
    if (is) {
      for (int d = 0; d < nd; d++) y[found * nd + d] = at[d] + p->base;
      found++;
    }
    for (int d = nd - 1; d >= 0 && ++at[d] == p->x->size[d]; d--) at[d] = 0;
  }
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
    long cut = r % rows + diagonal + !upper;          /* the first column that the upper triangle has, or the lower has not */
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
