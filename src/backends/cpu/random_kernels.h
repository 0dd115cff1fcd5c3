/* random_kernels.h: between random.c and its kernels. An item is CHUNK elements (or rows); a kernel does the items
 * first .. last - 1. */
#ifndef CPU_RANDOM_KERNELS_H
#define CPU_RANDOM_KERNELS_H
#include <stdint.h>
#include "random.h"

enum { CHUNK = 1024 };

typedef struct random_args {
  void *out;
  const void *in;
  long count, n;                  /* elements or rows; length of a row */
  const yt_generator *g;
  double a, b;                    /* the parameters of the distribution */
  int64_t lo;
  uint64_t range;
  int base;
} random_args;

typedef void random_kernel(const random_args *a, long first, long last);

typedef struct random_table {
  random_kernel *uniform[2], *normal[2], *exponential[2], *gumbel[2], *gamma[2], *dropout[2];     /* [0] f32, [1] f64 */
  random_kernel *bernoulli, *bernoulli_p[2], *randint, *categorical[2];
} random_table;

extern const random_table cpu__random_sse2, cpu__random_avx2, cpu__random_avx512;
#endif
