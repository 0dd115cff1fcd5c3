/* rows.h: what is done along one dim of a dense array: softmax and its kin, norms, cross entropy, the index of the
 * largest, the sum of squares. Outputs come first; an output may be the input of the same shape.
 *
 *   (outer, n, inner)  x[o][k][i] lies at (o n + k) inner + i; the dim is k
 *   (rows, n)          the same with inner = 1
 * Sizes may be 0. Work is split so that results do not depend on the number of threads. */
#ifndef CPU_ROWS_H
#define CPU_ROWS_H
#include <stdint.h>

/* y, dx, g (outer, n, inner); of logsumexp y (outer, inner).
 *   softmax         y = e^x / sum e^x                  softmax_dx      dx = y (g - sum g y)
 *   log_softmax     y = x - log sum e^x                log_softmax_dx  dx = g - e^y sum g
 *   logsumexp       y = log sum e^x; all -inf: -inf
 * e^(x - max) below the smallest normal number counts as 0. */
void cpu__softmax_f32(float *y, const float *x, long outer, long n, long inner);
void cpu__softmax_f64(double *y, const double *x, long outer, long n, long inner);
void cpu__log_softmax_f32(float *y, const float *x, long outer, long n, long inner);
void cpu__log_softmax_f64(double *y, const double *x, long outer, long n, long inner);
void cpu__softmax_dx_f32(float *dx, const float *g, const float *y, long outer, long n, long inner);
void cpu__softmax_dx_f64(double *dx, const double *g, const double *y, long outer, long n, long inner);
void cpu__log_softmax_dx_f32(float *dx, const float *g, const float *y, long outer, long n, long inner);
void cpu__log_softmax_dx_f64(double *dx, const double *g, const double *y, long outer, long n, long inner);
void cpu__logsumexp_f32(float *y, const float *x, long outer, long n, long inner);
void cpu__logsumexp_f64(double *y, const double *x, long outer, long n, long inner);

/* Layer norm (Ba et al. 2016, arXiv:1607.06450), or RMS norm (Zhang & Sennrich 2019, arXiv:1910.07467) with rms = 1,
 * where the mean counts as 0.   x, y, g, dx (rows, n); weight, bias, dweight, dbias (n), each may be NULL
 *   norm     y = (x - mean) rstd weight + bias, rstd = 1 / sqrt(mean (x - mean)^2 + eps)
 *   norm_dx  dx = rstd (gw - mean gw - xhat mean(gw xhat)), gw = g weight, xhat = (x - mean) rstd
 *   norm_dw  dweight = sum over rows of g xhat, dbias = sum of g; stats (2, rows) is room to work in */
void cpu__norm_f32(float *y, const float *x, const float *weight, const float *bias, long rows, long n, double eps,
                   int rms);
void cpu__norm_f64(double *y, const double *x, const double *weight, const double *bias, long rows, long n, double eps,
                   int rms);
void cpu__norm_dx_f32(float *dx, const float *g, const float *x, const float *weight, long rows, long n, double eps,
                      int rms);
void cpu__norm_dx_f64(double *dx, const double *g, const double *x, const double *weight, long rows, long n, double eps,
                      int rms);
void cpu__norm_dw_f32(float *dweight, float *dbias, float *stats, const float *g, const float *x, long rows, long n,
                      double eps, int rms);
void cpu__norm_dw_f64(double *dweight, double *dbias, double *stats, const double *g, const double *x, long rows,
                      long n, double eps, int rms);

/* Cross entropy of logits x (rows, n) with class labels (rows), as PyTorch's with reduction "none".
 *   loss (rows) = (1 - smoothing) w[l] (-log p[l]) + smoothing / n sum_c w[c] (-log p[c]); 0 where label = ignore
 *   dx (rows, n)  its gradient times g (rows)
 *   weight (n) or NULL; labels count from base, ignore is compared before base is taken off
 *   errors        a label outside base .. base + n - 1 (-1, named with its row) */
typedef struct cpu_cross_entropy {
  const int64_t *label;
  const void *weight;
  int64_t ignore;
  double smoothing;
  int base;
} cpu_cross_entropy;
int cpu__cross_entropy_f32(float *loss, const float *x, long rows, long n, const cpu_cross_entropy *o);
int cpu__cross_entropy_f64(double *loss, const double *x, long rows, long n, const cpu_cross_entropy *o);
int cpu__cross_entropy_dx_f32(float *dx, const float *g, const float *x, long rows, long n, const cpu_cross_entropy *o);
int cpu__cross_entropy_dx_f64(double *dx, const double *g, const double *x, long rows, long n,
                              const cpu_cross_entropy *o);

/* index (rows): where the largest or smallest of each row is, the first of equals, counted from base; the first NaN
 * wins over all. n must be at least 1. */
void cpu__argmax_f32(int64_t *index, const float *x, long rows, long n, int base);
void cpu__argmax_f64(int64_t *index, const double *x, long rows, long n, int base);
void cpu__argmin_f32(int64_t *index, const float *x, long rows, long n, int base);
void cpu__argmin_f64(int64_t *index, const double *x, long rows, long n, int base);

/* The sum of x[i]^2, in blocks that are added in double precision. */
double cpu__sum_squares_f32(const float *x, long n);
double cpu__sum_squares_f64(const double *x, long n);

#endif
