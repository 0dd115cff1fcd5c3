/* rows_kernels.c: the kernels of rows.h for one instruction set: rows_loops.h once per type.
 *
 * The loops are plain C that the compiler turns into vectors; `omp simd reduction` (-fopenmp-simd, no run time) is the
 * leave to reorder a sum. A row is read again and again while it lies in the first-level cache. */
#include "isa.h"
#include "rows_kernels.h"
#include "../scalar.h"

#define ONCE static __attribute__((noinline))      /* one copy of a long loop, not one per kernel */
#define ROW 1024                  /* rows up to here are padded to whole vectors, so that none ends in scalars */
#define FEW 16                    /* rows shorter than this are done many at a time, */
#define BATCH 64                  /* so many */
#define PADDED(n) (((n) + FEW - 1) / FEW * FEW)

/* whole vectors, at any address */
typedef float v_f32 __attribute__((vector_size(ISA_VECTOR), aligned(4), may_alias));
typedef double v_f64 __attribute__((vector_size(ISA_VECTOR), aligned(8), may_alias));

/* s = the sum over i < n of an expression in AT(array), which means a vector of it, or one element near the end. Two
 * sums run side by side, so that additions do not wait for one another. */
#define LANES (ISA_VECTOR / (int)sizeof(T))
#define AT(p) (*(const E *)((p) + i))
#define SUM(s, n, term) do {                                      \
    V v0 = { 0 }, v1 = { 0 };                                     \
    long i = 0;                                                   \
    {                                                             \
      typedef V E;                                                \
      while (i + 2 * LANES <= (n)) {                              \
        v0 += (term), i += LANES;                                 \
        v1 += (term), i += LANES;                                 \
      }                                                           \
    }                                                             \
    (s) = _(total)(v0 + v1);                                      \
    {                                                             \
      typedef T E;                                                \
      for (; i < (n); i++) (s) += (term);                         \
    }                                                             \
  } while (0)

#define T float
#define V v_f32
#define _(name) name##_f32
#include "rows_loops.h"
#undef T
#undef V
#undef _
#define T double
#define V v_f64
#define _(name) name##_f64
#include "rows_loops.h"

#define BOTH(name) .name = { name##_f32, name##_f64 }
const rows_table ISA(cpu__rows) = {
  BOTH(softmax), BOTH(softmax_across), BOTH(log_softmax), BOTH(log_softmax_across),
  BOTH(softmax_dx), BOTH(softmax_dx_across), BOTH(log_softmax_dx), BOTH(log_softmax_dx_across),
  BOTH(logsumexp), BOTH(logsumexp_across), BOTH(norm), BOTH(norm_dx), BOTH(norm_stats), BOTH(norm_dw),
  BOTH(cross_entropy), BOTH(cross_entropy_dx), BOTH(argmax), BOTH(argmin), BOTH(sum_squares),
};
