/* rows.c: rows.h, split over the threads. Each function says what it costs per element in nanoseconds of one AVX-512
 * thread (measured roughly, on a Zen 5): that decides whether a second thread pays. */
#include <math.h>
#include "rows.h"
#include "isa.h"
#include "pool.h"
#include "../backend.h"
#include "rows_kernels.h"

static const rows_table *table(void)
{
  static const rows_table *const tables[] = { &cpu__rows_sse2, &cpu__rows_avx2, &cpu__rows_avx512 };
  return tables[cpu__isa()];
}

typedef struct job { rows_kernel *kernel; const rows_args *args; long items; } job;

static void slice_of(void *ctx, int slice, int slices)
{
  const job *j = ctx;
  j->kernel(j->args, cpu__first(j->items, slice, slices), cpu__first(j->items, slice + 1, slices));
}

/* All items of a job of so many elements. */
static void split(rows_kernel *kernel, const rows_args *a, long items, double elements, double ns)
{
  job j = { kernel, a, items };
  double us = elements * ns * (cpu__isa() == CPU_AVX512 ? 1e-3 : cpu__isa() == CPU_AVX2 ? 2e-3 : 5e-3);
  int slices = cpu__slices(us, items);
  if (slices > 1) cpu__run(slice_of, &j, slices);
  else if (items > 0) kernel(a, 0, items);
}

/* (outer, n, inner): an item is a row, or a block of columns where the dim is not the last. */
static void along(rows_kernel *rows, rows_kernel *across, void *out, const void *in, const void *in2, long outer,
                  long n, long inner, double ns)
{
  rows_args a = { .out = out, .in = in, .in2 = in2, .n = n, .inner = inner };
  if (n < 1 || inner < 1) return;
  if (inner == 1) split(rows, &a, outer, (double)outer * (double)n, ns);
  else split(across, &a, outer * ((inner + COLUMNS - 1) / COLUMNS), (double)outer * (double)n * (double)inner, ns);
}

static void norm(int type, void *y, const void *x, const void *weight, const void *bias, long rows, long n,
                 double eps, int rms)
{
  rows_args a = { .out = y, .in = x, .weight = weight, .bias = bias, .n = n, .eps = eps, .rms = rms };
  if (n > 0) split(table()->norm[type], &a, rows, (double)rows * (double)n, 0.08);
}
static void norm_dx(int type, void *dx, const void *g, const void *x, const void *weight, long rows, long n,
                    double eps, int rms)
{
  rows_args a = { .out = dx, .in = g, .in2 = x, .weight = weight, .n = n, .eps = eps, .rms = rms };
  if (n > 0) split(table()->norm_dx[type], &a, rows, (double)rows * (double)n, 0.15);
}
static void norm_dw(int type, void *dweight, void *dbias, void *stats, const void *g, const void *x, long rows, long n,
                    double eps, int rms)
{
  rows_args a = { .out = dweight, .out2 = dbias, .stats = stats, .in = g, .in2 = x, .rows = rows, .n = n, .eps = eps,
                  .rms = rms };
  if (n < 1) return;
  split(table()->norm_stats[type], &a, rows, (double)rows * (double)n, 0.05);
  split(table()->norm_dw[type], &a, (n + DW_COLUMNS - 1) / DW_COLUMNS, (double)rows * (double)n, 0.08);
}

/* Labels are checked before anything is computed, so the kernels need no errors. */
static int cross_entropy(const char *op, rows_kernel *kernel, void *out, const void *g, const void *x, long rows,
                         long n, const cpu_cross_entropy *o)
{
  rows_args a = { .out = out, .in = g, .in2 = x, .n = n, .options = o };
  for (long r = 0; r < rows; r++)
    if ((o->label[r] < o->base || o->label[r] - o->base >= n) && o->label[r] != o->ignore)
      return yt__fail("%s: label %lld is not in %d to %ld (labels count from %d), in row %ld", op,
                      (long long)o->label[r], o->base, n - 1 + o->base, o->base, r + o->base);
  split(kernel, &a, rows, (double)rows * (double)n, 0.15);
  return 0;
}

static void best(rows_kernel *kernel, int64_t *index, const void *x, long rows, long n, int base)
{
  rows_args a = { .out = index, .in = x, .n = n, .base = base };
  split(kernel, &a, rows, (double)rows * (double)n, 0.05);
}

static double sum_squares(int type, const void *x, long n)
{
  double parts[256], s = 0;
  const char *p = x;
  for (long step = 256L * SQUARES; n > 0; n -= step, p += step * (type ? 8 : 4)) {
    rows_args a = { .out = parts, .in = p, .n = n < step ? n : step };
    long items = (a.n + SQUARES - 1) / SQUARES;
    split(table()->sum_squares[type], &a, items, (double)a.n, 0.05);
    for (long i = 0; i < items; i++) s += parts[i];
  }
  return s;
}

#define FUNCTIONS(T, type, _)                                                                                          \
  void _(cpu__softmax)(T *y, const T *x, long outer, long n, long inner)                                               \
  {                                                                                                                    \
    along(table()->softmax[type], table()->softmax_across[type], y, x, NULL, outer, n, inner, 0.15);                   \
  }                                                                                                                    \
  void _(cpu__log_softmax)(T *y, const T *x, long outer, long n, long inner)                                           \
  {                                                                                                                    \
    along(table()->log_softmax[type], table()->log_softmax_across[type], y, x, NULL, outer, n, inner, 0.15);           \
  }                                                                                                                    \
  void _(cpu__softmax_dx)(T *dx, const T *g, const T *y, long outer, long n, long inner)                               \
  {                                                                                                                    \
    along(table()->softmax_dx[type], table()->softmax_dx_across[type], dx, g, y, outer, n, inner, 0.1);                \
  }                                                                                                                    \
  void _(cpu__log_softmax_dx)(T *dx, const T *g, const T *y, long outer, long n, long inner)                           \
  {                                                                                                                    \
    along(table()->log_softmax_dx[type], table()->log_softmax_dx_across[type], dx, g, y, outer, n, inner, 0.15);       \
  }                                                                                                                    \
  void _(cpu__logsumexp)(T *y, const T *x, long outer, long n, long inner)                                             \
  {                                                                                                                    \
    along(table()->logsumexp[type], table()->logsumexp_across[type], y, x, NULL, outer, n, inner, 0.12);               \
    if (n == 0) for (long i = 0; i < outer * inner; i++) y[i] = -INFINITY;                                             \
  }                                                                                                                    \
  void _(cpu__argmax)(int64_t *index, const T *x, long rows, long n, int base)                                         \
  {                                                                                                                    \
    best(table()->argmax[type], index, x, rows, n, base);                                                              \
  }                                                                                                                    \
  void _(cpu__argmin)(int64_t *index, const T *x, long rows, long n, int base)                                         \
  {                                                                                                                    \
    best(table()->argmin[type], index, x, rows, n, base);                                                              \
  }                                                                                                                    \
  void _(cpu__norm)(T *y, const T *x, const T *weight, const T *bias, long rows, long n, double eps, int rms)          \
  {                                                                                                                    \
    norm(type, y, x, weight, bias, rows, n, eps, rms);                                                                 \
  }                                                                                                                    \
  void _(cpu__norm_dx)(T *dx, const T *g, const T *x, const T *weight, long rows, long n, double eps, int rms)         \
  {                                                                                                                    \
    norm_dx(type, dx, g, x, weight, rows, n, eps, rms);                                                                \
  }                                                                                                                    \
  void _(cpu__norm_dw)(T *dweight, T *dbias, T *stats, const T *g, const T *x, long rows, long n, double eps, int rms) \
  {                                                                                                                    \
    norm_dw(type, dweight, dbias, stats, g, x, rows, n, eps, rms);                                                     \
  }                                                                                                                    \
  int _(cpu__cross_entropy)(T *loss, const T *x, long rows, long n, const cpu_cross_entropy *o)                        \
  {                                                                                                                    \
    return cross_entropy("cross_entropy", table()->cross_entropy[type], loss, NULL, x, rows, n, o);                    \
  }                                                                                                                    \
  int _(cpu__cross_entropy_dx)(T *dx, const T *g, const T *x, long rows, long n, const cpu_cross_entropy *o)           \
  {                                                                                                                    \
    return cross_entropy("cross_entropy_dx", table()->cross_entropy_dx[type], dx, g, x, rows, n, o);                   \
  }                                                                                                                    \
  double _(cpu__sum_squares)(const T *x, long n) { return sum_squares(type, x, n); }

#define F32(name) name##_f32
#define F64(name) name##_f64
FUNCTIONS(float, 0, F32)
FUNCTIONS(double, 1, F64)
