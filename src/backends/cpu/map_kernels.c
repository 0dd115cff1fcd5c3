/* map_kernels.c: the loops of elementwise ops and optimizers, and conversions, for one instruction set.
 *
 * map_kernels.h, made from ops.def, lists the formulas; the macros here put a contiguous loop around each, per compute
 * type. Names that end in _ keep out of the way of the letters in formulas. */
#include "map.h"
#include "../scalar.h"
#define WORDS
#include "map_kernels.h"
#undef WORDS

#define K(c) ((T)(c))
#define FLOAT(X, ...) X(CPU_F32, float, __VA_ARGS__) X(CPU_F64, double, __VA_ARGS__)
#define NUM(X, ...)   FLOAT(X, __VA_ARGS__) X(CPU_I64, int64_t, __VA_ARGS__)

/* ---- elementwise ---- */
#define MAP_BEGIN(c, C, name) \
  static void map_##name##_##c(void *y_, const void *const *x_, long n_) \
  { \
    typedef C T; \
    T *out_ = y_; \
    const T *x0_ = x_[0], *x1_ = x_[1], *x2_ = x_[2], *x3_ = x_[3], *x4_ = x_[4]; \
    (void)x1_, (void)x2_, (void)x3_, (void)x4_; \
    _Pragma("GCC ivdep") for (long i_ = 0; i_ < n_; i_++) {
#define MAP_END(f) \
      out_[i_] = (T)(f); \
    } \
  }
#define LOOP1(c, C, name, a, f) \
  MAP_BEGIN(c, C, name) const T a = x0_[i_]; (void)a; MAP_END(f)
#define LOOP2(c, C, name, a, b, f) \
  MAP_BEGIN(c, C, name) const T a = x0_[i_], b = x1_[i_]; (void)a, (void)b; MAP_END(f)
#define LOOP3(c, C, name, a, b, d, f) \
  MAP_BEGIN(c, C, name) const T a = x0_[i_], b = x1_[i_], d = x2_[i_]; (void)a, (void)b, (void)d; MAP_END(f)
#define LOOP4(c, C, name, a, b, d, e, f) \
  MAP_BEGIN(c, C, name) const T a = x0_[i_], b = x1_[i_], d = x2_[i_], e = x3_[i_]; MAP_END(f)
#define LOOP5(c, C, name, a, b, d, e, h, f) \
  MAP_BEGIN(c, C, name) const T a = x0_[i_], b = x1_[i_], d = x2_[i_], e = x3_[i_], h = x4_[i_]; MAP_END(f)
#define MAP1_FLOAT(name, ...) FLOAT(LOOP1, name, __VA_ARGS__)
#define MAP2_FLOAT(name, ...) FLOAT(LOOP2, name, __VA_ARGS__)
#define MAP3_FLOAT(name, ...) FLOAT(LOOP3, name, __VA_ARGS__)
#define MAP4_FLOAT(name, ...) FLOAT(LOOP4, name, __VA_ARGS__)
#define MAP5_FLOAT(name, ...) FLOAT(LOOP5, name, __VA_ARGS__)
#define MAP1_NUM(name, ...)   NUM(LOOP1, name, __VA_ARGS__)
#define MAP2_NUM(name, ...)   NUM(LOOP2, name, __VA_ARGS__)
#define MAP3_NUM(name, ...)   NUM(LOOP3, name, __VA_ARGS__)

/* ---- optimizers ---- */
#define STEP_LOOP(ct, C, name, numbers, loads, body, stores) \
  static void step_##name##_##ct(void *const *x_, const double *c_, long n_) \
  { \
    typedef C T; \
    numbers \
    _Pragma("GCC ivdep") for (long i_ = 0; i_ < n_; i_++) { loads body stores } \
  }
#define STEP_FLOAT(name, numbers, loads, body, stores) FLOAT(STEP_LOOP, name, numbers, loads, BARE body, stores)
#define BARE(...) __VA_ARGS__

#define ROWS
#include "map_kernels.h"
#undef ROWS

/* ---- conversions, from and to any stride ---- */
#define DTYPES_AS(X, C, c) \
  X(YT_BOOL, uint8_t,  v,            v != 0,               C, c) \
  X(YT_U8,   uint8_t,  v,            (uint8_t)(int64_t)v,  C, c) \
  X(YT_I32,  int32_t,  v,            (int32_t)(int64_t)v,  C, c) \
  X(YT_I64,  int64_t,  v,            (int64_t)v,           C, c) \
  X(YT_F16,  uint16_t, from_f16(v),  to_f16((float)v),     C, c) \
  X(YT_BF16, uint16_t, from_bf16(v), to_bf16((float)v),    C, c) \
  X(YT_F32,  float,    v,            (float)v,             C, c) \
  X(YT_F64,  double,   v,            (double)v,            C, c)
#define CONVERT(name, D, S, expr) \
  static void name(void *d_, long ds, const void *s_, long ss, long n) \
  { \
    D *d = d_; \
    const S *s = s_; \
    if (ds == 1 && ss == 1) { _Pragma("GCC ivdep") for (long i = 0; i < n; i++) { S v = s[i]; d[i] = (D)(expr); } } \
    else if (ss == 0 && ds == 1) { S v = s[0]; D r = (D)(expr); for (long i = 0; i < n; i++) d[i] = r; } \
    else for (long i = 0; i < n; i++) { S v = s[i * ss]; d[i * ds] = (D)(expr); } \
  }
#define BOTH(id, S, from, to, C, c) CONVERT(load_##id##_##c, C, S, from) CONVERT(store_##id##_##c, S, C, to)
DTYPES_AS(BOTH, float, CPU_F32)
DTYPES_AS(BOTH, double, CPU_F64)
DTYPES_AS(BOTH, int64_t, CPU_I64)
#define LOADS(id, S, from, to, C, c)  [id] = load_##id##_##c,
#define STORES(id, S, from, to, C, c) [id] = store_##id##_##c,

/* ---- dense (rows, columns) from a matrix whose columns are contiguous: in tiles that stay in the first cache ---- */
enum { TILE = 16 };
#define TRANSPOSE(C) \
  static void transpose_##C(void *d_, long drow, const void *s_, long scolumn, long rows, long columns) \
  { \
    C *restrict d = d_; \
    const C *restrict s = s_; \
    for (long j = 0; j < columns; j += TILE) \
      for (long i = 0; i < rows; i += TILE) { \
        const long ni = rows - i < TILE ? rows - i : TILE, nj = columns - j < TILE ? columns - j : TILE; \
        if (ni == TILE && nj == TILE) { \
          C t[TILE][TILE]; \
          for (int q = 0; q < TILE; q++) for (int p = 0; p < TILE; p++) t[p][q] = s[(j + q) * scolumn + i + p]; \
          for (int p = 0; p < TILE; p++) for (int q = 0; q < TILE; q++) d[(i + p) * drow + j + q] = t[p][q]; \
        } else \
          for (long p = 0; p < ni; p++) \
            for (long q = 0; q < nj; q++) d[(i + p) * drow + j + q] = s[(j + q) * scolumn + i + p]; \
      } \
  }
TRANSPOSE(uint8_t)
TRANSPOSE(uint16_t)
TRANSPOSE(uint32_t)
TRANSPOSE(uint64_t)
static void transpose(int bytes, void *d, long drow, const void *s, long scolumn, long rows, long columns)
{
  switch (bytes) {
    case 1: transpose_uint8_t(d, drow, s, scolumn, rows, columns); break;
    case 2: transpose_uint16_t(d, drow, s, scolumn, rows, columns); break;
    case 4: transpose_uint32_t(d, drow, s, scolumn, rows, columns); break;
    default: transpose_uint64_t(d, drow, s, scolumn, rows, columns);
  }
}

/* ---- the table ---- */
const cpu_map_kernels ISA(cpu__map) = {
#define TABLE_MAP(c, C, name) [OP_##name][c] = map_##name##_##c,
  .map = {
#include "map_kernels.h"
  },
#undef TABLE_MAP
#define TABLE_STEP(c, C, name) [OP_##name][c] = step_##name##_##c,
  .step = {
#include "map_kernels.h"
  },
#undef TABLE_STEP
  .load = {
    { DTYPES_AS(LOADS, float, CPU_F32) }, { DTYPES_AS(LOADS, double, CPU_F64) },
    { DTYPES_AS(LOADS, int64_t, CPU_I64) },
  },
  .store = {
    { DTYPES_AS(STORES, float, CPU_F32) }, { DTYPES_AS(STORES, double, CPU_F64) },
    { DTYPES_AS(STORES, int64_t, CPU_I64) },
  },
  .transpose = transpose,
};
