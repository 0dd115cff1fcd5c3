/* kernels_test.c: the hand-written kernels at sizes that are split between threads, and what the walk over the op table
 * does not ask: that a refused write changes nothing, that results don't depend on threads, strides or storage. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "yutu.h"
#include "check.h"

#define SHAPE(...) (&(yt_shape){ sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), { __VA_ARGS__ } })

static yt_tensor *reals(int dtype, const yt_shape *shape, uint64_t seed) /* within [-1, 1) */
{
  return yt_uniform_(yt_empty(dtype, shape, YT_CPU), -1, 1, &(yt_generator){ .seed = seed });
}
static yt_tensor *integers(const yt_shape *shape, int64_t from, int64_t to, uint64_t seed)
{
  return yt_random_(yt_empty(YT_I64, shape, YT_CPU), from, to, &(yt_generator){ .seed = seed });
}
static yt_tensor *list(int dtype, int64_t n, const void *data) { return yt_from(dtype, SHAPE(n), data); }
static const double *values(yt_tensor *t) /* row-major */
{
  yt_tensor *f = yt_cast(t, YT_F64);
  return f ? f->data : NULL;
}
static const int64_t *places(yt_tensor *t) { return t ? yt_contiguous(t)->data : NULL; }
static int same_bits(yt_tensor *a, yt_tensor *b)
{
  static const int width[] = { 1, 1, 4, 8, 2, 2, 4, 8 };
  if (!a || !b || a->numel != b->numel || a->dtype != b->dtype) return 0;
  a = yt_contiguous(a), b = yt_contiguous(b);
  return !memcmp(a->data, b->data, (size_t)a->numel * (size_t)width[a->dtype]);
}
static int refused(yt_tensor *t, int base, const char *message)
{
  if (!t && !strcmp(yt_error(base), message)) return 1;
  fprintf(stderr, "expected: %s\ngot:      %s\n", message, t ? "no error" : yt_error(base));
  return 0;
}
static double farthest(yt_tensor *a, yt_tensor *b)
{
  const double *x = values(a), *y = values(b);
  double far = 0;
  if (!x || !y || a->numel != b->numel) return INFINITY;
  for (long i = 0; i < a->numel; i++)
    if (!(fabs(x[i] - y[i]) <= far)) far = fabs(x[i] - y[i]);
  return far;
}
/* The same op with one thread and with several. */
#define SAME_FOR_ANY_THREADS(what, expression)                                         \
  do {                                                                                 \
    yt_set_threads(1);                                                                 \
    yt_tensor *one = (expression);                                                     \
    yt_set_threads(3);                                                                 \
    yt_tensor *three = (expression);                                                   \
    check(same_bits(one, three), "%s: the same with one thread and with three", what); \
  } while (0)

/* ---- products ---- */
static yt_tensor *plain_product(yt_tensor *a, yt_tensor *b) /* (M, K) (K, N), in f64 */
{
  const long m = a->size[0], k = a->size[1], n = b->size[1];
  const double *x = values(a), *y = values(b);
  yt_tensor *out = yt_zeros(YT_F64, SHAPE(m, n), YT_CPU);
  double *to = out->data;
  for (long i = 0; i < m; i++)
    for (long l = 0; l < k; l++)
      for (long j = 0; j < n; j++) to[i * n + j] += x[i * k + l] * y[l * n + j];
  return out;
}
static void test_products(void)
{
  static const int sizes[][3] = { { 1, 64, 64 }, { 64, 2, 64 }, { 33, 17, 5 }, { 150, 130, 170 }, { 3, 4, 1 } };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
    yt_tensor *a = reals(YT_F32, SHAPE(m, k), 1), *b = reals(YT_F32, SHAPE(k, n), 2), *y = plain_product(a, b);
    yt_tensor *at = yt_transpose(yt_contiguous(yt_transpose(a, 0, 1)), 0, 1);
    yt_tensor *bt = yt_transpose(yt_contiguous(yt_transpose(b, 0, 1)), 0, 1);
    const double bound = 1e-6 * (double)k;
    check(farthest(yt_matmul(a, b), y) < bound, "matmul %dx%dx%d", (int)m, (int)n, (int)k);
    check(farthest(yt_matmul(at, bt), y) < bound, "matmul of transposed views");
    check(farthest(yt_matmul(yt_cast(a, YT_F64), yt_cast(b, YT_F64)), y) < 1e-12, "matmul in f64");
    check(farthest(yt_linear(at, yt_transpose(b, 0, 1), yt_none(), YT_IDENTITY), y) < bound, "linear, weight (I, O)");
    yt_tensor *ah = yt_cast(a, YT_F16), *bh = yt_cast(b, YT_F16);
    check(farthest(yt_matmul(ah, bh), plain_product(ah, bh)) < .002 * sqrt((double)k) + 1e-3,
          "a product of halves is rounded once, at its end");
    yt_tensor *row = yt_select(a, 0, 0), *column = yt_select(b, 1, 0);
    yt_tensor *corner = yt_matmul(row, column);
    check(corner && corner->ndim == 0 && fabs(yt_item(corner) - values(y)[0]) < bound, "row times column is a number");
  }
  yt_tensor *a = reals(YT_F32, SHAPE(70, 1, 20, 30), 3), *b = reals(YT_F32, SHAPE(3, 30, 10), 4);
  yt_tensor *y = yt_matmul(a, b);
  check(y && y->ndim == 4 && y->size[0] == 70 && y->size[1] == 3 && y->size[2] == 20, "batch dims broadcast");
  double far = 0;
  for (int i = 0; i < 70; i++)
    for (int j = 0; j < 3; j++) {
      yt_tensor *part = plain_product(yt_select(yt_select(a, 0, i), 0, 0), yt_select(b, 0, j));
      far = fmax(far, farthest(part, yt_select(yt_select(y, 0, i), 0, j)));
    }
  check(far < 1e-5, "every product of a broadcast batch: off by %g", far);

  yt_tensor *x = yt_empty(YT_F32, SHAPE(3, 0), YT_CPU), *w = yt_empty(YT_F32, SHAPE(4, 0), YT_CPU);
  yt_tensor *bias = list(YT_F32, 4, (float[]){ 1, 2, 3, 4 });
  yt_tensor *only = yt_linear(x, w, bias, YT_TANH), *zero = yt_matmul(x, yt_transpose(w, 0, 1));
  check(only && fabs(values(only)[11] - tanh(4)) < 1e-6, "with no inputs linear is act(bias)");
  check(zero && values(zero)[0] == 0 && values(zero)[11] == 0, "a product over nothing is 0");
  yt_tensor *big = reals(YT_F32, SHAPE(300, 200), 5), *wide = reals(YT_F32, SHAPE(200, 250), 6);
  SAME_FOR_ANY_THREADS("matmul", yt_matmul(big, wide));
  SAME_FOR_ANY_THREADS("matmul of a batch", yt_matmul(a, b));
}

/* ---- choosing ---- */
static void test_select(void)
{
  static const int dtypes[] = { YT_BOOL, YT_U8, YT_I32, YT_I64, YT_F16, YT_BF16, YT_F32, YT_F64 };
  yt_tensor *index = integers(SHAPE(5000), 1, 301, 7);
  for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
    for (int dim = 0; dim < 2; dim++) {
      yt_tensor *x = yt_cast(yt_mul(reals(YT_F32, SHAPE(300, 300), 8), yt_num(100)), dtypes[d]);
      yt_tensor *y = yt_index_select(x, dim, index, 1), *view = yt_transpose(x, 0, 1);
      const double *from = values(x), *got = values(y), *turned = values(yt_index_select(view, dim, index, 1));
      const int64_t *at = places(index);
      int right = y && y->dtype == dtypes[d];
      for (long i = 0; right && i < y->size[0]; i++)
        for (long k = 0; k < y->size[1]; k++) {
          const long r = dim ? i : at[i] - 1, c = dim ? at[k] - 1 : k;
          right &= got[i * y->size[1] + k] == from[r * 300 + c];
          right &= turned[i * y->size[1] + k] == from[c * 300 + r];
        }
      check(right, "index_select along dim %d, dtype %d, of dense rows and of a transposed view", dim, dtypes[d]);
    }
  yt_tensor *x = reals(YT_F32, SHAPE(300, 77), 9), *vector = reals(YT_F32, SHAPE(300), 10);
  SAME_FOR_ANY_THREADS("index_select", yt_index_select(x, 0, index, 1));
  SAME_FOR_ANY_THREADS("index_select of a vector", yt_index_select(vector, 0, index, 1));
  check(same_bits(yt_index_select(x, 0, yt_cast(yt_slice(index, 0, 0, 50, 1), YT_I32), 1),
                  yt_index_select(x, 0, yt_slice(index, 0, 0, 50, 1), 1)),
        "an i32 index names the same parts");
  check(refused(yt_index_select(x, 0, list(YT_I64, 2, (int64_t[]){ 1, 301 }), 1), 1,
                "index_select: index 301 is not in 1 to 300"),
        "an index beyond the end, counted from 1");
  check(
    refused(yt_gather(vector, 0, list(YT_I64, 2, (int64_t[]){ 0, -1 }), 0), 0, "gather: index -1 is not in 0 to 299"),
    "an index below the start, counted from 0");
}
static void test_gather(void)
{
  yt_tensor *x = reals(YT_F32, SHAPE(20, 30, 40), 11);
  const double *from = values(x);
  for (int dim = 0; dim < 3; dim++) {
    int64_t size[] = { 20, 30, 40 };
    const int64_t n = size[dim];
    size[dim] = 7;
    for (int last = 0; last < 2; last++) { /* an index whose last dims are 1 is walked along another one */
      if (last) size[2] = 1;
      yt_tensor *index = integers(SHAPE(size[0], size[1], size[2]), 0, n, 12);
      yt_tensor *y = yt_gather(x, dim, index, 0);
      const int64_t *at = places(index);
      const double *got = values(y);
      int right = y != NULL;
      for (long e = 0; right && e < y->numel; e++) {
        long i = e / (size[1] * size[2]), j = e / size[2] % size[1], k = e % size[2];
        if (dim == 0) i = at[e];
        else if (dim == 1) j = at[e];
        else k = at[e];
        right = got[e] == from[(i * 30 + j) * 40 + k];
      }
      check(right, "gather along dim %d, last size %d", dim, (int)size[2]);
      SAME_FOR_ANY_THREADS("gather", yt_gather(x, dim, index, 0));
      /* the adjoint, element by element */
      yt_tensor *sum = yt_scatter_add(yt_zeros(YT_F32, SHAPE(20, 30, 40), YT_CPU), dim, index, y, 0);
      double *want = calloc(20 * 30 * 40, sizeof *want);
      for (long e = 0; e < y->numel; e++) {
        long i = e / (size[1] * size[2]), j = e / size[2] % size[1], k = e % size[2];
        if (dim == 0) i = at[e];
        else if (dim == 1) j = at[e];
        else k = at[e];
        want[(i * 30 + j) * 40 + k] += got[e];
      }
      check(farthest(sum, yt_from(YT_F64, SHAPE(20, 30, 40), want)) < 1e-5, "scatter_add along dim %d", dim);
      free(want);
    }
  }
  yt_tensor *wide = reals(YT_F32, SHAPE(100000), 13), *index = integers(SHAPE(50000), 0, 100000, 14);
  SAME_FOR_ANY_THREADS("gather from a vector", yt_gather(wide, 0, index, 0));
}
static void test_puts(void)
{
  yt_tensor *x = reals(YT_F32, SHAPE(8, 6), 15), *before = yt_clone(x), *view = yt_transpose(x, 0, 1);
  yt_tensor *wrong = list(YT_I64, 3, (int64_t[]){ 0, 1, 8 }), *src = reals(YT_F32, SHAPE(3, 6), 16);
  check(!yt_index_copy_(x, 0, wrong, src, 0) && !yt_index_add_(x, 0, wrong, src, 0), "a wrong index is refused");
  yt_tensor *last = yt_from(YT_I64, SHAPE(2, 2), (int64_t[]){ 0, 1, 2, 6 });
  check(refused(yt_scatter_(x, 1, last, src, 0), 0, "scatter: index 6 is not in 0 to 5"), "scatter says which");
  check(refused(yt_scatter_add_(x, 1, last, src, 1), 1, "scatter_add: index 0 is not in 1 to 6"), "and scatter_add");
  check(same_bits(x, before), "a refused write changes nothing");

  yt_tensor *twice = list(YT_I64, 3, (int64_t[]){ 5, 2, 5 });
  yt_tensor *y = yt_index_copy(x, 0, twice, src, 0);
  check(same_bits(yt_select(y, 0, 5), yt_select(src, 0, 2)) && same_bits(yt_select(y, 0, 2), yt_select(src, 0, 1))
          && same_bits(yt_select(y, 0, 4), yt_select(x, 0, 4)),
        "of equal indices the last is copied");
  y = yt_index_add(x, 0, twice, src, 0);
  yt_tensor *sum = yt_add(yt_add(yt_select(x, 0, 5), yt_select(src, 0, 0)), yt_select(src, 0, 2));
  check(same_bits(yt_select(y, 0, 5), sum), "of equal indices all are added, in order");
  check(same_bits(yt_index_add(view, 1, twice, yt_transpose(src, 0, 1), 0), yt_transpose(y, 0, 1)),
        "the same in a view");
  y = yt_index_copy(x, 1, list(YT_I64, 2, (int64_t[]){ 0, 3 }), yt_num(7), 0);
  check(values(y)[6] == 7 && values(y)[9] == 7 && values(y)[7] == values(x)[7], "one number for every place");

  yt_tensor *half = yt_zeros(YT_F16, SHAPE(4), YT_CPU), *many = yt_zeros(YT_I64, SHAPE(3000), YT_CPU);
  yt_tensor *small = yt_fill_(yt_empty(YT_F16, SHAPE(3000), YT_CPU), 1);
  check(values(yt_scatter_add(half, 0, many, small, 0))[0] == 3000, "sums of halves are rounded once");
  check(values(yt_index_add(half, 0, many, small, 0))[0] == 3000, "in index_add too");

  yt_tensor *table = reals(YT_F32, SHAPE(500, 256), 17), *g = reals(YT_F32, SHAPE(4000, 256), 18);
  yt_tensor *rows = integers(SHAPE(4000), 0, 500, 19);
  SAME_FOR_ANY_THREADS("index_add", yt_index_add(table, 0, rows, g, 0));

  yt_tensor *grid = yt_zeros(YT_I64, SHAPE(4, 9), YT_CPU), *ones = yt_fill_(yt_empty(YT_I64, SHAPE(4, 3), YT_CPU), 1);
  yt_place_(grid, ones, 1, 2, 3, 0);
  int right = 1;
  for (int i = 0; i < 36; i++) right &= places(grid)[i] == (i % 9 >= 2 && (i % 9 - 2) % 3 == 0);
  check(right, "place writes every third column from the third on, and no other");
  yt_place_(yt_transpose(grid, 0, 1), yt_fill_(yt_empty(YT_F32, SHAPE(1, 4), YT_CPU), 5), 0, 0, 1, 0);
  check(places(grid)[0] == 5 && places(grid)[27] == 5 && places(grid)[1] == 0, "into a view, from another dtype");
}
static void test_nonzero(void)
{
  yt_tensor *x = yt_bernoulli_(yt_empty(YT_F32, SHAPE(13, 7, 11), YT_CPU), .3, &(yt_generator){ .seed = 20 });
  yt_tensor *where = yt_nonzero(x, 1);
  const double *v = values(x);
  const int64_t *at = places(where);
  long found = 0;
  int right = where && where->size[1] == 3;
  for (long i = 0; i < x->numel; i++)
    if (v[i] != 0) {
      right &= found < where->size[0] && at[3 * found] == i / 77 + 1 && at[3 * found + 1] == i / 11 % 7 + 1
        && at[3 * found + 2] == i % 11 + 1;
      found++;
    }
  check(right && found == where->size[0] && found > 200, "nonzero names each place, in order, counted from 1");
}

/* ---- sorting ---- */
static const double *keys;
static int descends;
static int by_key(const void *a_, const void *b_)
{
  const int64_t a = *(const int64_t *)a_, b = *(const int64_t *)b_;
  const int an = isnan(keys[a]), bn = isnan(keys[b]);
  if (an != bn) return an - bn; /* NaN last */
  if (!an && keys[a] != keys[b]) return (keys[a] < keys[b]) == descends ? 1 : -1;
  return a < b ? -1 : 1;
}
static void test_sort(void)
{
  static const int dtypes[] = { YT_U8, YT_I32, YT_I64, YT_F16, YT_BF16, YT_F32, YT_F64 };
  static const int sizes[] = { 1, 2, 5, 32, 33, 500, 70000 };
  for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
      for (descends = 0; descends < 2; descends++) {
        const int64_t n = sizes[s];
        yt_tensor *x = yt_normal_(yt_empty(YT_F32, SHAPE(n), YT_CPU), 50, 40, &(yt_generator){ .seed = 21 });
        x = yt_cast(yt_maximum(x, yt_num(dtypes[d] == YT_U8 ? 0 : -1e9)), dtypes[d]);
        if (dtypes[d] >= YT_F16)
          for (int64_t i = 3; i < n; i += 11) {
            static const double odd[] = { NAN, -0.0, 0.0, INFINITY, -INFINITY };
            yt_fill_(yt_select(x, 0, i), odd[i % 5]);
          }
        keys = values(x);
        int64_t *want = malloc((size_t)n * sizeof *want);
        for (int64_t i = 0; i < n; i++) want[i] = i;
        qsort(want, (size_t)n, sizeof *want, by_key);
        const int64_t *got = places(yt_argsort(x, 0, descends, 0));
        check(got && !memcmp(got, want, (size_t)n * sizeof *want), "argsort of %d, dtype %d, descending %d", (int)n,
              dtypes[d], descends);
        free(want);
      }
  yt_tensor *far = list(YT_I64, 4, (int64_t[]){ 0, INT64_MIN, INT64_MAX, -1 });
  check(!memcmp(places(yt_argsort(far, 0, 0, 1)), (int64_t[]){ 2, 4, 1, 3 }, 32), "integers to their ends, from 1");
  yt_tensor *rows = reals(YT_F32, SHAPE(300, 90), 22), *columns = yt_transpose(rows, 0, 1);
  SAME_FOR_ANY_THREADS("argsort of rows", yt_argsort(rows, 1, 0, 0));
  check(same_bits(yt_argsort(columns, 0, 0, 0), yt_transpose(yt_argsort(rows, 1, 0, 0), 0, 1)), "along another dim");
}
static void test_topk(void)
{
  static const int ks[] = { 0, 1, 3, 60, 500, 1000 };
  yt_tensor *x = yt_round(yt_mul(reals(YT_F32, SHAPE(1000), 23), yt_num(200))); /* with equals */
  yt_tensor *down = yt_argsort(x, 0, 1, 0), *up = yt_argsort(x, 0, 0, 0);
  for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
    check(same_bits(yt_argtopk(x, ks[i], 0, 1, 0), yt_slice(down, 0, 0, ks[i], 1)), "the %d largest", ks[i]);
    check(same_bits(yt_argtopk(x, ks[i], 0, 0, 0), yt_slice(up, 0, 0, ks[i], 1)), "the %d smallest", ks[i]);
    check(same_bits(yt_argtopk(yt_cast(x, YT_I64), ks[i], 0, 1, 0), yt_slice(down, 0, 0, ks[i], 1)), "of integers");
  }
  yt_tensor *odd = list(YT_F32, 5, (float[]){ 1, NAN, INFINITY, -INFINITY, NAN });
  check(!memcmp(places(yt_argtopk(odd, 3, 0, 1, 0)), (int64_t[]){ 1, 4, 2 }, 24), "NaN counts as the largest");
  check(!memcmp(places(yt_argtopk(odd, 3, 0, 0, 0)), (int64_t[]){ 3, 0, 2 }, 24), "and never as the smallest");
}

/* ---- fills ---- */
static void test_fills(void)
{
  const yt_generator start = { .seed = 24, .stream = 3, .offset = 5 };
  yt_generator g;
#define FROM_START (g = start, &g)
  yt_tensor *dense = yt_empty(YT_F32, SHAPE(90, 70), YT_CPU), *turned = yt_empty(YT_F32, SHAPE(70, 90), YT_CPU);
#define NO_MATTER_WHERE(what, fill)                                                                   \
  do {                                                                                                \
    yt_tensor *t = dense;                                                                             \
    yt_tensor *plain = yt_clone(fill);                                                                \
    const uint64_t used = g.offset - start.offset;                                                    \
    t = yt_transpose(turned, 0, 1);                                                                   \
    check(same_bits(yt_contiguous(fill), plain), what ": the same numbers in a transposed view");     \
    t = yt_empty(YT_BF16, SHAPE(90, 70), YT_CPU);                                                     \
    check(same_bits(fill, yt_cast(plain, YT_BF16)), what ": the same numbers, rounded, in bf16");     \
    check(used > 90 * 70 / 4 && used == g.offset - start.offset, what ": the stream moves on alike"); \
    t = dense;                                                                                        \
    SAME_FOR_ANY_THREADS(what, yt_clone(fill));                                                       \
  } while (0)
  NO_MATTER_WHERE("uniform", yt_uniform_(t, -2, 3, FROM_START));
  NO_MATTER_WHERE("normal", yt_normal_(t, 1, 2, FROM_START));
  NO_MATTER_WHERE("exponential", yt_exponential_(t, 2, FROM_START));
  NO_MATTER_WHERE("gumbel", yt_gumbel_(t, FROM_START));
  NO_MATTER_WHERE("gamma", yt_gamma_(t, 2.5, FROM_START));
  NO_MATTER_WHERE("bernoulli", yt_bernoulli_(t, .3, FROM_START));
  NO_MATTER_WHERE("random", yt_random_(t, -5, 6, FROM_START));

  yt_exponential_(dense, 4, FROM_START);
  check(fabs(yt_item(yt_mean(dense, YT_ALL, 0)) - .25) < .01, "exponential: lambd 4 has mean 1/4");
  yt_bernoulli_(dense, .3, FROM_START);
  check(fabs(yt_item(yt_mean(dense, YT_ALL, 0)) - .3) < .02, "bernoulli: 0.3 of them are 1");
  yt_random_(dense, -2, 3, FROM_START);
  check(yt_item(yt_amin(dense, YT_ALL, 0)) == -2 && yt_item(yt_amax(dense, YT_ALL, 0)) == 2, "random: -2 to 2");
  yt_tensor *p = yt_mul(yt_arange_(yt_empty(YT_F32, SHAPE(5), YT_CPU), 0, 1), yt_num(.25));
  yt_tensor *draws = yt_bernoulli_p(yt_expand(p, SHAPE(4000, 5)), FROM_START);
  const double *rate = values(yt_mean(draws, 0, 0));
  check(rate[0] == 0 && rate[4] == 1 && fabs(rate[1] - .25) < .03, "bernoulli_p: each with its own probability");
  yt_tensor *mask = yt_dropout_mask(yt_empty(YT_F16, SHAPE(50, 60), YT_CPU), .2, FROM_START);
  check(mask && mask->dtype == YT_F16 && fabs(yt_item(yt_mean(yt_cast(mask, YT_F32), YT_ALL, 0)) - 1) < .05,
        "dropout_mask keeps the mean");

  yt_tensor *order = yt_permutation_(yt_empty(YT_I32, SHAPE(1000), YT_CPU), 1, FROM_START);
  const int64_t *sorted = places(yt_argsort(order, 0, 0, 0));
  int right = 1;
  for (int i = 0; i < 1000; i++) right &= values(order)[sorted[i]] == i + 1;
  check(right && values(order)[0] != 1, "permutation: 1 to 1000, each once, in another order");
  yt_tensor *logits = yt_log(list(YT_F32, 3, (float[]){ .2f, 0, .8f }));
  yt_tensor *choices = yt_categorical(yt_expand(logits, SHAPE(5000, 3)), 1, FROM_START);
  check(yt_item(yt_sum(yt_eq(choices, yt_num(2)), YT_ALL, 0)) == 0, "categorical: what has no probability never comes");
  check(fabs(yt_item(yt_sum(yt_eq(choices, yt_num(1)), YT_ALL, 0)) - 1000) < 100,
        "what has 0.2 comes one time in five");

  yt_tensor *steps = yt_transpose(yt_arange_(yt_transpose(yt_empty(YT_I64, SHAPE(3, 4), YT_CPU), 0, 1), 5, -2), 0, 1);
  check(places(steps)[0] == 5 && places(steps)[1] == -1 && places(steps)[3] == -13, "arange into a view, in its order");
  yt_fill_(yt_slice(dense, 1, 1, 70, 2), 9);
  check(values(dense)[1] == 9 && values(dense)[0] != 9 && values(dense)[2] != 9, "fill writes its view only");
}

/* ---- rows ---- */
static void test_rows(void)
{
  yt_tensor *x = reals(YT_F32, SHAPE(600, 90), 25), *label = integers(SHAPE(600), 1, 91, 26);
  yt_tensor *loss = yt_cross_entropy_rows(x, label, yt_none(), -100, 0, 1);
  yt_tensor *same = yt_neg(yt_squeeze(yt_gather(yt_log_softmax(x, 1), 1, yt_unsqueeze(label, 1), 1), 1));
  check(farthest(loss, same) < 1e-5, "cross entropy is -log softmax at the label");
  SAME_FOR_ANY_THREADS("cross_entropy", yt_cross_entropy_rows(x, label, yt_none(), -100, 0, 1));
  SAME_FOR_ANY_THREADS("cross_entropy_dx", yt_cross_entropy_dx(loss, x, label, yt_none(), -100, .1, 1));
  SAME_FOR_ANY_THREADS("softmax", yt_softmax(x, 0));
  SAME_FOR_ANY_THREADS("layer_norm_dw", yt_layer_norm_dw(x, x, 1, 1e-5));
  check(!yt_cross_entropy_rows(x, label, yt_none(), -100, 0, 0) && strstr(yt_error(0), "90"),
        "a label out of range is refused by its number: %s", yt_error(0));
}

/* ---- advantages ---- */
static void test_gae(void)
{
  enum { T = 40, N = 7 };
  static const int dtypes[] = { YT_F32, YT_F64 };
  for (int d = 0; d < 2; d++) {
    yt_tensor *r = reals(dtypes[d], SHAPE(T, N), 27), *v = reals(dtypes[d], SHAPE(T, N), 28);
    yt_tensor *last = reals(dtypes[d], SHAPE(N), 29), *final = reals(dtypes[d], SHAPE(T, N), 30);
    yt_tensor *over = yt_bernoulli_(yt_empty(YT_BOOL, SHAPE(T, N), YT_CPU), .1, &(yt_generator){ .seed = 31 });
    yt_tensor *cut = yt_bernoulli_(yt_empty(YT_U8, SHAPE(T, N), YT_CPU), .1, &(yt_generator){ .seed = 32 });
    const double *R = values(r), *V = values(v), *L = values(last), *F = values(final), *O = values(over);
    const double *C = values(cut), gamma = .97, lambda = .9;
    double want[T * N];
    for (int i = 0; i < N; i++) { /* eq. 16: the sum of (gamma lambda)^l delta up to the first end */
      for (int t = 0; t < T; t++) {
        double sum = 0, weight = 1;
        for (int s = t; s < T; s++, weight *= gamma * lambda) {
          const int k = s * N + i, end = O[k] != 0 || C[k] != 0;
          const double next = O[k] != 0 ? 0 : C[k] != 0 ? F[k] : s + 1 < T ? V[k + N] : L[i];
          sum += weight * (R[k] + gamma * next - V[k]);
          if (end) break;
        }
        want[t * N + i] = sum;
      }
    }
    yt_tensor *a = yt_gae(r, v, last, over, cut, final, gamma, lambda);
    check(a && a->dtype == dtypes[d] && farthest(a, yt_from(YT_F64, SHAPE(T, N), want)) < (d ? 1e-13 : 1e-5),
          "gae is the weighted sum of later errors, dtype %d", dtypes[d]);
  }
}

/* ---- nothing to work on ---- */
static void test_empty(void)
{
  yt_tensor *x = yt_empty(YT_F16, SHAPE(3, 0), YT_CPU), *w = yt_empty(YT_F32, SHAPE(2, 0), YT_CPU);
  yt_tensor *bias = list(YT_F32, 2, (float[]){ 5, 6 }), *y = yt_linear(x, w, bias, YT_IDENTITY);
  check(y && y->dtype == YT_F32 && values(y)[4] == 5 && values(y)[5] == 6, "linear of halves without inputs");
  y = yt_logsumexp(x, 1, 0);
  check(y && y->numel == 3 && values(y)[2] == -INFINITY, "logsumexp over nothing is -inf");
  yt_tensor *none = yt_empty(YT_F32, SHAPE(0, 4), YT_CPU);
  y = yt_layer_norm_dw(none, none, 1, 1e-5);
  check(y && y->numel == 4 && values(y)[0] == 0 && values(y)[3] == 0, "layer_norm_dw of no rows is 0");
  yt_tensor *index = yt_empty(YT_I64, SHAPE(0), YT_CPU), *rows = reals(YT_F32, SHAPE(5, 4), 33);
  check(same_bits(yt_index_add(rows, 0, index, none, 0), rows)
          && same_bits(yt_index_copy(rows, 0, index, none, 0), rows)
          && same_bits(yt_scatter_add(rows, 0, yt_empty(YT_I64, SHAPE(0, 4), YT_CPU), none, 0), rows),
        "no index, no change");
  y = yt_argsort(yt_from(YT_F32, &(yt_shape){ 0 }, (float[]){ 3 }), 0, 0, 1);
  check(y && y->ndim == 0 && yt_item(y) == 1, "the order of one number");
}

int main(void)
{
  void (*const tests[])(void) = { test_products, test_select, test_gather, test_puts, test_nonzero, test_sort,
                                  test_topk,     test_fills,  test_rows,   test_gae,  test_empty };
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    yt_scope s;
    yt_scope_open(&s);
    tests[i]();
    yt_scope_close(&s, NULL);
  }
  check(yt_memory(YT_CPU, 0) == 0, "nothing is left behind");
  return check_report();
}
