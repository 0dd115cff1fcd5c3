/* gemm_kernels.c: matrix products for one instruction set; what differs between them, then gemm_tile.h per type.
 *
 * The tile, TALL rows of WIDE vectors, fills the registers: 24 of AVX-512's 32 with sums, 12 of 16 below. */
#include "isa.h"
#include "pool.h"
#include "gemm_kernels.h"
#include "../scalar.h"
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define LINE (64 / ISA_VECTOR)                     /* vectors in a line of the cache */
#define FORGET(p) __asm__("" : "+r"(p))            /* what the compiler knows about p */
#define WIDE 2                                     /* vectors across the tile: a panel of b is WIDE * V wide */

#if ISA_VECTOR == 64
#define TALL 12
#define FEW 6
#else
#define TALL 6
#define FEW 2
#endif

/* ---- the first `part` elements of a vector, 1 to all of them: read with zeros after, written without the rest ---- */
#if ISA_VECTOR == 64
typedef __mmask16 mask_f32;
typedef __mmask8 mask_f64;
INLINE mask_f32 mask_of_f32(long part) { return (mask_f32)((1u << part) - 1); }
INLINE mask_f64 mask_of_f64(long part) { return (mask_f64)((1u << part) - 1); }
INLINE __m512 load_part_f32(const float *p, mask_f32 m) { return _mm512_maskz_loadu_ps(m, p); }
INLINE __m512d load_part_f64(const double *p, mask_f64 m) { return _mm512_maskz_loadu_pd(m, p); }
INLINE void store_part_f32(float *p, __m512 v, mask_f32 m)       /* masked only when needed: slow on some */
{
  if (m == 0xffff) _mm512_storeu_ps(p, v); else _mm512_mask_storeu_ps(p, m, v);
}
INLINE void store_part_f64(double *p, __m512d v, mask_f64 m)
{
  if (m == 0xff) _mm512_storeu_pd(p, v); else _mm512_mask_storeu_pd(p, m, v);
}
#elif ISA_VECTOR == 32
typedef struct { __m256i m; long part; } mask_f32, mask_f64;
INLINE mask_f32 mask_of_f32(long part)
{
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return (mask_f32){ _mm256_cmpgt_epi32(_mm256_set1_epi32((int)part), lane), part };
}
INLINE mask_f64 mask_of_f64(long part)
{
  return (mask_f64){ _mm256_cmpgt_epi64(_mm256_set1_epi64x(part), _mm256_setr_epi64x(0, 1, 2, 3)), part };
}
INLINE __m256 load_part_f32(const float *p, mask_f32 m)         /* masks cost more than a branch that is foreseen */
{
  return m.part == 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, m.m);
}
INLINE __m256d load_part_f64(const double *p, mask_f64 m)
{
  return m.part == 4 ? _mm256_loadu_pd(p) : _mm256_maskload_pd(p, m.m);
}
INLINE void store_part_f32(float *p, __m256 v, mask_f32 m)
{
  if (m.part == 8) _mm256_storeu_ps(p, v); else _mm256_maskstore_ps(p, m.m, v);
}
INLINE void store_part_f64(double *p, __m256d v, mask_f64 m)
{
  if (m.part == 4) _mm256_storeu_pd(p, v); else _mm256_maskstore_pd(p, m.m, v);
}
#else
typedef long mask_f32, mask_f64;
INLINE long mask_of_f32(long part) { return part; }
INLINE long mask_of_f64(long part) { return part; }
INLINE __m128 load_part_f32(const float *p, long part)
{
  if (part == 4) return _mm_loadu_ps(p);
  return _mm_setr_ps(part > 0 ? p[0] : 0, part > 1 ? p[1] : 0, part > 2 ? p[2] : 0, 0);
}
INLINE __m128d load_part_f64(const double *p, long part)
{
  if (part == 2) return _mm_loadu_pd(p);
  return _mm_setr_pd(part > 0 ? p[0] : 0, 0);
}
INLINE void store_part_f32(float *p, __m128 v, long part)
{
  if (part == 4) _mm_storeu_ps(p, v);
  else for (long i = 0; i < part; i++) p[i] = v[i];
}
INLINE void store_part_f64(double *p, __m128d v, long part)
{
  if (part == 2) _mm_storeu_pd(p, v);
  else if (part == 1) p[0] = v[0];
}
#endif

/* ---- the stages of a transposition. Stage s takes rows x and y, s apart, whose runs of s elements go in pairs:
 * low is x's first runs with y's first runs after them, high their second runs ---- */
#define LANES(...) __builtin_shufflevector(__VA_ARGS__)
#define LOW16_1(x, y) LANES(x, y, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define HIGH16_1(x, y) LANES(x, y, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#define LOW16_2(x, y) LANES(x, y, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HIGH16_2(x, y) LANES(x, y, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define LOW16_4(x, y) LANES(x, y, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define HIGH16_4(x, y) LANES(x, y, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define LOW16_8(x, y) LANES(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define HIGH16_8(x, y) LANES(x, y, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define LOW8_1(x, y) LANES(x, y, 0, 8, 2, 10, 4, 12, 6, 14)
#define HIGH8_1(x, y) LANES(x, y, 1, 9, 3, 11, 5, 13, 7, 15)
#define LOW8_2(x, y) LANES(x, y, 0, 1, 8, 9, 4, 5, 12, 13)
#define HIGH8_2(x, y) LANES(x, y, 2, 3, 10, 11, 6, 7, 14, 15)
#define LOW8_4(x, y) LANES(x, y, 0, 1, 2, 3, 8, 9, 10, 11)
#define HIGH8_4(x, y) LANES(x, y, 4, 5, 6, 7, 12, 13, 14, 15)
#define LOW4_1(x, y) LANES(x, y, 0, 4, 2, 6)
#define HIGH4_1(x, y) LANES(x, y, 1, 5, 3, 7)
#define LOW4_2(x, y) LANES(x, y, 0, 1, 4, 5)
#define HIGH4_2(x, y) LANES(x, y, 2, 3, 6, 7)
#define LOW2_1(x, y) LANES(x, y, 0, 2)
#define HIGH2_1(x, y) LANES(x, y, 1, 3)
#define STAGES16(SWAP) SWAP(1, LOW16_1, HIGH16_1) SWAP(2, LOW16_2, HIGH16_2) SWAP(4, LOW16_4, HIGH16_4) \
  SWAP(8, LOW16_8, HIGH16_8)
#define STAGES8(SWAP) SWAP(1, LOW8_1, HIGH8_1) SWAP(2, LOW8_2, HIGH8_2) SWAP(4, LOW8_4, HIGH8_4)
#define STAGES4(SWAP) SWAP(1, LOW4_1, HIGH4_1) SWAP(2, LOW4_2, HIGH4_2)
#define STAGES2(SWAP) SWAP(1, LOW2_1, HIGH2_1)

#define R float
#define NAME(n) n##_f32
#if ISA_VECTOR == 64
#define V 16
#define STAGES STAGES16
#elif ISA_VECTOR == 32
#define V 8
#define STAGES STAGES8
#else
#define V 4
#define STAGES STAGES4
#endif
#include "gemm_tile.h"
#undef R
#undef NAME
#undef V
#undef STAGES

#define R double
#define NAME(n) n##_f64
#if ISA_VECTOR == 64
#define V 8
#define STAGES STAGES8
#elif ISA_VECTOR == 32
#define V 4
#define STAGES STAGES4
#else
#define V 2
#define STAGES STAGES2
#endif
#include "gemm_tile.h"

#define KERNELS(type, lanes) { lanes, __builtin_ctz(lanes), WIDE * lanes, TALL, FEW, block_##type, dots_##type, \
                               pack_b_##type, pack_a_##type, copy_##type }
const cpu_gemm_kernels ISA(cpu__gemm)[2] = { KERNELS(f32, ISA_VECTOR / 4), KERNELS(f64, ISA_VECTOR / 8) };
