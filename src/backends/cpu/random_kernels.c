/* random_kernels.c: the kernels of random.h for one instruction set. Words are made for a chunk at a time, in vectors
 * of 64-bit lanes that work on a block each, and turned into numbers by the functions of philox.h. */
#include "isa.h"
#include "random_kernels.h"
#include "../philox.h"
#include <immintrin.h>

typedef uint64_t lanes __attribute__((vector_size(ISA_VECTOR)));
typedef uint64_t lanes_unaligned __attribute__((vector_size(ISA_VECTOR), aligned(4), may_alias));
#define LANES (ISA_VECTOR / 8)
#define ROUNDED(n) (((n) + LANES * 4 - 1) / (LANES * 4) * (LANES * 4))

/* the product of the lower halves of each lane; the first and the second halves of a and b, lane by lane in turn */
#if ISA_VECTOR == 64
#define MUL32(a, b)  ((lanes)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define FIRST(a, b)  __builtin_shuffle(a, b, (lanes){ 0, 8, 1, 9, 2, 10, 3, 11 })
#define SECOND(a, b) __builtin_shuffle(a, b, (lanes){ 4, 12, 5, 13, 6, 14, 7, 15 })
#elif ISA_VECTOR == 32
#define MUL32(a, b)  ((lanes)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define FIRST(a, b)  __builtin_shuffle(a, b, (lanes){ 0, 4, 1, 5 })
#define SECOND(a, b) __builtin_shuffle(a, b, (lanes){ 2, 6, 3, 7 })
#else
#define MUL32(a, b)  ((lanes)_mm_mul_epu32((__m128i)(a), (__m128i)(b)))
#define FIRST(a, b)  __builtin_shuffle(a, b, (lanes){ 0, 2 })
#define SECOND(a, b) __builtin_shuffle(a, b, (lanes){ 1, 3 })
#endif

/* n words from the block at `offset` of the generator on, up to a whole number of vectors: word has ROUNDED(n) places.
 * The upper halves of the lanes are never read, so what is in them does not matter. */
static __attribute__((noinline)) void words(uint32_t *word, long n, const yt_generator *g, uint64_t offset)
{
  const lanes zero = { 0 }, m0 = zero + PHILOX_M0, m1 = zero + PHILOX_M1, low = zero + 0xffffffffu;
  lanes at = zero + (g->offset + offset);
  lanes k0[10] = { zero + (uint32_t)g->seed }, k1[10] = { zero + (g->seed >> 32) };
  for (int round = 1; round < 10; round++) k0[round] = k0[round - 1] + PHILOX_W0, k1[round] = k1[round - 1] + PHILOX_W1;
  for (int i = 0; i < LANES; i++) at[i] += (uint64_t)i;
  for (long i = 0; i < n; i += LANES * 4, at += LANES) {
    lanes a = at, b = at >> 32, c = zero + g->stream, d = zero + (g->stream >> 32);
    for (int round = 0; round < 10; round++) {
      lanes p = MUL32(m0, a), q = MUL32(m1, c);
      a = (q >> 32) ^ b ^ k0[round], b = q;
      c = (p >> 32) ^ d ^ k1[round], d = p;
    }
    lanes ab = (a & low) | b << 32, cd = (c & low) | d << 32;       /* two words of a block in each lane */
    *(lanes_unaligned *)(word + i) = FIRST(ab, cd);
    *(lanes_unaligned *)(word + i + 2 * LANES) = SECOND(ab, cd);
  }
}

/* A kernel: for each chunk its words w, then count elements of y by one expression in i. */
#define EACH(name, T, per, ...)                                                                                   \
  static void name(const random_args *a, long first, long last)                                                   \
  {                                                                                                               \
    uint32_t w[ROUNDED(CHUNK * per)];                                                                             \
    for (long item = first; item < last; item++) {                                                                \
      long at = item * CHUNK, count = a->count - at < CHUNK ? a->count - at : CHUNK;                              \
      T *y = (T *)a->out + at;                                                                                    \
      words(w, count * per, a->g, (uint64_t)at * per / 4);                                                        \
      __VA_ARGS__                                                                                                 \
    }                                                                                                             \
  }
#define FILL(value) for (long i = 0; i < count; i++) y[i] = (value);

EACH(uniform_f32, float, 1, float lo = (float)a->a, hi = (float)a->b; FILL(uniform_f(unit_f(w[i]), lo, hi)))
EACH(uniform_f64, double, 2, double lo = a->a, hi = a->b; FILL(uniform_d(unit_d(w[2 * i], w[2 * i + 1]), lo, hi)))
EACH(exponential_f32, float, 1, float mean = (float)a->a; FILL(mean * exponential_f(w[i])))
EACH(exponential_f64, double, 2, double mean = a->a; FILL(mean * exponential_d(w[2 * i], w[2 * i + 1])))
EACH(gumbel_f32, float, 1, FILL(gumbel_f(w[i])))
EACH(gumbel_f64, double, 2, FILL(gumbel_d(w[2 * i], w[2 * i + 1])))
EACH(randint, int64_t, 2, uint64_t range = a->range, lo = (uint64_t)a->lo;
     FILL((int64_t)(lo + below(range, w[2 * i], w[2 * i + 1]))))

/* Events of probability p: words below p 2^32. range holds that number, which may be 2^32. */
EACH(bernoulli, uint8_t, 1,
     if (a->range >> 32) FILL(1) else { uint32_t limit = (uint32_t)a->range; FILL(w[i] < limit) })
EACH(dropout_f32, float, 1, float keep = (float)a->a;
     if (a->range >> 32) FILL(0) else { uint32_t limit = (uint32_t)a->range; FILL(w[i] < limit ? 0 : keep) })
EACH(dropout_f64, double, 1, double keep = a->a;
     if (a->range >> 32) FILL(0) else { uint32_t limit = (uint32_t)a->range; FILL(w[i] < limit ? 0 : keep) })
EACH(bernoulli_p_f32, uint8_t, 1, const float *p = (const float *)a->in + at; FILL(w[i] * 0x1p-32 < (double)p[i]))
EACH(bernoulli_p_f64, uint8_t, 1, const double *p = (const double *)a->in + at; FILL(w[i] * 0x1p-32 < p[i]))

/* Normals come in pairs; of the last pair one may be left over. */
EACH(normal_f32, float, 1,
     float mean = (float)a->a, std = (float)a->b, z[2];
     for (long i = 0; i + 1 < count; i += 2) {
       float pair[2];
       normal_pair_f(pair, w[i], w[i + 1]);
       y[i] = mean + std * pair[0], y[i + 1] = mean + std * pair[1];
     }
     if (count % 2) normal_pair_f(z, w[count - 1], w[count]), y[count - 1] = mean + std * z[0];)
EACH(normal_f64, double, 2,
     double z[2];
     for (long i = 0; i < count; i += 2) {
       normal_pair_d(z, w + 2 * i);
       y[i] = a->a + a->b * z[0];
       if (i + 1 < count) y[i + 1] = a->a + a->b * z[1];
     })

static void gamma_f32(const random_args *a, long first, long last)
{
  for (long i = first * CHUNK; i < last * CHUNK && i < a->count; i++)
    ((float *)a->out)[i] = (float)gamma_d(a->a, a->g->seed, a->g->offset + (uint64_t)i, a->g->stream);
}
static void gamma_f64(const random_args *a, long first, long last)
{
  for (long i = first * CHUNK; i < last * CHUNK && i < a->count; i++)
    ((double *)a->out)[i] = gamma_d(a->a, a->g->seed, a->g->offset + (uint64_t)i, a->g->stream);
}

/* The first k with e[0] + ... + e[k] > u (sum of all), e = e^(logit - largest); rows longer than CHUNK are raised again
 * piece by piece when it comes to the search. -1: not a distribution. */
#define SIMD(clauses) _Pragma(#clauses)
#define CATEGORICAL(name, T, minus_infinity)                                                                      \
  FN T name##_largest(const T *x, long n)                                                                         \
  {                                                                                                               \
    T m = minus_infinity;                                                                                         \
    if (n < 16) {                                                                                                 \
      for (long i = 0; i < n; i++) m = x[i] > m ? x[i] : m;                                                       \
      return m;                                                                                                   \
    }                                                                                                             \
    SIMD(omp simd reduction(max:m))                                                                               \
    for (long i = 0; i < n; i++) m = x[i] > m ? x[i] : m;                                                         \
    return m;                                                                                                     \
  }                                                                                                               \
  FN double name##_sum(const T *x, long n)                                                                        \
  {                                                                                                               \
    double s = 0;                                                                                                 \
    if (n < 16) {                                                                                                 \
      for (long i = 0; i < n; i++) s += (double)x[i];                                                             \
      return s;                                                                                                   \
    }                                                                                                             \
    SIMD(omp simd reduction(+:s))                                                                                 \
    for (long i = 0; i < n; i++) s += (double)x[i];                                                               \
    return s;                                                                                                     \
  }                                                                                                               \
  FN int64_t name##_row(const T *x, long n, double u)                                                             \
  {                                                                                                               \
    T e[CHUNK], m;                                                                                                \
    double total = 0, s = 0;                                                                                      \
    long any = -1;                                                                                                \
    m = name##_largest(x, n);                                                                                     \
    for (long at = 0; at < n; at += CHUNK) {                                                                      \
      long w = n - at < CHUNK ? n - at : CHUNK;                                                                   \
      for (long i = 0; i < w; i++) e[i] = exp_neg_(x[at + i] - m);                                                \
      total += name##_sum(e, w);                                                                                  \
    }                                                                                                             \
    if (!(total < INFINITY)) return -1;                                                                           \
    for (long at = 0; at < n; at += CHUNK) {                                                                      \
      long w = n - at < CHUNK ? n - at : CHUNK;                                                                   \
      if (n > CHUNK) for (long i = 0; i < w; i++) e[i] = exp_neg_(x[at + i] - m);                                 \
      for (long i = 0; i < w; i++) {                                                                              \
        s += (double)e[i];                                                                                        \
        if (e[i] > 0) any = at + i;                                                                               \
        if (s > u * total) return at + i;                                                                         \
      }                                                                                                           \
    }                                                                                                             \
    return any;                                                                                                   \
  }                                                                                                               \
  EACH(name, int64_t, 1,                                                                                          \
       for (long i = 0; i < count; i++) {                                                                         \
         int64_t k = name##_row((const T *)a->in + (at + i) * a->n, a->n, w[i] * 0x1p-32);                        \
         y[i] = k < 0 ? INT64_MIN : k + a->base;                                                                  \
       })
CATEGORICAL(categorical_f32, float, -INFINITY)
CATEGORICAL(categorical_f64, double, -INFINITY)

#define BOTH(name) .name = { name##_f32, name##_f64 }
const random_table ISA(cpu__random) = {
  BOTH(uniform), BOTH(normal), BOTH(exponential), BOTH(gumbel), BOTH(gamma), BOTH(dropout),
  .bernoulli = bernoulli, BOTH(bernoulli_p), .randint = randint, BOTH(categorical),
};
