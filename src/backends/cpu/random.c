/* random.c: random.h, split over the threads; the permutation, which is serial by nature. Costs are nanoseconds per
 * element of one AVX-512 thread. */
#include "random.h"
#include "isa.h"
#include "pool.h"
#include "random_kernels.h"
#include "../backend.h"
#include "../philox.h"

static const random_table *table(void)
{
  static const random_table *const tables[] = { &cpu__random_sse2, &cpu__random_avx2, &cpu__random_avx512 };
  return tables[cpu__isa()];
}

typedef struct job { random_kernel *kernel; const random_args *args; long items; } job;

static void slice_of(void *ctx, int slice, int slices)
{
  const job *j = ctx;
  j->kernel(j->args, cpu__first(j->items, slice, slices), cpu__first(j->items, slice + 1, slices));
}

static void fill(random_kernel *kernel, const random_args *a, double ns)
{
  job j = { kernel, a, (a->count + CHUNK - 1) / CHUNK };
  double us = (double)a->count * ns * (cpu__isa() == CPU_AVX512 ? 1e-3 : cpu__isa() == CPU_AVX2 ? 2e-3 : 5e-3);
  int slices = cpu__slices(us, j.items);
  if (slices > 1) cpu__run(slice_of, &j, slices);
  else if (j.items > 0) kernel(a, 0, j.items);
}

static uint64_t probability(double p) { return p > 0 ? p < 1 ? (uint64_t)ceil(p * 0x1p32) : (uint64_t)1 << 32 : 0; }

static int gamma_of(int type, void *y, long n, const yt_generator *g, double shape)
{
  if (!(shape > 0 && shape < INFINITY)) return yt__fail("gamma: shape %g; it must be above 0 and finite", shape);
  fill(table()->gamma[type], &(random_args){ .out = y, .count = n, .g = g, .a = shape }, 60);
  return 0;
}

static int categorical(int type, int64_t *y, const void *logits, long rows, long n, const yt_generator *g, int base)
{
  random_args a = { .out = y, .in = logits, .count = rows, .n = n, .g = g, .base = base };
  if (n < 1 && rows > 0) return yt__fail("categorical: rows of %ld logits have nothing to choose from", n);
  fill(table()->categorical[type], &a, 5 + 2.0 * (double)n);
  for (long r = 0; r < rows; r++)
    if (y[r] == INT64_MIN)
      return yt__fail("categorical: row %ld of the logits has NaN, +inf, or nothing but -inf", r + base);
  return 0;
}

#define FUNCTIONS(T, type, _)                                                                                      \
  void _(cpu__uniform)(T *y, long n, const yt_generator *g, double lo, double hi)                                  \
  {                                                                                                                \
    fill(table()->uniform[type], &(random_args){ .out = y, .count = n, .g = g, .a = lo, .b = hi }, 0.2);           \
  }                                                                                                                \
  void _(cpu__normal)(T *y, long n, const yt_generator *g, double mean, double std)                                \
  {                                                                                                                \
    fill(table()->normal[type], &(random_args){ .out = y, .count = n, .g = g, .a = mean, .b = std }, 0.5);         \
  }                                                                                                                \
  void _(cpu__exponential)(T *y, long n, const yt_generator *g, double mean)                                       \
  {                                                                                                                \
    fill(table()->exponential[type], &(random_args){ .out = y, .count = n, .g = g, .a = mean }, 0.4);              \
  }                                                                                                                \
  void _(cpu__gumbel)(T *y, long n, const yt_generator *g)                                                         \
  {                                                                                                                \
    fill(table()->gumbel[type], &(random_args){ .out = y, .count = n, .g = g }, 0.6);                              \
  }                                                                                                                \
  int _(cpu__gamma)(T *y, long n, const yt_generator *g, double shape) { return gamma_of(type, y, n, g, shape); }  \
  void _(cpu__dropout)(T *y, long n, const yt_generator *g, double p)                                              \
  {                                                                                                                \
    random_args a = { .out = y, .count = n, .g = g, .a = p > 0 ? 1 / (1 - p) : 1, .range = probability(p) };       \
    fill(table()->dropout[type], &a, 0.2);                                                                         \
  }                                                                                                                \
  void _(cpu__bernoulli_p)(uint8_t *y, const T *p, long n, const yt_generator *g)                                  \
  {                                                                                                                \
    fill(table()->bernoulli_p[type], &(random_args){ .out = y, .in = p, .count = n, .g = g }, 0.3);                \
  }                                                                                                                \
  int _(cpu__categorical)(int64_t *y, const T *x, long rows, long n, const yt_generator *g, int base)              \
  {                                                                                                                \
    return categorical(type, y, x, rows, n, g, base);                                                              \
  }

#define F32(name) name##_f32
#define F64(name) name##_f64
FUNCTIONS(float, 0, F32)
FUNCTIONS(double, 1, F64)

void cpu__bernoulli(uint8_t *y, long n, const yt_generator *g, double p)
{
  fill(table()->bernoulli, &(random_args){ .out = y, .count = n, .g = g, .range = probability(p) }, 0.2);
}

int cpu__randint(int64_t *y, long n, const yt_generator *g, int64_t lo, int64_t hi)
{
  if (hi <= lo) return yt__fail("randint: no integer from %lld to %lld", (long long)lo, (long long)hi - 1);
  random_args a = { .out = y, .count = n, .g = g, .lo = lo, .range = (uint64_t)hi - (uint64_t)lo };
  fill(table()->randint, &a, 0.5);
  return 0;
}

void cpu__permutation(int64_t *y, long n, const yt_generator *g, int base)
{
  uint32_t w[4];
  for (long i = 0; i < n; i++) y[i] = i + base;
  for (long i = 0; i < n; i++) {
    if (i % 2 == 0) philox(w, g->seed, g->offset + (uint64_t)(i / 2), g->stream);
    long j = i + (long)below((uint64_t)(n - i), w[i % 2 * 2], w[i % 2 * 2 + 1]);
    int64_t swap = y[i];
    y[i] = y[j], y[j] = swap;
  }
}
