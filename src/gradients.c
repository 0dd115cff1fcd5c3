/* gradients.c: one rule per op that is not elementwise. A rule reads what its row keeps (the arguments, y), takes g,
 * the gradient of y, and gives each input its own; yt__give sums or expands to the input's shape. Where a fused kernel
 * and a formula made of ops both stand, the formula serves gradients of gradients. */
#include <string.h>
#include "core.h"

#include "ops_rules.h"

#define GRAD(name) \
  static void grad_##name(yt_node *n, const args_##name *p, yt_tensor *y, yt_tensor *g); \
  void rule_##name(yt_node *n, const void *a, yt_tensor *y, yt_tensor *g) { grad_##name(n, a, y, g); } \
  static void grad_##name(yt_node *n, const args_##name *p, yt_tensor *y, yt_tensor *g)
#define GIVE(k, d) do { if (n->edge[k]) yt__give(n, k, (d)); } while (0)
#define UNUSED (void)p, (void)y

static const yt_shape *shape_of(const yt_node *n, int k) { return &n->edge[k]->shape; }
static yt_tensor *zeros_like_input(const yt_node *n, int k)
{
  return yt_zeros(n->edge[k]->dtype, shape_of(n, k), n->edge[k]->device);
}
static yt_tensor *transposed(yt_tensor *x) { return yt_transpose(x, -2, -1); }
static yt_tensor *or_none(yt_tensor *t) { return t ? t : yt_none(); }

/* ---- reductions ---- */
/* a reduced dim comes back as size 1, so that broadcasting lines up */
static yt_tensor *kept(yt_tensor *t, int dims, int keepdim)
{
  for (int d = 0; !keepdim && d < YT_DIMS && dims >> d; d++)
    if (dims >= YT_DIM_SET && (dims - YT_DIM_SET) >> d & 1) t = yt_unsqueeze(t, d);
  return t;
}
GRAD(sum)   { UNUSED; GIVE(0, kept(g, p->dim, p->keepdim)); }
GRAD(sumsq) { UNUSED; GIVE(0, yt_mul(yt_mul(yt_num(2), p->x), kept(g, p->dim, p->keepdim))); }
/* each factor's gradient is the product of the others: before it times after it, so a zero does no harm */
static yt_tensor *product_of_others(yt_tensor *x, int dim)
{
  if (!x || !x->size[dim]) return x;
  yt_tensor *ones = yt_add(yt_mul(yt_slice(x, dim, 0, 1, 1), yt_num(0)), yt_num(1));
  const int64_t last = x->size[dim] - 1;
  yt_tensor *before = yt_cat((yt_tensor *[]){ ones, yt_cumprod(yt_slice(x, dim, 0, last, 1), dim) }, 2, dim);
  yt_tensor *after = yt_flip(yt_cat((yt_tensor *[]){
    ones, yt_cumprod(yt_slice(yt_flip(x, dim), dim, 0, last, 1), dim) }, 2, dim), dim);
  return yt_mul(before, after);
}
GRAD(prod)                        /* the reduced dims as one row each */
{
  (void)y;
  yt_tensor *x = p->x;
  yt_shape order = { x->ndim, { 0 } }, undo = order, sizes = order, rows = { 2, { 1, 1 } };
  for (int pass = 0, to = 0; pass < 2; pass++)
    for (int d = 0; d < x->ndim; d++)
      if (((p->dim - YT_DIM_SET) >> d & 1) == pass)
        rows.size[pass] *= x->size[d], sizes.size[to] = x->size[d], undo.size[d] = to, order.size[to++] = d;
  yt_tensor *others = product_of_others(yt_reshape(yt_permute(x, &order), &rows), 1);
  GIVE(0, yt_mul(yt_permute(yt_reshape(others, &sizes), &undo), kept(g, p->dim, p->keepdim)));
}
static yt_tensor *shared_between_equals(yt_tensor *x, yt_tensor *best, int dims, yt_tensor *g)
{
  yt_tensor *is = yt_cast(yt_eq(x, best), x->dtype);
  return yt_mul(is, yt_div(g, yt_sum(is, dims, 1)));
}
GRAD(amax) { GIVE(0, shared_between_equals(p->x, kept(y, p->dim, p->keepdim), p->dim, kept(g, p->dim, p->keepdim))); }
GRAD(amin) { GIVE(0, shared_between_equals(p->x, kept(y, p->dim, p->keepdim), p->dim, kept(g, p->dim, p->keepdim))); }
static yt_tensor *cumsum_from_the_end(yt_tensor *x, int dim) { return yt_flip(yt_cumsum(yt_flip(x, dim), dim), dim); }
GRAD(cumsum) { UNUSED; GIVE(0, !g->ndim ? g : cumsum_from_the_end(g, p->dim)); }
GRAD(cumprod)
{
  if (!g->ndim) { GIVE(0, g); return; }
  /* sum over j >= i of g_j y_j / x_i, exact when no x is 0; zeros are divided around */
  yt_tensor *zero = yt_eq(p->x, yt_num(0));
  if (!yt_item(yt_any(zero, YT_ALL, 0))) { GIVE(0, yt_div(cumsum_from_the_end(yt_mul(g, y), p->dim), p->x)); return; }
  const int64_t len = p->x->size[p->dim];
  yt_tensor *sum = NULL;          /* by rows of the triangle: d y_j / d x_i is the product of the others up to j */
  for (int64_t j = 0; j < len; j++) {
    yt_tensor *others = yt_mul(product_of_others(yt_slice(p->x, p->dim, 0, j + 1, 1), p->dim),
      yt_slice(g, p->dim, j, j + 1, 1));
    yt_tensor *wide = yt_pad(others, p->dim, 0, len - 1 - j, 0);
    sum = sum ? yt_add(sum, wide) : wide;
  }
  GIVE(0, sum);
}
GRAD(logsumexp)
{
  yt_tensor *top = p->keepdim || !p->x->ndim ? y : yt_unsqueeze(y, p->dim);
  yt_tensor *d = p->keepdim || !p->x->ndim ? g : yt_unsqueeze(g, p->dim);
  GIVE(0, yt_mul(d, yt_exp(yt_sub(p->x, top))));
}

/* ---- dtype and layout ---- */
GRAD(cast)      { UNUSED; GIVE(0, g); }
GRAD(sum_to)    { UNUSED; GIVE(0, g); }
GRAD(transpose) { UNUSED; GIVE(0, yt_transpose(g, p->a, p->b)); }
GRAD(permute)
{
  (void)y;
  yt_shape undo = { p->dims.ndim, { 0 } };
  for (int d = 0; d < undo.ndim; d++) undo.size[p->dims.size[d]] = d;
  GIVE(0, yt_permute(g, &undo));
}
GRAD(unsqueeze) { UNUSED; GIVE(0, yt_reshape(g, shape_of(n, 0))); }
GRAD(squeeze)   { UNUSED; GIVE(0, yt_reshape(g, shape_of(n, 0))); }
GRAD(expand)    { UNUSED; GIVE(0, g); }
GRAD(view)      { UNUSED; GIVE(0, yt_reshape(g, shape_of(n, 0))); }
GRAD(slice)     { (void)y; GIVE(0, yt_place_(zeros_like_input(n, 0), g, p->dim, p->start, p->step, 1)); }
GRAD(select)
{
  (void)y;
  GIVE(0, yt_place_(zeros_like_input(n, 0), yt_unsqueeze(g, p->dim), p->dim, p->index, 1, 1));
}
GRAD(diagonal)                    /* the last two dims, as one row, hold it at every (columns + 1)-th place */
{
  (void)y;
  const yt_shape *s = shape_of(n, 0);
  const int64_t rows = s->size[p->a], columns = s->size[p->b];
  const int64_t down = p->offset < 0 ? -p->offset : 0, right = p->offset > 0 ? p->offset : 0;
  yt_shape flat = { 0, { 0 } };
  for (int d = 0; d < s->ndim; d++) if (d != p->a && d != p->b) flat.size[flat.ndim++] = s->size[d];
  yt_shape full = flat;
  flat.size[flat.ndim++] = rows * columns;
  full.size[full.ndim++] = rows, full.size[full.ndim++] = columns;
  yt_tensor *to = yt__progression(g->size[g->ndim - 1], down * columns + right, columns + 1, n->edge[0]->device);
  yt_tensor *d = yt_index_copy(yt_zeros(n->edge[0]->dtype, &flat, n->edge[0]->device), flat.ndim - 1, to, g, 0);
  yt_shape undo = { s->ndim, { 0 } };
  for (int i = 0, k = 0; i < s->ndim; i++) undo.size[i] = i == p->a ? s->ndim - 2 : i == p->b ? s->ndim - 1 : k++;
  GIVE(0, yt_permute(yt_view(d, &full), &undo));
}
GRAD(unfold)                      /* the windows and their elements as one row, added where they came from */
{
  (void)y;
  const int64_t windows = g->size[p->dim];
  yt_tensor *from = yt_add(yt_unsqueeze(yt__progression(windows, 0, p->step, n->edge[0]->device), 1),
    yt__progression(p->size, 0, 1, n->edge[0]->device));
  yt_shape flat = *shape_of(n, 0);
  flat.size[p->dim] = windows * p->size;
  yt_tensor *rows = yt_reshape(yt_movedim(g, g->ndim - 1, p->dim + 1), &flat);
  GIVE(0, yt_index_add(zeros_like_input(n, 0), p->dim, yt_reshape(from, &(yt_shape){ 1, { -1 } }), rows, 0));
}
GRAD(tril) { UNUSED; GIVE(0, yt_tril(g, p->diagonal)); }
GRAD(triu) { UNUSED; GIVE(0, yt_triu(g, p->diagonal)); }

/* ---- choosing ---- */
GRAD(gather)       { (void)y; GIVE(0, yt_scatter_add(zeros_like_input(n, 0), p->dim, p->index, g, p->base)); }
GRAD(index_select) { (void)y; GIVE(0, yt_index_add(zeros_like_input(n, 0), p->dim, p->index, g, p->base)); }
static yt_tensor *grown(yt_tensor *t, const yt_shape *s)             /* zeros where the index did not reach */
{
  for (int d = 0; t && d < t->ndim; d++) if (t->size[d] < s->size[d]) t = yt_pad(t, d, 0, s->size[d] - t->size[d], 0);
  return t;
}
static yt_tensor *zeros_in_shape(const yt_tensor *t, int dtype, int device)
{
  yt_shape s = { t->ndim, { 0 } };
  memcpy(s.size, t->size, sizeof s.size);
  return yt_zeros(dtype, &s, device);
}
static yt_tensor *gathered(const yt_node *n, yt_tensor *g, int dim, yt_tensor *index, int base)
{
  return grown(yt_gather(g, dim, index, base), shape_of(n, 2));
}
GRAD(scatter)
{
  (void)y;
  if (n->edge[0]) GIVE(0, yt_scatter(g, p->dim, p->index, zeros_in_shape(p->index, g->dtype, n->device), p->base));
  if (n->edge[2]) GIVE(2, gathered(n, g, p->dim, p->index, p->base));
}
GRAD(scatter_add)
{
  (void)y;
  GIVE(0, g);
  if (n->edge[2]) GIVE(2, gathered(n, g, p->dim, p->index, p->base));
}
GRAD(index_copy)
{
  (void)y;
  yt_tensor *taken = yt_index_select(g, p->dim, p->index, p->base);
  if (n->edge[0])
    GIVE(0, yt_index_copy(g, p->dim, p->index, taken ? zeros_in_shape(taken, g->dtype, n->device) : NULL, p->base));
  GIVE(2, taken);
}
GRAD(index_add)
{
  (void)y;
  GIVE(0, g);
  GIVE(2, yt_index_select(g, p->dim, p->index, p->base));
}
GRAD(place)
{
  (void)y;
  const int64_t size = p->src->size[p->dim];
  yt_tensor *d = yt_slice(g, p->dim, p->start, p->start + (size ? (size - 1) * p->step + 1 : 0), p->step);
  if (n->edge[0])
    GIVE(0, p->fresh ? g
      : yt_place(g, d ? zeros_in_shape(d, g->dtype, n->device) : NULL, p->dim, p->start, p->step, 0));
  GIVE(1, d);
}

/* ---- products ---- */
static yt_tensor *as_matrix(yt_tensor *t, int vector, int dim) { return vector ? yt_unsqueeze(t, dim) : t; }
GRAD(matmul)                      /* a vector is a row on the left, a column on the right */
{
  (void)y;
  const int row = p->a->ndim == 1, column = p->b->ndim == 1;
  yt_tensor *d = as_matrix(as_matrix(g, column, -1), row, -2);
  if (n->edge[0]) {
    yt_tensor *da = yt_matmul(d, transposed(as_matrix(p->b, column, -1)));
    GIVE(0, row ? yt_squeeze(da, -2) : da);
  }
  if (n->edge[1]) {
    yt_tensor *db = yt_matmul(transposed(as_matrix(p->a, row, -2)), d);
    GIVE(1, column ? yt_squeeze(db, -1) : db);
  }
}
static yt_tensor *before_activation(int act, yt_tensor *y, yt_tensor *g)
{
  return act == YT_RELU ? yt__d1_relu(NULL, y, g)
    : act == YT_TANH ? yt__d1_tanh(NULL, y, g)
    : act == YT_SIGMOID ? yt__d1_sigmoid(NULL, y, g) : g;
}
GRAD(linear)                      /* y = act(z), z = x w^T + bias */
{
  const yt_shape rows_in = { 2, { -1, p->w->size[1] } }, rows_out = { 2, { -1, p->w->size[0] } };
  const int flat = p->x->ndim == 2;
  yt_tensor *dz = before_activation(p->act, y, g);
  if (!flat) dz = p->x->numel ? yt_reshape(dz, &rows_out) : yt_reshape(dz, &(yt_shape){ 2, { 0, p->w->size[0] } });
  if (n->edge[0]) GIVE(0, flat ? yt_matmul(dz, p->w) : yt_reshape(yt_matmul(dz, p->w), shape_of(n, 0)));
  if (n->edge[1]) {
    yt_tensor *x = flat ? p->x
      : p->x->numel ? yt_reshape(p->x, &rows_in) : yt_reshape(p->x, &(yt_shape){ 2, { 0, p->w->size[1] } });
    GIVE(1, yt_transpose(yt_matmul(yt_transpose(x, 0, 1), dz), 0, 1));
  }
  GIVE(2, dz);
}

/* ---- along a row ---- */
GRAD(softmax)
{
  GIVE(0, yt__composing() ? yt_mul(y, yt_sub(g, yt_sum(yt_mul(g, y), p->dim, 1))) : yt_softmax_dx(g, y, p->dim));
}
GRAD(log_softmax)
{
  GIVE(0, yt__composing() ? yt_sub(g, yt_mul(yt_exp(y), yt_sum(g, p->dim, 1))) : yt_log_softmax_dx(g, y, p->dim));
}
GRAD(layer_norm)
{
  (void)y;
  yt_tensor *w = or_none(p->weight);
  if (!yt__composing()) {
    if (n->edge[0]) GIVE(0, yt_layer_norm_dx(g, p->x, w, p->ndims, p->eps));
    if (n->edge[1]) GIVE(1, yt_layer_norm_dw(g, p->x, p->ndims, p->eps));
  } else {
    int dims = YT_DIM_SET;
    for (int d = p->x->ndim - (int)p->ndims; d < p->x->ndim; d++) dims += 1 << d;
    yt_tensor *centred = yt_sub(p->x, yt_mean(p->x, dims, 1));
    yt_tensor *r = yt_rsqrt(yt_add(yt_mean(yt_square(centred), dims, 1), yt_num(p->eps))), *hat = yt_mul(centred, r);
    yt_tensor *gw = p->weight ? yt_mul(g, p->weight) : g;
    GIVE(0, yt_mul(r, yt_sub(yt_sub(gw, yt_mean(gw, dims, 1)), yt_mul(hat, yt_mean(yt_mul(gw, hat), dims, 1)))));
    GIVE(1, yt_mul(g, hat));
  }
  GIVE(2, g);
}
GRAD(cross_entropy_rows)          /* row = -sum_c t_c log softmax(x)_c, so dx = g (softmax(x) sum t - t) */
{
  (void)y;
  yt_tensor *x = p->x, *w = p->weight ? p->weight : yt_num(1);
  if (!n->edge[0]) return;
  if (!yt__composing()) {
    GIVE(0, yt_cross_entropy_dx(g, x, p->label, or_none(p->weight), p->ignore_index, p->label_smoothing, p->base));
    return;
  }
  yt_tensor *counts = yt_ne(p->label, yt_num((double)p->ignore_index));
  yt_tensor *label = yt_where(counts, p->label, yt_num(p->base));
  yt_tensor *t = yt_cast(yt_one_hot(label, x->size[1], p->base), x->dtype);
  t = yt_mul(yt_add(yt_mul(t, yt_num(1 - p->label_smoothing)), yt_num(p->label_smoothing / (double)x->size[1])),
    yt_unsqueeze(counts, 1));
  t = yt_mul(t, w);
  GIVE(0, yt_mul(yt_unsqueeze(g, 1), yt_sub(yt_mul(yt_softmax(x, 1), yt_sum(t, 1, 1)), t)));
}

/* ---- linear algebra: Giles 2008, "Collected matrix derivative results"; Townsend 2016 for the SVD ---- */
static yt_tensor *part(yt_tensor *t, int dim, int64_t from, int64_t to) { return yt_slice(t, dim, from, to, 1); }
GRAD(solve)
{
  yt_tensor *db = yt_solve(transposed(p->a), g);
  if (n->edge[0]) GIVE(0, yt_neg(yt_matmul(db, transposed(y))));
  GIVE(1, db);
}
GRAD(solve_triangular)
{
  yt_tensor *db = yt_solve_triangular(transposed(p->a), g, !p->upper);
  if (n->edge[0]) {
    yt_tensor *da = yt_neg(yt_matmul(db, transposed(y)));
    GIVE(0, p->upper ? yt_triu(da, 0) : yt_tril(da, 0));
  }
  GIVE(1, db);
}
static yt_tensor *symmetric(yt_tensor *x) { return yt_mul(yt_add(x, transposed(x)), yt_num(.5)); }
GRAD(cholesky)
{
  (void)p;
  yt_tensor *m = yt_matmul(transposed(y), g), *half = yt_mul(yt_add(yt_tril(m, 0), yt_tril(m, -1)), yt_num(.5));
  yt_tensor *s = yt_solve_triangular(transposed(y), half, 1);
  GIVE(0, symmetric(transposed(yt_solve_triangular(transposed(y), transposed(s), 1))));
}
static yt_tensor *qr_square(yt_tensor *q, yt_tensor *r, yt_tensor *dq, yt_tensor *dr)  /* columns no more than rows */
{
  yt_tensor *m = yt_sub(yt_matmul(r, transposed(dr)), yt_matmul(transposed(dq), q));
  yt_tensor *low = yt_add(yt_tril(m, 0), transposed(yt_tril(m, -1)));
  return transposed(yt_solve_triangular(r, transposed(yt_add(dq, yt_matmul(q, low))), 1));
}
GRAD(qr_packed)
{
  const int64_t rows = p->x->size[p->x->ndim - 2], columns = p->x->size[p->x->ndim - 1];
  const int64_t k = rows < columns ? rows : columns;
  yt_tensor *q = part(part(y, -2, 0, rows), -1, 0, k), *r = part(y, -2, rows, rows + k);
  yt_tensor *dq = part(part(g, -2, 0, rows), -1, 0, k), *dr = part(g, -2, rows, rows + k);
  if (rows >= columns) { GIVE(0, qr_square(q, r, dq, dr)); return; }
  yt_tensor *right = part(p->x, -1, k, columns), *d_right = part(dr, -1, k, columns);
  yt_tensor *left = qr_square(q, part(r, -1, 0, k), yt_add(dq, yt_matmul(right, transposed(d_right))),
    part(dr, -1, 0, k));
  GIVE(0, yt_cat((yt_tensor *[]){ left, yt_matmul(q, d_right) }, 2, -1));
}
static yt_tensor *inverse_differences(yt_tensor *w)                 /* 1 / (w_j - w_i), 0 where they are equal */
{
  yt_tensor *d = yt_sub(yt_unsqueeze(w, -2), yt_unsqueeze(w, -1)), *same = yt_eq(d, yt_num(0));
  return yt_div(yt_logical_not(same), yt_add(d, same));
}
static yt_tensor *times_columns(yt_tensor *x, yt_tensor *w) { return yt_mul(x, yt_unsqueeze(w, -2)); }
static yt_tensor *diagonal_matrix(yt_tensor *w)
{
  const int64_t k = w ? w->size[w->ndim - 1] : 0;
  yt_tensor *ones = w ? yt_fill_(yt_empty(w->dtype, &(yt_shape){ 2, { k, k } }, yt__device(w)), 1) : NULL;
  return times_columns(yt_tril(yt_triu(ones, 0), 0), w);
}
GRAD(eigh_packed)
{
  const int64_t size = p->x->size[p->x->ndim - 1];
  yt_tensor *w = yt_select(y, -2, 0), *v = part(y, -2, 1, size + 1);
  yt_tensor *dw = yt_select(g, -2, 0), *dv = part(g, -2, 1, size + 1);
  yt_tensor *inner = yt_add(diagonal_matrix(dw), yt_mul(yt_matmul(transposed(v), dv), inverse_differences(w)));
  GIVE(0, symmetric(yt_matmul(yt_matmul(v, inner), transposed(v))));
}
GRAD(svd_packed)
{
  const int64_t rows = p->x->size[p->x->ndim - 2], columns = p->x->size[p->x->ndim - 1];
  yt_tensor *u = part(y, -2, 0, rows), *s = yt_select(y, -2, rows), *v = part(y, -2, rows + 1, rows + 1 + columns);
  yt_tensor *du = part(g, -2, 0, rows), *ds = yt_select(g, -2, rows), *dv = part(g, -2, rows + 1, rows + 1 + columns);
  yt_tensor *f = inverse_differences(yt_square(s));
  yt_tensor *uu = yt_matmul(transposed(u), du), *vv = yt_matmul(transposed(v), dv);
  yt_tensor *left = times_columns(yt_mul(f, yt_sub(uu, transposed(uu))), s);
  yt_tensor *right = yt_mul(yt_unsqueeze(s, -1), yt_mul(f, yt_sub(vv, transposed(vv))));
  yt_tensor *d = yt_matmul(yt_matmul(u, yt_add(yt_add(left, right), diagonal_matrix(ds))), transposed(v));
  yt_tensor *inverse = yt_reciprocal(s);
  if (rows > columns) d = yt_add(d, yt_matmul(times_columns(yt_sub(du, yt_matmul(u, uu)), inverse), transposed(v)));
  if (columns > rows) d = yt_add(d, yt_matmul(u, transposed(times_columns(yt_sub(dv, yt_matmul(v, vv)), inverse))));
  GIVE(0, d);
}
GRAD(slogdet_packed)
{
  (void)y;
  GIVE(0, yt_mul(yt_unsqueeze(yt_unsqueeze(yt_select(g, -1, 1), -1), -1), transposed(yt_inverse(p->x))));
}
