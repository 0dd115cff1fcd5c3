/* rows_kernels.h: between rows.c and its kernels. A kernel does the items first .. last - 1 of a job; what an item is,
 * rows.c says where it splits. */
#ifndef CPU_ROWS_KERNELS_H
#define CPU_ROWS_KERNELS_H
#include <stdint.h>
#include "rows.h"

enum { COLUMNS = 256 };           /* an item of the (outer, n, inner > 1) kernels: so many columns of one outer index */
enum { DW_COLUMNS = 64 };         /* an item of norm_dw */
enum { SQUARES = 4096 };          /* an item of sum_squares: so many elements */

typedef struct rows_args {
  void *out, *out2, *stats;
  const void *in, *in2, *weight, *bias;
  long rows, n, inner;
  double eps;
  int rms, base;
  const cpu_cross_entropy *options;
} rows_args;

typedef void rows_kernel(const rows_args *a, long first, long last);

typedef struct rows_table {       /* [0] float, [1] double */
  rows_kernel *softmax[2], *softmax_across[2];
  rows_kernel *log_softmax[2], *log_softmax_across[2];
  rows_kernel *softmax_dx[2], *softmax_dx_across[2];
  rows_kernel *log_softmax_dx[2], *log_softmax_dx_across[2];
  rows_kernel *logsumexp[2], *logsumexp_across[2];
  rows_kernel *norm[2], *norm_dx[2], *norm_stats[2], *norm_dw[2];
  rows_kernel *cross_entropy[2], *cross_entropy_dx[2];
  rows_kernel *argmax[2], *argmin[2], *sum_squares[2];
} rows_table;

extern const rows_table cpu__rows_sse2, cpu__rows_avx2, cpu__rows_avx512;
#endif
