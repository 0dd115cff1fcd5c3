/* philox.h: random numbers that are a function of where they stand, for gcc, g++ and nvcc alike.
 *
 * Philox4x32-10 turns a 128-bit counter and a 64-bit key into four 32-bit words. The key is the seed, the upper half of
 * the counter the stream, the lower half the offset of the block. A fill of n elements at some offset gives element i
 *   one word    word i % 4 of block offset + i / 4                     (f32, bernoulli, dropout, categorical)
 *   two words   words 2 (i % 2) and the next of block offset + i / 2   (f64, integers, permutation)
 *   a block     block offset + i                                       (gamma)
 * so any split over threads, and any device, gives the same numbers. It uses philox_blocks(n, words) blocks.
 *   source  Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" */
#ifndef YT_PHILOX_H
#define YT_PHILOX_H
#include "scalar.h"

#define PHILOX_M0 0xd2511f53u
#define PHILOX_M1 0xcd9e8d57u
#define PHILOX_W0 0x9e3779b9u
#define PHILOX_W1 0xbb67ae85u

FN uint64_t philox_blocks(uint64_t n, uint64_t words) { return (n * words + 3) / 4; }

FN void philox(uint32_t word[4], uint64_t seed, uint64_t offset, uint64_t stream)
{
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  uint32_t a = (uint32_t)offset, b = (uint32_t)(offset >> 32), c = (uint32_t)stream, d = (uint32_t)(stream >> 32);
  for (int round = 0; round < 10; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
    uint64_t p = (uint64_t)PHILOX_M0 * a, q = (uint64_t)PHILOX_M1 * c;
    a = (uint32_t)(q >> 32) ^ b ^ k0, b = (uint32_t)q;
    c = (uint32_t)(p >> 32) ^ d ^ k1, d = (uint32_t)p;
  }
  word[0] = a, word[1] = b, word[2] = c, word[3] = d;
}

/* ---- from words to numbers ---- */

/* [0, 1) in steps of 2^-24 and 2^-53 */
FN float unit_f(uint32_t w) { return (float)(int32_t)(w >> 8) * 0x1p-24f; }
FN double unit_d(uint32_t w, uint32_t v)
{
  return ((int32_t)(w >> 5) * 67108864. + (int32_t)(v >> 6)) * 0x1p-53;
}
/* (0, 1], with all bits near 0: what a logarithm wants */
FN float unit_open_f(uint32_t w) { return ((float)(int32_t)(w >> 1) + 0.5f) * 0x1p-31f; }
FN double unit_open_d(uint32_t w, uint32_t v)
{
  return ((int32_t)(w >> 5) * 67108864. + (int32_t)(v >> 6) + 0.5) * 0x1p-53;
}
/* lo <= x < hi, although the product may round up */
FN float uniform_f(float u, float lo, float hi)
{
  float x = u * (hi - lo) + lo;
  return x < hi ? x : lo;
}
FN double uniform_d(double u, double lo, double hi)
{
  double x = u * (hi - lo) + lo;
  return x < hi ? x : lo;
}

/* Two independent normals from two uniforms (Box & Muller 1958). The angle is a whole number of quarter turns and a
 * rest, found in integers. */
FN void normal_pair_f(float z[2], uint32_t w, uint32_t v)
{
  float r = sqrtf(-2 * log_normal_f(unit_open_f(w)));
  uint32_t quarters = (v + 0x20000000u) >> 30;
  float angle = (float)(int32_t)(v - (quarters << 30)) * (1.57079633f * 0x1p-30f);
  z[0] = r * quarters_f(angle, quarters + 1);
  z[1] = r * quarters_f(angle, quarters);
}
FN void normal_pair_d(double z[2], const uint32_t word[4])
{
  double r = sqrt(-2 * log_normal_d(unit_open_d(word[0], word[1])));
  double angle = 6.283185307179586 * unit_d(word[2], word[3]);
  z[0] = r * cos(angle);
  z[1] = r * sin(angle);
}

/* mean 1 */
FN float exponential_f(uint32_t w) { return -log_normal_f(unit_open_f(w)); }
FN double exponential_d(uint32_t w, uint32_t v) { return -log_normal_d(unit_open_d(w, v)); }

/* -log(-log u), u = 1 - v: v is kept below 1, where it would be infinite */
FN float gumbel_f(uint32_t w)
{
  float v = unit_open_f(w);
  v = v < 0x1.fffffep-1f ? v : 0x1.fffffep-1f;
  return -log_normal_f(-log1p_unit_f(-v));
}
FN double gumbel_d(uint32_t w, uint32_t u)
{
  double v = unit_open_d(w, u);
  v = v < 0x1.fffffffffffffp-1 ? v : 0x1.fffffffffffffp-1;
  return -log_normal_d(-log1p_unit_d(-v));
}

/* 0 .. range - 1, the upper half of range times 64 bits: no remainder is preferred by more than range / 2^64 */
FN uint64_t below(uint64_t range, uint32_t w, uint32_t v)
{
  uint64_t low = (range & 0xffffffffu) * v, mid = (range & 0xffffffffu) * w, high = (range >> 32) * v;
  uint64_t carry = ((low >> 32) + (mid & 0xffffffffu) + (high & 0xffffffffu)) >> 32;
  return (range >> 32) * w + (mid >> 32) + (high >> 32) + carry;
}

/* Gamma of shape a > 0 and scale 1 (Marsaglia & Tsang 2000, "A simple method for generating gamma variables").
 * Attempt k draws from stream ^ k 2^56, so an element never runs into its neighbour's block; less than one in 20 needs
 * another. */
FN double gamma_d(double a, uint64_t seed, uint64_t offset, uint64_t stream)
{
  double d = (a < 1 ? a + 1 : a) - 1. / 3, c = 1 / sqrt(9 * d), boost = 1;
  for (uint64_t k = 0; k < 255; k++) {
    uint32_t word[4];
    philox(word, seed, offset, stream ^ k << 56);
    double r = sqrt(-2 * log_normal_d(unit_open_f(word[0]))), x = r * cos(6.283185307179586 * 0x1p-32 * word[1]);
    double v = 1 + c * x, u = (word[2] + 0.5) * 0x1p-32;
    if (k == 0 && a < 1) boost = pow((word[3] + 0.5) * 0x1p-32, 1 / a);
    v = v * v * v;
    if (v > 0 && log_d(u) < 0.5 * x * x + d - d * v + d * log_d(v)) return d * v * boost;
  }
  return d * boost;       /* not reached in the life of the universe */
}
#endif
