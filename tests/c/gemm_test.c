/* gemm.h and blas.h: products of every layout against plain loops in double precision, once per instruction set, each
 * in a process of its own. Operands end where a page that can't be touched begins. LAPACK is checked by residuals, for
 * each kind of processor that OpenBLAS can take this one for. */
#include "backends/cpu/blas.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/pool.h"
#include "backends/backend.h"
#include "check.h"
#include "isas.h"
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* ---- numbers, and memory that ends at a wall ---- */
static uint64_t state = 11;
static double number(void)                         /* in [-1, 1), exact in a float */
{
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(float)((double)(int64_t)state * 0x1p-63);
}

typedef struct { char *map; size_t mapped; void *p; } walled;

static walled walled_new(long elements, size_t size)
{
  const size_t page = 4096, bytes = (size_t)elements * size;
  walled w = { .mapped = (bytes + page - 1) / page * page + page };
  w.map = mmap(NULL, w.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (w.map == MAP_FAILED || mprotect(w.map + w.mapped - page, page, PROT_NONE)) abort();
  w.p = w.map + w.mapped - page - bytes;
  return w;
}
static void walled_release(walled w) { munmap(w.map, w.mapped); }
static double get(const void *p, long i, int f64)
{
  return f64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}
static void set(void *p, long i, int f64, double x)
{
  if (f64) ((double *)p)[i] = x;
  else ((float *)p)[i] = (float)x;
}
static walled numbers(long elements, int f64)
{
  const walled w = walled_new(elements, f64 ? 8 : 4);
  for (long i = 0; i < elements; i++) set(w.p, i, f64, number());
  return w;
}
static int gemm(const cpu_gemm *g, int f64) { return f64 ? cpu__gemm_f64(g) : cpu__gemm_f32(g); }

/* ---- one product against the definition ---- */
enum { ROWS, COLUMNS, EVERY_OTHER, LAYOUTS };      /* row-major, transposed, both strides odd */

static long lay_out(int layout, long rows, long cols, long *rs, long *cs)     /* elements it takes */
{
  *rs = layout == ROWS ? cols : layout == COLUMNS ? 1 : 2 * cols + 1;
  *cs = layout == ROWS ? 1 : layout == COLUMNS ? rows : 2;
  return rows && cols ? (rows - 1) * *rs + (cols - 1) * *cs + 1 : 0;
}
static double activated(int act, double x)
{
  return act == CPU_RELU ? (x < 0 ? 0 : x) : act == CPU_TANH ? tanh(x) : act == CPU_SIGMOID ? 1 / (1 + exp(-x)) : x;
}

/* The largest error, in rounding units of the sum of the sizes of what is added; INFINITY if c was written outside. */
static double error_of(long m, long n, long k, int la, int lb, int with_bias, int act, int accumulate, int f64)
{
  cpu_gemm g = { .m = m, .n = n, .k = k, .act = act, .accumulate = accumulate, .ldc = n + 3 };
  const walled a = numbers(lay_out(la, m, k, &g.ars, &g.acs), f64), b = numbers(lay_out(lb, k, n, &g.brs, &g.bcs), f64);
  const walled bias = numbers(n, f64), c = numbers(m * g.ldc, f64);
  const double eps = f64 ? 0x1p-52 : 0x1p-23;
  double *before = malloc((size_t)(m * g.ldc + 1) * sizeof *before), worst = 0;
  for (long i = 0; i < m * g.ldc; i++) before[i] = get(c.p, i, f64);
  g.a = a.p, g.b = b.p, g.c = c.p, g.bias = with_bias ? bias.p : NULL;
  if (gemm(&g, f64)) worst = INFINITY;
  const long step = m * n * k > 300000 ? 29 : 1;   /* of a large product some elements in every tile */
  for (long i = 0; i < m; i++) {
    for (long j = i * 7 % step; j < n; j += step) {
      double sum = (with_bias ? get(bias.p, j, f64) : 0) + (accumulate ? before[i * g.ldc + j] : 0), size = 1;
      for (long l = 0; l < k; l++) {
        const double x = get(a.p, i * g.ars + l * g.acs, f64) * get(b.p, l * g.brs + j * g.bcs, f64);
        sum += x, size += fabs(x);
      }
      const double e = fabs(get(c.p, i * g.ldc + j, f64) - activated(act, sum)) / (eps * size);
      if (!(e <= worst)) worst = e;
    }
    for (long j = n; j < g.ldc; j++) if (get(c.p, i * g.ldc + j, f64) != before[i * g.ldc + j]) worst = INFINITY;
  }
  free(before);
  walled_release(a), walled_release(b), walled_release(bias), walled_release(c);
  return worst;
}

/* 8 eps of the sum of sizes: an order of summation of our kind stays below 3, tanh and sigmoid add 4 ULP */
enum { TOLERANCE = 8 };

static void test_layouts(void)
{
  static const long sizes[][3] = {
    { 1, 1, 1 }, { 1, 64, 4 }, { 1, 64, 64 }, { 1, 2, 64 }, { 1, 1, 300 }, { 1, 130, 7 }, { 2, 3, 5 }, { 2, 64, 64 },
    { 3, 33, 17 }, { 4, 65, 31 }, { 5, 16, 16 }, { 6, 70, 9 }, { 7, 17, 33 }, { 8, 64, 4 }, { 8, 2, 64 },
    { 9, 15, 100 },
    { 11, 31, 2 }, { 12, 32, 32 }, { 13, 1, 64 }, { 14, 48, 47 }, { 25, 4, 64 }, { 33, 5, 129 }, { 64, 2, 20 },
    { 64, 64, 64 }, { 64, 4, 256 }, { 37, 53, 200 }, { 100, 50, 30 }, { 130, 10, 130 }, { 17, 1, 1 }, { 40, 3, 1 },
    { 50, 8, 64 }, { 20, 100, 600 },
  };
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int layouts = 0; layouts < LAYOUTS * LAYOUTS; layouts++)
      for (int f64 = 0; f64 < 2; f64++) {
        const long *z = sizes[s];
        const int la = layouts / LAYOUTS, lb = layouts % LAYOUTS;
        double e = error_of(z[0], z[1], z[2], la, lb, 0, CPU_NONE, 0, f64);
        check(e < TOLERANCE, "%ldx%ldx%ld, layouts %d and %d, f%d: error %g", z[0], z[1], z[2], la, lb,
              f64 ? 64 : 32, e);
        for (int way = 0; way < 4; way++) {        /* bias and accumulate in all combinations, each activation */
          e = error_of(z[0], z[1], z[2], la, lb, way & 1, (way + (int)s + la) % 4, way >> 1, f64);
          check(e < TOLERANCE, "%ldx%ldx%ld, layouts %d and %d, f%d, bias %d, act %d, accumulate %d: error %g", z[0],
                z[1], z[2], la, lb, f64 ? 64 : 32, way & 1, (way + (int)s + la) % 4, way >> 1, e);
        }
      }
}

static void test_large(void)
{
  static const long sizes[][3] = { { 200, 130, 1100 }, { 700, 70, 300 }, { 49, 1024, 260 }, { 30, 256, 1024 },
                                   { 650, 600, 90 }, { 3, 600, 600 }, { 16, 40, 1024 } };
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int layouts = 0; layouts < LAYOUTS * LAYOUTS; layouts++)
      for (int f64 = 0; f64 < 2; f64++) {
        const long *z = sizes[s];
        const int la = layouts / LAYOUTS, lb = layouts % LAYOUTS, act = ((int)s + layouts) % 4;
        const double e = error_of(z[0], z[1], z[2], la, lb, layouts & 1, act, layouts >> 1 & 1, f64);
        check(e < TOLERANCE, "%ldx%ldx%ld in blocks, layouts %d and %d, f%d, act %d: error %g", z[0], z[1], z[2], la,
              lb, f64 ? 64 : 32, act, e);
      }
}

static void test_empty(void)
{
  for (int f64 = 0; f64 < 2; f64++) {
    check(error_of(0, 5, 3, 0, 0, 1, CPU_RELU, 0, f64) == 0, "no rows: nothing is written");
    check(error_of(5, 0, 3, 0, 0, 1, CPU_RELU, 0, f64) == 0, "no columns: nothing is written");
    check(error_of(5, 40, 0, 0, 0, 0, CPU_NONE, 0, f64) == 0, "k = 0 gives zeros");
    check(error_of(5, 40, 0, 1, 1, 1, CPU_RELU, 0, f64) == 0, "k = 0 gives the activated bias");
    check(error_of(30, 3, 0, 0, 1, 0, CPU_SIGMOID, 0, f64) < TOLERANCE, "k = 0 gives the sigmoid of zero");
    check(error_of(5, 40, 0, 0, 0, 1, CPU_NONE, 1, f64) < TOLERANCE, "k = 0 keeps what is accumulated to");
  }
}

/* ---- the same bits ---- */
static void test_threads(void)
{
  static const long sizes[][3] = { { 64, 64, 64 }, { 256, 64, 64 }, { 7, 300, 300 }, { 3, 500, 300 }, { 1, 2048, 256 },
                                   { 200, 280, 600 }, { 61, 2, 800 }, { 50, 512, 1024 }, { 2000, 5, 64 },
                                   { 13, 64, 2000 } };
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int layouts = 0; layouts < 4; layouts++)
      for (int f64 = 0; f64 < 2; f64++) {
        const long m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
        cpu_gemm g = { .m = m, .n = n, .k = k, .ldc = n, .act = CPU_TANH };
        const walled a = numbers(lay_out(layouts & 1, m, k, &g.ars, &g.acs), f64);
        const walled b = numbers(lay_out(layouts >> 1, k, n, &g.brs, &g.bcs), f64), bias = numbers(n, f64);
        const size_t bytes = (size_t)(m * n) * (f64 ? 8 : 4);
        void *one = malloc(bytes), *many = malloc(bytes);
        g.a = a.p, g.b = b.p, g.bias = bias.p;
        cpu__set_threads(1);
        g.c = one;
        int failed = gemm(&g, f64);
        g.c = many;
        for (int threads = 2; threads <= 5; threads += 3) {
          cpu__set_threads(threads);
          for (int r = 0; r < 2; r++) {            /* the first may find the workers asleep */
            memset(many, 0, bytes);
            failed |= gemm(&g, f64);
            check(!failed && !memcmp(one, many, bytes), "%ldx%ldx%ld f%d: %d threads give the bits of one", m, n, k,
                  f64 ? 64 : 32, threads);
          }
        }
        free(one), free(many);
        walled_release(a), walled_release(b), walled_release(bias);
      }
  cpu__set_threads(2);
}

static void test_positions(void)                   /* equal rows give equal rows, wherever they are */
{
  for (int f64 = 0; f64 < 2; f64++)
    for (long m = 1; m < 30; m++) {
      const long n = 75, k = 21;
      const int act = (int)(m % 4);
      const walled row = numbers(k, f64), column = numbers(k, f64), c = walled_new(m * n, f64 ? 8 : 4);
      const cpu_gemm g = { .m = m, .n = n, .k = k, .a = row.p, .ars = 0, .acs = 1, .b = column.p, .brs = 1, .bcs = 0,
                     .c = c.p, .ldc = n, .act = act };
      check(gemm(&g, f64) == 0, "strides of 0 are allowed");
      int same = 1;
      for (long i = 0; i < m * n; i++) same &= get(c.p, i, f64) == get(c.p, i % n, f64);
      check(same, "%ld equal rows give equal rows, act %d, f%d", m, act, f64 ? 64 : 32);
      same = 1;
      for (long i = 0; i < n; i++) same &= get(c.p, i, f64) == get(c.p, 0, f64);
      check(same || m < 3, "equal columns give equal columns, %ld rows, act %d, f%d", m, act, f64 ? 64 : 32);
      walled_release(row), walled_release(column), walled_release(c);
    }
}

/* ---- special values ---- */
static void test_special(void)
{
  for (int f64 = 0; f64 < 2; f64++)
    for (int act = CPU_NONE; act <= CPU_SIGMOID; act++)
      for (long k = 1; k < 80; k += 39) {          /* tiles, and inner products */
        double y[3];
        const double x[3] = { NAN, INFINITY, -INFINITY };
        for (int i = 0; i < 3; i++) {
          const walled a = walled_new(k, f64 ? 8 : 4), b = walled_new(k, f64 ? 8 : 4), c = walled_new(1, f64 ? 8 : 4);
          for (long l = 0; l < k; l++) set(a.p, l, f64, l ? 0 : x[i]), set(b.p, l, f64, 1);
          const cpu_gemm g = { .m = 1, .n = 1, .k = k, .a = a.p, .ars = k, .acs = 1, .b = b.p, .brs = 1, .bcs = k,
                               .c = c.p, .ldc = 1, .act = act };
          y[i] = gemm(&g, f64) ? -99 : get(c.p, 0, f64);
          walled_release(a), walled_release(b), walled_release(c);
        }
        check(isnan(y[0]), "NaN stays NaN through act %d, f%d, k %ld: %g", act, f64 ? 64 : 32, k, y[0]);
        check(y[1] == activated(act, INFINITY) && y[2] == activated(act, -INFINITY),
              "infinities go where they must through act %d, f%d, k %ld: %g and %g", act, f64 ? 64 : 32, k, y[1], y[2]);
      }
}

/* ---- many at once ---- */
static void test_batch(void)
{
  enum { BATCH = 37 };
  static const long sizes[][3] = { { 5, 6, 7 }, { 64, 32, 20 }, { 40, 300, 200 } };
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int f64 = 0; f64 < 2; f64++) {
      const long m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
      const size_t size = f64 ? 8 : 4;
      const walled a = numbers(BATCH * m * k, f64), b = numbers(2 * k * n, f64), c = walled_new(BATCH * m * n, size);
      const walled want = walled_new(m * n, size);
      long ao[BATCH], bo[BATCH], co[BATCH];
      cpu_gemm g = { .m = m, .n = n, .k = k, .a = a.p, .ars = k, .acs = 1, .b = b.p, .brs = n, .bcs = 1, .c = c.p,
                     .ldc = n, .act = CPU_RELU };
      for (long i = 0; i < BATCH; i++) ao[i] = (BATCH - 1 - i) * m * k, bo[i] = i % 2 * k * n, co[i] = i * m * n;
      cpu__set_threads(3);
      check((f64 ? cpu__gemm_batch_f64 : cpu__gemm_batch_f32)(&g, BATCH, ao, bo, co) == 0, "a batch succeeds");
      int same = 1;
      for (long i = 0; i < BATCH; i++) {
        cpu_gemm one = g;
        one.a = (char *)a.p + (size_t)ao[i] * size, one.b = (char *)b.p + (size_t)bo[i] * size, one.c = want.p;
        same &= gemm(&one, f64) == 0 && !memcmp(want.p, (char *)c.p + (size_t)co[i] * size, (size_t)(m * n) * size);
      }
      check(same, "a batch of %ldx%ldx%ld f%d gives the bits of its products", m, n, k, f64 ? 64 : 32);
      check((f64 ? cpu__gemm_batch_f64 : cpu__gemm_batch_f32)(&g, 0, ao, bo, co) == 0, "an empty batch is no work");
      walled_release(a), walled_release(b), walled_release(c), walled_release(want);
    }
}

/* ---- no memory ---- */
static void *starved(void *unused)                 /* in a thread of its own, which has no packed panels yet */
{
  const long m = 700, n = 300, k = 400;
  const walled a = numbers(m * k, 0), b = numbers(k * n, 0), c = walled_new(m * n, 4);
  const cpu_gemm g = { .m = m, .n = n, .k = k, .a = a.p, .ars = k, .acs = 1, .b = b.p, .brs = 1, .bcs = k, .c = c.p,
                       .ldc = n };
  int failures = 0, hit = 1;
  cpu__set_threads(1);
  (void)unused;
  for (int nth = 1; nth < 20 && hit; nth++) {
    yt_fail_allocation(nth);
    if (cpu__gemm_f32(&g)) {
      failures++;
      check(strstr(yt_error(0), "matmul") != NULL, "the error names the operation: %s", yt_error(0));
    }
    hit = yt_fail_allocation(0) == 0;
  }
  check(failures >= 2 && !hit, "each allocation can fail: %d did, then the product succeeded", failures);
  walled_release(a), walled_release(b), walled_release(c);
  return NULL;
}
static void test_no_memory(void)
{
  pthread_t thread;
  pthread_create(&thread, NULL, starved, NULL);
  pthread_join(thread, NULL);
  cpu__set_threads(2);
}

static void products(void)
{
  cpu__set_threads(2);
  test_layouts();
  test_large();
  test_empty();
  test_threads();
  test_positions();
  test_special();
  test_batch();
  test_no_memory();
}

/* ---- LAPACK, in double precision by residuals; column-major n by n, a = the original ---- */
static double residual(const double *x, const double *y, long n)
{
  double e = 0;
  for (long i = 0; i < n; i++) e = fmax(e, fabs(x[i] - y[i]));
  return e;
}
static void multiply(const double *x, const double *y, double *z, int n, int xt, int yt)
{
  for (int j = 0; j < n; j++)
    for (int i = 0; i < n; i++) {
      double sum = 0;
      for (int l = 0; l < n; l++) sum += (xt ? x[i * n + l] : x[l * n + i]) * (yt ? y[l * n + j] : y[j * n + l]);
      z[j * n + i] = sum;
    }
}
static void lapack(void)
{
  enum { N = 90, NN = N * N, WORK = 64 * NN };
  const cpu_blas *blas = cpu__blas();
  const int n = N, lwork = WORK, liwork = 20 * N;
  int info = -1, pivot[N], iwork[20 * N];
  double *a = malloc(8 * sizeof(double) * NN), *spd = a + NN, *x = a + 2 * NN, *y = a + 3 * NN, *z = a + 4 * NN;
  double *u = a + 5 * NN, *v = a + 6 * NN, *w = a + 7 * NN, *work = malloc(WORK * sizeof(double));
  const size_t bytes = NN * sizeof(double);
  if (!blas) { check(0, "no OpenBLAS was found"); return; }
  for (int i = 0; i < NN; i++) a[i] = number();
  multiply(a, a, spd, N, 0, 1);
  for (int i = 0; i < N; i++) spd[i * N + i] += 1;

  memcpy(x, a, bytes);
  for (int i = 0; i < NN; i++) y[i] = z[i] = number();
  blas->dgesv(&n, &n, x, &n, pivot, y, &n, &info);
  multiply(a, y, w, N, 0, 0);
  check(info == 0 && residual(w, z, NN) < 1e-9, "%s: solve, residual %g", blas->core, residual(w, z, NN));

  memcpy(x, a, bytes);
  blas->dgetrf(&n, &n, x, &n, pivot, &info);
  blas->dgetri(&n, x, &n, pivot, work, &lwork, &info);
  multiply(a, x, w, N, 0, 0);
  for (int i = 0; i < NN; i++) z[i] = i % (N + 1) == 0;
  check(info == 0 && residual(w, z, NN) < 1e-9, "%s: inverse, residual %g", blas->core, residual(w, z, NN));

  memcpy(x, spd, bytes);
  blas->dpotrf("L", &n, x, &n, &info, 1);
  for (int j = 0; j < N; j++) for (int i = 0; i < j; i++) x[j * N + i] = 0;
  multiply(x, x, w, N, 0, 1);
  check(info == 0 && residual(w, spd, NN) < 1e-10, "%s: Cholesky, residual %g", blas->core, residual(w, spd, NN));
  for (int i = 0; i < NN; i++) y[i] = z[i] = number();
  blas->dtrtrs("L", "N", "N", &n, &n, x, &n, y, &n, &info, 1, 1, 1);
  multiply(x, y, w, N, 0, 0);
  check(info == 0 && residual(w, z, NN) < 1e-10, "%s: triangular solve, residual %g", blas->core, residual(w, z, NN));

  memcpy(x, a, bytes);
  blas->dgeqrf(&n, &n, x, &n, z, work, &lwork, &info);
  memcpy(u, x, bytes);
  for (int j = 0; j < N; j++) for (int i = j + 1; i < N; i++) u[j * N + i] = 0;
  blas->dorgqr(&n, &n, &n, x, &n, z, work, &lwork, &info);
  multiply(x, u, w, N, 0, 0);
  check(info == 0 && residual(w, a, NN) < 1e-12, "%s: QR, residual %g", blas->core, residual(w, a, NN));

  memcpy(x, a, bytes);
  blas->dgesdd("A", &n, &n, x, &n, z, u, &n, v, &n, work, &lwork, iwork, &info, 1);
  for (int j = 0; j < N; j++) for (int i = 0; i < N; i++) x[j * N + i] = u[j * N + i] * z[j];
  multiply(x, v, w, N, 0, 0);
  check(info == 0 && residual(w, a, NN) < 1e-12, "%s: SVD, residual %g", blas->core, residual(w, a, NN));

  memcpy(x, spd, bytes);
  blas->dsyevd("V", "U", &n, x, &n, z, work, &lwork, iwork, &liwork, &info, 1, 1);
  for (int j = 0; j < N; j++) for (int i = 0; i < N; i++) u[j * N + i] = x[j * N + i] * z[j];
  multiply(u, x, w, N, 0, 1);
  check(info == 0 && residual(w, spd, NN) < 1e-10, "%s: eigenvalues, residual %g", blas->core, residual(w, spd, NN));

  float *fa = malloc(3 * NN * sizeof(float)), *fb = fa + NN, *fc = fa + 2 * NN;
  for (int i = 0; i < NN; i++) fa[i] = (float)a[i], fb[i] = (float)spd[i];
  blas->sgemm(CBLAS_ROWS, CBLAS_PLAIN, CBLAS_TRANSPOSED, n, n, n, 1, fa, n, fa, n, 0, fc, n);
  for (int i = 0; i < NN; i++) w[i] = fc[i];
  multiply(a, a, z, N, 1, 0);
  check(residual(w, z, NN) < 1e-4, "%s: sgemm, residual %g", blas->core, residual(w, z, NN));
  blas->spotrf("L", &n, fb, &n, &info, 1);
  for (int j = 0; j < N; j++) for (int i = 0; i < N; i++) x[j * N + i] = i < j ? 0 : fb[j * N + i];
  multiply(x, x, w, N, 0, 1);
  check(info == 0 && residual(w, spd, NN) < 1e-4, "%s: Cholesky of floats, residual %g", blas->core,
        residual(w, spd, NN));
  free(a), free(work), free(fa);
}

/* OpenBLAS chooses its kernels when it is opened: a process for each choice. NULL: its own. */
static void on_core(const char *core)
{
  int counts[2] = { 0 }, status = -1, channel[2];
  if (pipe(channel)) return;
  const pid_t child = fork();
  if (child == 0) {
    check_passed = check_failed = 0;
    if (core) setenv("OPENBLAS_CORETYPE", core, 1);
    else unsetenv("OPENBLAS_CORETYPE");
    lapack();
    counts[0] = check_passed, counts[1] = check_failed;
    _exit(write(channel[1], counts, sizeof counts) != sizeof counts);
  }
  close(channel[1]);
  const int told = read(channel[0], counts, sizeof counts) == sizeof counts;
  close(channel[0]);
  waitpid(child, &status, 0);
  check(told && status == 0, "OpenBLAS as %s ended with status %d", core ? core : "it likes", status);
  check_passed += counts[0], check_failed += counts[1];
}

int main(void)
{
  on_core(NULL);
  if (__builtin_cpu_supports("avx2")) on_core("Haswell"), on_core("Zen");
  if (__builtin_cpu_supports("avx512vl")) on_core("SkylakeX");
  if (__builtin_cpu_supports("avx512bf16")) on_core("Cooperlake");
  return on_every_isa(products);
}
