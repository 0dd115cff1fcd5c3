/* norm.c: what is done along one dim, or over rows: softmax and its kin, layer norm, cross entropy. */
#include "cpu.h"
#include "rows.h"

/* out, an operand or two in the dtype of the work; NULL: no memory */
typedef struct {
  int dtype;
  void *y;
  const void *a, *b;
  long outer, n, inner;
} rows;
static int take(rows *r, yt_tensor *out, const yt_tensor *a, const yt_tensor *b, int dim)
{
  r->dtype = cpu__real(out->dtype);
  cpu__around(a, dim, &r->outer, &r->n, &r->inner);
  r->a = cpu__read(a, r->dtype, 1), r->b = b ? cpu__read(b, r->dtype, 2) : r->a, r->y = cpu__target(out, r->dtype, 0);
  return r->a && r->b && r->y ? 0 : -1;
}
static int done(const rows *r, yt_tensor *out)
{
  cpu__write(out, r->dtype, r->y);
  return 0;
}

#define ALONG(name)                                                            \
  int cpu_##name(yt_tensor *out, const args_##name *p)                         \
  {                                                                            \
    rows r;                                                                    \
    if (take(&r, out, p->x, NULL, p->dim)) return -1;                          \
    if (r.dtype == YT_F64) cpu__##name##_f64(r.y, r.a, r.outer, r.n, r.inner); \
    else cpu__##name##_f32(r.y, r.a, r.outer, r.n, r.inner);                   \
    return done(&r, out);                                                      \
  }
#define ALONG_DX(name)                                                              \
  int cpu_##name(yt_tensor *out, const args_##name *p)                              \
  {                                                                                 \
    rows r;                                                                         \
    if (take(&r, out, p->g, p->y, p->dim)) return -1;                               \
    if (r.dtype == YT_F64) cpu__##name##_f64(r.y, r.a, r.b, r.outer, r.n, r.inner); \
    else cpu__##name##_f32(r.y, r.a, r.b, r.outer, r.n, r.inner);                   \
    return done(&r, out);                                                           \
  }
ALONG(softmax)
ALONG(log_softmax)
ALONG(logsumexp)
ALONG_DX(softmax_dx)
ALONG_DX(log_softmax_dx)

/* ---- layer norm: the last dims as one ---- */
static void last_dims(const yt_tensor *x, int64_t ndims, long *count, long *n)
{
  *n = 1;
  for (int d = x->ndim - (int)ndims; d < x->ndim; d++) *n *= x->size[d];
  *count = *n ? x->numel / *n : 0;
}
int cpu_layer_norm(yt_tensor *out, const args_layer_norm *p)
{
  rows r;
  long count, n;
  if (take(&r, out, p->x, NULL, 0)) return -1;
  last_dims(p->x, p->ndims, &count, &n);
  const void *w = p->weight ? cpu__read(p->weight, r.dtype, 3) : NULL,
             *b = p->bias ? cpu__read(p->bias, r.dtype, 4) : NULL;
  if ((p->weight && !w) || (p->bias && !b)) return -1;
  if (r.dtype == YT_F64) cpu__norm_f64(r.y, r.a, w, b, count, n, p->eps, 0);
  else cpu__norm_f32(r.y, r.a, w, b, count, n, p->eps, 0);
  return done(&r, out);
}
int cpu_layer_norm_dx(yt_tensor *out, const args_layer_norm_dx *p)
{
  rows r;
  long count, n;
  if (take(&r, out, p->g, p->x, 0)) return -1;
  last_dims(p->x, p->ndims, &count, &n);
  const void *w = p->weight ? cpu__read(p->weight, r.dtype, 3) : NULL;
  if (p->weight && !w) return -1;
  if (r.dtype == YT_F64) cpu__norm_dx_f64(r.y, r.a, r.b, w, count, n, p->eps, 0);
  else cpu__norm_dx_f32(r.y, r.a, r.b, w, count, n, p->eps, 0);
  return done(&r, out);
}
int cpu_layer_norm_dw(yt_tensor *out, const args_layer_norm_dw *p)
{
  rows r;
  long count, n;
  if (take(&r, out, p->g, p->x, 0)) return -1;
  last_dims(p->x, p->ndims, &count, &n);
  void *stats = cpu__scratch(3, (size_t)count * 2 * (r.dtype == YT_F64 ? 8 : 4) + 8);
  if (!stats) return -1;
  if (r.dtype == YT_F64) cpu__norm_dw_f64(r.y, NULL, stats, r.a, r.b, count, n, p->eps, 0);
  else cpu__norm_dw_f32(r.y, NULL, stats, r.a, r.b, count, n, p->eps, 0);
  return done(&r, out);
}

/* ---- cross entropy ---- */
int cpu_cross_entropy_rows(yt_tensor *out, const args_cross_entropy_rows *p)
{
  rows r;
  if (take(&r, out, p->x, NULL, 0)) return -1;
  const cpu_cross_entropy o = { .label = cpu__read(p->label, YT_I64, 2),
                                .weight = p->weight ? cpu__read(p->weight, r.dtype, 3) : NULL,
                                .ignore = p->ignore_index,
                                .smoothing = p->label_smoothing,
                                .base = p->base };
  if (!o.label || (p->weight && !o.weight)) return -1;
  const long count = p->x->size[0], n = p->x->size[1];
  if (r.dtype == YT_F64 ? cpu__cross_entropy_f64(r.y, r.a, count, n, &o)
                        : cpu__cross_entropy_f32(r.y, r.a, count, n, &o))
    return -1;
  return done(&r, out);
}
int cpu_cross_entropy_dx(yt_tensor *out, const args_cross_entropy_dx *p)
{
  rows r;
  if (take(&r, out, p->g, p->x, 0)) return -1;
  const cpu_cross_entropy o = { .label = cpu__read(p->label, YT_I64, 3),
                                .weight = p->weight ? cpu__read(p->weight, r.dtype, 4) : NULL,
                                .ignore = p->ignore_index,
                                .smoothing = p->label_smoothing,
                                .base = p->base };
  if (!o.label || (p->weight && !o.weight)) return -1;
  const long count = p->x->size[0], n = p->x->size[1];
  if (r.dtype == YT_F64 ? cpu__cross_entropy_dx_f64(r.y, r.a, r.b, count, n, &o)
                        : cpu__cross_entropy_dx_f32(r.y, r.a, r.b, count, n, &o))
    return -1;
  return done(&r, out);
}
