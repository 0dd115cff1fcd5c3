/* gemm.h: matrix products with bias and activation,  c = act(a b + bias).
 *
 * Element strides on a and b take every layout, transposed ones included; rows of c are contiguous. The order of each
 * sum over k depends on the shape, the strides and the instruction set alone, so the result is the same bits for any
 * number of threads and from run to run, and equal rows of a give equal rows of c. */
#ifndef CPU_GEMM_H
#define CPU_GEMM_H

enum { CPU_NONE, CPU_RELU, CPU_TANH, CPU_SIGMOID };

typedef struct cpu_gemm {
  long m, n, k;              /* any may be 0; k == 0 is a product of zeros */
  const void *a;             /* (m, k) at a[i * ars + l * acs] */
  long ars, acs;
  const void *b;             /* (k, n) at b[l * brs + j * bcs] */
  long brs, bcs;
  void *c;                   /* (m, n) at c[i * ldc + j]; overlaps neither a, b nor bias */
  long ldc;
  const void *bias;          /* (n), added to every row before act, or NULL */
  int act;                   /* CPU_NONE, CPU_RELU, CPU_TANH or CPU_SIGMOID */
  int accumulate;            /* c = act(c + a b + bias) */
} cpu_gemm;

/* errors: no memory for packed panels (large or oddly laid out operands only); c is then unspecified */
int cpu__gemm_f32(const cpu_gemm *g);
int cpu__gemm_f64(const cpu_gemm *g);

/* `batch` products of one shape: product i at element offsets a_offset[i], b_offset[i], c_offset[i] from g's
 * pointers (bias is shared). The products' outputs must not overlap. */
int cpu__gemm_batch_f32(const cpu_gemm *g, long batch, const long *a_offset, const long *b_offset,
                        const long *c_offset);
int cpu__gemm_batch_f64(const cpu_gemm *g, long batch, const long *a_offset, const long *b_offset,
                        const long *c_offset);

#endif
