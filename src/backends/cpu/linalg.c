/* linalg.c: linear algebra through LAPACK, one matrix of a batch after the other.
 *
 * LAPACK reads columns, tensors are rows: each matrix is turned around into scratch and its result turned back. Several
 * results are packed into one tensor, one below the other, as the rows of ops.def say. */
#include <math.h>
#include <string.h>
#include "blas.h"
#include "cpu.h"

#define REAL float
#define L(name) blas->s##name
#define FN(name) name##_f32
#include "linalg_real.h"
#undef REAL
#undef L
#undef FN
#define REAL double
#define L(name) blas->d##name
#define FN(name) name##_f64
#include "linalg_real.h"

/* Each kernel: operands dense in f32 or f64, then the batch. The workers return LAPACK's info of a matrix: 0, or what
 * went wrong with it; -1000: no memory, already told. */
typedef struct { const cpu_blas *blas; const char *op; int f64; const void *a, *b; void *y; long batch, m, n; } work;
static int begin(work *w, const char *op, yt_tensor *out, const yt_tensor *a, const yt_tensor *b)
{
  const int dtype = cpu__real(out->dtype);
  if (!(w->blas = cpu__blas())) return yt__fail("%s: linear algebra needs OpenBLAS (Debian: libopenblas0-serial)", op);
  w->op = op, w->f64 = dtype == YT_F64;
  w->m = a->size[a->ndim - 2], w->n = a->size[a->ndim - 1];
  if (w->m > 46340 || w->n > 46340) return yt__fail("%s: %s is too large for LAPACK", op, yt__show(a));
  w->batch = 1;
  for (int d = 0; d < a->ndim - 2; d++) w->batch *= a->size[d];
  w->a = cpu__read(a, dtype, 0), w->b = b ? cpu__read(b, dtype, 1) : w->a, w->y = cpu__target(out, dtype, 2);
  return w->a && w->b && w->y ? 0 : -1;
}
static int end(const work *w, yt_tensor *out) { cpu__write(out, w->f64 ? YT_F64 : YT_F32, w->y); return 0; }
static int wrong(const work *w, long i, int info, const char *what)
{
  if (info == -1000) return -1;
  return w->batch > 1 ? yt__fail("%s: matrix %ld of the batch %s", w->op, i + 1, what) : yt__fail("%s: the matrix %s", w->op, what);
}
#define EACH(what, call32, call64) \
  for (long i = 0; i < w.batch; i++) { \
    const int info = w.f64 ? call64 : call32; \
    if (info) return wrong(&w, i, info, what); \
  } \
  return end(&w, out)
#define A32 ((const float *)w.a + i * w.m * w.n)
#define A64 ((const double *)w.a + i * w.m * w.n)
#define Y32(size) ((float *)w.y + i * (size))
#define Y64(size) ((double *)w.y + i * (size))

int cpu_solve(yt_tensor *out, const args_solve *p)
{
  work w;
  if (begin(&w, "solve", out, p->a, p->b)) return -1;
  const long k = p->b->size[p->b->ndim - 1], size = w.n * k;
  EACH("is singular", solve_f32(w.blas, Y32(size), A32, (const float *)w.b + i * size, w.n, k),
    solve_f64(w.blas, Y64(size), A64, (const double *)w.b + i * size, w.n, k));
}
int cpu_solve_triangular(yt_tensor *out, const args_solve_triangular *p)
{
  work w;
  if (begin(&w, "solve_triangular", out, p->a, p->b)) return -1;
  const long k = p->b->size[p->b->ndim - 1], size = w.n * k;
  EACH("has a 0 on its diagonal", triangular_f32(w.blas, Y32(size), A32, (const float *)w.b + i * size, w.n, k, p->upper),
    triangular_f64(w.blas, Y64(size), A64, (const double *)w.b + i * size, w.n, k, p->upper));
}
int cpu_cholesky(yt_tensor *out, const args_cholesky *p)
{
  work w;
  if (begin(&w, "cholesky", out, p->x, NULL)) return -1;
  EACH("is not positive definite", cholesky_f32(w.blas, Y32(w.n * w.n), A32, w.n), cholesky_f64(w.blas, Y64(w.n * w.n), A64, w.n));
}
int cpu_qr_packed(yt_tensor *out, const args_qr_packed *p)
{
  work w;
  if (begin(&w, "qr", out, p->x, NULL)) return -1;
  const long k = w.m < w.n ? w.m : w.n, size = (w.m + k) * w.n;
  EACH("has no QR", qr_f32(w.blas, Y32(size), A32, w.m, w.n), qr_f64(w.blas, Y64(size), A64, w.m, w.n));
}
int cpu_eigh_packed(yt_tensor *out, const args_eigh_packed *p)
{
  work w;
  if (begin(&w, "eigh", out, p->x, NULL)) return -1;
  EACH("did not converge", eigh_f32(w.blas, Y32((w.n + 1) * w.n), A32, w.n), eigh_f64(w.blas, Y64((w.n + 1) * w.n), A64, w.n));
}
int cpu_svd_packed(yt_tensor *out, const args_svd_packed *p)
{
  work w;
  if (begin(&w, "svd", out, p->x, NULL)) return -1;
  const long k = w.m < w.n ? w.m : w.n, size = (w.m + 1 + w.n) * k;
  EACH("did not converge", svd_f32(w.blas, Y32(size), A32, w.m, w.n), svd_f64(w.blas, Y64(size), A64, w.m, w.n));
}
int cpu_slogdet_packed(yt_tensor *out, const args_slogdet_packed *p)
{
  work w;
  if (begin(&w, "slogdet", out, p->x, NULL)) return -1;
  EACH("has no LU", slogdet_f32(w.blas, Y32(2), A32, w.n), slogdet_f64(w.blas, Y64(2), A64, w.n));
}
