/* floor.h: what the floors share: vectors of the widest kind this machine has, e^x and tanh.
 *
 * A floor is the same work as an op of Yutu's, hand-fused for the machine it is compiled on, with no tensors, no
 * tape and no choices: what the hardware allows, for ours to be measured against. */
#ifndef YUTU_FLOOR_H
#define YUTU_FLOOR_H
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#define INLINE static inline __attribute__((always_inline))

#ifdef __AVX512F__
enum { LANES = 16 };
typedef __m512 vec;
#define V(name) _mm512_##name##_ps
INLINE vec v_round(vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE vec v_scale(vec x, vec n) { return _mm512_scalef_ps(x, n); }              /* x 2^n */
INLINE float v_sum(vec x) { return _mm512_reduce_add_ps(x); }
INLINE float v_largest(vec x) { return _mm512_reduce_max_ps(x); }
#else
enum { LANES = 8 };
typedef __m256 vec;
#define V(name) _mm256_##name##_ps
INLINE vec v_round(vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE vec v_scale(vec x, vec n)
{
  const __m256i bits = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return x * _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23));
}
INLINE float v_sum(vec x)
{
  const __m128 h = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)), q = _mm_hadd_ps(h, h);
  return _mm_cvtss_f32(_mm_hadd_ps(q, q));
}
INLINE float v_largest(vec x)
{
  const __m128 h = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 q = _mm_max_ps(h, _mm_movehl_ps(h, h));
  return fmaxf(_mm_cvtss_f32(q), _mm_cvtss_f32(_mm_shuffle_ps(q, q, 1)));
}
#endif
INLINE vec v_set(float x) { return V(set1)(x); }
INLINE vec v_load(const float *p) { return V(loadu)(p); }
INLINE void v_store(float *p, vec x) { V(storeu)(p, x); }
INLINE vec v_fma(vec a, vec b, vec c) { return V(fmadd)(a, b, c); }
INLINE vec v_clamp(vec x, float low, float high) { return V(max)(V(min)(x, v_set(high)), v_set(low)); }

/* e^x: 2^n times a polynomial in the rest.   Cephes expf, Moshier 1989 */
INLINE vec v_exp(vec x)
{
  x = v_clamp(x, -87.0f, 88.0f);
  const vec n = v_round(x * v_set(1.44269504f));
  const vec r = v_fma(n, v_set(2.12194440e-4f), v_fma(n, v_set(-0.693359375f), x));
  vec p = v_fma(v_set(1.9875691500e-4f), r, v_set(1.3981999507e-3f));
  p = v_fma(p, r, v_set(8.3334519073e-3f));
  p = v_fma(p, r, v_set(4.1665795894e-2f));
  p = v_fma(p, r, v_set(1.6666665459e-1f));
  p = v_fma(p, r, v_set(5.0000001201e-1f));
  return v_scale(v_fma(r * r, p, r + v_set(1)), n);
}

/* tanh x: a rational approximation on [-7.9, 7.9].   source  Eigen, MathFunctionsImpl.h, generic_fast_tanh_float */
INLINE vec v_tanh(vec x)
{
  x = v_clamp(x, -7.90531110763549805f, 7.90531110763549805f);
  const vec s = x * x;
  vec p = v_fma(s, v_set(-2.76076847742355e-16f), v_set(2.00018790482477e-13f));
  p = v_fma(s, p, v_set(-8.60467152213735e-11f));
  p = v_fma(s, p, v_set(5.12229709037114e-08f));
  p = v_fma(s, p, v_set(1.48572235717979e-05f));
  p = v_fma(s, p, v_set(6.37261928875436e-04f));
  p = v_fma(s, p, v_set(4.89352455891786e-03f));
  vec q = v_fma(s, v_set(1.19825839466702e-06f), v_set(1.18534705686654e-04f));
  q = v_fma(s, q, v_set(2.26843463243900e-03f));
  q = v_fma(s, q, v_set(4.89352518554385e-03f));
  return x * p / q;
}
#endif
