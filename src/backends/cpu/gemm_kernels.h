/* gemm_kernels.h: what gemm.c asks of the kernels of one instruction set, and how it says where things are. */
#ifndef CPU_GEMM_KERNELS_H
#define CPU_GEMM_KERNELS_H
#include "gemm.h"

/* A part of a product. Rows are cut into `tiles` as even as can be, rows cpu__first(m, t, tiles) on; this block is
 * tiles [tile, tile_end), all n columns, all k. */
typedef struct cpu_gemm_block {
  long m, n, k;
  long tiles, tile, tile_end;
  const void *a;                     /* (m, k), or when a_panel: tile `tile`'s panel, the next one a_panel further */
  long ars, acs, a_panel;
  const void *b;                     /* (k, n) with contiguous rows, or when b_panel: panels, each b_panel further */
  long brs, b_panel, bcs;            /* bcs is for `dots` */
  void *c;
  long ldc;
  const void *bias;
  int act, accumulate;
  int few;                           /* m <= kernels->few and b is not in panels */
  int far;                           /* c is too large to be in a near cache */
  int dot_rows;                      /* of `dots`: a power of two, at most the lanes */
} cpu_gemm_block;

typedef struct cpu_gemm_kernels {
  int lanes, lane_bits, width;       /* elements in a vector and their logarithm, in a row of a panel */
  int tall, few;                     /* rows of the tallest tile, of the tallest that is four vectors wide */
  void (*block)(const cpu_gemm_block *g);
  void (*dots)(const cpu_gemm_block *g);
  void (*pack_b)(long k, long n, const void *b, long brs, long bcs, void *to, long from, long end);
  void (*pack_a)(const cpu_gemm_block *g, void *to);
  void (*copy)(long k, long n, const void *b, long brs, long bcs, void *to, long ldt);
} cpu_gemm_kernels;

/* [0] f32, [1] f64 */
extern const cpu_gemm_kernels cpu__gemm_sse2[2], cpu__gemm_avx2[2], cpu__gemm_avx512[2];

#endif
