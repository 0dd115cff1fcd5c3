/* scalar.h: the arithmetic of one element, for gcc, g++ and nvcc alike.
 *
 * name_(x) takes float or double (C: _Generic, C++: overloads) and returns the same type; those that make sense for
 * integers also take int64_t. name_f, name_d, name_l are the functions themselves.
 *
 * The hot ones are branch-free, so that a loop around them becomes vector code without fast-math: exp, expm1, log,
 * log1p, tanh, sigmoid, softplus, logsigmoid, logaddexp, gelu_tanh in both precisions; erf, gelu, erfinv, sin, cos,
 * exp2, hypot in float. The rest call libm.
 *   error   tests/c/scalar_test.c prints and bounds it against long double: at most 3 ULP (erfinv_f: 4)
 *   NaN     goes through; integers divide by zero to zero, and wrap on overflow
 *   range   sin_f, cos_f: NaN beyond |x| = 2^31, where reducing x mod pi/2 would need its table of 2/pi */
#ifndef YT_SCALAR_H
#define YT_SCALAR_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined __CUDACC__
#define FN static __device__ __forceinline__
#elif defined __GNUC__
#define FN static inline __attribute__((always_inline))
#else
#define FN static inline
#endif

/* ---- bits ---- */
FN uint32_t bits_f(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
FN uint64_t bits_d(double x) { uint64_t u; memcpy(&u, &x, 8); return u; }
FN float float_of(uint32_t u) { float x; memcpy(&x, &u, 4); return x; }
FN double double_of(uint64_t u) { double x; memcpy(&x, &u, 8); return x; }

/* ---- exponentials: x = n ln2 + r, |r| <= ln2/2, e^x = 2^n e^r (Cody & Waite 1980) ----
 * exp_parts returns e^r - 1 and the bits of 2^n. Adding 1.5 * 2^23 + 127 rounds to an integer and leaves it, biased, in
 * the low bits of the sum, from where one shift makes it an exponent: n = -127 gives 0 and 128 infinity
 * (-1023 and 1024 for doubles). The polynomials are minimax, below 0.06 ULP. */
FN float exp_poly_f(float r)
{
  float p = 1.3814583972e-3f;
  p = p * r + 8.3687240227e-3f;
  p = p * r + 4.1668388737e-2f;
  p = p * r + 1.6666520573e-1f;
  p = p * r + 4.9999993444e-1f;
  return p * (r * r) + r;
}
FN float exp_parts_f(float x, uint32_t *power)
{
  float t = x * 1.44269504f + 12583039.f, n = t - 12583039.f;
  *power = bits_f(t) << 23;
  return exp_poly_f((x - n * 0.693359375f) + n * 2.12194440e-4f);
}
FN double exp_parts_d(double x, uint64_t *power)
{
  double t = x * 1.4426950408889634 + 6755399441056767.0, n = t - 6755399441056767.0;
  double r = (x - n * 6.93147180369123816490e-1) - n * 1.90821492927058770002e-10;
  double p = 2.5105215165649368e-8;
  p = p * r + 2.7620086491464514e-7;
  p = p * r + 2.75572554544176e-6;
  p = p * r + 2.4801521299750923e-5;
  p = p * r + 1.9841269874817515e-4;
  p = p * r + 1.388888891721154e-3;
  p = p * r + 8.333333333326136e-3;
  p = p * r + 4.166666666662413e-2;
  p = p * r + 1.666666666666667e-1;
  p = p * r + 5.000000000000001e-1;
  *power = bits_d(t) << 52;
  return p * (r * r) + r;
}

/* 2^n in two factors, so that nothing overflows or underflows on the way. The ends are chosen last: a clamp of the
 * argument, with its constant, makes GCC split the path and lose speed. */
FN float exp_scale_f(float x, float q, uint32_t power)              /* 2 and 2^(n - 1), or 2^-64 and 2^(n + 64) */
{
  float outer = x > 0 ? 2.f : 5.42101086e-20f, inner = float_of(power - bits_f(outer) + (127u << 23));
  return (inner * q + inner) * outer;
}
FN double exp_scale_d(double x, double q, uint64_t power)           /* 2^m and 2^(n - m), m about n/2 */
{
  uint64_t half = bits_d(x * 0.5 + 6755399441056767.0) << 52;
  double y = (q + 1) * double_of(half) * double_of(power - half + ((uint64_t)1023 << 52));
  y = x > 1024.4 ? INFINITY : y;
  return x < -1076 ? 0 : y;
}
FN float exp_f(float x)
{
  uint32_t power;
  float q = exp_parts_f(x, &power), y = exp_scale_f(x, q, power);
  y = x > 89.f ? INFINITY : y;
  return x < -104.f ? 0 : y;
}
FN double exp_d(double x)
{
  uint64_t power;
  double q = exp_parts_d(x, &power);
  return exp_scale_d(x * 1.4426950408889634, q, power);
}
FN float exp2_f(float x)
{
  float t = x + 12583039.f, q = exp_poly_f((x - (t - 12583039.f)) * 0.693147181f);
  float y = exp_scale_f(x, q, bits_f(t) << 23);
  y = x > 128.4f ? INFINITY : y;
  return x < -151.f ? 0 : y;
}
FN double exp2_d(double x) { return exp2(x); }

/* e^x for x <= 0, as a softmax needs it: cheaper by a third; results below the smallest normal number are 0 */
FN float exp_neg_f(float x)
{
  uint32_t power;
  x = x < -88.03f ? -88.03f : x;                                    /* n = -127 */
  float q = exp_parts_f(x, &power), s = float_of(power);
  return s * q + s;
}
FN double exp_neg_d(double x)
{
  uint64_t power;
  x = x < -709.09 ? -709.09 : x;                                    /* n = -1023 */
  double q = exp_parts_d(x, &power), s = double_of(power);
  return s * q + s;
}

/* e^x - 1 = 2^n q + (2^n - 1), halved on the way */
FN float expm1_f(float x)
{
  uint32_t power;
  float z = x > 89.f ? 89.f : x;
  z = z < -20.f ? -20.f : z;
  float q = exp_parts_f(z, &power), half = float_of(power - (1u << 23));
  return copysignf((half * q + (half - 0.5f)) * 2, x);
}
FN double expm1_d(double x)
{
  uint64_t power;
  double z = x > 710. ? 710. : x;
  z = z < -40. ? -40. : z;
  double q = exp_parts_d(z, &power), half = double_of(power - ((uint64_t)1 << 52));
  return copysign((half * q + (half - 0.5)) * 2, x);
}

/* tanh x = e / (e + 2), e = exp(2|x|) - 1: accurate near zero, no branch */
FN float tanh_f(float x)
{
  float y = fabsf(x);
  y = y > 10.f ? 10.f : y;
  float t = y * 2.88539008f + 12583039.f, n = t - 12583039.f, s = float_of(bits_f(t) << 23);
  float r = y - n * 0.346573591f, p = 1.3814583972e-3f * 64;        /* one step is enough for n < 30, and r is halved */
  p = p * r + 8.3687240227e-3f * 32;
  p = p * r + 4.1668388737e-2f * 16;
  p = p * r + 1.6666520573e-1f * 8;
  p = p * r + 4.9999993444e-1f * 4;
  p = p * r + 2;
  float e = p * (s * r) + (s - 1);
  return copysignf(e / (e + 2), x);
}
FN double tanh_d(double x)
{
  uint64_t power;
  double y = fabs(x), q = exp_parts_d(y + y, &power), s = double_of(power), e = s * q + (s - 1);
  e = e / (e + 2);
  return copysign(y > 20 ? 1 : e, x);
}

/* 1 / (1 + e^-x); results below the smallest normal number are 0 */
FN float sigmoid_f(float x)
{
  uint32_t power;
  float q = exp_parts_f(-x, &power), y = 1 / (1 + (q + 1) * float_of(power));
  y = x < -88.3f ? 0 : y;
  return x > 20 ? 1 : y;
}
FN double sigmoid_d(double x)
{
  uint64_t power;
  double q = exp_parts_d(-x, &power), y = 1 / (1 + (q + 1) * double_of(power));
  y = x < -709.4 ? 0 : y;
  return x > 40 ? 1 : y;
}

/* ---- logarithms: log x = e ln2 + log m, m in [sqrt(1/2), sqrt 2) ---- */
FN float log_normal_f(float x)                                      /* Cephes logf; x positive, finite, not subnormal */
{
  uint32_t i = bits_f(x) - 0x3f3504f3u;
  float e = (float)((int32_t)i >> 23), m = float_of((i & 0x7fffffu) + 0x3f3504f3u) - 1, z = m * m;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  return m * z * p - e * 2.12194440e-4f - 0.5f * z + m + e * 0.693359375f;
}
FN double log_normal_d(double x)                                    /* fdlibm e_log.c */
{
  uint64_t i = bits_d(x) - 0x3fe6a09e667f3bcdu;
  double e = double_of(0x4330000000000000u | ((i + 0x4000000000000000u) >> 52)) - 4503599627371520.;
  double f = double_of((i & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1, s = f / (2 + f), z = s * s, w = z * z;
  double even = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1));
  double odd = 1.818357216161805012e-1 + w * 1.479819860511658591e-1;
  odd = z * (6.666666666666735130e-1 + w * (2.857142874366239149e-1 + w * odd));
  double half = 0.5 * f * f;
  return e * 6.93147180369123816490e-1 - ((half - (s * (half + even + odd) + e * 1.90821492927058770002e-10)) - f);
}
FN float log_f(float x)                                             /* subnormals are scaled by 2^23 first */
{
  float tiny = x < 1.17549435e-38f ? 8388608.f : 1.f;
  float y = log_normal_f(x * tiny) - (tiny > 1 ? 15.9423847f : 0);
  y = x < INFINITY ? y : x;
  y = x > 0 ? y : NAN;
  return x == 0 ? -INFINITY : y;
}
FN double log_d(double x)                                           /* ... by 2^54 */
{
  double tiny = x < 2.2250738585072014e-308 ? 18014398509481984. : 1.;
  double y = log_normal_d(x * tiny) - (tiny > 1 ? 37.42994775023705 : 0);
  y = x < INFINITY ? y : x;
  y = x > 0 ? y : NAN;
  return x == 0 ? -INFINITY : y;
}

/* log(1 + x) = log u + c / u, u = 1 + x rounded and c what the rounding lost; log1p_unit for x in (-1, 1] */
FN float log1p_unit_f(float x) { float u = 1 + x; return log_normal_f(u) + (x - (u - 1)) / u; }
FN double log1p_unit_d(double x) { double u = 1 + x; return log_normal_d(u) + (x - (u - 1)) / u; }
FN float log1p_f(float x)
{
  float y = copysignf(log1p_unit_f(x), x);
  y = x < INFINITY ? y : x;
  y = x > -1 ? y : NAN;
  return x == -1 ? -INFINITY : y;
}
FN double log1p_d(double x)
{
  double y = copysign(log1p_unit_d(x), x);
  y = x < INFINITY ? y : x;
  y = x > -1 ? y : NAN;
  return x == -1 ? -INFINITY : y;
}
/* log(1 + e^x) and log(1 / (1 + e^-x)) */
FN float softplus_f(float x) { return (x > 0 ? x : 0) + log1p_unit_f(exp_neg_f(-fabsf(x))); }
FN double softplus_d(double x) { return (x > 0 ? x : 0) + log1p_unit_d(exp_neg_d(-fabs(x))); }
FN float logsigmoid_f(float x) { return (x < 0 ? x : 0) - log1p_unit_f(exp_neg_f(-fabsf(x))); }
FN double logsigmoid_d(double x) { return (x < 0 ? x : 0) - log1p_unit_d(exp_neg_d(-fabs(x))); }
/* log(e^a + e^b); equal arguments apart, because inf - inf is NaN */
FN float logaddexp_f(float a, float b)
{
  float y = (a > b ? a : b) + log1p_unit_f(exp_neg_f(-fabsf(a - b)));
  return a == b ? a + 0.693147181f : y;
}
FN double logaddexp_d(double a, double b)
{
  double y = (a > b ? a : b) + log1p_unit_d(exp_neg_d(-fabs(a - b)));
  return a == b ? a + 0.6931471805599453 : y;
}

/* ---- error function and gamma ---- */
FN float erf_f(float x)       /* after N. Juffa's erff: a polynomial below 0.93, 1 - e^polynomial above */
{
  float t = fabsf(x), s = x * x, big, p;
  t = t > 4.f ? 4.f : t;
  big = (-1.72853470e-5f * t + 3.83197126e-4f) * (t * t) + (-3.88396438e-3f * t + 2.42546219e-2f);
  big = big * t - 1.06777877e-1f;
  big = big * t - 6.34846687e-1f;
  big = big * t - 1.28717512e-1f;
  big = copysignf(1 - exp_neg_f(big * t - t), x);
  p = -5.96761703e-4f;
  p = p * s + 4.99119423e-3f;
  p = p * s - 2.67681349e-2f;
  p = p * s + 1.12819925e-1f;
  p = p * s - 3.76125336e-1f;
  p = p * s + 1.28379166e-1f;
  p = p * x + x;
  return t > 0.927734375f ? big : p;
}
FN double erf_d(double x) { return erf(x); }
FN float erfc_f(float x) { return erfcf(x); }
FN double erfc_d(double x) { return erfc(x); }

/* Giles 2010, "Approximating the erfinv function", table 5; for doubles it starts two steps of Halley's rule. */
FN float erfinv_f(float x)
{
  float w = -log_f((1 - x) * (1 + x)), c = w - 2.5f, t = sqrtf(w > 0 ? w : 0) - 3, p, q;
  p = 2.81022636e-8f;
  p = p * c + 3.43273939e-7f;
  p = p * c - 3.5233877e-6f;
  p = p * c - 4.39150654e-6f;
  p = p * c + 2.1858087e-4f;
  p = p * c - 1.25372503e-3f;
  p = p * c - 4.17768164e-3f;
  p = p * c + 2.46640727e-1f;
  p = p * c + 1.50140941f;
  q = -2.00214257e-4f;
  q = q * t + 1.00950558e-4f;
  q = q * t + 1.34934322e-3f;
  q = q * t - 3.67342844e-3f;
  q = q * t + 5.73950773e-3f;
  q = q * t - 7.6224613e-3f;
  q = q * t + 9.43887047e-3f;
  q = q * t + 1.00167406f;
  q = q * t + 2.83297682f;
  p = (w < 5 ? p : q) * x;
  p = fabsf(x) == 1 ? copysignf(INFINITY, x) : p;
  return fabsf(x) > 1 ? NAN : p;
}
FN double erfinv_d(double x)
{
  double y = fabs(x), t = 1 - y, w, r;
  if (!(y < 1)) return y == 1 ? copysign(INFINITY, x) : NAN;
  w = -log(t * (1 + y));
  r = sqrt(w) - 3;      /* Giles again, in double so that 1 - 2^-53 does not round to 1 */
  if (w < 16) {
    double c = w - 2.5;
    if (w < 5) r = (((((((2.81022636e-8 * c + 3.43273939e-7) * c - 3.5233877e-6) * c - 4.39150654e-6) * c
      + 2.1858087e-4) * c - 1.25372503e-3) * c - 4.17768164e-3) * c + 2.46640727e-1) * c + 1.50140941;
    else r = (((((((-2.00214257e-4 * r + 1.00950558e-4) * r + 1.34934322e-3) * r - 3.67342844e-3) * r
      + 5.73950773e-3) * r - 7.6224613e-3) * r + 9.43887047e-3) * r + 1.00167406) * r + 2.83297682;
    r *= y;
  } else {              /* erfc r ~ e^-r^2 / (r sqrt pi) */
    r = sqrt(w + 0.6931471805599453);
    r = sqrt(w + 0.6931471805599453 - log(r * 1.772453850905516));
  }
  for (int k = 0; k < 3; k++) {
    double f = y > 0.5 ? t - erfc(r) : erf(r) - y;    /* t is exact there, and erfc keeps its digits */
    f /= 1.1283791670955126 * exp(-r * r);
    r -= f / (1 + r * f);
  }
  return copysign(r, x);
}

/* log |gamma|; libm's lgamma writes a global sign, lgamma_r does not */
#if defined __CUDACC__
FN float lgamma_f(float x) { return lgammaf(x); }
FN double lgamma_d(double x) { return lgamma(x); }
#else
#if !defined __cplusplus
float lgammaf_r(float, int *);                    /* math.h hides them from strict C11 */
double lgamma_r(double, int *);
#endif
FN float lgamma_f(float x) { int sign; return lgammaf_r(x, &sign); }
FN double lgamma_d(double x) { int sign; return lgamma_r(x, &sign); }
#endif

/* d/dx log gamma: reflection below 1/2, recurrence up to 10, then the asymptotic series
 * (Abramowitz & Stegun 6.3.7, 6.3.5, 6.3.18); NaN at negative integers, -inf at 0 */
FN double digamma_d(double x)
{
  double r = 0, z, s;
  if (x == 0) return copysign(INFINITY, -x);
  if (x < 0.5) {
    if (x == floor(x)) return NAN;
    r = -3.141592653589793 / tan(3.141592653589793 * (x - floor(x)));
    x = 1 - x;
  }
  for (; x < 10; x++) r -= 1 / x;
  z = 1 / (x * x);
  s = 1. / 252 - z * (1. / 240 - z * (1. / 132 - z * (691. / 32760 - z / 12)));
  s = z * (1. / 12 - z * (1. / 120 - z * s));
  return r + log(x) - 0.5 / x - (x < INFINITY ? s : 0);
}
FN float digamma_f(float x) { return (float)digamma_d(x); }

FN float xlogy_f(float x, float y) { return x == 0 && y == y ? 0 : x * log_f(y); }
FN double xlogy_d(double x, double y) { return x == 0 && y == y ? 0 : x * log_d(y); }

/* ---- GELU (Hendrycks & Gimpel 2016, arXiv:1606.08415); -0 far below zero, where -inf * 0 would be NaN ---- */
FN float gelu_f(float x)
{
  float y = 0.5f * x * (1 + erf_f(x * 0.707106781f));
  return x < -40 ? -0.f : y;
}
FN double gelu_d(double x)
{
  double y = 0.5 * x * (1 + erf_d(x * 0.7071067811865476));
  return x < -40 ? -0. : y;
}
/* 0.5 x (1 + tanh u) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3) */
FN float gelu_tanh_f(float x)
{
  float y = x * sigmoid_f(x * (1.59576912f + 0.0713548163f * (x * x)));
  return x < -40 ? -0.f : y;
}
FN double gelu_tanh_d(double x)
{
  double y = x * sigmoid_d(x * (1.5957691216057308 + 0.07135481627260025 * (x * x)));
  return x < -40 ? -0. : y;
}

/* ---- roots and powers ---- */
FN float sqrt_f(float x) { return sqrtf(x); }
FN double sqrt_d(double x) { return sqrt(x); }
FN float rsqrt_f(float x) { return 1 / sqrtf(x); }
FN double rsqrt_d(double x) { return 1 / sqrt(x); }
FN float hypot_f(float x, float y)
{
  float r = (float)sqrt((double)x * x + (double)y * y);             /* a float's square fits a double */
  return fabsf(x) == INFINITY || fabsf(y) == INFINITY ? INFINITY : r;
}
FN double hypot_d(double x, double y) { return hypot(x, y); }
FN float pow_f(float x, float y)  /* e^(y log|x|) in double, then the sign and the cases of C11 F.10.4.4 */
{
  double r = exp_d((double)y * log_d((double)fabsf(x)));
  int whole = floorf(y) == y, odd = whole & (floorf(y * .5f) * 2 != y) & (fabsf(y) < 16777216.f);
  float a = x == 0 ? (y > 0 ? 0 : y < 0 ? INFINITY : y) : (float)r;
  int minus = (x < 0) | ((x == 0) & (copysignf(1, x) < 0)), real = whole | (fabsf(x) == INFINITY) | (x == 0);
  a = minus ? (odd ? -a : real ? a : NAN) : a;
  return ((y == 0) | (x == 1) | ((x == -1) & (fabsf(y) == INFINITY))) ? 1 : a;
}
FN double pow_d(double x, double y) { return pow(x, y); }
FN int64_t pow_l(int64_t x, int64_t y)                              /* a negative power rounds toward zero */
{
  uint64_t r = 1, b = (uint64_t)x;
  if (y < 0) return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;
  for (; y; y /= 2, b *= b) if (y % 2) r *= b;
  return (int64_t)r;
}

/* ---- trigonometry: x = n pi/2 + r; n has 31 bits and the first two parts of pi/2 have 22: exact products ---- */
FN float sin_poly_f(float r)                                        /* Cephes sinf, |r| <= pi/4 */
{
  float z = r * r;
  return ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
}
FN float cos_poly_f(float r)
{
  float z = r * r, p = (2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f;
  return p * z * z - 0.5f * z + 1;
}
FN float quarters_f(float r, uint32_t q)                            /* sin(r + q pi/2) */
{
  float y = q & 1 ? cos_poly_f(r) : sin_poly_f(r);
  return float_of(bits_f(y) ^ (q & 2) << 30);
}
FN float trig_f(float x, uint64_t q)                                /* sin(x + q pi/2) */
{
  double t = x * 0.6366197723675814 + 6755399441055744.0, n = t - 6755399441055744.0;
  double r = ((x - n * 0x1.921fbp+0) - n * 0x1.5110bp-22) - n * 0x1.18469898cc517p-44;
  float y = quarters_f((float)r, (uint32_t)(bits_d(t) + q));
  return fabsf(x) <= 2147483648.f ? y : NAN;
}
FN float sin_f(float x) { return x == 0 ? x : trig_f(x, 0); }
FN float cos_f(float x) { return trig_f(x, 1); }
FN double sin_d(double x) { return sin(x); }
FN double cos_d(double x) { return cos(x); }

#define LIBM(name)                                  \
  FN float name##_f(float x) { return name##f(x); } \
  FN double name##_d(double x) { return name(x); }
#define LIBM2(name)                                             \
  FN float name##_f(float x, float y) { return name##f(x, y); } \
  FN double name##_d(double x, double y) { return name(x, y); }
LIBM(tan) LIBM(asin) LIBM(acos) LIBM(atan) LIBM(sinh) LIBM(cosh) LIBM(asinh) LIBM(acosh) LIBM(atanh)
LIBM(log2) LIBM(log10) LIBM(floor) LIBM(ceil) LIBM(trunc)
LIBM2(atan2) LIBM2(fmod)
#undef LIBM
#undef LIBM2

/* ---- rounding, sign, division ---- */
FN float round_f(float x) { return rintf(x); }                      /* halves to even */
FN double round_d(double x) { return rint(x); }
FN float abs_f(float x) { return fabsf(x); }
FN double abs_d(double x) { return fabs(x); }
FN int64_t abs_l(int64_t x) { return x < 0 ? (int64_t)(0 - (uint64_t)x) : x; }
/* NaN if either is */
FN float max_f(float a, float b) { return ((a > b) | (a != a)) ? a : b; }
FN double max_d(double a, double b) { return ((a > b) | (a != a)) ? a : b; }
FN int64_t max_l(int64_t a, int64_t b) { return a > b ? a : b; }
FN float min_f(float a, float b) { return ((a < b) | (a != a)) ? a : b; }
FN double min_d(double a, double b) { return ((a < b) | (a != a)) ? a : b; }
FN int64_t min_l(int64_t a, int64_t b) { return a < b ? a : b; }
FN float sign_f(float x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
FN double sign_d(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
FN int64_t sign_l(int64_t x) { return (x > 0) - (x < 0); }
FN int64_t floor_l(int64_t x) { return x; }
FN int64_t ceil_l(int64_t x) { return x; }
FN int64_t round_l(int64_t x) { return x; }
FN int64_t trunc_l(int64_t x) { return x; }
FN int isnan_f(float x) { return x != x; }
FN int isnan_d(double x) { return x != x; }
FN int isnan_l(int64_t x) { (void)x; return 0; }
FN int isinf_f(float x) { return fabsf(x) == INFINITY; }
FN int isinf_d(double x) { return fabs(x) == INFINITY; }
FN int isinf_l(int64_t x) { (void)x; return 0; }
FN int isfinite_f(float x) { return fabsf(x) < INFINITY; }
FN int isfinite_d(double x) { return fabs(x) < INFINITY; }
FN int isfinite_l(int64_t x) { (void)x; return 1; }

/* fmod takes the sign of a, remainder that of b, as Python's %; floordiv rounds down, as Python's //.
 * -1 is apart because INT64_MIN / -1 traps. */
FN int64_t fmod_l(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }
FN int64_t remainder_l(int64_t a, int64_t b)
{
  int64_t r = fmod_l(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
FN float remainder_f(float a, float b)
{
  float r = fmodf(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
FN double remainder_d(double a, double b)
{
  double r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
FN int64_t floordiv_l(int64_t a, int64_t b)
{
  if (b == 0) return 0;
  if (b == -1) return (int64_t)(0 - (uint64_t)a);
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
FN double floordiv_d(double a, double b)        /* CPython's float_floor_div: floor(a / b) may round up */
{
  double r = fmod(a, b), q = (a - r) / b, f;
  if (b == 0) return a / b;
  if (r != 0 && (b < 0) != (r < 0)) q -= 1;
  if (q == 0) return copysign(0, a / b);
  f = floor(q);
  return q - f > 0.5 ? f + 1 : f;
}
FN float floordiv_f(float a, float b) { return (float)floordiv_d(a, b); }

/* ---- one name for every type ---- */
#if defined __cplusplus
#define LOWEST  lowest_of((T)0)
#define HIGHEST highest_of((T)0)
FN float lowest_of(float) { return -INFINITY; }
FN double lowest_of(double) { return -INFINITY; }
FN int64_t lowest_of(int64_t) { return INT64_MIN; }
FN float highest_of(float) { return INFINITY; }
FN double highest_of(double) { return INFINITY; }
FN int64_t highest_of(int64_t) { return INT64_MAX; }
#define F1(name) FN float name##_(float x) { return name##_f(x); } FN double name##_(double x) { return name##_d(x); }
#define F2(name)                                                  \
  FN float name##_(float x, float y) { return name##_f(x, y); }   \
  FN double name##_(double x, double y) { return name##_d(x, y); }
#define L1(name) F1(name) FN int64_t name##_(int64_t x) { return name##_l(x); }
#define L2(name) F2(name) FN int64_t name##_(int64_t x, int64_t y) { return name##_l(x, y); }
#define TEST(name)                                 \
  FN int name##_(float x) { return name##_f(x); }  \
  FN int name##_(double x) { return name##_d(x); } \
  FN int name##_(int64_t x) { return name##_l(x); }
F1(exp) F1(exp_neg) F1(exp2) F1(expm1) F1(tanh) F1(sigmoid) F1(log) F1(log2) F1(log10) F1(log1p)
F1(softplus) F1(logsigmoid) F1(erf) F1(erfc) F1(erfinv) F1(lgamma) F1(digamma) F1(gelu) F1(gelu_tanh) F1(sqrt) F1(rsqrt)
F1(sin) F1(cos) F1(tan) F1(asin) F1(acos) F1(atan) F1(sinh) F1(cosh) F1(asinh) F1(acosh) F1(atanh)
F2(xlogy) F2(logaddexp) F2(hypot) F2(atan2)
L1(abs) L1(sign) L1(floor) L1(ceil) L1(round) L1(trunc)
L2(max) L2(min) L2(pow) L2(fmod) L2(remainder) L2(floordiv)
TEST(isnan) TEST(isinf) TEST(isfinite)
#undef F1
#undef F2
#undef L1
#undef L2
#undef TEST
#else
#define LOWEST         _Generic((T)0, int64_t: INT64_MIN, default: -INFINITY)
#define HIGHEST        _Generic((T)0, int64_t: INT64_MAX, default: INFINITY)
#define SCALAR_FD(name, x)  _Generic((x), float: name##_f, double: name##_d)
#define SCALAR_FDL(name, x) _Generic((x), float: name##_f, double: name##_d, int64_t: name##_l)
#define exp_(x)         SCALAR_FD(exp, x)(x)
#define exp_neg_(x)     SCALAR_FD(exp_neg, x)(x)
#define exp2_(x)        SCALAR_FD(exp2, x)(x)
#define expm1_(x)       SCALAR_FD(expm1, x)(x)
#define tanh_(x)        SCALAR_FD(tanh, x)(x)
#define sigmoid_(x)     SCALAR_FD(sigmoid, x)(x)
#define log_(x)         SCALAR_FD(log, x)(x)
#define log2_(x)        SCALAR_FD(log2, x)(x)
#define log10_(x)       SCALAR_FD(log10, x)(x)
#define log1p_(x)       SCALAR_FD(log1p, x)(x)
#define softplus_(x)    SCALAR_FD(softplus, x)(x)
#define logsigmoid_(x)  SCALAR_FD(logsigmoid, x)(x)
#define erf_(x)         SCALAR_FD(erf, x)(x)
#define erfc_(x)        SCALAR_FD(erfc, x)(x)
#define erfinv_(x)      SCALAR_FD(erfinv, x)(x)
#define lgamma_(x)      SCALAR_FD(lgamma, x)(x)
#define digamma_(x)     SCALAR_FD(digamma, x)(x)
#define gelu_(x)        SCALAR_FD(gelu, x)(x)
#define gelu_tanh_(x)   SCALAR_FD(gelu_tanh, x)(x)
#define sqrt_(x)        SCALAR_FD(sqrt, x)(x)
#define rsqrt_(x)       SCALAR_FD(rsqrt, x)(x)
#define sin_(x)         SCALAR_FD(sin, x)(x)
#define cos_(x)         SCALAR_FD(cos, x)(x)
#define tan_(x)         SCALAR_FD(tan, x)(x)
#define asin_(x)        SCALAR_FD(asin, x)(x)
#define acos_(x)        SCALAR_FD(acos, x)(x)
#define atan_(x)        SCALAR_FD(atan, x)(x)
#define sinh_(x)        SCALAR_FD(sinh, x)(x)
#define cosh_(x)        SCALAR_FD(cosh, x)(x)
#define asinh_(x)       SCALAR_FD(asinh, x)(x)
#define acosh_(x)       SCALAR_FD(acosh, x)(x)
#define atanh_(x)       SCALAR_FD(atanh, x)(x)
#define xlogy_(x, y)    SCALAR_FD(xlogy, x)(x, y)
#define logaddexp_(x, y) SCALAR_FD(logaddexp, x)(x, y)
#define hypot_(x, y)    SCALAR_FD(hypot, x)(x, y)
#define atan2_(x, y)    SCALAR_FD(atan2, x)(x, y)
#define abs_(x)         SCALAR_FDL(abs, x)(x)
#define sign_(x)        SCALAR_FDL(sign, x)(x)
#define floor_(x)       SCALAR_FDL(floor, x)(x)
#define ceil_(x)        SCALAR_FDL(ceil, x)(x)
#define round_(x)       SCALAR_FDL(round, x)(x)
#define trunc_(x)       SCALAR_FDL(trunc, x)(x)
#define isnan_(x)       SCALAR_FDL(isnan, x)(x)
#define isinf_(x)       SCALAR_FDL(isinf, x)(x)
#define isfinite_(x)    SCALAR_FDL(isfinite, x)(x)
#define max_(x, y)      SCALAR_FDL(max, x)(x, y)
#define min_(x, y)      SCALAR_FDL(min, x)(x, y)
#define pow_(x, y)      SCALAR_FDL(pow, x)(x, y)
#define fmod_(x, y)     SCALAR_FDL(fmod, x)(x, y)
#define remainder_(x, y) SCALAR_FDL(remainder, x)(x, y)
#define floordiv_(x, y) SCALAR_FDL(floordiv, x)(x, y)
#endif

/* ---- half precision, bit for bit ---- */
FN float from_bf16(uint16_t h) { return float_of((uint32_t)h << 16); }
FN uint16_t to_bf16(float x)
{
  uint32_t u = bits_f(x), r = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? (u >> 16) | 0x40 : r);
}
FN float from_f16(uint16_t h)                         /* Giesen, "half-to-float done quic" */
{
  float f = float_of((uint32_t)(h & 0x7fff) << 13) * 5.192296858534828e33f;       /* 2^112 */
  uint32_t u = bits_f(f), s = (uint32_t)(h & 0x8000) << 16;
  u = (h & 0x7c00) == 0x7c00 ? u | 0x7f800000 : u;
  return float_of(u | s);
}
FN uint16_t to_f16(float x)                           /* Giesen, float_to_half_fast3_rtne */
{
  uint32_t u = bits_f(x), s = u & 0x80000000u, a = u ^ s;
  uint32_t big = a > 0x7f800000 ? 0x7e00 : 0x7c00;
  uint32_t sub = bits_f(float_of(a) + 0.5f) - 0x3f000000u;
  uint32_t nrm = (a + 0xc8000fffu + ((a >> 13) & 1)) >> 13;
  uint32_t r = a >= 0x47800000 ? big : a < 0x38800000 ? sub : nrm;
  return (uint16_t)(r | s >> 16);
}
#endif
