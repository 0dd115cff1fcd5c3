/* shape.c: dtypes, layouts, and for every op the shape of its result.
 *
 * A rule checks its arguments, brings dims to 0 .. ndim - 1, and settles the result's sizes and dtype; a view's rule
 * also shares the storage, so that nothing is left to allocate or compute. Refusals name the op and the shapes. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core.h"

#define REFUSE(...) return yt__fail(__VA_ARGS__)
#define RULE(name) int yt__shape_##name(const yt_row *op, yt_tensor *out, args_##name *a)
#define SIZES(...) (int64_t[]){ __VA_ARGS__ }

/* ---- dtypes ---- */
const char *yt__dtype_name(int d)
{
  static const char *const names[] = { "bool", "u8", "i32", "i64", "f16", "bf16", "f32", "f64" };
  return d >= 0 && d < YT_DTYPES ? names[d] : "no dtype";
}
int yt__dtype_size(int dtype)
{
  static const int8_t size[] = { 1, 1, 4, 8, 2, 2, 4, 8 };
  return size[dtype];
}
int yt__promote(int a, int b)     /* the enum is in order; the two halves meet in f32 */
{
  if (a != b && a + b == YT_F16 + YT_BF16 && (a == YT_F16 || b == YT_F16)) return YT_F32;
  return a > b ? a : b;
}
static int common_dtype(const yt_row *op, yt_tensor *const *in, int nin)
{
  int d = -1, fraction = 0;
  for (int k = op == yt__rows + OP_where ? 1 : 0; k < nin; k++)
    if (in[k] && in[k]->weak) fraction |= in[k]->number != floor(in[k]->number) || isinf(in[k]->number);
    else if (in[k]) d = d < 0 ? in[k]->dtype : yt__promote(d, in[k]->dtype);
  if (d < 0 && op != yt__rows + OP_where && yt__composing()) return YT_F64;                    /* see stay_a_number */
  if ((fraction && d < YT_F16) || (d < 0 && op != yt__rows + OP_where)) d = YT_F32;
  if (op->domain == DOMAIN_FLOAT && d < YT_F16) d = YT_F32;
  if (op->kind == KIND_MAP && d <= YT_BOOL) d = YT_I64;
  return d;
}

/* ---- layouts ---- */
const char *yt__show(const yt_tensor *t)
{
  static _Thread_local char ring[4][192];
  static _Thread_local int turn;
  char *s = ring[turn++ & 3];
  size_t n = (size_t)snprintf(s, 192, "(");
  for (int d = 0; d < t->ndim; d++) n += (size_t)snprintf(s + n, 192 - n, d ? ",%lld" : "%lld", (long long)t->size[d]);
  snprintf(s + n, 192 - n, ")");
  return s;
}
int yt__lay_out(yt_tensor *t, int ndim, const int64_t *size)
{
  int64_t n = 1, stride = 1;
  if (ndim < 0 || ndim > YT_DIMS) REFUSE("a tensor has at most %d dims, not %d", YT_DIMS, ndim);
  t->ndim = (int8_t)ndim, t->dense = 1;
  for (int d = ndim - 1; d >= 0; d--) {
    const int64_t s = size[d];
    if (s < 0) REFUSE("size %lld of dim \1%d is negative", (long long)s, d);
    if ((double)stride * (double)s > 0x1p44) REFUSE("too large: over 2^44 elements from dim \1%d on", d);
    t->stride[d] = stride, t->size[d] = s;
    n *= s, stride *= s ? s : 1;
  }
  t->numel = n;
  return 0;
}
void yt__find_dense(yt_tensor *t)
{
  int64_t n = 1;
  t->dense = 1;
  for (int d = t->ndim - 1; d >= 0; d--) {
    if (t->size[d] != 1 && t->stride[d] != n) t->dense = 0;
    n *= t->size[d];
  }
  t->numel = n;
  if (!n) t->dense = 1;
}
int yt__same_shape(const yt_tensor *t, const yt_shape *s)
{
  return t->ndim == s->ndim && !memcmp(t->size, s->size, sizeof t->size[0] * (size_t)t->ndim);
}
int yt__dim(const char *op, const yt_tensor *x, int *dim, int more)
{
  const int given = *dim, n = x->ndim + more;
  if (*dim < 0) *dim += n;
  if (!n && (given == 0 || given == -1)) return *dim = 0;
  if (*dim < 0 || *dim >= n) REFUSE("%s: dim \1%d of %s", op, given, yt__show(x));
  return 0;
}
int yt__dims_mask(const char *op, const yt_tensor *x, int dims, unsigned *mask)
{
  if (dims == YT_ALL) *mask = 0xff;
  else if (dims >= YT_DIM_SET) {
    *mask = (unsigned)dims - YT_DIM_SET;
    if (*mask >> x->ndim) REFUSE("%s: a dim beyond those of %s", op, yt__show(x));
  } else {
    if (yt__dim(op, x, &dims, 0)) return -1;
    *mask = 1u << dims;
  }
  return 0;
}
static int like(yt_tensor *out, const yt_tensor *x, int dtype)
{
  out->dtype = (int8_t)dtype;
  return yt__lay_out(out, x->ndim, x->size);
}
static int with_size(yt_tensor *out, const yt_tensor *x, int dim, int64_t n)
{
  int64_t size[YT_DIMS];
  memcpy(size, x->size, sizeof size);
  if (x->ndim) size[dim] = n;
  return yt__lay_out(out, x->ndim, size);
}
static int is_index(const yt_tensor *t) { return t->dtype <= YT_I64 && !t->weak; }

/* ---- kinds ---- */
static int broadcast(const yt_row *op, yt_tensor *out, yt_tensor *const *in)
{
  int nd = 0;
  int64_t size[YT_DIMS];
  for (int k = 0; k < op->nin; k++) if (in[k] && in[k]->ndim > nd) nd = in[k]->ndim;
  for (int d = 0; d < nd; d++) size[d] = 1;
  for (int k = 0; k < op->nin; k++)
    for (int i = 0, d = in[k] ? nd - in[k]->ndim : nd; d < nd; d++, i++) {
      if (size[d] == 1) size[d] = in[k]->size[i];
      else if (in[k]->size[i] != 1 && in[k]->size[i] != size[d]) {
        yt_tensor so_far = { .ndim = (int8_t)nd };
        memcpy(so_far.size, size, sizeof size);
        REFUSE("%s: %s and %s do not broadcast", op->name, yt__show(k == 1 ? in[0] : &so_far), yt__show(in[k]));
      }
    }
  return yt__lay_out(out, nd, size);
}
int yt__shape_map(const yt_row *op, yt_tensor *out, yt_args *a)
{
  out->dtype = (int8_t)common_dtype(op, a->in, op->nin);
  return broadcast(op, out, a->in);
}
int yt__shape_cmp(const yt_row *op, yt_tensor *out, yt_args *a)
{
  out->dtype = YT_BOOL;
  return broadcast(op, out, a->in);
}
int yt__shape_fold(const yt_row *op, yt_tensor *out, args_sum *a)  /* every FOLD has these members */
{
  const ptrdiff_t id = op - yt__rows;
  int64_t size[YT_DIMS];
  unsigned mask;
  int nd = 0;
  if (yt__dims_mask(op->name, a->x, a->dim, &mask)) return -1;
  out->dtype = id == OP_any || id == OP_all ? YT_BOOL
    : id != OP_amax && id != OP_amin && a->x->dtype < YT_I64 ? YT_I64 : a->x->dtype;
  for (int d = 0; d < a->x->ndim; d++) {
    if (!(mask >> d & 1)) size[nd++] = a->x->size[d];
    else {
      if (!a->x->size[d] && (id == OP_amax || id == OP_amin))
        REFUSE("%s: nothing to choose from in %s", op->name, yt__show(a->x));
      if (a->keepdim) size[nd++] = 1;
    }
  }
  a->dim = YT_DIM_SET + (int)(mask & ((1u << a->x->ndim) - 1));
  return yt__lay_out(out, nd, size);
}
int yt__shape_seek(const yt_row *op, yt_tensor *out, args_argmax *a)
{
  int64_t size[YT_DIMS];
  int nd = 0;
  if (a->dim != YT_ALL && yt__dim(op->name, a->x, &a->dim, 0)) return -1;
  if (a->dim == YT_ALL ? !a->x->numel : a->x->ndim && !a->x->size[a->dim])
    REFUSE("%s: nothing to choose from in %s", op->name, yt__show(a->x));
  for (int d = 0; d < a->x->ndim; d++)
    if (a->dim != YT_ALL && d != a->dim) size[nd++] = a->x->size[d];
    else if (a->keepdim) size[nd++] = 1;
  out->dtype = YT_I64;
  return yt__lay_out(out, nd, size);
}
int yt__shape_scan(const yt_row *op, yt_tensor *out, args_cumsum *a)
{
  if (yt__dim(op->name, a->x, &a->dim, 0)) return -1;
  return like(out, a->x, a->x->dtype < YT_I64 ? YT_I64 : a->x->dtype);
}
int yt__shape_fill(const yt_row *op, yt_tensor *out, yt_args *a)
{
  const ptrdiff_t id = op - yt__rows;
  yt_tensor *x = a->in[0];
  if (op->domain == DOMAIN_FLOAT && x->dtype < YT_F16)
    REFUSE("%s_: %s cannot hold it, a float dtype is needed", op->name, yt__dtype_name(x->dtype));
  if (id == OP_bernoulli) {
    const double p = ((args_bernoulli *)a)->p;
    if (!(p >= 0 && p <= 1)) REFUSE("bernoulli_: p = %g is not within [0, 1]", p);
  } else if (id == OP_random) {
    args_random *r = (args_random *)a;
    if (r->to <= r->from) REFUSE("random_: nothing from %lld to %lld", (long long)r->from, (long long)r->to - 1);
  } else if (id == OP_exponential && !(((args_exponential *)a)->lambd > 0))
    REFUSE("exponential_: lambd = %g must be over 0", ((args_exponential *)a)->lambd);
  else if (id == OP_gamma && !(((args_gamma *)a)->concentration > 0))
    REFUSE("gamma_: concentration = %g must be over 0", ((args_gamma *)a)->concentration);
  else if (id == OP_normal && !(((args_normal *)a)->std >= 0))
    REFUSE("normal_: std = %g must not be negative", ((args_normal *)a)->std);
  else if (id == OP_permutation && x->ndim != 1)
    REFUSE("permutation_: %s is not a list", yt__show(x));
  return like(out, x, x->dtype);
}
int yt__shape_step(const yt_row *op, yt_tensor *out, yt_args *a)
{
  const yt_tensor *p = a->in[0];
  if (p->dtype < YT_F16) REFUSE("%s_: a float parameter is needed, not %s", op->name, yt__dtype_name(p->dtype));
  for (int k = 1; k < op->nin; k++) {
    if (!a->in[k]) REFUSE("%s_: tensor %d is missing", op->name, k + 1);
    if (k > 1 && a->in[k]->weak) REFUSE("%s_: tensor %d is a number, which cannot be changed", op->name, k + 1);
    if (a->in[k]->ndim != p->ndim || memcmp(a->in[k]->size, p->size, sizeof p->size[0] * (size_t)p->ndim))
      REFUSE("%s_: parameter %s, tensor %d %s", op->name, yt__show(p), k + 1, yt__show(a->in[k]));
    if (k > 1 && a->in[k]->dtype != p->dtype)
      REFUSE("%s_: parameter %s, state %s", op->name, yt__dtype_name(p->dtype), yt__dtype_name(a->in[k]->dtype));
  }
  return like(out, p, p->dtype);
}

/* ---- dtype and layout ---- */
RULE(cast)
{
  if (a->dtype < YT_BOOL || a->dtype > YT_F64) REFUSE("%s: no dtype %d", op->name, a->dtype);
  return like(out, a->x, a->dtype);
}
RULE(sum_to)
{
  const int lead = a->x->ndim - a->shape.ndim;
  out->dtype = a->x->dtype;
  if (yt__lay_out(out, a->shape.ndim, a->shape.size)) return -1;
  for (int d = 0; d < out->ndim; d++)
    if (lead < 0 || (out->size[d] != 1 && out->size[d] != a->x->size[lead + d]))
      REFUSE("%s: %s to %s", op->name, yt__show(a->x), yt__show(out));
  return 0;
}
RULE(tril)
{
  if (a->x->ndim < 2) REFUSE("%s: %s is not a matrix", op->name, yt__show(a->x));
  return like(out, a->x, a->x->dtype);
}
RULE(triu)
{
  if (a->x->ndim < 2) REFUSE("%s: %s is not a matrix", op->name, yt__show(a->x));
  return like(out, a->x, a->x->dtype);
}

static void swap_dims(yt_tensor *t, int a, int b)
{
  int64_t n = t->size[a], s = t->stride[a];
  t->size[a] = t->size[b], t->stride[a] = t->stride[b];
  t->size[b] = n, t->stride[b] = s;
}
static int same_view(yt_tensor *out, const yt_tensor *x)
{
  out->ndim = x->ndim;
  memcpy(out->size, x->size, sizeof x->size), memcpy(out->stride, x->stride, sizeof x->stride);
  yt__share(out, x);
  return 0;
}
RULE(detach) { (void)op; same_view(out, a->x); yt__find_dense(out); return 0; }
RULE(transpose)
{
  if (yt__dim(op->name, a->x, &a->a, 0) || yt__dim(op->name, a->x, &a->b, 0)) return -1;
  same_view(out, a->x);
  if (a->x->ndim) swap_dims(out, a->a, a->b);
  yt__find_dense(out);
  return 0;
}
RULE(permute)
{
  const yt_tensor *x = a->x;
  unsigned seen = 0;
  if (a->dims.ndim != x->ndim) REFUSE("%s: %d dims given for %s", op->name, a->dims.ndim, yt__show(x));
  same_view(out, x);
  for (int d = 0; d < x->ndim; d++) {
    int from = (int)a->dims.size[d];
    if (yt__dim(op->name, x, &from, 0)) return -1;
    if (seen >> from & 1) REFUSE("%s: dim \1%d of %s given twice", op->name, from, yt__show(x));
    seen |= 1u << from;
    out->size[d] = x->size[from], out->stride[d] = x->stride[from];
    a->dims.size[d] = from;
  }
  yt__find_dense(out);
  return 0;
}
RULE(unsqueeze)
{
  const yt_tensor *x = a->x;
  if (x->ndim == YT_DIMS) REFUSE("%s: %s has %d dims already", op->name, yt__show(x), YT_DIMS);
  if (yt__dim(op->name, x, &a->dim, 1)) return -1;
  yt__share(out, x);
  out->ndim = (int8_t)(x->ndim + 1);
  for (int d = 0, i = 0; d < out->ndim; d++) {
    out->size[d] = d == a->dim ? 1 : x->size[i];
    out->stride[d] = d == a->dim ? 1 : x->stride[i++];
  }
  yt__find_dense(out);
  return 0;
}
RULE(squeeze)
{
  const yt_tensor *x = a->x;
  if (a->dim != YT_ALL && yt__dim(op->name, x, &a->dim, 0)) return -1;
  yt__share(out, x);
  out->ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if (x->size[d] != 1 || (a->dim != YT_ALL && d != a->dim)) {
      out->size[out->ndim] = x->size[d], out->stride[out->ndim++] = x->stride[d];
    }
  yt__find_dense(out);
  return 0;
}
RULE(expand)
{
  const yt_tensor *x = a->x;
  const int lead = a->shape.ndim - x->ndim;
  int64_t size[YT_DIMS];
  if (lead < 0 || a->shape.ndim > YT_DIMS) REFUSE("%s: %s to %d dims", op->name, yt__show(x), a->shape.ndim);
  for (int d = 0; d < a->shape.ndim; d++)
    size[d] = a->shape.size[d] == -1 && d >= lead ? x->size[d - lead] : a->shape.size[d];
  if (yt__lay_out(out, a->shape.ndim, size)) return -1;
  for (int d = 0; d < out->ndim; d++) {
    out->stride[d] = d < lead || x->size[d - lead] == 1 ? 0 : x->stride[d - lead];
    if (d >= lead && x->size[d - lead] != 1 && x->size[d - lead] != out->size[d])
      REFUSE("%s: %s to %s", op->name, yt__show(x), yt__show(out));
  }
  yt__share(out, x);
  yt__find_dense(out);
  return 0;
}
/* Strides of x under other sizes, if its memory allows: each run of dims that lies together is cut anew. */
static int restride(const yt_tensor *x, yt_tensor *out)
{
  int to = out->ndim - 1;
  int64_t base = x->ndim ? x->stride[x->ndim - 1] : 1, run = 1, made = 1;
  for (int d = x->ndim - 1; d >= 0; d--) {
    run *= x->size[d];
    if (d && (x->size[d - 1] == 1 || x->stride[d - 1] == run * base)) continue;
    for (; to >= 0 && (made < run || out->size[to] == 1); to--) out->stride[to] = made * base, made *= out->size[to];
    if (made != run) return -1;
    if (d) base = x->stride[d - 1], run = made = 1;
  }
  return to < 0 ? 0 : -1;
}
RULE(view)
{
  const yt_tensor *x = a->x;
  int64_t known = 1;
  int unknown = -1;
  for (int d = 0; d < a->shape.ndim && d < YT_DIMS; d++)
    if (a->shape.size[d] == -1) {
      if (unknown >= 0) REFUSE("%s: only one size can be worked out", op->name);
      unknown = d;
    } else if (a->shape.size[d] < 0 || (a->shape.size[d] && known > ((int64_t)1 << 44) / a->shape.size[d]))
      REFUSE("%s: size %lld", op->name, (long long)a->shape.size[d]);
    else known *= a->shape.size[d];
  if (unknown >= 0) {
    if (!known || x->numel % known)
      REFUSE("%s: %s does not divide into rows of %lld", op->name, yt__show(x), (long long)known);
    a->shape.size[unknown] = x->numel / known;
  }
  if (yt__lay_out(out, a->shape.ndim, a->shape.size)) return -1;
  if (out->numel != x->numel)
    REFUSE("%s: %s has %lld elements, %s has %lld", op->name, yt__show(x), (long long)x->numel, yt__show(out),
      (long long)out->numel);
  if (!x->dense && x->numel && restride(x, out))
    REFUSE("%s: %s is not laid out for %s; reshape copies where it must", op->name, yt__show(x), yt__show(out));
  yt__share(out, x);
  yt__find_dense(out);
  return 0;
}
static void *moved(const yt_tensor *x, int64_t elements)
{
  return (char *)x->data + elements * yt__dtype_size(x->dtype);
}
RULE(slice)
{
  const yt_tensor *x = a->x;
  if (!x->ndim) REFUSE("%s: a 0-d tensor has nothing to slice", op->name);
  if (yt__dim(op->name, x, &a->dim, 0)) return -1;
  if (a->step < 1) REFUSE("%s: step %lld must be 1 or more; flip turns a dim around", op->name, (long long)a->step);
  const int64_t n = x->size[a->dim];
  if (a->start < 0) a->start += n;
  if (a->stop < 0) a->stop += n;
  if (a->start < 0) a->start = 0;
  if (a->stop > n) a->stop = n;
  if (a->start > a->stop) a->stop = a->start = a->start > n ? n : a->start;
  same_view(out, x);
  out->size[a->dim] = (a->stop - a->start + a->step - 1) / a->step;
  out->stride[a->dim] = x->stride[a->dim] * a->step;
  if (out->size[a->dim]) out->data = moved(x, a->start * x->stride[a->dim]);
  yt__find_dense(out);
  return 0;
}
RULE(select)
{
  const yt_tensor *x = a->x;
  if (!x->ndim) REFUSE("%s: a 0-d tensor has nothing to select", op->name);
  if (yt__dim(op->name, x, &a->dim, 0)) return -1;
  const int64_t n = x->size[a->dim], given = a->index;
  if (a->index < 0) a->index += n;
  if (a->index < 0 || a->index >= n)
    REFUSE("%s: index \1%lld of dim \1%d, whose size is %lld", op->name, (long long)given, a->dim, (long long)n);
  yt__share(out, x);
  out->ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if (d != a->dim) out->size[out->ndim] = x->size[d], out->stride[out->ndim++] = x->stride[d];
  out->data = moved(x, a->index * x->stride[a->dim]);
  yt__find_dense(out);
  return 0;
}
RULE(diagonal)
{
  const yt_tensor *x = a->x;
  if (x->ndim < 2) REFUSE("%s: %s is not a matrix", op->name, yt__show(x));
  if (yt__dim(op->name, x, &a->a, 0) || yt__dim(op->name, x, &a->b, 0)) return -1;
  if (a->a == a->b) REFUSE("%s: dim \1%d given twice", op->name, a->a);
  const int64_t down = a->offset < 0 ? -a->offset : 0, right = a->offset > 0 ? a->offset : 0;
  int64_t n = x->size[a->a] - down;
  if (n > x->size[a->b] - right) n = x->size[a->b] - right;
  yt__share(out, x);
  out->ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if (d != a->a && d != a->b) out->size[out->ndim] = x->size[d], out->stride[out->ndim++] = x->stride[d];
  out->size[out->ndim] = n > 0 ? n : 0, out->stride[out->ndim++] = x->stride[a->a] + x->stride[a->b];
  if (n > 0) out->data = moved(x, down * x->stride[a->a] + right * x->stride[a->b]);
  yt__find_dense(out);
  return 0;
}
RULE(unfold)
{
  const yt_tensor *x = a->x;
  if (!x->ndim || x->ndim == YT_DIMS) REFUSE("%s: %s", op->name, yt__show(x));
  if (yt__dim(op->name, x, &a->dim, 0)) return -1;
  if (a->size < 1 || a->step < 1 || a->size > x->size[a->dim])
    REFUSE("%s: windows of %lld, step %lld, in dim \1%d of %s", op->name, (long long)a->size, (long long)a->step,
      a->dim, yt__show(x));
  same_view(out, x);
  out->ndim++;
  out->size[a->dim] = (x->size[a->dim] - a->size) / a->step + 1, out->stride[a->dim] = x->stride[a->dim] * a->step;
  out->size[x->ndim] = a->size, out->stride[x->ndim] = x->stride[a->dim];
  yt__find_dense(out);
  return 0;
}

/* ---- choosing ---- */
static int index_of(const char *op, const yt_tensor *x, const yt_tensor *index, int *dim)
{
  if (yt__dim(op, x, dim, 0)) return -1;
  if (!is_index(index))
    REFUSE("%s: an index is i64, not %s", op, index->weak ? "a number" : yt__dtype_name(index->dtype));
  return 0;
}
static int fits_index(const char *op, const yt_tensor *x, const yt_tensor *index, int dim)
{
  if (index->ndim != x->ndim) REFUSE("%s: x %s, index %s: as many dims needed", op, yt__show(x), yt__show(index));
  for (int d = 0; d < x->ndim; d++)
    if (d != dim && index->size[d] > x->size[d]) REFUSE("%s: x %s, index %s", op, yt__show(x), yt__show(index));
  return 0;
}
RULE(gather)
{
  if (index_of(op->name, a->x, a->index, &a->dim) || fits_index(op->name, a->x, a->index, a->dim)) return -1;
  return like(out, a->index, a->x->dtype);
}
RULE(index_select)
{
  if (index_of(op->name, a->x, a->index, &a->dim)) return -1;
  if (!a->x->ndim || a->index->ndim != 1)
    REFUSE("%s: x %s, index %s: a list of indices needed", op->name, yt__show(a->x), yt__show(a->index));
  out->dtype = a->x->dtype;
  return with_size(out, a->x, a->dim, a->index->size[0]);
}
static int shape_scatter(const char *op, yt_tensor *out, yt_tensor *x, int *dim, yt_tensor *index, yt_tensor *src)
{
  if (index_of(op, x, index, dim) || fits_index(op, x, index, *dim)) return -1;
  for (int d = 0; src->ndim && d < index->ndim; d++)
    if (src->ndim != index->ndim || src->size[d] < index->size[d])
      REFUSE("%s: index %s, src %s", op, yt__show(index), yt__show(src));
  return like(out, x, x->dtype);
}
RULE(scatter)     { return shape_scatter(op->name, out, a->x, &a->dim, a->index, a->src); }
RULE(scatter_add) { return shape_scatter(op->name, out, a->x, &a->dim, a->index, a->src); }
static int shape_index_put(const char *op, yt_tensor *out, yt_tensor *x, int *dim, yt_tensor *index, yt_tensor *src)
{
  if (index_of(op, x, index, dim)) return -1;
  if (!x->ndim || index->ndim != 1)
    REFUSE("%s: x %s, index %s: a list of indices needed", op, yt__show(x), yt__show(index));
  for (int d = 0; src->ndim && d < x->ndim; d++)
    if (src->ndim != x->ndim || src->size[d] != (d == *dim ? index->size[0] : x->size[d]))
      REFUSE("%s: x %s, index %s, src %s", op, yt__show(x), yt__show(index), yt__show(src));
  return like(out, x, x->dtype);
}
RULE(index_copy) { return shape_index_put(op->name, out, a->x, &a->dim, a->index, a->src); }
RULE(index_add)  { return shape_index_put(op->name, out, a->x, &a->dim, a->index, a->src); }
RULE(place)
{
  const yt_tensor *x = a->x, *src = a->src;
  if (!x->ndim) REFUSE("%s: into a 0-d tensor", op->name);
  if (yt__dim(op->name, x, &a->dim, 0)) return -1;
  if (a->start < 0) a->start += x->size[a->dim];
  int fits = src->ndim == x->ndim && a->step >= 1 && a->start >= 0;
  for (int d = 0; fits && d < x->ndim; d++)
    fits = d != a->dim ? src->size[d] == x->size[d] : !src->size[d]
      || (a->start < x->size[d] && src->size[d] - 1 <= (x->size[d] - 1 - a->start) / a->step);
  if (!fits)
    REFUSE("%s: %s into %s from \1%lld along dim \1%d", op->name, yt__show(src), yt__show(x), (long long)a->start,
      a->dim);
  return like(out, x, x->dtype);
}
RULE(nonzero_n) { (void)op; out->dtype = YT_I64; return yt__lay_out(out, 2, SIZES(a->n, a->x->ndim)); }
RULE(argsort)
{
  if (yt__dim(op->name, a->x, &a->dim, 0)) return -1;
  return like(out, a->x, YT_I64);
}
RULE(argtopk)
{
  if (yt__dim(op->name, a->x, &a->dim, 0)) return -1;
  const int64_t n = a->x->ndim ? a->x->size[a->dim] : 1;
  if (a->k < 0 || a->k > n)
    REFUSE("%s: k = %lld of %lld along dim \1%d of %s", op->name, (long long)a->k, (long long)n, a->dim,
      yt__show(a->x));
  out->dtype = YT_I64;
  return with_size(out, a->x, a->dim, a->k);
}

/* ---- products ---- */
RULE(matmul)
{
  const yt_tensor *x = a->a, *w = a->b;
  int64_t size[YT_DIMS];
  int nd = 0;
  if (!x->ndim || !w->ndim) REFUSE("%s: %s x %s: matrices or vectors needed", op->name, yt__show(x), yt__show(w));
  const int64_t k1 = x->size[x->ndim - 1], k2 = w->size[w->ndim > 1 ? w->ndim - 2 : 0];
  if (k1 != k2)
    REFUSE("%s: %s x %s: inner sizes %lld and %lld differ", op->name, yt__show(x), yt__show(w), (long long)k1,
      (long long)k2);
  const int bx = x->ndim > 2 ? x->ndim - 2 : 0, bw = w->ndim > 2 ? w->ndim - 2 : 0;
  for (nd = bx > bw ? bx : bw; nd > YT_DIMS - 2;) REFUSE("%s: %s x %s", op->name, yt__show(x), yt__show(w));
  for (int d = 0; d < nd; d++) {
    const int64_t p = d < nd - bx ? 1 : x->size[d - nd + bx], q = d < nd - bw ? 1 : w->size[d - nd + bw];
    if (p != q && p != 1 && q != 1)
      REFUSE("%s: %s x %s: batch sizes %lld and %lld differ", op->name, yt__show(x), yt__show(w), (long long)p,
        (long long)q);
    size[d] = p == 1 ? q : p;
  }
  if (x->ndim > 1) size[nd++] = x->size[x->ndim - 2];
  if (w->ndim > 1) size[nd++] = w->size[w->ndim - 1];
  out->dtype = (int8_t)common_dtype(op, a->in, 2);
  return yt__lay_out(out, nd, size);
}
RULE(linear)
{
  const yt_tensor *x = a->x, *w = a->w;
  if (w->ndim != 2) REFUSE("%s: weight %s: (out, in) needed", op->name, yt__show(w));
  if (!x->ndim || x->size[x->ndim - 1] != w->size[1])
    REFUSE("%s: x %s, weight %s: the last size of x must be %lld", op->name, yt__show(x), yt__show(w),
      (long long)w->size[1]);
  if (a->bias && (a->bias->ndim != 1 || a->bias->size[0] != w->size[0]))
    REFUSE("%s: bias %s, weight %s", op->name, yt__show(a->bias), yt__show(w));
  if (a->act < YT_IDENTITY || a->act > YT_SIGMOID) REFUSE("%s: no fused activation %d", op->name, a->act);
  out->dtype = (int8_t)common_dtype(op, a->in, 3);
  return with_size(out, x, x->ndim - 1, w->size[0]);
}

/* ---- along a row ---- */
RULE(logsumexp)
{
  if (yt__dim(op->name, a->x, &a->dim, 0)) return -1;
  int64_t size[YT_DIMS];
  int nd = 0;
  for (int d = 0; d < a->x->ndim; d++) if (d != a->dim) size[nd++] = a->x->size[d]; else if (a->keepdim) size[nd++] = 1;
  out->dtype = (int8_t)common_dtype(op, a->in, 1);
  return yt__lay_out(out, nd, size);
}
static int same_size(const char *op, const yt_tensor *g, const yt_tensor *x)
{
  if (g->ndim != x->ndim || memcmp(g->size, x->size, sizeof x->size[0] * (size_t)x->ndim))
    REFUSE("%s: gradient %s for %s", op, yt__show(g), yt__show(x));
  return 0;
}
static int along(const yt_row *op, yt_tensor *out, yt_tensor **in, int *dim)
{
  if (yt__dim(op->name, in[0], dim, 0) || (op->nin == 2 && same_size(op->name, in[0], in[1]))) return -1;
  return like(out, in[0], common_dtype(op, in, op->nin));
}
RULE(softmax)        { return along(op, out, a->in, &a->dim); }
RULE(log_softmax)    { return along(op, out, a->in, &a->dim); }
RULE(softmax_dx)     { return along(op, out, a->in, &a->dim); }
RULE(log_softmax_dx) { return along(op, out, a->in, &a->dim); }

static int last_dims(const char *op, const yt_tensor *x, int64_t ndims, const yt_tensor *w, const char *what)
{
  if (ndims < 1 || ndims > x->ndim) REFUSE("%s: the last %lld dims of %s", op, (long long)ndims, yt__show(x));
  if (w && (w->ndim != ndims || memcmp(w->size, x->size + x->ndim - ndims, sizeof w->size[0] * (size_t)ndims)))
    REFUSE("%s: x %s, %s %s", op, yt__show(x), what, yt__show(w));
  return 0;
}
RULE(layer_norm)
{
  if (last_dims(op->name, a->x, a->ndims, a->weight, "weight") || last_dims(op->name, a->x, a->ndims, a->bias, "bias"))
    return -1;
  return like(out, a->x, common_dtype(op, a->in, 1));
}
RULE(layer_norm_dx)
{
  if (last_dims(op->name, a->x, a->ndims, a->weight, "weight") || same_size(op->name, a->g, a->x)) return -1;
  return like(out, a->x, common_dtype(op, a->in, 2));
}
RULE(layer_norm_dw)
{
  if (last_dims(op->name, a->x, a->ndims, NULL, "") || same_size(op->name, a->g, a->x)) return -1;
  out->dtype = (int8_t)common_dtype(op, a->in, 2);
  return yt__lay_out(out, (int)a->ndims, a->x->size + a->x->ndim - a->ndims);
}
static int labelled(const yt_tensor *x, const yt_tensor *label, const yt_tensor *weight, double smoothing)
{
  if (x->ndim != 2 || label->ndim != 1 || label->size[0] != x->size[0])
    REFUSE("cross_entropy: input %s, labels %s: (N, C) and (N) needed", yt__show(x), yt__show(label));
  if (!is_index(label))
    REFUSE("cross_entropy: labels are i64, not %s", label->weak ? "a number" : yt__dtype_name(label->dtype));
  if (weight && (weight->ndim != 1 || weight->size[0] != x->size[1]))
    REFUSE("cross_entropy: weight %s for %lld classes", yt__show(weight), (long long)x->size[1]);
  if (!(smoothing >= 0 && smoothing <= 1))
    REFUSE("cross_entropy: label_smoothing = %g is not within [0, 1]", smoothing);
  return 0;
}
RULE(cross_entropy_rows)
{
  if (labelled(a->x, a->label, a->weight, a->label_smoothing)) return -1;
  out->dtype = (int8_t)common_dtype(op, a->in, 1);
  return yt__lay_out(out, 1, a->x->size);
}
RULE(cross_entropy_dx)
{
  if (labelled(a->x, a->label, a->weight, a->label_smoothing) || same_size(op->name, a->g, a->label)) return -1;
  return like(out, a->x, common_dtype(op, a->in, 2));
}

/* ---- linear algebra ---- */
static int matrices(const char *op, const yt_tensor *x, int square)
{
  if (x->ndim < 2) REFUSE("%s: %s is not a matrix", op, yt__show(x));
  if (square && x->size[x->ndim - 1] != x->size[x->ndim - 2]) REFUSE("%s: %s is not square", op, yt__show(x));
  return 0;
}
static int packed(const yt_row *op, yt_tensor *out, yt_args *a, int64_t rows, int64_t columns)
{
  int64_t size[YT_DIMS];
  const yt_tensor *x = a->in[0];
  memcpy(size, x->size, sizeof size);
  size[x->ndim - 2] = rows, size[x->ndim - 1] = columns;
  out->dtype = (int8_t)common_dtype(op, a->in, op->nin);
  return yt__lay_out(out, x->ndim, size);
}
static int shape_solve(const yt_row *op, yt_tensor *out, yt_args *in)
{
  const yt_tensor *a = in->in[0], *b = in->in[1];
  if (matrices(op->name, a, 1) || matrices(op->name, b, 0)) return -1;
  int fits = a->ndim == b->ndim && a->size[a->ndim - 1] == b->size[b->ndim - 2];
  for (int d = 0; fits && d < a->ndim - 2; d++) fits = a->size[d] == b->size[d];
  if (!fits) REFUSE("%s: a %s, b %s: (..., N, N) and (..., N, K) needed", op->name, yt__show(a), yt__show(b));
  return packed(op, out, in, b->size[b->ndim - 2], b->size[b->ndim - 1]);
}
RULE(solve)            { return shape_solve(op, out, (yt_args *)a); }
RULE(solve_triangular) { return shape_solve(op, out, (yt_args *)a); }
#define ROWS    a->x->size[a->x->ndim - 2]
#define COLUMNS a->x->size[a->x->ndim - 1]
#define LEAST(p, q) ((p) < (q) ? (p) : (q))
RULE(cholesky)    { return matrices(op->name, a->x, 1) || packed(op, out, (yt_args *)a, ROWS, COLUMNS) ? -1 : 0; }
RULE(eigh_packed) { return matrices(op->name, a->x, 1) || packed(op, out, (yt_args *)a, ROWS + 1, COLUMNS) ? -1 : 0; }
RULE(qr_packed)
{
  if (matrices(op->name, a->x, 0)) return -1;
  return packed(op, out, (yt_args *)a, ROWS + LEAST(ROWS, COLUMNS), COLUMNS);
}
RULE(svd_packed)
{
  if (matrices(op->name, a->x, 0)) return -1;
  return packed(op, out, (yt_args *)a, ROWS + 1 + COLUMNS, LEAST(ROWS, COLUMNS));
}
RULE(slogdet_packed)
{
  if (matrices(op->name, a->x, 1)) return -1;
  int64_t size[YT_DIMS];
  memcpy(size, a->x->size, sizeof size);
  size[a->x->ndim - 2] = 2;
  out->dtype = (int8_t)common_dtype(op, a->in, 1);
  return yt__lay_out(out, a->x->ndim - 1, size);
}

/* ---- random ---- */
static int probability(const char *op, double p)
{
  if (!(p >= 0 && p <= 1)) REFUSE("%s: p = %g is not within [0, 1]", op, p);
  return 0;
}
RULE(bernoulli_p) { (void)op; return like(out, a->p, a->p->dtype < YT_F16 ? YT_F32 : a->p->dtype); }
RULE(dropout_mask)
{
  if (probability("dropout", a->p)) return -1;
  if (a->x->dtype < YT_F16) REFUSE("dropout: %s; a float dtype is needed", yt__dtype_name(a->x->dtype));
  (void)op;
  return like(out, a->x, a->x->dtype);
}
RULE(categorical)
{
  if (!a->logits->ndim || !a->logits->size[a->logits->ndim - 1])
    REFUSE("%s: nothing to choose from in %s", op->name, yt__show(a->logits));
  out->dtype = YT_I64;
  return yt__lay_out(out, a->logits->ndim - 1, a->logits->size);
}

/* ---- reinforcement learning ---- */
RULE(gae)
{
  static const char *const names[] = { "reward", "value", "last_value", "terminated", "truncated", "final_value" };
  const yt_tensor *r = a->reward;
  if (r->ndim != 2) REFUSE("%s: reward %s: (T, N) needed", op->name, yt__show(r));
  for (int k = 1; k < 6; k++) {
    const yt_tensor *t = a->in[k];
    if (k == 2 ? t->ndim != 1 || t->size[0] != r->size[1]
        : t->ndim != 2 || t->size[0] != r->size[0] || t->size[1] != r->size[1])
      REFUSE("%s: reward %s, %s %s", op->name, yt__show(r), names[k], yt__show(t));
  }
  if (!(a->gamma >= 0 && a->gamma <= 1) || !(a->lambda >= 0 && a->lambda <= 1))
    REFUSE("%s: gamma = %g, lambda = %g: both within [0, 1]", op->name, a->gamma, a->lambda);
  out->dtype = (int8_t)common_dtype(op, a->in, 2);
  return like(out, r, out->dtype);
}
