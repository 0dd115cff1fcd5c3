/* scalar.h against long double: the error of every float function in ULP, special values, integers, half precision.
 * Each function is measured as plain x86-64, with FMA (v3) and with AVX-512 (v4) code, as far as this CPU has them;
 * the options below are those of the kernels. */
#if defined __GNUC__ && !defined __clang__
#pragma GCC optimize("O3", "fp-contract=fast", "no-math-errno", "no-trapping-math")
#endif
#include "backends/scalar.h"
#include "check.h"
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- references ---- */
static long double r_exp(long double x) { return expl(x); }
static long double r_exp2(long double x) { return exp2l(x); }
static long double r_expm1(long double x) { return expm1l(x); }
static long double r_log(long double x) { return logl(x); }
static long double r_log2(long double x) { return log2l(x); }
static long double r_log10(long double x) { return log10l(x); }
static long double r_log1p(long double x) { return log1pl(x); }
static long double r_tanh(long double x) { return tanhl(x); }
static long double r_sigmoid(long double x) { return 1 / (1 + expl(-x)); }
static long double r_softplus(long double x) { return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x)); }
static long double r_logsigmoid(long double x) { return -r_softplus(-x); }
static long double r_erf(long double x) { return erfl(x); }
static long double r_erfc(long double x) { return erfcl(x); }
static long double r_gelu(long double x) { return x * erfcl(-x * 0.70710678118654752440L) / 2; }
static long double r_gelu_tanh(long double x)
{
  return x * r_sigmoid(2 * 0.79788456080286535588L * (x + 0.044715L * x * x * x));
}
static long double r_sqrt(long double x) { return sqrtl(x); }
static long double r_rsqrt(long double x) { return 1 / sqrtl(x); }
static long double r_sin(long double x) { return sinl(x); }
static long double r_cos(long double x) { return cosl(x); }
static long double r_tan(long double x) { return tanl(x); }
static long double r_asin(long double x) { return asinl(x); }
static long double r_acos(long double x) { return acosl(x); }
static long double r_atan(long double x) { return atanl(x); }
static long double r_sinh(long double x) { return sinhl(x); }
static long double r_cosh(long double x) { return coshl(x); }
static long double r_asinh(long double x) { return asinhl(x); }
static long double r_acosh(long double x) { return acoshl(x); }
static long double r_atanh(long double x) { return atanhl(x); }
static long double r_lgamma(long double x) { int sign; return lgamma_r((double)x, &sign); }
static long double r_erfinv(long double x)      /* the double result, improved by Newton in long double */
{
  long double y = fabsl(x), r = erfinv_d((double)y);
  for (int k = 0; k < 4; k++) {
    long double f = y > 0.5L ? (1 - y) - erfcl(r) : erfl(r) - y;
    r -= f / (1.12837916709551257390L * expl(-r * r));
  }
  return copysignl(r, x);
}

/* name, range, bounds in ULP for float and double. The error of the two GELUs is measured in ULP of x: far below zero
 * 1 + erf cancels, as it does in PyTorch, and the exponent's own rounding shows. */
#define FUNCTIONS(_)              \
  _(exp, -87, 88.7, 1.5, 1.5)     \
  _(exp2, -125, 127.9, 1.5, 1.5)  \
  _(expm1, -20, 88.7, 2.5, 2.5)   \
  _(log, 1e-30, 1e30, 1.5, 1.5)   \
  _(log2, 1e-30, 1e30, 1.5, 1.5)  \
  _(log10, 1e-30, 1e30, 2.5, 2.5) \
  _(log1p, -0.999, 1e6, 2.5, 2.5) \
  _(tanh, -12, 12, 2.5, 2.5)      \
  _(sigmoid, -80, 80, 2.5, 2.5)   \
  _(softplus, -80, 80, 2.5, 2.5)  \
  _(logsigmoid, -80, 80, 2.5, 2.5) \
  _(erf, -5, 5, 2.0, 1.5)         \
  _(erfc, -5, 5, 3, 3)            \
  _(erfinv, -0.9999, 0.9999, 4, 3) \
  _(gelu, -30, 30, 1.5, 1.5)      \
  _(gelu_tanh, -30, 30, 2.5, 2.5) \
  _(sqrt, 0, 1e30, 0.51, 0.51)    \
  _(rsqrt, 1e-30, 1e30, 1.5, 1.5) \
  _(sin, -1000, 1000, 1.5, 1.0)   \
  _(cos, -1000, 1000, 1.5, 1.0)   \
  _(tan, -1000, 1000, 1.5, 1.5)   \
  _(asin, -1, 1, 1.5, 1.5)        \
  _(acos, -1, 1, 1.5, 1.5)        \
  _(atan, -100, 100, 1.5, 1.5)    \
  _(sinh, -80, 80, 2.5, 2.5)      \
  _(cosh, -80, 80, 2.5, 2.5)      \
  _(asinh, -1000, 1000, 2.5, 2.5) \
  _(acosh, 1, 1000, 2.5, 2.5)     \
  _(atanh, -0.999, 0.999, 2.5, 2.5) \
  _(lgamma, 0.1, 1000, 4, 3)

enum { N = 20000 };
typedef struct row {
  const char *name;
  long double (*reference)(long double);
  double lo, hi, bound_f, bound_d;
  void (*f[3])(float *, const float *);
  void (*d[3])(double *, const double *);
} row;

#define MAPS(name, isa)                                                                                        \
  static void name##_f_##isa(float *y, const float *x) { for (int i = 0; i < N; i++) y[i] = name##_(x[i]); }   \
  static void name##_d_##isa(double *y, const double *x) { for (int i = 0; i < N; i++) y[i] = name##_(x[i]); }
#define MAP_V1(name, lo, hi, bf, bd) MAPS(name, v1)
#define MAP_V3(name, lo, hi, bf, bd) MAPS(name, v3)
#define MAP_V4(name, lo, hi, bf, bd) MAPS(name, v4)
FUNCTIONS(MAP_V1)
#if defined __GNUC__ && !defined __clang__
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
FUNCTIONS(MAP_V3)
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
FUNCTIONS(MAP_V4)
#pragma GCC pop_options
static int isas(void)
{
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
  return __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
    && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") ? 3 : 2;
}
#define THREE(name, t) { name##_##t##_v1, name##_##t##_v3, name##_##t##_v4 }
#else
static int isas(void) { return 1; }
#define THREE(name, t) { name##_##t##_v1 }
#endif
#define ROW(name, lo, hi, bf, bd) { #name, r_##name, lo, hi, bf, bd, THREE(name, f), THREE(name, d) },
static const row rows[] = { FUNCTIONS(ROW) };

/* ---- error in units of the last place of a type with `digits` bits and smallest exponent `least` ---- */
static double ulps(long double got, long double want, long double scale, int digits, int least)
{
  int e;
  if (isnan(got) || isnan(want)) return isnan(got) && isnan(want) ? 0 : INFINITY;
  if (isinf(got) || isinf(want)) return got == want ? 0 : INFINITY;
  frexpl(scale, &e);
  if (e < least || scale == 0) e = least;
  return (double)(fabsl(got - want) / ldexpl(1, e - digits));
}

static uint64_t state = 1;
static double unit(void)
{
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) * 0x1p-53;
}
/* Half of the samples spread evenly, half in magnitude down to 1e-10 of the range. */
static double sample(const row *r, int i)
{
  if (i % 2) return r->lo + unit() * (r->hi - r->lo);
  double x = r->hi * pow(10, -10 * unit());
  if (r->lo < 0 && i % 4) x = -x;
  return x < r->lo ? r->lo : x;
}

static void accuracy(void)
{
  static float xf[N], yf[N];
  static double xd[N], yd[N];
  static long double want_f[N], want_d[N];
  printf("%-12s %29s %29s\n", "ULP", "float: x86-64, v3, v4", "double: x86-64, v3, v4");
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
    const row *r = &rows[k];
    int by_x = r->reference == r_gelu || r->reference == r_gelu_tanh;
    for (int i = 0; i < N; i++) {
      xd[i] = sample(r, i), xf[i] = (float)xd[i];
      if (xf[i] > r->hi || xf[i] < r->lo) xf[i] = (float)(r->lo + r->hi) / 2;
      want_f[i] = r->reference(xf[i]), want_d[i] = r->reference(xd[i]);
    }
    printf("%-12s", r->name);
    for (int isa = 0; isa < isas(); isa++) {
      double worst = 0;
      r->f[isa](yf, xf);
      for (int i = 0; i < N; i++)
        worst = fmax(worst, ulps(yf[i], want_f[i], by_x ? xf[i] : want_f[i], FLT_MANT_DIG, FLT_MIN_EXP));
      printf(" %9.2f", worst);
      check(worst <= r->bound_f, "%s float: %.3f ULP, at most %.2f", r->name, worst, r->bound_f);
    }
    for (int isa = 0; isa < isas(); isa++) {
      double worst = 0;
      r->d[isa](yd, xd);
      for (int i = 0; i < N; i++)
        worst = fmax(worst, ulps(yd[i], want_d[i], by_x ? xd[i] : want_d[i], DBL_MANT_DIG, DBL_MIN_EXP));
      printf(" %9.2f", worst);
      check(worst <= r->bound_d, "%s double: %.3f ULP, at most %.2f", r->name, worst, r->bound_d);
    }
    printf("\n");
  }
}

/* ---- special values: want is exact, bit for bit in sign, or NaN ---- */
static int same(double got, double want)
{
  if (isnan(want)) return isnan(got);
  return got == want && !signbit(got) == !signbit(want);
}
#define SPECIAL(name, x, want) do {                                                                         \
    check(same(name##_f((float)(x)), want), #name "_f(%g) = %g", (double)(x), (double)name##_f((float)(x))); \
    check(same(name##_d(x), want), #name "_d(%g) = %g", (double)(x), name##_d(x));                          \
  } while (0)
#define SPECIAL2(name, x, y, want) do {                                                                       \
    check(same(name##_f((float)(x), (float)(y)), want), #name "_f(%g, %g)", (double)(x), (double)(y));        \
    check(same(name##_d(x, y), want), #name "_d(%g, %g) = %g", (double)(x), (double)(y), name##_d(x, y));     \
  } while (0)

static void specials(void)
{
  const double inf = INFINITY;
#define NAN_THROUGH(name, lo, hi, bf, bd) SPECIAL(name, NAN, NAN);
  FUNCTIONS(NAN_THROUGH)
  SPECIAL(digamma, NAN, NAN); SPECIAL(floor, NAN, NAN); SPECIAL(round, NAN, NAN); SPECIAL(sign, NAN, NAN);
  SPECIAL(exp, 0., 1.); SPECIAL(exp, inf, inf); SPECIAL(exp, -inf, 0.); SPECIAL(exp, 1000., inf);
  SPECIAL(exp_neg, 0., 1.); SPECIAL(exp_neg, -inf, 0.); SPECIAL(exp_neg, NAN, NAN); SPECIAL(exp_neg, -1000., 0.);
  SPECIAL(exp2, 10., 1024.); SPECIAL(exp2, inf, inf); SPECIAL(exp2, -inf, 0.); SPECIAL(exp2, -3., 0.125);
  SPECIAL(expm1, 0., 0.); SPECIAL(expm1, -0., -0.); SPECIAL(expm1, inf, inf); SPECIAL(expm1, -inf, -1.);
  SPECIAL(log, 1., 0.); SPECIAL(log, 0., -inf); SPECIAL(log, -0., -inf); SPECIAL(log, -1., NAN); SPECIAL(log, inf, inf);
  SPECIAL(log, -inf, NAN);
  SPECIAL(log1p, 0., 0.); SPECIAL(log1p, -0., -0.); SPECIAL(log1p, -1., -inf); SPECIAL(log1p, -2., NAN);
  SPECIAL(log1p, inf, inf); SPECIAL(log1p, 0x1p-100, 0x1p-100);
  SPECIAL(tanh, 0., 0.); SPECIAL(tanh, -0., -0.); SPECIAL(tanh, inf, 1.); SPECIAL(tanh, -inf, -1.);
  SPECIAL(tanh, 50., 1.);
  SPECIAL(sigmoid, 0., 0.5); SPECIAL(sigmoid, inf, 1.); SPECIAL(sigmoid, -inf, 0.); SPECIAL(sigmoid, -1000., 0.);
  SPECIAL(softplus, inf, inf); SPECIAL(softplus, -inf, 0.); SPECIAL(softplus, 1000., 1000.);
  SPECIAL(logsigmoid, -inf, -inf); SPECIAL(logsigmoid, inf, 0.); SPECIAL(logsigmoid, -1000., -1000.);
  SPECIAL(erf, 0., 0.); SPECIAL(erf, -0., -0.); SPECIAL(erf, inf, 1.); SPECIAL(erf, -inf, -1.);
  SPECIAL(erfc, inf, 0.); SPECIAL(erfc, -inf, 2.);
  SPECIAL(erfinv, 0., 0.); SPECIAL(erfinv, 1., inf); SPECIAL(erfinv, -1., -inf); SPECIAL(erfinv, 1.5, NAN);
  SPECIAL(gelu, inf, inf); SPECIAL(gelu, -inf, -0.); SPECIAL(gelu, 0., 0.);
  SPECIAL(gelu_tanh, inf, inf); SPECIAL(gelu_tanh, -inf, -0.); SPECIAL(gelu_tanh, 0., 0.);
  SPECIAL(sin, 0., 0.); SPECIAL(sin, -0., -0.); SPECIAL(sin, inf, NAN); SPECIAL(cos, 0., 1.); SPECIAL(cos, -inf, NAN);
  SPECIAL(sqrt, -1., NAN); SPECIAL(rsqrt, 0., inf);
  SPECIAL(lgamma, 1., 0.); SPECIAL(lgamma, 0., inf); SPECIAL(lgamma, inf, inf);
  SPECIAL(digamma, 0., -inf); SPECIAL(digamma, -1., NAN); SPECIAL(digamma, inf, inf);
  SPECIAL(round, 0.5, 0.); SPECIAL(round, 1.5, 2.); SPECIAL(round, 2.5, 2.); SPECIAL(round, -0.5, -0.);
  SPECIAL(sign, -3., -1.); SPECIAL(sign, 0., 0.); SPECIAL(sign, inf, 1.);
  SPECIAL2(xlogy, 0., 0., 0.); SPECIAL2(xlogy, 0., NAN, NAN); SPECIAL2(xlogy, 2., 0., -inf);
  SPECIAL2(logaddexp, inf, inf, inf); SPECIAL2(logaddexp, -inf, -inf, -inf); SPECIAL2(logaddexp, -inf, 3., 3.);
  SPECIAL2(logaddexp, NAN, 1., NAN); SPECIAL2(logaddexp, 1., NAN, NAN);
  check(fabs(logaddexp_d(1, 2) - 2.31326168751822281) < 1e-15, "logaddexp(1, 2)");
  SPECIAL2(max, 1., NAN, NAN); SPECIAL2(max, NAN, 1., NAN); SPECIAL2(max, -1., 2., 2.); SPECIAL2(max, inf, 0., inf);
  SPECIAL2(min, 1., NAN, NAN); SPECIAL2(min, NAN, 1., NAN); SPECIAL2(min, -1., 2., -1.); SPECIAL2(min, -inf, 0., -inf);
  SPECIAL2(hypot, 3., 4., 5.); SPECIAL2(hypot, inf, NAN, inf); SPECIAL2(hypot, 1., NAN, NAN);
  check(hypot_f(3e38f, 1) == 3e38f, "hypot_f does not overflow on the way");
  SPECIAL2(fmod, -7., 3., -1.); SPECIAL2(remainder, -7., 3., 2.); SPECIAL2(remainder, 7., -3., -2.);
  SPECIAL2(remainder, 1., 0., NAN); SPECIAL2(remainder, -1., inf, inf);
  SPECIAL2(floordiv, -7., 2., -4.); SPECIAL2(floordiv, 7., 0., inf); SPECIAL2(floordiv, -1., inf, -1.);
  SPECIAL2(floordiv, -0., 2., -0.);
  check(isnan(sin_f(3e9f)) && isnan(cos_f(-1e30f)), "sin_f and cos_f refuse what they cannot reduce");
  double worst = 0;
  for (int i = 0; i < N; i++) {
    float x = (float)((unit() - 0.5) * 4.2e9);
    worst = fmax(worst, ulps(sin_f(x), sinl(x), sinl(x), FLT_MANT_DIG, FLT_MIN_EXP));
    worst = fmax(worst, ulps(cos_f(x), cosl(x), cosl(x), FLT_MANT_DIG, FLT_MIN_EXP));
  }
  check(worst < 1.5, "sin_f, cos_f up to 2^31: %.2f ULP", worst);
  int bad = 0;
  for (float x = -120; x < -80; x += 0.001f) bad += !(sigmoid_f(x) <= 1.9e-35f) || !(exp_neg_f(x) <= 1.9e-35f);
  for (double x = -800; x < -700; x += 0.001) bad += !(sigmoid_d(x) <= 1e-304) || !(exp_neg_d(x) <= 1e-304);
  check(bad == 0, "sigmoid and exp_neg go to zero: %d do not", bad);
  worst = 0;
  for (int i = 0; i < N; i++) {                   /* subnormal results and arguments */
    float x = -87.f - 17 * (float)unit(), s = (float)unit() * 1e-38f;
    worst = fmax(worst, ulps(exp_f(x), expl(x), expl(x), FLT_MANT_DIG, FLT_MIN_EXP));
    worst = fmax(worst, ulps(log_f(s), logl(s), logl(s), FLT_MANT_DIG, FLT_MIN_EXP));
    double y = -708 - 37 * unit(), t = unit() * 1e-308;
    worst = fmax(worst, ulps(exp_d(y), expl(y), expl(y), DBL_MANT_DIG, DBL_MIN_EXP));
    worst = fmax(worst, ulps(log_d(t), logl(t), logl(t), DBL_MANT_DIG, DBL_MIN_EXP));
  }
  check(worst < 1.5, "exp and log of subnormals: %.2f ULP", worst);
}

/* pow_f against libm over every pair of special values, and its error where results are finite */
static void powers(void)
{
  static const float values[] = { 0, 1, 2, 3, 0.5f, 1.5f, 7, 16777215, 16777216, 1e10f, 1e-10f, 1e30f, INFINITY };
  enum { VALUES = 2 * sizeof values / sizeof *values };
  float v[VALUES + 1];
  for (int i = 0; i < VALUES; i++) v[i] = i % 2 ? -values[i / 2] : values[i / 2];
  v[VALUES] = NAN;
  for (int i = 0; i <= VALUES; i++) for (int j = 0; j <= VALUES; j++) {
    float got = pow_f(v[i], v[j]), want = powf(v[i], v[j]);
    check(fabsf(want) > 0 && isfinite(want) ? fabsf(got / want - 1) < 1.3e-7f : same(got, want),
          "pow_f(%g, %g) = %g, not %g", v[i], v[j], got, want);
  }
  double worst = 0;
  for (int i = 0; i < N; i++) {
    float x = (float)(unit() * 10), y = (float)(unit() * 60 - 30);
    long double want = powl(x, y);
    if (want < FLT_MAX && want > FLT_MIN) worst = fmax(worst, ulps(pow_f(x, y), want, want, FLT_MANT_DIG, FLT_MIN_EXP));
  }
  check(worst < 1, "pow_f: %.2f ULP", worst);
}

static void digamma_values(void)
{
  static const double table[][2] = {              /* Abramowitz & Stegun 6.3, table 6.1, and reflection */
    { 1, -0.57721566490153286061 }, { 0.5, -1.96351002602142347944 }, { 2, 0.42278433509846713939 },
    { 10, 2.25175258906672110765 }, { 0.25, -4.22745353337626540809 }, { -0.5, 0.03648997397857652056 },
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    double got = digamma_d(table[i][0]);
    check(fabs(got - table[i][1]) < 1e-14 * fmax(1, fabs(table[i][1])), "digamma(%g) = %.17g", table[i][0], got);
    check(fabsf(digamma_f((float)table[i][0]) - (float)table[i][1]) < 1e-6f, "digamma_f(%g)", table[i][0]);
  }
  double worst = 0;
  for (double x = -9.71; x < 200; x += 0.37) worst = fmax(worst, fabs(digamma_d(x + 1) - digamma_d(x) - 1 / x));
  check(worst < 3e-14, "digamma(x + 1) = digamma(x) + 1/x within %g", worst);
}

static void integers(void)
{
  const int64_t least = INT64_MIN;
  for (int64_t a = -9; a <= 9; a++) for (int64_t b = -4; b <= 4; b++) {
    int64_t q = floordiv_(a, b), r = remainder_(a, b);
    if (b == 0) check(q == 0 && r == 0 && fmod_(a, b) == 0, "%d by zero is zero", (int)a);
    else {
      check(q * b + r == a && q == (int64_t)floor((double)a / (double)b), "%d // %d = %d", (int)a, (int)b, (int)q);
      check(r == 0 || (r < 0) == (b < 0), "%d %% %d = %d has the divisor's sign", (int)a, (int)b, (int)r);
      check(fmod_(a, b) == a % b, "fmod %d, %d", (int)a, (int)b);
    }
  }
  check(floordiv_(least, (int64_t)-1) == least && remainder_(least, (int64_t)-1) == 0, "INT64_MIN / -1 wraps");
  check(abs_(least) == least && abs_((int64_t)-5) == 5 && sign_((int64_t)-5) == -1, "abs and sign");
  check(pow_((int64_t)3, (int64_t)13) == 1594323 && pow_((int64_t)-2, (int64_t)63) == least, "pow by squaring");
  check(pow_((int64_t)7, (int64_t)0) == 1 && pow_((int64_t)2, (int64_t)-1) == 0, "pow by 0 and -1");
  check(pow_((int64_t)-1, (int64_t)-3) == -1 && pow_((int64_t)-1, (int64_t)-4) == 1, "negative powers of -1");
  check(floor_((int64_t)3) == 3 && !isnan_((int64_t)3) && isfinite_((int64_t)3), "integers are whole and finite");
#define T int64_t
  check(LOWEST == INT64_MIN && HIGHEST == INT64_MAX, "the ends of int64_t");
#undef T
#define T float
  check(LOWEST == -INFINITY && HIGHEST == INFINITY, "the ends of float");
#undef T
}

/* Every half converts to a float and back; every float rounds to the nearest half, ties to even. */
static void halves(void)
{
  int bad = 0;
  for (uint32_t h = 0; h < 65536; h++) {
    uint16_t f16 = to_f16(from_f16((uint16_t)h)), b16 = to_bf16(from_bf16((uint16_t)h));
    bad += isnan(from_f16((uint16_t)h)) ? !isnan(from_f16(f16)) : f16 != h;
    bad += isnan(from_bf16((uint16_t)h)) ? !isnan(from_bf16(b16)) : b16 != h;
    if ((h & 0x7fff) >= 0x7bff) continue;         /* midpoints between finite neighbours */
    float lo = from_f16((uint16_t)h), hi = from_f16((uint16_t)(h + 1)), mid = (lo + hi) / 2;
    bad += to_f16(mid) != (h & 1 ? h + 1 : h);
    bad += to_f16(nextafterf(mid, lo)) != h || to_f16(nextafterf(mid, hi)) != h + 1;
  }
  check(bad == 0, "half conversions: %d wrong", bad);
  check(to_f16(65519.f) == 0x7bff && to_f16(65520.f) == 0x7c00 && to_f16(-1e9f) == 0xfc00, "f16 overflows to infinity");
  check(from_f16(1) == 0x1p-24f && to_f16(0x1p-25f) == 0 && to_f16(0x1.8p-24f) == 2, "f16 subnormals");
  check(to_bf16(1.00390625f) == 0x3f80 && to_bf16(1.01171875f) == 0x3f82, "bf16 ties go to even");
}

int main(void)
{
  accuracy();
  specials();
  powers();
  digamma_values();
  integers();
  halves();
  return check_report();
}
