/* rows.h against plain loops in double precision: every function, both types, lengths around every boundary of the
 * kernels, a dim that is not the last, in place, special values, and the same bits for any number of threads. The whole
 * runs once per instruction set, each in a process of its own. */
#define _POSIX_C_SOURCE 200809L
#include "backends/cpu/rows.h"
#include "backends/cpu/isa.h"
#include "backends/cpu/pool.h"
#include "yutu.h"
#include "check.h"
#include "isas.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 19 };
static const long lengths[] = { 1, 2, 3, 7, 10, 15, 16, 17, 31, 33, 64, 100, 250, 256, 1000, 1024, 1025, 3001 };
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static uint64_t state = 7;
static double unit(void)
{
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) * 0x1p-53;
}
static double x[MOST], g[MOST], want[MOST], want2[MOST], weight[4096], bias[4096];
static float xf[MOST], gf[MOST], yf[MOST], yf2[MOST], weight_f[4096], bias_f[4096], small_f[8192];
static double yd[MOST], yd2[MOST], small[8192];
static int64_t label[MOST], index1[MOST];

static void sample(long n, double spread)         /* doubles that are floats, so that both types see the same numbers */
{
  for (long i = 0; i < n; i++) {
    xf[i] = (float)((unit() - 0.5) * spread), gf[i] = (float)(unit() - 0.3);
    x[i] = xf[i], g[i] = gf[i];
  }
  for (long i = 0; i < 4096; i++) {
    weight_f[i] = (float)(unit() + 0.1), bias_f[i] = (float)(unit() - 0.5);
    weight[i] = weight_f[i], bias[i] = bias_f[i];
  }
}
static double worst_f(const float *y, const double *w, long n)    /* error relative to max(|want|, 1) */
{
  double e = 0;
  for (long i = 0; i < n; i++) {
    double d = y[i] == w[i] ? 0 : isnan(y[i]) && isnan(w[i]) ? 0 : fabs(y[i] - w[i]) / fmax(1, fabs(w[i]));
    if (!(d <= e)) e = d;
  }
  return e;
}
static double worst_d(const double *y, const double *w, long n)
{
  double e = 0;
  for (long i = 0; i < n; i++) {
    double d = y[i] == w[i] ? 0 : isnan(y[i]) && isnan(w[i]) ? 0 : fabs(y[i] - w[i]) / fmax(1, fabs(w[i]));
    if (!(d <= e)) e = d;
  }
  return e;
}

/* ---- softmax and its kin; want = f(x, g) over (outer, n, inner) ---- */
enum { SOFTMAX, LOG_SOFTMAX, SOFTMAX_DX, LOG_SOFTMAX_DX, LOGSUMEXP, KINDS };
static const char *const kinds[] = { "softmax", "log_softmax", "softmax_dx", "log_softmax_dx", "logsumexp" };

static void reference(int kind, double *y, long outer, long n, long inner)
{
  for (long o = 0; o < outer; o++) for (long i = 0; i < inner; i++) {
    long at = o * n * inner + i;
    double m = -INFINITY, s = 0, gs = 0, gy = 0;
    for (long k = 0; k < n; k++) m = fmax(m, x[at + k * inner]);
    for (long k = 0; k < n; k++) {
      s += exp(x[at + k * inner] - m);
      gs += g[at + k * inner], gy += g[at + k * inner] * x[at + k * inner];
    }
    if (kind == LOGSUMEXP) y[o * inner + i] = m + log(s);
    else for (long k = 0; k < n; k++) {
      double v = x[at + k * inner], u = g[at + k * inner];
      y[at + k * inner] = kind == SOFTMAX ? exp(v - m) / s : kind == LOG_SOFTMAX ? v - m - log(s)
        : kind == SOFTMAX_DX ? v * (u - gy) : u - exp(v) * gs;
    }
  }
}
static void run_f(int kind, float *y, const float *a, const float *b, long outer, long n, long inner)
{
  if (kind == SOFTMAX) cpu__softmax_f32(y, a, outer, n, inner);
  if (kind == LOG_SOFTMAX) cpu__log_softmax_f32(y, a, outer, n, inner);
  if (kind == SOFTMAX_DX) cpu__softmax_dx_f32(y, b, a, outer, n, inner);
  if (kind == LOG_SOFTMAX_DX) cpu__log_softmax_dx_f32(y, b, a, outer, n, inner);
  if (kind == LOGSUMEXP) cpu__logsumexp_f32(y, a, outer, n, inner);
}
static void run_d(int kind, double *y, const double *a, const double *b, long outer, long n, long inner)
{
  if (kind == SOFTMAX) cpu__softmax_f64(y, a, outer, n, inner);
  if (kind == LOG_SOFTMAX) cpu__log_softmax_f64(y, a, outer, n, inner);
  if (kind == SOFTMAX_DX) cpu__softmax_dx_f64(y, b, a, outer, n, inner);
  if (kind == LOG_SOFTMAX_DX) cpu__log_softmax_dx_f64(y, b, a, outer, n, inner);
  if (kind == LOGSUMEXP) cpu__logsumexp_f64(y, a, outer, n, inner);
}
static void softmaxes(void)
{
  static const long inners[] = { 1, 3, 40, 300 };
  for (int l = 0; l < LENGTHS; l++) for (int j = 0; j < 4; j++) for (int kind = 0; kind < KINDS; kind++) {
    long n = lengths[l], inner = inners[j], outer = j ? 2 : 70;
    if (outer * n * inner > MOST) continue;
    long count = outer * n * inner, out = kind == LOGSUMEXP ? outer * inner : count;
    sample(count, 20);
    if (kind == SOFTMAX_DX || kind == LOG_SOFTMAX_DX) for (long i = 0; i < count; i++) {  /* x plays y there */
      xf[i] = kind == SOFTMAX_DX ? fabsf(xf[i]) / 100 : -fabsf(xf[i]);
      x[i] = xf[i];
    }
    reference(kind, want, outer, n, inner);
    double scale = kind == SOFTMAX_DX || kind == LOG_SOFTMAX_DX ? 1 + 0.02 * (double)n : 1;
    run_f(kind, yf, xf, gf, outer, n, inner);
    check(worst_f(yf, want, out) < 2e-6 * scale, "%s f32 (%ld,%ld,%ld): %g", kinds[kind], outer, n, inner,
          worst_f(yf, want, out));
    run_d(kind, yd, x, g, outer, n, inner);
    check(worst_d(yd, want, out) < 5e-15 * scale, "%s f64 (%ld,%ld,%ld): %g", kinds[kind], outer, n, inner,
          worst_d(yd, want, out));
    if (kind != LOGSUMEXP) {
      memcpy(yf2, xf, sizeof(float) * (size_t)count);
      run_f(kind, yf2, yf2, gf, outer, n, inner);
      check(worst_f(yf2, want, out) < 2e-6 * scale, "%s in place (%ld,%ld,%ld)", kinds[kind], outer, n, inner);
    }
  }
  float row[20], out[20];
  for (int kind = SOFTMAX; kind <= LOGSUMEXP; kind++) for (int inner = 1; inner <= 2; inner++) {
    if (kind == SOFTMAX_DX || kind == LOG_SOFTMAX_DX) continue;
    for (int n = 4; n <= 20 / inner; n += 6) {
      for (int i = 0; i < n * inner; i++) row[i] = (float)i;
      row[inner] = -INFINITY;                     /* a masked logit has probability exactly 0 */
      run_f(kind, out, row, gf, 1, n, inner);
      check(kind == SOFTMAX ? out[inner] == 0 : kind == LOG_SOFTMAX ? out[inner] == -INFINITY : isfinite(out[0]),
            "%s of -inf, n = %d", kinds[kind], n);
      row[inner] = NAN;
      run_f(kind, out, row, gf, 1, n, inner);
      check(isnan(out[0]), "%s of NaN, n = %d", kinds[kind], n);
      for (int i = 0; i < n * inner; i++) row[i] = -INFINITY;
      run_f(kind, out, row, gf, 1, n, inner);
      check(kind == LOGSUMEXP ? out[0] == -INFINITY : isnan(out[0]), "%s of nothing but -inf, n = %d", kinds[kind], n);
      row[inner] = INFINITY;
      run_f(kind, out, row, gf, 1, n, inner);
      check(kind == LOGSUMEXP ? out[0] == INFINITY : isnan(out[0]), "%s of inf, n = %d", kinds[kind], n);
    }
  }
  cpu__logsumexp_f32(out, row, 2, 0, 2);
  check(out[0] == -INFINITY && out[3] == -INFINITY, "logsumexp of nothing is -inf");
  cpu__softmax_f32(out, row, 0, 5, 1);
}

/* ---- norms ---- */
static void norms(void)
{
  const double eps = 1e-5;
  for (int l = 0; l < LENGTHS; l++) for (int rms = 0; rms < 2; rms++) for (int with = 0; with < 2; with++) {
    long n = lengths[l], rows = 67;
    double *dw = small, *db = small + 4096;
    sample(rows * n, 4);
    for (long i = 0; i < n; i++) dw[i] = db[i] = 0;
    for (long r = 0; r < rows; r++) {
      const double *p = x + r * n, *q = g + r * n;
      double mean = 0, v = 0, s = 0, t = 0;
      for (long i = 0; i < n; i++) mean += p[i] / (double)n;
      if (rms) mean = 0;
      for (long i = 0; i < n; i++) v += (p[i] - mean) * (p[i] - mean) / (double)n;
      double rstd = 1 / sqrt(v + eps);
      for (long i = 0; i < n; i++) {
        double h = (p[i] - mean) * rstd, w = with ? weight[i] : 1;
        want[r * n + i] = h * w + (with ? bias[i] : 0);
        s += q[i] * w / (double)n, t += q[i] * w * h / (double)n;
        dw[i] += q[i] * h, db[i] += q[i];
      }
      for (long i = 0; i < n; i++)
        want2[r * n + i] = rstd * (q[i] * (with ? weight[i] : 1) - (rms ? 0 : s) - (p[i] - mean) * rstd * t);
    }
    const double *wd = with ? weight : NULL, *bd = with ? bias : NULL;
    const float *wf = with ? weight_f : NULL, *bf = with ? bias_f : NULL;
    double hard = n < 4 ? 300 : 1;                /* rstd reaches 1/sqrt(eps) where a row hardly varies */
    cpu__norm_f32(yf, xf, wf, bf, rows, n, eps, rms);
    check(worst_f(yf, want, rows * n) < 2e-6 * hard, "norm f32 n = %ld rms %d: %g", n, rms,
          worst_f(yf, want, rows * n));
    cpu__norm_f64(yd, x, wd, bd, rows, n, eps, rms);
    check(worst_d(yd, want, rows * n) < 5e-15 * hard, "norm f64 n = %ld rms %d", n, rms);
    cpu__norm_dx_f32(yf, gf, xf, wf, rows, n, eps, rms);
    check(worst_f(yf, want2, rows * n) < 5e-6 * hard, "norm_dx f32 n = %ld rms %d: %g", n, rms,
          worst_f(yf, want2, rows * n));
    cpu__norm_dx_f64(yd, g, x, wd, rows, n, eps, rms);
    check(worst_d(yd, want2, rows * n) < 1e-14 * hard, "norm_dx f64 n = %ld rms %d", n, rms);
    cpu__norm_dw_f32(small_f, with ? small_f + 4096 : NULL, yf, gf, xf, rows, n, eps, rms);
    check(worst_f(small_f, dw, n) < 1e-5 * hard, "norm_dw f32 n = %ld rms %d: %g", n, rms, worst_f(small_f, dw, n));
    if (with) check(worst_f(small_f + 4096, db, n) < 1e-5, "norm_dw bias f32 n = %ld", n);
    cpu__norm_dw_f64(yd2, with ? yd2 + 4096 : NULL, yd, g, x, rows, n, eps, rms);
    check(worst_d(yd2, dw, n) < 2e-14 * hard, "norm_dw f64 n = %ld rms %d", n, rms);
    if (with) check(worst_d(yd2 + 4096, db, n) < 2e-14, "norm_dw bias f64 n = %ld", n);
  }
  float far[64], out[64];                         /* a mean far above the spread does not hurt */
  for (int i = 0; i < 64; i++) far[i] = 4096 + (float)(i % 2);
  cpu__norm_f32(out, far, NULL, NULL, 1, 64, 0, 0);
  check(out[0] == -1 && out[1] == 1, "4096, 4097, ... become -1, 1, ...");
}

/* ---- cross entropy ---- */
static void cross_entropies(void)
{
  for (int l = 0; l < LENGTHS; l++) for (int option = 0; option < 4; option++) {
    long n = lengths[l], rows = 130;
    cpu_cross_entropy of = { .label = label, .ignore = -100, .base = option % 2 }, od;
    of.smoothing = option & 2 ? 0.1 : 0;
    of.weight = option >= 1 ? weight_f : NULL;
    od = of, od.weight = of.weight ? weight : NULL;
    sample(rows * n, 10);
    for (long r = 0; r < rows; r++) label[r] = r % 9 == 4 ? -100 : (int64_t)(unit() * (double)n) + of.base;
    for (long r = 0; r < rows; r++) {
      const double *p = x + r * n, *w = od.weight;
      double m = -INFINITY, s = 0, total = 0, loss = 0;
      long hit = (long)label[r] - of.base;
      for (long i = 0; i < n; i++) m = fmax(m, p[i]);
      for (long i = 0; i < n; i++) s += exp(p[i] - m), total += w ? w[i] : 1;
      for (long i = 0; i < n; i++) {
        double share = of.smoothing / (double)n * (w ? w[i] : 1) + (i == hit ? (1 - of.smoothing) * (w ? w[i] : 1) : 0);
        loss -= share * (p[i] - m - log(s));
        if (label[r] == -100) share = 0;
        double all = label[r] == -100 ? 0 : of.smoothing / (double)n * total + (1 - of.smoothing) * (w ? w[hit] : 1);
        want2[r * n + i] = g[r] * (exp(p[i] - m) / s * all - share);
      }
      want[r] = label[r] == -100 ? 0 : loss;
    }
    check(cpu__cross_entropy_f32(yf, xf, rows, n, &of) == 0 && worst_f(yf, want, rows) < 2e-6,
          "cross_entropy f32 n = %ld option %d: %g", n, option, worst_f(yf, want, rows));
    check(cpu__cross_entropy_f64(yd, x, rows, n, &od) == 0 && worst_d(yd, want, rows) < 1e-14,
          "cross_entropy f64 n = %ld option %d", n, option);
    check(cpu__cross_entropy_dx_f32(yf, gf, xf, rows, n, &of) == 0 && worst_f(yf, want2, rows * n) < 2e-6,
          "cross_entropy_dx f32 n = %ld option %d: %g", n, option, worst_f(yf, want2, rows * n));
    check(cpu__cross_entropy_dx_f64(yd, g, x, rows, n, &od) == 0 && worst_d(yd, want2, rows * n) < 1e-14,
          "cross_entropy_dx f64 n = %ld option %d", n, option);
  }
  cpu_cross_entropy o = { .label = label, .ignore = -100, .base = 1 };
  label[0] = 3, label[1] = 11;
  check(cpu__cross_entropy_f32(yf, xf, 2, 10, &o) == -1 && strstr(yt_error(1), "label 11 is not in 1 to 10")
        && strstr(yt_error(1), "in row 2"), "a label out of range is named: %s", yt_error(1));
  label[1] = 0;
  check(cpu__cross_entropy_dx_f64(yd, g, x, 2, 10, &o) == -1 && strstr(yt_error(1), "label 0"), "so is 0: %s",
        yt_error(1));
}

/* ---- arg-reductions and the sum of squares ---- */
static void bests(void)
{
  for (int l = 0; l < LENGTHS; l++) {
    long n = lengths[l], rows = 20, bad = 0;
    sample(rows * n, 20);
    for (long i = 0; i < rows * n; i++) xf[i] = roundf(xf[i]), x[i] = xf[i];      /* with many equals */
    for (long i = 0; i < n; i++) xf[3 * n + i] = -INFINITY, xf[4 * n + i] = INFINITY;
    xf[5 * n + n / 2] = NAN, xf[5 * n + n - 1] = NAN;
    for (long i = 0; i < rows * n; i++) x[i] = xf[i];
    for (int least = 0; least < 2; least++) for (int type = 0; type < 2; type++) {
      if (type) (least ? cpu__argmin_f64 : cpu__argmax_f64)(index1, x, rows, n, 1);
      else (least ? cpu__argmin_f32 : cpu__argmax_f32)(index1, xf, rows, n, 1);
      for (long r = 0; r < rows; r++) {
        long at = 0;
        for (long i = 1; i < n; i++) {
          double v = x[r * n + i], b = x[r * n + at];
          if (!isnan(b) && (isnan(v) || (least ? v < b : v > b))) at = i;
        }
        bad += index1[r] != at + 1;
      }
    }
    check(bad == 0, "argmax, argmin n = %ld: %ld wrong", n, bad);
  }
  for (long n = 0; n < MOST; n = n * 3 + 1) {
    long double s = 0;
    sample(n, 4);
    for (long i = 0; i < n; i++) s += (long double)x[i] * x[i];
    check(fabsl(cpu__sum_squares_f32(xf, n) - s) <= 1e-6L * s, "sum_squares f32 n = %ld", n);
    check(fabsl(cpu__sum_squares_f64(x, n) - s) <= 1e-14L * s, "sum_squares f64 n = %ld", n);
  }
}

/* Everything again with 1, 2 and 5 threads: not a bit may differ. */
static double everything(void)
{
  long rows = 1500, n = 300;
  double sum = 0;
  cpu_cross_entropy o = { .label = label, .ignore = -100, .smoothing = 0.1, .base = 1 };
  for (long r = 0; r < rows; r++) label[r] = r % n + 1;
#define ADD(y, count) for (long i = 0; i < (count); i++) sum = sum * 1.0000001 + (double)(y)[i];
  for (int kind = 0; kind < KINDS; kind++) {
    run_f(kind, yf, xf, gf, rows, n, 1);
    ADD(yf, kind == LOGSUMEXP ? rows : rows * n)
    run_f(kind, yf, xf, gf, 3, 150, 1000);
    ADD(yf, kind == LOGSUMEXP ? 3000 : rows * n)
  }
  cpu__norm_f32(yf, xf, weight_f, bias_f, rows, n, 1e-5, 0);
  ADD(yf, rows * n)
  cpu__norm_dx_f32(yf, gf, xf, weight_f, rows, n, 1e-5, 0);
  ADD(yf, rows * n)
  cpu__norm_dw_f32(small_f, small_f + 4096, yf, gf, xf, rows, n, 1e-5, 0);
  ADD(small_f, n)
  ADD(small_f + 4096, n)
  cpu__cross_entropy_f32(yf, xf, rows, n, &o);
  ADD(yf, rows)
  cpu__cross_entropy_dx_f32(yf, gf, xf, rows, n, &o);
  ADD(yf, rows * n)
  cpu__argmax_f32(index1, xf, rows, n, 1);
  ADD(index1, rows)
  return sum + cpu__sum_squares_f32(xf, rows * n);
}
static void threads(void)
{
  static const int teams[] = { 2, 5 };
  sample(1500 * 300, 10);
  cpu__set_threads(1);
  double one = everything();
  check(isfinite(one), "sum over all results: %g", one);
  for (int i = 0; i < 2; i++) {
    cpu__set_threads(teams[i]);
    check(everything() == one, "the same bits with %d threads", teams[i]);
  }
  cpu__set_threads(2);
}

static void all(void)
{
  softmaxes();
  norms();
  cross_entropies();
  bests();
  threads();
}

int main(void) { return on_every_isa(all); }
