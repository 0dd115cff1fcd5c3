/* map.h: the loops that rows of the op table make, one table of them per instruction set. */
#ifndef CPU_MAP_H
#define CPU_MAP_H
#include "cpu.h"

/* y[i] = f(x[0][i], x[1][i], ...); y may be one of x */
typedef void cpu_map_loop(void *y, const void *const *x, long n);
/* A reduction's accumulators are wide: f64 for f32 and f64, i64 for integers.
 *   start   the neutral element into n accumulators
 *   run     n values: into r[0] (step 0), or each into its own r[i * step] */
typedef struct { void (*start)(void *r, long n), (*run)(void *r, long step, const void *v, long n); } cpu_fold_loops;
/* (n, inner): where along n the best of each column is, from 0 */
typedef void cpu_seek_loop(const void *v, long n, long inner, int64_t *where);
/* (n, inner) -> the same, running along n */
typedef void cpu_scan_loop(void *y, const void *x, long n, long inner);
/* one step of an optimizer on n elements; c holds the row's numbers */
typedef void cpu_step_loop(void *const *x, const double *c, long n);

typedef struct {
  cpu_map_loop *map[OPS][3];      /* by compute type */
  cpu_step_loop *step[OPS][2];
  /* conversions, by compute type and dtype; strides in elements */
  void (*load[3][YT_DTYPES])(void *d, long ds, const void *s, long ss, long n);
  void (*store[3][YT_DTYPES])(void *d, long ds, const void *s, long ss, long n);
  /* (rows, columns) of elements of so many bytes, from one pair of strides to another, in tiles */
  void (*transpose)(int bytes, void *d, long drow, const void *s, long scolumn, long rows, long columns);
} cpu_map_kernels;
typedef struct {
  cpu_fold_loops fold[OPS][3];
  cpu_seek_loop *seek[OPS][3];
  cpu_scan_loop *scan[OPS][3];
} cpu_fold_kernels;

extern const cpu_map_kernels cpu__map_sse2, cpu__map_avx2, cpu__map_avx512;
extern const cpu_fold_kernels cpu__fold_sse2, cpu__fold_avx2, cpu__fold_avx512;
const cpu_map_kernels *cpu__map(void);
const cpu_fold_kernels *cpu__fold(void);
#endif
