/* linalg.c: linear algebra through LAPACK, one matrix of a batch after the other.
 *
 * LAPACK wants matrices column by column and overwrites what it is given, so operands are copied: turned, or as they
 * lie where the routine can work on the transpose. Several results of one op are packed above each other in `out`.
 *
 * One call at a time: a serial OpenBLAS built without USE_LOCKING, as Debian's is, hands one work buffer to two threads
 * that call at once, and both get wrong numbers (0.3.21: 1 in 500 Cholesky factors of 100 x 100). */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include "cpu.h"
#include "blas.h"

typedef struct job job;
struct job {
  const cpu_blas *lib;
  const char *op;
  int dtype, width;           /* YT_F32 or YT_F64, and its bytes */
  int m, n, k, lwork, liwork; /* rows, columns, the third size of the op; work space in elements */
  long batch;
  char *a, *b, *c, *d;                                      /* matrices of the batch, one after the other */
  int (*one)(const job *j, long i, void *work, int *iwork); /* does matrix i; LAPACK's info: 0 if all is well */
};
/* Both precisions have the same arguments, so one call serves: a void * becomes the one or the other. */
#define LAPACK(routine, ...) (j->dtype == YT_F64 ? j->lib->d##routine(__VA_ARGS__) : j->lib->s##routine(__VA_ARGS__))
#define MATRIX(which, rows, columns) \
  ((void *)(j->which + (size_t)i * (size_t)(rows) * (size_t)(columns) * (size_t)j->width))

static double element(const job *j, const void *x, long i)
{
  return j->dtype == YT_F64 ? ((const double *)x)[i] : ((const float *)x)[i];
}
static int begin(job *j, const char *op, const yt_tensor *out, const yt_tensor *x)
{
  const int nd = x->ndim;
  *j = (job){ .lib = cpu__blas(), .op = op, .dtype = cpu__real(out->dtype), .batch = 1 };
  if (!j->lib) return yt__fail("%s: linear algebra needs OpenBLAS (libopenblas0-serial)", op);
  if (x->size[nd - 2] > INT_MAX / 4 || x->size[nd - 1] > INT_MAX / 4)
    return yt__fail("%s: %s is too large", op, yt__show(x));
  j->width = yt__dtype_size(j->dtype);
  j->m = (int)x->size[nd - 2], j->n = (int)x->size[nd - 1], j->k = j->m < j->n ? j->m : j->n;
  for (int d = 0; d < nd - 2; d++) j->batch *= x->size[d];
  return 0;
}
static void *room(const job *j, int slot, long rows, long columns)
{
  return cpu__scratch(slot, (size_t)j->batch * (size_t)rows * (size_t)columns * (size_t)j->width + 64);
}

/* ---- between tensors and LAPACK's matrices ---- */
enum { BY_ROWS, BY_COLUMNS };
/* The header of dense matrices (rows, columns) in the batch of t, each in room of `each` elements. */
static yt_tensor matrices(const job *j, const yt_tensor *t, void *data, long rows, long columns, int order, long ld,
                          long each)
{
  yt_tensor x = { .dtype = (int8_t)j->dtype, .ndim = t->ndim, .numel = j->batch * rows * columns, .data = data };
  const int nd = t->ndim;
  for (int d = nd - 3; d >= 0; d--) x.size[d] = t->size[d], x.stride[d] = each, each *= t->size[d];
  x.size[nd - 2] = rows, x.size[nd - 1] = columns;
  x.stride[nd - 2] = order == BY_ROWS ? ld : 1, x.stride[nd - 1] = order == BY_ROWS ? 1 : ld;
  return x;
}
static void *taken(const job *j, const yt_tensor *x, int order, int slot) /* a copy of x; NULL: no memory */
{
  const long rows = x->size[x->ndim - 2], columns = x->size[x->ndim - 1];
  yt_tensor copy = matrices(j, x, room(j, slot, rows, columns), rows, columns, order, order == BY_ROWS ? columns : rows,
                            rows * columns);
  return copy.data && !cpu__copy(&copy, x) ? copy.data : NULL;
}
/* Rows row .. row + rows - 1 of out's matrices, their first columns, = from. */
static int put(const job *j, yt_tensor *out, long row, long rows, long columns, void *from, int order, long ld,
               long each)
{
  const int nd = out->ndim;
  yt_tensor part = *out, x = matrices(j, out, from, rows, columns, order, ld, each);
  part.size[nd - 2] = rows, part.size[nd - 1] = columns, part.numel = x.numel, part.dense = 0;
  part.data = (char *)out->data + row * out->stride[nd - 2] * yt__dtype_size(out->dtype);
  return cpu__copy(&part, &x);
}

/* ---- the batch ---- */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void hold(void) { pthread_mutex_lock(&lock); }
static void let_go(void) { pthread_mutex_unlock(&lock); }
static void guard_forks(void) { pthread_atfork(hold, let_go, let_go); } /* so that a child never finds it held */

/* Runs j->one on every matrix, with lwork elements and liwork integers to work in.
 * errors: the first matrix that failed, why */
static int run(job *j, const char *why)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  void *work = cpu__scratch(6, (size_t)j->lwork * (size_t)j->width + 64);
  int *iwork = cpu__scratch(7, (size_t)j->liwork * sizeof(int) + 64);
  long i = 0;
  if (!work || !iwork) return -1;
  pthread_once(&once, guard_forks);
  hold();
  while (i < j->batch && !j->one(j, i, work, iwork)) i++;
  let_go();
  if (i == j->batch) return 0;
  if (j->batch == 1) return yt__fail("%s: the matrix %s", j->op, why);
  return yt__fail("%s: matrix \1%ld of the batch %s", j->op, i, why);
}
/* Work space as a query answered it, in a float that may have rounded it down. */
static int workspace(job *j, const void *want)
{
  const double n = element(j, want, 0) * 1.0001 + 1;
  if (!(n > 0 && n < INT_MAX)) return yt__fail("%s: (%d,%d) is too large for LAPACK", j->op, j->m, j->n);
  if (j->lwork < n) j->lwork = (int)n;
  return 0;
}
static int all_finite(const job *j, const void *x, long each)
{
  for (long i = 0; i < j->batch * each; i++)
    if (!isfinite(element(j, x, i)))
      return yt__fail("%s: the matrices must be finite, one has NaN or infinity", j->op), 0;
  return 1;
}

/* ---- solving ---- */
static int solve_one(const job *j, long i, void *work, int *pivots)
{
  int info;
  (void)work;
  LAPACK(gesv, &j->n, &j->k, MATRIX(a, j->n, j->n), &j->n, pivots, MATRIX(b, j->n, j->k), &j->n, &info);
  return info;
}
int cpu_solve(yt_tensor *out, const args_solve *p)
{
  job j;
  if (begin(&j, "solve", out, p->a)) return -1;
  j.k = (int)p->b->size[p->b->ndim - 1], j.liwork = j.n, j.one = solve_one;
  if (!(j.a = taken(&j, p->a, BY_COLUMNS, 1)) || !(j.b = taken(&j, p->b, BY_COLUMNS, 2))) return -1;
  if (run(&j, "is singular")) return -1;
  return put(&j, out, 0, j.n, j.k, j.b, BY_COLUMNS, j.n, (long)j.n * j.k);
}
static int triangular_one(const job *j, long i, void *work, int *iwork) /* a by rows: its transpose by columns */
{
  int info;
  (void)work, (void)iwork;
  LAPACK(trtrs, j->m ? "L" : "U", "T", "N", &j->n, &j->k, MATRIX(a, j->n, j->n), &j->n, MATRIX(b, j->n, j->k), &j->n,
         &info, 1, 1, 1);
  return info;
}
int cpu_solve_triangular(yt_tensor *out, const args_solve_triangular *p)
{
  job j;
  if (begin(&j, "solve_triangular", out, p->a)) return -1;
  j.k = (int)p->b->size[p->b->ndim - 1], j.m = p->upper, j.one = triangular_one;
  if (!(j.a = (char *)cpu__read(p->a, j.dtype, 1)) || !(j.b = taken(&j, p->b, BY_COLUMNS, 2))) return -1;
  if (run(&j, "is singular: there is a 0 on its diagonal")) return -1;
  return put(&j, out, 0, j.n, j.k, j.b, BY_COLUMNS, j.n, (long)j.n * j.k);
}

/* ---- factors ---- */
/* the lower triangle by rows is the upper one by columns: hence "U" here and in eigh */
static int cholesky_one(const job *j, long i, void *work, int *iwork)
{
  char *a = MATRIX(a, j->n, j->n);
  int info;
  (void)work, (void)iwork;
  LAPACK(potrf, "U", &j->n, (void *)a, &j->n, &info, 1);
  for (long r = 0; r < j->n - 1; r++)
    memset(a + (r * j->n + r + 1) * j->width, 0, (size_t)(j->n - 1 - r) * (size_t)j->width);
  return info;
}
int cpu_cholesky(yt_tensor *out, const args_cholesky *p)
{
  job j;
  if (begin(&j, "cholesky", out, p->x)) return -1;
  j.one = cholesky_one;
  if (!(j.a = taken(&j, p->x, BY_ROWS, 1)) || run(&j, "is not positive definite")) return -1;
  return put(&j, out, 0, j.n, j.n, j.a, BY_ROWS, j.n, (long)j.n * j.n);
}
static int qr_one(const job *j, long i, void *work, int *iwork)
{
  char *a = MATRIX(a, j->m, j->n), *r = MATRIX(b, j->k, j->n), *tau = MATRIX(c, j->k, 1);
  int info;
  (void)iwork;
  LAPACK(geqrf, &j->m, &j->n, (void *)a, &j->m, (void *)tau, work, &j->lwork, &info);
  if (info) return info;
  memset(r, 0, (size_t)j->k * (size_t)j->n * (size_t)j->width);
  for (long col = 0; col < j->n; col++)
    memcpy(r + col * j->k * j->width, a + col * j->m * j->width,
           (size_t)(col + 1 < j->k ? col + 1 : j->k) * (size_t)j->width);
  LAPACK(orgqr, &j->m, &j->k, &j->k, (void *)a, &j->m, (void *)tau, work, &j->lwork, &info);
  return info;
}
int cpu_qr_packed(yt_tensor *out, const args_qr_packed *p)
{
  job task, *j = &task;
  double want[2] = { 0 }, none = 0;
  int info, query = -1;
  if (begin(j, "qr", out, p->x)) return -1;
  j->one = qr_one;
  LAPACK(geqrf, &j->m, &j->n, (void *)&none, &j->m, (void *)&none, (void *)want, &query, &info);
  if (workspace(j, want)) return -1;
  LAPACK(orgqr, &j->m, &j->k, &j->k, (void *)&none, &j->m, (void *)&none, (void *)want, &query, &info);
  if (workspace(j, want)) return -1;
  const double zero = 0;
  const yt_tensor nothing = { .dtype = YT_F64, .dense = 1, .weak = 1, .numel = 1, .data = (void *)&zero };
  if (!(j->a = taken(j, p->x, BY_COLUMNS, 1)) || !(j->b = room(j, 2, j->k, j->n)) || !(j->c = room(j, 3, j->k, 1)))
    return -1;
  if (run(j, "has no factors") || cpu__copy(out, &nothing)) return -1;
  if (put(j, out, 0, j->m, j->k, j->a, BY_COLUMNS, j->m, (long)j->m * j->n)) return -1;
  return put(j, out, j->m, j->k, j->n, j->b, BY_COLUMNS, j->k, (long)j->k * j->n);
}
static int eigh_one(const job *j, long i, void *work, int *iwork)
{
  int info;
  LAPACK(syevd, "V", "U", &j->n, MATRIX(a, j->n, j->n), &j->n, MATRIX(b, j->n, 1), work, &j->lwork, iwork, &j->liwork,
         &info, 1, 1);
  return info;
}
int cpu_eigh_packed(yt_tensor *out, const args_eigh_packed *p)
{
  job task, *j = &task;
  double want[2] = { 0 }, none = 0;
  int info, query = -1;
  if (begin(j, "eigh", out, p->x)) return -1;
  j->one = eigh_one;
  LAPACK(syevd, "V", "U", &j->n, (void *)&none, &j->n, (void *)&none, (void *)want, &query, &j->liwork, &query, &info,
         1, 1);
  if (workspace(j, want)) return -1;
  if (!(j->a = taken(j, p->x, BY_ROWS, 1)) || !(j->b = room(j, 2, j->n, 1))) return -1;
  for (long i = 0; i < j->batch; i++) /* what is not read may be anything */
    for (long r = 0; r < j->n; r++)
      memset(j->a + ((i * j->n + r) * j->n + r + 1) * j->width, 0, (size_t)(j->n - 1 - r) * (size_t)j->width);
  if (!all_finite(j, j->a, (long)j->n * j->n) || run(j, "did not converge")) return -1;
  if (put(j, out, 0, 1, j->n, j->b, BY_ROWS, j->n, j->n)) return -1;
  return put(j, out, 1, j->n, j->n, j->a, BY_COLUMNS, j->n, (long)j->n * j->n);
}
static int svd_one(const job *j, long i, void *work, int *iwork)
{
  int info;
  LAPACK(gesdd, "S", &j->m, &j->n, MATRIX(a, j->m, j->n), &j->m, MATRIX(b, j->k, 1), MATRIX(c, j->m, j->k), &j->m,
         MATRIX(d, j->k, j->n), &j->k, work, &j->lwork, iwork, &info, 1);
  return info;
}
int cpu_svd_packed(yt_tensor *out, const args_svd_packed *p)
{
  job task, *j = &task;
  double want[2] = { 0 }, none = 0;
  int info, query = -1;
  if (begin(j, "svd", out, p->x)) return -1;
  j->one = svd_one, j->liwork = 8 * j->k;
  LAPACK(gesdd, "S", &j->m, &j->n, (void *)&none, &j->m, (void *)&none, (void *)&none, &j->m, (void *)&none, &j->k,
         (void *)want, &query, &info, &info, 1);
  if (workspace(j, want)) return -1;
  if (!(j->a = taken(j, p->x, BY_COLUMNS, 1)) || !(j->b = room(j, 2, j->k, 1)) || !(j->c = room(j, 3, j->m, j->k))
      || !(j->d = room(j, 4, j->k, j->n)))
    return -1;
  if (!all_finite(j, j->a, (long)j->m * j->n) || run(j, "did not converge")) return -1;
  if (put(j, out, 0, j->m, j->k, j->c, BY_COLUMNS, j->m, (long)j->m * j->k)
      || put(j, out, j->m, 1, j->k, j->b, BY_ROWS, j->k, j->k))
    return -1;
  return put(j, out, j->m + 1, j->n, j->k, j->d, BY_ROWS, j->k, (long)j->k * j->n); /* v^T by columns is v by rows */
}

static int determinant_one(const job *j, long i, void *work, int *pivots) /* of the transpose: it is the same */
{
  const void *a = MATRIX(a, j->n, j->n);
  double sign = 1, sum = 0;
  int info;
  (void)work;
  if (j->n) LAPACK(getrf, &j->n, &j->n, (void *)a, &j->n, pivots, &info);
  for (long r = 0; r < j->n; r++) {
    const double v = element(j, a, r * j->n + r);
    sign *= (v > 0 ? 1 : v < 0 ? -1 : v) * (pivots[r] != r + 1 ? -1 : 1);
    sum += log(fabs(v));
  }
  ((double *)j->b)[2 * i] = sign, ((double *)j->b)[2 * i + 1] = sum;
  return 0;
}
int cpu_slogdet_packed(yt_tensor *out, const args_slogdet_packed *p)
{
  job j;
  if (begin(&j, "slogdet", out, p->x)) return -1;
  j.one = determinant_one, j.liwork = j.n;
  if (!(j.a = taken(&j, p->x, BY_ROWS, 1)) || !(j.b = cpu__scratch(2, (size_t)j.batch * 2 * sizeof(double)))) return -1;
  if (run(&j, "")) return -1;
  cpu__write(out, YT_F64, j.b);
  return 0;
}
