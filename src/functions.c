/* functions.c: what is made of other ops. Each opens a scope, so that only its result is left. */
#include <math.h>
#include <string.h>
#include "core.h"

static uint64_t open(yt_scope *s) { yt_scope_open(s); return yt__self()->failures; }
static yt_tensor *close(yt_scope *s, yt_tensor *result, uint64_t failures, const char *function)
{
  yt_thread *me = yt__self();
  const char *reason = strchr(me->error, ':');
  if (!result && me->failures != failures && reason && strncmp(function, "yt_", 3) == 0
      && strncmp(me->error, "out of memory", 13)) {
    char why[sizeof me->error];   /* the caller knows this function, not the op within that refused */
    strcpy(why, reason);
    yt__fail("%s%.1000s", function + 3, why);
  }
  yt_scope_close(s, result);
  return result;
}
#define BEGIN yt_scope s_; const uint64_t failures_ = open(&s_)
#define END(...) return close(&s_, (__VA_ARGS__), failures_, __func__)
/* A number dies with the first op that takes it: where more than one does, it becomes a tensor, inside the scope. */
static yt_tensor *firm(yt_tensor *x) { return x && x->weak ? yt_cast(x, YT_F32) : x; }
#define MADE_OF(...) do { BEGIN; END(__VA_ARGS__); } while (0)

static yt_shape sizes_of(const yt_tensor *t)
{
  yt_shape s = { t->ndim, { 0 } };
  memcpy(s.size, t->size, sizeof s.size);
  return s;
}
static int home(const yt_tensor *t) { const int d = yt__device(t); return d < 0 ? YT_CPU : d; }
yt_tensor *yt__progression(int64_t n, int64_t start, int64_t step, int device)
{
  yt_tensor *t = yt_empty(YT_I64, &(yt_shape){ 1, { n } }, device);
  return t ? yt_arange_(t, (double)start, (double)step) : NULL;
}
static int normal_dim(const char *op, const yt_tensor *x, int *dim) { return !x || yt__dim(op, x, dim, 0); }

/* ---- reductions ---- */
static double count(const yt_tensor *x, unsigned mask)
{
  double n = 1;
  for (int d = 0; d < x->ndim; d++) if (mask >> d & 1) n *= (double)x->size[d];
  return n;
}
static yt_tensor *widened(yt_tensor *x)  /* halves are too narrow to add up in */
{
  return x && (x->dtype == YT_F16 || x->dtype == YT_BF16) ? yt_cast(x, YT_F32) : x;
}
static yt_tensor *narrowed(yt_tensor *r, const yt_tensor *x)
{
  return x->dtype == YT_F16 || x->dtype == YT_BF16 ? yt_cast(r, x->dtype) : r;
}
yt_tensor *yt_mean(yt_tensor *x, int dim, int keepdim)
{
  unsigned mask;
  if (!x || yt__dims_mask("mean", x, dim, &mask)) return NULL;
  MADE_OF(narrowed(yt_div(yt_sum(widened(x), dim, keepdim), yt_num(count(x, mask))), x));
}
yt_tensor *yt_var(yt_tensor *x, int dim, int64_t correction, int keepdim)
{
  unsigned mask;
  if (!x || yt__dims_mask("var", x, dim, &mask)) return NULL;
  BEGIN;
  if (!(x = firm(x))) END(NULL);
  yt_tensor *w = widened(x->dtype < YT_F16 ? yt_cast(x, YT_F32) : x);
  yt_tensor *centred = yt_sub(w, yt_mean(w, dim, 1));
  END(narrowed(yt_div(yt_sumsq(centred, dim, keepdim), yt_num(fmax(count(x, mask) - (double)correction, 0))), x));
}
static yt_tensor *root(yt_tensor *s)     /* with a gradient of 0 at 0 */
{
  yt_tensor *zero = yt_eq(s, yt_num(0));
  return yt_mul(yt_sqrt(yt_add(s, zero)), yt_logical_not(zero));
}
yt_tensor *yt_std(yt_tensor *x, int dim, int64_t correction, int keepdim)
{
  MADE_OF(root(yt_var(x, dim, correction, keepdim)));
}
yt_tensor *yt_norm(yt_tensor *x, double p, int dim, int keepdim)
{
  if (!x) return NULL;
  if (x->dtype < YT_F16) return yt__fail("norm: %s; a float dtype is needed", yt__dtype_name(x->dtype)), NULL;
  BEGIN;
  yt_tensor *w = widened(x), *r;
  if (p == 2) r = root(yt_sumsq(w, dim, keepdim));
  else if (p == 1) r = yt_sum(yt_abs(w), dim, keepdim);
  else if (p == 0) r = yt_cast(yt_sum(yt_ne(w, yt_num(0)), dim, keepdim), w->dtype);
  else if (isinf(p)) r = p > 0 ? yt_amax(yt_abs(w), dim, keepdim) : yt_amin(yt_abs(w), dim, keepdim);
  else r = yt_pow(yt_sum(yt_pow(yt_abs(w), yt_num(p)), dim, keepdim), yt_num(1 / p));
  END(narrowed(r, x));
}
yt_tensor *yt_cosine_similarity(yt_tensor *a, yt_tensor *b, int dim, double eps)
{
  if (!a || !b) return NULL;
  BEGIN;
  a = firm(a), b = firm(b);
  yt_tensor *lengths = yt_mul(yt_maximum(yt_norm(a, 2, dim, 0), yt_num(eps)),
    yt_maximum(yt_norm(b, 2, dim, 0), yt_num(eps)));
  END(yt_div(yt_sum(yt_mul(a, b), dim, 0), lengths));
}

/* ---- layout ---- */
yt_tensor *yt_clone(yt_tensor *x) { return x ? yt_cast(x, x->dtype) : NULL; }
yt_tensor *yt_contiguous(yt_tensor *x) { return !x ? NULL : x->dense && !x->weak ? yt__alias(x) : yt_clone(x); }
yt_tensor *yt_reshape(yt_tensor *x, const yt_shape *shape)
{
  if (!x || !shape) return NULL;
  if (x->dense || !x->numel) return yt_view(x, shape);
  BEGIN;
  yt_tensor *r = yt_view(x, shape);
  END(r ? r : yt_view(yt_clone(x), shape));
}
yt_tensor *yt_flatten(yt_tensor *x, int start_dim, int end_dim)
{
  if (normal_dim("flatten", x, &start_dim) || normal_dim("flatten", x, &end_dim)) return NULL;
  if (start_dim > end_dim) return yt__fail("flatten: dim \1%d comes after dim \1%d", start_dim, end_dim), NULL;
  yt_shape s = { 0, { 0 } };
  for (int d = 0; d < x->ndim; d++)
    if (d > start_dim && d <= end_dim) s.size[s.ndim - 1] *= x->size[d];
    else s.size[s.ndim++] = x->size[d];
  if (!x->ndim) s = (yt_shape){ 1, { 1 } };
  return yt_reshape(x, &s);
}
yt_tensor *yt_unflatten(yt_tensor *x, int dim, const yt_shape *shape)
{
  if (!shape || normal_dim("unflatten", x, &dim)) return NULL;
  yt_shape s = { 0, { 0 } };
  if (x->ndim - 1 + shape->ndim > YT_DIMS)
    return yt__fail("unflatten: %s into %d more dims", yt__show(x), shape->ndim), NULL;
  int64_t known = 1;
  for (int i = 0; i < shape->ndim; i++) {
    const int64_t n = shape->size[i];
    if (n < -1 || (n > 0 && known > INT64_MAX / n)) return yt__fail("unflatten: size %lld", (long long)n), NULL;
    if (n >= 0) known *= n;
  }
  for (int d = 0; d < x->ndim; d++) {
    if (d != dim) { s.size[s.ndim++] = x->size[d]; continue; }
    for (int i = 0; i < shape->ndim; i++)
      s.size[s.ndim++] = shape->size[i] == -1 && known ? x->size[d] / known : shape->size[i];
  }
  return yt_reshape(x, &s);
}
yt_tensor *yt_movedim(yt_tensor *x, int source, int destination)
{
  if (normal_dim("movedim", x, &source) || normal_dim("movedim", x, &destination)) return NULL;
  yt_shape order = { x->ndim, { 0 } };
  for (int to = 0, from = 0; to < x->ndim; to++) {
    if (from == source) from++;
    order.size[to] = to == destination ? source : from++;
  }
  return yt_permute(x, &order);
}
yt_tensor *yt_flip(yt_tensor *x, int dim)
{
  if (normal_dim("flip", x, &dim)) return NULL;
  if (!x->ndim) return yt_clone(x);
  MADE_OF(yt_index_select(x, dim, yt__progression(x->size[dim], x->size[dim] - 1, -1, home(x)), 0));
}
yt_tensor *yt_roll(yt_tensor *x, int64_t shifts, int dim)
{
  if (normal_dim("roll", x, &dim)) return NULL;
  if (!x->ndim || !x->size[dim]) return yt_clone(x);
  const int64_t n = x->size[dim], at = n - ((shifts % n) + n) % n;
  MADE_OF(yt_cat((yt_tensor *[]){ yt_slice(x, dim, at, n, 1), yt_slice(x, dim, 0, at, 1) }, 2, dim));
}
yt_tensor *yt_tile(yt_tensor *x, const yt_shape *repeats)
{
  if (!x || !repeats) return NULL;
  if (repeats->ndim < x->ndim || repeats->ndim > YT_DIMS)
    return yt__fail("tile: %d repeats for %s", repeats->ndim, yt__show(x)), NULL;
  yt_shape whole = *repeats;
  for (int d = 0; d < repeats->ndim; d++) {
    const int at = d - repeats->ndim + x->ndim;
    const int64_t have = at < 0 ? 1 : x->size[at], n = repeats->size[d];
    if (n < 0) return yt__fail("tile: %lld repeats", (long long)n), NULL;
    if (have && n > INT64_MAX / have)
      return yt__fail("tile: %s %lld times is too large", yt__show(x), (long long)n), NULL;
    whole.size[d] *= have;
  }
  BEGIN;
  /* that there is room for the whole shows here, not after most of it has been made */
  yt_tensor *r = yt_empty(x->dtype, &whole, home(x)) ? yt_clone(x) : NULL;
  while (r && r->ndim < repeats->ndim) r = yt_unsqueeze(r, 0);
  for (int d = 0; r && d < repeats->ndim; d++) {
    const int64_t n = repeats->size[d];
    yt_tensor *all = r;
    int64_t have = 1;             /* doubling */
    if (!n) all = yt_slice(r, d, 0, 0, 1);
    for (; all && have * 2 <= n; have *= 2) all = yt_cat((yt_tensor *[]){ all, all }, 2, d);
    if (n && have < n) all = yt_cat((yt_tensor *[]){ all, yt_slice(all, d, 0, (n - have) * r->size[d], 1) }, 2, d);
    r = all;
  }
  END(r);
}
yt_tensor *yt_pad(yt_tensor *x, int dim, int64_t before, int64_t after, double value)
{
  if (normal_dim("pad", x, &dim)) return NULL;
  if (!x->ndim || before < 0 || after < 0)
    return yt__fail("pad: %lld before and %lld after dim \1%d of %s", (long long)before, (long long)after, dim,
      yt__show(x)), NULL;
  yt_shape s = sizes_of(x);
  s.size[dim] += before + after;
  BEGIN;
  yt_tensor *out = yt_empty(x->dtype, &s, home(x));
  END(yt_place_(out ? yt_fill_(out, value) : NULL, x, dim, before, 1, 1));
}
yt_tensor *yt_cat(yt_tensor **t, int n, int dim)
{
  yt_tensor *first = NULL;
  yt_shape s = { 0, { 0 } };
  int dtype = -1;
  for (int k = 0; k < n; k++) {
    if (!t[k]) return NULL;
    if (t[k]->ndim == 1 && !t[k]->size[0] && (first ? first->ndim : n > 1) > 1) continue;   /* nothing, in any shape */
    dtype = dtype < 0 ? t[k]->dtype : yt__promote(dtype, t[k]->dtype);
    if (!first) {
      if (normal_dim("cat", first = t[k], &dim)) return NULL;
      if (!first->ndim) return yt__fail("cat: tensor %d is 0-d; stack joins those", k + 1), NULL;
      s = sizes_of(first), s.size[dim] = 0;
    }
    int fits = t[k]->ndim == s.ndim;
    for (int d = 0; fits && d < s.ndim; d++) fits = d == dim || t[k]->size[d] == s.size[d];
    if (!fits)
      return yt__fail("cat: %s and %s (tensor %d) differ elsewhere than in dim \1%d", yt__show(first), yt__show(t[k]),
        k + 1, dim), NULL;
    s.size[dim] += t[k]->size[dim];
  }
  if (!first) return yt__fail("cat: nothing to join"), NULL;
  BEGIN;
  yt_tensor *out = yt_empty(dtype, &s, home(first));
  int64_t at = 0;
  for (int k = 0; k < n && out; k++)
    if (t[k]->ndim == s.ndim) {
      if (t[k]->size[dim]) out = yt_place_(out, t[k], dim, at, 1, 1);
      at += t[k]->size[dim];
    }
  END(out);
}

/* ---- choosing ---- */
yt_tensor *yt_nonzero(yt_tensor *x, int base)
{
  if (!x) return NULL;
  BEGIN;
  x = firm(x);
  yt_tensor *n = yt_sum(yt_ne(x, yt_num(0)), YT_ALL, 0);
  END(n ? yt_nonzero_n(x, (int64_t)yt_item(n), base) : NULL);
}
yt_tensor *yt_masked_select(yt_tensor *x, yt_tensor *mask)
{
  if (!x || !mask) return NULL;
  BEGIN;
  x = firm(x), mask = firm(mask);
  yt_tensor *together = yt_logical_and(mask, x);      /* for its shape */
  if (!together) END(NULL);
  const yt_shape wide = sizes_of(together), row = { 1, { together->numel } };
  yt_tensor *where = yt_nonzero(yt_reshape(yt_expand(mask, &wide), &row), 0);
  END(yt_index_select(yt_reshape(yt_expand(x, &wide), &row), 0, yt_select(where, 1, 0), 0));
}
yt_tensor *yt_masked_fill(yt_tensor *x, yt_tensor *mask, yt_tensor *value) { MADE_OF(yt_where(mask, value, x)); }
yt_tensor *yt_one_hot(yt_tensor *index, int64_t num_classes, int base)
{
  if (!index) return NULL;
  if (index->ndim == YT_DIMS || num_classes < 1)
    return yt__fail("one_hot: %lld classes for %s", (long long)num_classes, yt__show(index)), NULL;
  yt_shape s = sizes_of(index), ones = s;
  s.size[s.ndim++] = num_classes, ones.size[ones.ndim++] = 1;
  BEGIN;
  yt_tensor *one = yt_empty(YT_F32, &ones, home(index));
  END(yt_scatter_(yt_zeros(YT_F32, &s, home(index)), -1, yt_unsqueeze(index, -1), one ? yt_fill_(one, 1) : NULL, base));
}
yt_tensor *yt_take_along(yt_tensor *x, yt_tensor *index, int dim, int base)
{
  if (!index || normal_dim("take_along", x, &dim)) return NULL;
  if (index->ndim != x->ndim)
    return yt__fail("take_along: x %s, index %s: as many dims needed", yt__show(x), yt__show(index)), NULL;
  yt_shape wide = sizes_of(x), index_wide = wide;
  for (int d = 0; d < x->ndim; d++) {
    if (d != dim && index->size[d] != 1) wide.size[d] = index_wide.size[d] = index->size[d];
    if (d == dim) index_wide.size[d] = index->size[d];
  }
  MADE_OF(yt_gather(yt_expand(x, &wide), dim, yt_expand(index, &index_wide), base));
}

/* ---- products, linear algebra ---- */
yt_tensor *yt_mlp(yt_tensor *x, yt_tensor **w, yt_tensor **b, const int32_t *act, int n)
{
  BEGIN;
  for (int i = 0; i < n; i++) x = yt_linear(x, w[i], b[i], act[i]);
  END(x);
}
yt_tensor *yt_outer(yt_tensor *a, yt_tensor *b)
{
  if (!a || !b) return NULL;
  if (a->ndim != 1 || b->ndim != 1)
    return yt__fail("outer: %s and %s: two vectors needed", yt__show(a), yt__show(b)), NULL;
  MADE_OF(yt_mul(yt_unsqueeze(a, 1), b));
}
yt_tensor *yt_dot(yt_tensor *a, yt_tensor *b)
{
  if (!a || !b) return NULL;
  if (a->ndim != 1 || b->ndim != 1 || a->size[0] != b->size[0])
    return yt__fail("dot: %s and %s: two vectors of one length needed", yt__show(a), yt__show(b)), NULL;
  MADE_OF(yt_sum(yt_mul(a, b), YT_ALL, 0));
}
yt_tensor *yt_inverse(yt_tensor *x)
{
  if (!x) return NULL;
  if (x->ndim < 2 || x->size[x->ndim - 1] != x->size[x->ndim - 2])
    return yt__fail("inverse: %s is not square", yt__show(x)), NULL;
  yt_shape all = sizes_of(x);
  const int64_t n = x->size[x->ndim - 1];
  BEGIN;
  yt_tensor *ones = yt_empty(x->dtype < YT_F16 ? YT_F32 : x->dtype, &(yt_shape){ 2, { n, n } }, home(x));
  yt_tensor *eye = yt_tril(yt_triu(ones ? yt_fill_(ones, 1) : NULL, 0), 0);
  END(yt_solve(x, yt_expand(eye, &all)));
}
yt_tensor *yt_det(yt_tensor *x)
{
  if (!x) return NULL;
  BEGIN;
  yt_tensor *s = yt_slogdet_packed(x);
  END(yt_mul(yt_select(s, -1, 0), yt_exp(yt_select(s, -1, 1))));
}
yt_tensor *yt_lstsq(yt_tensor *a, yt_tensor *b)      /* by QR; the shortest x when there are fewer rows than columns */
{
  if (!a || !b) return NULL;
  if (a->ndim < 2 || b->ndim != a->ndim || a->size[a->ndim - 2] != b->size[b->ndim - 2])
    return yt__fail("lstsq: a %s, b %s: (..., M, N) and (..., M, K) needed", yt__show(a), yt__show(b)), NULL;
  const int64_t m = a->size[a->ndim - 2], n = a->size[a->ndim - 1], k = m < n ? m : n;
  BEGIN;
  yt_tensor *tall = m >= n ? a : yt_transpose(a, -2, -1), *f = yt_qr_packed(tall);
  const int64_t rows = m >= n ? m : n;
  yt_tensor *q = yt_slice(yt_slice(f, -2, 0, rows, 1), -1, 0, k, 1), *r = yt_slice(f, -2, rows, rows + k, 1);
  if (m >= n) END(yt_solve_triangular(r, yt_matmul(yt_transpose(q, -2, -1), b), 1));
  END(yt_matmul(q, yt_solve_triangular(yt_transpose(r, -2, -1), b, 0)));
}
yt_tensor *yt_dropout(yt_tensor *x, double p, yt_generator *generator)
{
  if (!x) return NULL;
  if (p == 0) return yt__alias(x);
  BEGIN;
  x = firm(x);
  END(yt_mul(x, yt_dropout_mask(x, p, generator)));
}
