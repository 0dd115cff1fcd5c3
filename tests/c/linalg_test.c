/* linalg_test.c: linear algebra by its definitions (a x = b, q r = x, ...) in both precisions, for batches, views and
 * odd shapes; what LAPACK must not read; and refusals. */
#include <math.h>
#include <pthread.h>
#include <string.h>
#include "yutu.h"
#include "check.h"

#define SHAPE(...) (&(yt_shape){ sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), { __VA_ARGS__ } })

static yt_tensor *reals(int dtype, int64_t batch, int64_t rows, int64_t columns)
{
  yt_generator g = { .seed = (uint64_t)(batch + 10 * rows + 1000 * columns) };
  return yt_uniform_(yt_empty(dtype, SHAPE(batch, rows, columns), YT_CPU), -1, 1, &g);
}
static yt_tensor *transposed(yt_tensor *x) { return yt_transpose(x, -2, -1); }
static yt_tensor *part(yt_tensor *x, int64_t row, int64_t rows, int64_t columns)
{
  return yt_slice(yt_slice(x, -2, row, row + rows, 1), -1, 0, columns, 1);
}
static double largest(yt_tensor *x) { return x ? x->numel ? yt_item(yt_amax(yt_abs(x), YT_ALL, 0)) : 0 : INFINITY; }
static double apart(yt_tensor *a, yt_tensor *b) { return largest(yt_sub(a, b)); }
static yt_tensor *identity(int dtype, int64_t n)
{
  return yt_tril(yt_triu(yt_fill_(yt_empty(dtype, SHAPE(n, n), YT_CPU), 1), 0), 0);
}
static double least_step(yt_tensor *x) /* along the last dim */
{
  const int64_t n = x ? x->size[x->ndim - 1] : 0;
  yt_tensor *steps = yt_sub(yt_slice(x, -1, 1, n, 1), yt_slice(x, -1, 0, n - 1, 1));
  return n == 1 ? 0 : yt_item(yt_amin(steps, YT_ALL, 0));
}
static int refused(yt_tensor *t, const char *message) /* as Lua would show it */
{
  if (!t && !strcmp(yt_error(1), message)) return 1;
  fprintf(stderr, "expected: %s\ngot:      %s\n", message, t ? "no error" : yt_error(1));
  return 0;
}

static void test_square(int dtype, int64_t batch, int64_t n)
{
  const double eps = (dtype == YT_F64 ? 1e-13 : 5e-5) * (double)(n + 1);
  yt_tensor *eye = identity(dtype, n), *x = reals(dtype, batch, n, n), *b = reals(dtype, batch, n, 3);
  yt_tensor *a = yt_add(x, yt_mul(eye, yt_num(3 + .2 * (double)n)));
  check(apart(yt_matmul(a, yt_solve(a, b)), b) < eps, "a solve(a, b) = b, n = %d", (int)n);
  check(apart(yt_matmul(transposed(a), yt_solve(transposed(a), b)), b) < eps, "of a transposed view");
  check(apart(yt_matmul(a, yt_inverse(a)), yt_expand(eye, SHAPE(batch, n, n))) < eps, "a inverse(a) = 1");
  yt_tensor *low = yt_tril(a, 0), *up = yt_triu(a, 0);
  check(apart(yt_matmul(low, yt_solve_triangular(a, b, 0)), b) < eps, "a lower triangle; the upper is not read");
  check(apart(yt_matmul(up, yt_solve_triangular(a, b, 1)), b) < eps, "an upper triangle; the lower is not read");
  check(apart(yt_matmul(transposed(low), yt_solve_triangular(transposed(a), b, 1)), b) < eps, "and in a view");

  yt_tensor *s = yt_matmul(a, transposed(a)), *above = yt_triu(yt_fill_(yt_empty(dtype, SHAPE(n, n), YT_CPU), 7e7), 1);
  yt_tensor *lower_only = yt_add(yt_tril(s, 0), above); /* what stands above the diagonal must not matter */
  const double size = largest(s);
  yt_tensor *l = yt_cholesky(lower_only);
  check(apart(yt_matmul(l, transposed(l)), s) < eps * size, "cholesky: l l^T = x, n = %d", (int)n);
  check(largest(yt_triu(l, 1)) == 0, "l is lower triangular");
  yt_tensor *e = yt_eigh_packed(lower_only), *w = yt_select(e, -2, 0), *v = part(e, 1, n, n);
  check(apart(yt_matmul(s, v), yt_mul(v, yt_unsqueeze(w, -2))) < eps * size, "eigh: x v = v w, n = %d", (int)n);
  check(apart(yt_matmul(transposed(v), v), yt_expand(eye, SHAPE(batch, n, n))) < eps, "its vectors are orthonormal");
  check(least_step(w) >= 0, "its values ascend");
  yt_tensor *d = yt_slogdet_packed(s);
  check(apart(yt_select(d, -1, 1), yt_sum(yt_log(w), -1, 0)) < eps * 10, "log det is the sum of log w, n = %d", (int)n);
  check(apart(yt_select(d, -1, 0), yt_num(1)) == 0, "det of a positive definite matrix is positive");
  yt_tensor *negative = yt_mul(a, yt_sub(yt_num(1), yt_mul(yt_num(2), part(eye, 0, 1, n)))); /* one column turned */
  yt_tensor *before = yt_slogdet_packed(a), *after = yt_slogdet_packed(negative);
  check(largest(yt_add(yt_select(before, -1, 0), yt_select(after, -1, 0))) == 0
          && apart(yt_select(before, -1, 1), yt_select(after, -1, 1)) < eps * 10,
        "a column turned turns det");
}
static void test_oblong(int dtype, int64_t batch, int64_t rows, int64_t columns)
{
  const int64_t k = rows < columns ? rows : columns;
  const double eps = (dtype == YT_F64 ? 1e-14 : 1e-5) * (double)(rows + columns);
  yt_tensor *x = reals(dtype, batch, rows, columns), *one = yt_expand(identity(dtype, k), SHAPE(batch, k, k));
  yt_tensor *f = yt_qr_packed(x), *q = part(f, 0, rows, k), *r = part(f, rows, k, columns);
  check(apart(yt_matmul(q, r), x) < eps, "qr: q r = x, (%d,%d)", (int)rows, (int)columns);
  check(apart(yt_matmul(transposed(q), q), one) < eps, "the columns of q are orthonormal");
  check(largest(yt_tril(r, -1)) == 0
          && (columns == k || largest(yt_slice(part(f, 0, rows, columns), -1, k, columns, 1)) == 0),
        "r is upper triangular, and beside q there are zeros");
  yt_tensor *p = yt_svd_packed(x), *u = part(p, 0, rows, k), *s = yt_select(p, -2, rows),
            *v = part(p, rows + 1, columns, k);
  check(apart(yt_matmul(yt_mul(u, yt_unsqueeze(s, -2)), transposed(v)), x) < eps, "svd: u s v^T = x, (%d,%d)",
        (int)rows, (int)columns);
  check(apart(yt_matmul(transposed(u), u), one) < eps && apart(yt_matmul(transposed(v), v), one) < eps,
        "the columns of u and of v are orthonormal");
  check(least_step(yt_neg(s)) >= 0 && yt_item(yt_amin(s, YT_ALL, 0)) >= 0, "its values descend and are not negative");
  check(apart(yt_qr_packed(transposed(yt_contiguous(transposed(x)))), f) == 0, "the same for a transposed view");
  check(apart(yt_svd_packed(transposed(yt_contiguous(transposed(x)))), p) == 0, "svd too");
}
static void test_refusals(void)
{
  yt_tensor *x = reals(YT_F64, 3, 4, 4), *b = reals(YT_F64, 3, 4, 1);
  yt_fill_(yt_select(x, 0, 1), 0);
  check(refused(yt_solve(x, b), "solve: matrix 2 of the batch is singular"), "solve names the matrix");
  check(refused(yt_solve_triangular(x, b, 1),
                "solve_triangular: matrix 2 of the batch is singular: there is a 0 on its "
                "diagonal"),
        "solve_triangular");
  check(refused(yt_cholesky(yt_neg(identity(YT_F32, 3))), "cholesky: the matrix is not positive definite"), "cholesky");
  yt_tensor *d = yt_slogdet_packed(yt_select(x, 0, 1));
  check(yt_item(yt_select(d, 0, 0)) == 0 && yt_item(yt_select(d, 0, 1)) == -INFINITY, "det of a singular matrix is 0");
  yt_fill_(yt_select(yt_select(yt_select(x, 0, 2), 0, 3), 0, 0), NAN);
  check(refused(yt_eigh_packed(x), "eigh: the matrices must be finite, one has NaN or infinity"), "eigh of NaN");
  check(refused(yt_svd_packed(x), "svd: the matrices must be finite, one has NaN or infinity"), "svd of NaN");
  yt_tensor *nothing = yt_slogdet_packed(yt_empty(YT_F32, SHAPE(0, 0), YT_CPU));
  check(nothing && yt_item(yt_select(nothing, 0, 0)) == 1 && yt_item(yt_select(nothing, 0, 1)) == 0,
        "det of (0,0) is 1");
  yt_tensor *none = yt_solve(yt_empty(YT_F32, SHAPE(0, 4, 4), YT_CPU), yt_empty(YT_F32, SHAPE(0, 4, 2), YT_CPU));
  check(none && none->numel == 0, "an empty batch");
}
static void test_halves(void)
{
  yt_tensor *x = yt_cast(yt_add(reals(YT_F32, 2, 5, 5), yt_mul(identity(YT_F32, 5), yt_num(6))), YT_F16);
  yt_tensor *y = yt_inverse(x);
  check(y && y->dtype == YT_F16 && apart(yt_matmul(x, y), identity(YT_F16, 5)) < .01, "halves are computed in f32");
  yt_tensor *whole = yt_from(YT_I64, SHAPE(2, 2), (int64_t[]){ 3, 1, 1, 2 });
  check(yt_det(whole)->dtype == YT_F32 && fabs(yt_item(yt_det(whole)) - 5) < 1e-5, "integers too");
}
/* Debian's OpenBLAS gives wrong numbers when two threads are in it at once, so ours must not be. */
static void *factor_often(void *wrong)
{
  yt_scope s;
  yt_scope_open(&s);
  yt_tensor *x = reals(YT_F64, 1, 100, 100), *a = yt_add(x, yt_mul(identity(YT_F64, 100), yt_num(100)));
  yt_tensor *b = reals(YT_F64, 1, 100, 2), *y = yt_solve(a, b);
  *(int *)wrong += !(apart(yt_matmul(a, y), b) < 1e-12);
  for (int i = 0; i < 1500; i++) {
    yt_scope inner;
    yt_scope_open(&inner);
    *(int *)wrong += apart(yt_solve(a, b), y) != 0;
    yt_scope_close(&inner, NULL);
  }
  yt_scope_close(&s, NULL);
  return NULL;
}
static void test_threads(void)
{
  pthread_t thread;
  int wrong[2] = { 0 };
  const int started = !pthread_create(&thread, NULL, factor_often, wrong);
  factor_often(wrong + 1);
  if (started) pthread_join(thread, NULL);
  check(started && wrong[0] + wrong[1] == 0, "two threads that solve at once: %d wrong", wrong[0] + wrong[1]);
}

int main(void)
{
  static const int dtypes[] = { YT_F32, YT_F64 };
  for (int d = 0; d < 2; d++)
    for (int threads = 1; threads <= 2; threads++) {
      yt_scope s;
      yt_scope_open(&s);
      yt_set_threads(threads);
      static const int sizes[] = { 1, 2, 5, 33, 100 };
      for (int i = 0; i < 5; i++) test_square(dtypes[d], i == 4 ? 2 : 7, sizes[i]);
      test_oblong(dtypes[d], 5, 30, 20), test_oblong(dtypes[d], 5, 20, 30), test_oblong(dtypes[d], 1, 1, 9);
      test_oblong(dtypes[d], 2, 9, 1), test_oblong(dtypes[d], 3, 64, 64), test_oblong(dtypes[d], 40, 3, 3);
      yt_scope_close(&s, NULL);
    }
  yt_scope s;
  yt_scope_open(&s);
  test_refusals();
  test_halves();
  test_threads();
  yt_scope_close(&s, NULL);
  check(yt_memory(YT_CPU, 0) == 0, "nothing is left behind");
  return check_report();
}
