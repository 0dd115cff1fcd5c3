/* fold_kernels.c: the loops of reductions, searches and running results, for one instruction set. The rows' formulas
 * come from map_kernels.h, made from ops.def; names that end in _ keep out of the way of the letters in them. */
#include "map.h"
#include "../scalar.h"

#define K(c) ((T)(c))
enum { SCAN_WIDTH = 64 };         /* columns that run side by side */
#define NUM(X, ...) \
  X(CPU_F32, float, __VA_ARGS__) X(CPU_F64, double, __VA_ARGS__) X(CPU_I64, int64_t, __VA_ARGS__)
#define WIDE(X, ...) \
  X(CPU_F32, float, double, __VA_ARGS__) X(CPU_F64, double, double, __VA_ARGS__) \
  X(CPU_I64, int64_t, int64_t, __VA_ARGS__)

/* ---- reductions: in 32 lanes, so that they are vector code and repeatable ---- */
#define FOLD_LOOP(c, C, W, name, first, next) \
  static inline __attribute__((always_inline)) W next_##name##_##c(W r, W v) { typedef W T; return (T)(next); } \
  static void start_##name##_##c(void *r_, long n_) \
  { \
    typedef W T; \
    for (long i_ = 0; i_ < n_; i_++) ((T *)r_)[i_] = (T)(first); \
  } \
  static void fold_##name##_##c(void *r_, long step_, const void *v_, long n_) \
  { \
    typedef W T; \
    T *to_ = r_, lane_[32]; \
    const C *from_ = v_; \
    long i_ = 0; \
    if (step_ == 1) { \
      _Pragma("GCC ivdep") for (; i_ < n_; i_++) to_[i_] = next_##name##_##c(to_[i_], (T)from_[i_]); \
      return; \
    } \
    if (step_) { for (; i_ < n_; i_++) to_[i_ * step_] = next_##name##_##c(to_[i_ * step_], (T)from_[i_]); return; } \
    if (n_ < 64) { for (; i_ < n_; i_++) *to_ = next_##name##_##c(*to_, (T)from_[i_]); return; } \
    start_##name##_##c(lane_, 32); \
    for (; i_ + 32 <= n_; i_ += 32) \
      for (int l_ = 0; l_ < 32; l_++) lane_[l_] = next_##name##_##c(lane_[l_], (T)from_[i_ + l_]); \
    for (; i_ < n_; i_++) lane_[i_ & 31] = next_##name##_##c(lane_[i_ & 31], (T)from_[i_]); \
    for (int h_ = 16; h_; h_ /= 2) for (int l_ = 0; l_ < h_; l_++) lane_[l_] = JOIN_##name(lane_[l_], lane_[l_ + h_]); \
    *to_ = JOIN_##name(*to_, lane_[0]); \
  }
/* two partial results as one */
#define JOIN_sum(a, b)   ((a) + (b))
#define JOIN_sumsq(a, b) ((a) + (b))
#define JOIN_prod(a, b)  ((a) * (b))
#define JOIN_amax(a, b)  max_(a, b)
#define JOIN_amin(a, b)  min_(a, b)
#define JOIN_any(a, b)   (T)(((a) != 0) | ((b) != 0))
#define JOIN_all(a, b)   (T)(((a) != 0) & ((b) != 0))
#define FOLD_NUM(name, ...) WIDE(FOLD_LOOP, name, __VA_ARGS__)

/* ---- searches: the first of equals; a NaN is better than every number ---- */
#define BETTER(better) ((r == r) & ((better) | (v != v)))
#define SEEK_LOOP(c, C, name, better) \
  static void seek_row_##name##_##c(const C *from_, long n_, int64_t *where_)        /* the best, then where it is */ \
  { \
    C lane_[32], r = from_[0]; \
    long i_ = 0; \
    for (int l_ = 0; l_ < 32; l_++) lane_[l_] = r; \
    for (; i_ + 32 <= n_; i_ += 32) \
      for (int l_ = 0; l_ < 32; l_++) { \
        const C r = lane_[l_], v = from_[i_ + l_]; \
        lane_[l_] = BETTER(better) ? v : r; \
      } \
    for (; i_ < n_; i_++) { const C v = from_[i_]; r = BETTER(better) ? v : r; } \
    for (int l_ = 0; l_ < 32; l_++) { const C v = lane_[l_]; r = BETTER(better) ? v : r; } \
    for (i_ = 0; from_[i_] != r && from_[i_] == from_[i_]; i_++); \
    *where_ = i_; \
  } \
  static void seek_##name##_##c(const void *v_, long n_, long inner_, int64_t *where_) \
  { \
    if (inner_ == 1) { seek_row_##name##_##c(v_, n_, where_); return; } \
    for (long j_ = 0; j_ < inner_; j_ += SCAN_WIDTH) { \
      const long w_ = inner_ - j_ < SCAN_WIDTH ? inner_ - j_ : SCAN_WIDTH; \
      C best_[SCAN_WIDTH]; \
      memcpy(best_, (const C *)v_ + j_, (size_t)w_ * sizeof(C)); \
      for (long k_ = 0; k_ < w_; k_++) where_[j_ + k_] = 0; \
      for (long i_ = 1; i_ < n_; i_++) { \
        const C *from_ = (const C *)v_ + i_ * inner_ + j_; \
        for (long k_ = 0; k_ < w_; k_++) { \
          const C r = best_[k_], v = from_[k_]; \
          const int is_ = BETTER(better); \
          best_[k_] = is_ ? v : r, where_[j_ + k_] = is_ ? i_ : where_[j_ + k_]; \
        } \
      } \
    } \
  }
#define SEEK_NUM(name, better) NUM(SEEK_LOOP, name, better)

/* ---- running results, the accumulator wide ---- */
#define SCAN_LOOP(c, C, W, name, first, next) \
  static void scan_##name##_##c(void *y_, const void *x_, long n_, long inner_) \
  { \
    typedef W T; \
    if (inner_ == 1) { \
      T r = (T)(first); \
      for (long i_ = 0; i_ < n_; i_++) { const T v = (T)((const C *)x_)[i_]; r = (next); ((C *)y_)[i_] = (C)r; } \
      return; \
    } \
    for (long j_ = 0; j_ < inner_; j_ += SCAN_WIDTH) { \
      const long w_ = inner_ - j_ < SCAN_WIDTH ? inner_ - j_ : SCAN_WIDTH; \
      T acc_[SCAN_WIDTH]; \
      for (long k_ = 0; k_ < w_; k_++) acc_[k_] = (T)(first); \
      for (long i_ = 0; i_ < n_; i_++) { \
        const C *from_ = (const C *)x_ + i_ * inner_ + j_; \
        C *to_ = (C *)y_ + i_ * inner_ + j_; \
        for (long k_ = 0; k_ < w_; k_++) { \
          const T r = acc_[k_], v = (T)from_[k_]; \
          acc_[k_] = (next); \
          to_[k_] = (C)acc_[k_]; \
        } \
      } \
    } \
  }
#define SCAN_NUM(name, ...) WIDE(SCAN_LOOP, name, __VA_ARGS__)

#define FOLD_ROWS
#include "map_kernels.h"
#undef FOLD_ROWS

/* ---- the table ---- */
const cpu_fold_kernels ISA(cpu__fold) = {
#define TABLE_FOLD(c, C, name) [OP_##name][c] = { start_##name##_##c, fold_##name##_##c },
  .fold = {
#include "map_kernels.h"
  },
#undef TABLE_FOLD
#define TABLE_SEEK(c, C, name) [OP_##name][c] = seek_##name##_##c,
  .seek = {
#include "map_kernels.h"
  },
#undef TABLE_SEEK
#define TABLE_SCAN(c, C, name) [OP_##name][c] = scan_##name##_##c,
  .scan = {
#include "map_kernels.h"
  },
#undef TABLE_SCAN
};
