/* random.h: fills of dense arrays from a Philox stream; ../philox.h says which element comes from which word, so
 * results do not depend on the number of threads. The generator is read, not advanced: a fill of n elements uses at
 * most n blocks, exactly philox_blocks(n, words) of them. Outputs come first; n may be 0. */
#ifndef CPU_RANDOM_H
#define CPU_RANDOM_H
#include <stdint.h>
#include "yutu.h"

/* one word per f32, two per f64
 *   uniform      lo <= y < hi, in 2^24 or 2^53 steps; lo where hi <= lo
 *   normal       mean + std z
 *   exponential  mean `mean`
 *   gumbel       -log(-log u) */
void cpu__uniform_f32(float *y, long n, const yt_generator *g, double lo, double hi);
void cpu__uniform_f64(double *y, long n, const yt_generator *g, double lo, double hi);
void cpu__normal_f32(float *y, long n, const yt_generator *g, double mean, double std);
void cpu__normal_f64(double *y, long n, const yt_generator *g, double mean, double std);
void cpu__exponential_f32(float *y, long n, const yt_generator *g, double mean);
void cpu__exponential_f64(double *y, long n, const yt_generator *g, double mean);
void cpu__gumbel_f32(float *y, long n, const yt_generator *g);
void cpu__gumbel_f64(double *y, long n, const yt_generator *g);

/* One block each: gamma of that shape, scale 1.   errors: shape not above 0 */
int cpu__gamma_f32(float *y, long n, const yt_generator *g, double shape);
int cpu__gamma_f64(double *y, long n, const yt_generator *g, double shape);

/* One word each: 1 with probability p, to 2^-32. bernoulli_p takes p (n); dropout gives 0 with probability p, else
 * 1 / (1 - p). p <= 0 and NaN never happen, p >= 1 always. */
void cpu__bernoulli(uint8_t *y, long n, const yt_generator *g, double p);
void cpu__bernoulli_p_f32(uint8_t *y, const float *p, long n, const yt_generator *g);
void cpu__bernoulli_p_f64(uint8_t *y, const double *p, long n, const yt_generator *g);
void cpu__dropout_f32(float *y, long n, const yt_generator *g, double p);
void cpu__dropout_f64(double *y, long n, const yt_generator *g, double p);

/* Two words each: lo <= y < hi.   errors: hi <= lo */
int cpu__randint(int64_t *y, long n, const yt_generator *g, int64_t lo, int64_t hi);

/* Two words each: base .. base + n - 1 in random order (Fisher & Yates), by one thread. */
void cpu__permutation(int64_t *y, long n, const yt_generator *g, int base);

/* One word per row of logits (rows, n): an index counted from base, drawn by the row's softmax through the inverse of
 * its cumulative distribution.   errors: n < 1, a row with NaN, +inf or nothing above -inf (named) */
int cpu__categorical_f32(int64_t *y, const float *logits, long rows, long n, const yt_generator *g, int base);
int cpu__categorical_f64(int64_t *y, const double *logits, long rows, long n, const yt_generator *g, int base);

#endif
