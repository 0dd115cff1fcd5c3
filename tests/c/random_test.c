/* philox.h and random.h: Random123's known answers; every element against the words it should come from; moments and
 * frequencies with fixed seeds and margins of five standard errors; the same numbers for any number of threads. Runs
 * once per instruction set. */
#define _POSIX_C_SOURCE 200809L
#include "backends/philox.h"
#include "backends/cpu/random.h"
#include "backends/cpu/isa.h"
#include "backends/cpu/pool.h"
#include "yutu.h"
#include "check.h"
#include "isas.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 200000 };
static float f[N], f2[N];
static double d[N];
static int64_t l[N];
static uint8_t u[N];
static const yt_generator g = { 0x123456789abcdef0u, 5, 100 };

static uint32_t word(const yt_generator *at, long i)
{
  uint32_t w[4];
  philox(w, at->seed, at->offset + (uint64_t)(i / 4), at->stream);
  return w[i % 4];
}

static void known_answers(void)                   /* kat_vectors of Random123 1.14: philox4x32 10 */
{
  static const struct { uint64_t seed, offset, stream; uint32_t want[4]; } kat[] = {
    { 0, 0, 0, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
    { ~0ull, ~0ull, ~0ull, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
    { 0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e, { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
  };
  for (int i = 0; i < 3; i++) {
    uint32_t w[4];
    philox(w, kat[i].seed, kat[i].offset, kat[i].stream);
    check(memcmp(w, kat[i].want, sizeof w) == 0, "known answer %d: %08x %08x %08x %08x", i, w[0], w[1], w[2], w[3]);
  }
  check(philox_blocks(0, 1) == 0 && philox_blocks(5, 1) == 2 && philox_blocks(5, 2) == 3 && philox_blocks(5, 4) == 5,
        "blocks of a fill");
}

/* Lengths around every boundary, an offset that carries into its upper half and one that wraps. */
static void elements(void)
{
  static const long lengths[] = { 0, 1, 2, 3, 4, 5, 31, 32, 33, 1023, 1024, 1025, 5000 };
  static const uint64_t offsets[] = { 0, 0xfffffff0u, ~(uint64_t)3 };
  for (int o = 0; o < 3; o++) for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
    yt_generator at = { 0xdeadbeefcafe1234u, 0x100000007u, offsets[o] };
    long n = lengths[k];
    int bad = 0;
    double far = 0;
    f[n] = -77, l[n] = -77, u[n] = 77;
    cpu__uniform_f32(f, n, &at, -2, 3);
    for (long i = 0; i < n; i++) bad += fabsf(f[i] - (unit_f(word(&at, i)) * 5 - 2)) > 4e-7f;
    cpu__uniform_f64(d, n, &at, 0, 1);
    for (long i = 0; i < n; i++) bad += d[i] != unit_d(word(&at, 2 * i), word(&at, 2 * i + 1));
    cpu__randint(l, n, &at, -5, 1000000);
    for (long i = 0; i < n; i++) bad += l[i] != -5 + (int64_t)below(1000005, word(&at, 2 * i), word(&at, 2 * i + 1));
    cpu__bernoulli(u, n, &at, 0.25);
    for (long i = 0; i < n; i++) bad += u[i] != (word(&at, i) < 0x40000000u);
    check(bad == 0, "n = %ld at block %llx: %d wrong", n, (unsigned long long)offsets[o], bad);
    check(f[n] == -77 && l[n] == -77 && u[n] == 77, "n = %ld: nothing is written past the end", n);
    cpu__normal_f32(f, n, &at, 1, 2);
    for (long i = 0; i < n; i++) {
      double r = sqrt(-2 * log(unit_open_f(word(&at, i & ~1L)))), t = 6.283185307179586 * 0x1p-32 * word(&at, i | 1);
      far = fmax(far, fabs(f[i] - (1 + 2 * r * (i % 2 ? sin(t) : cos(t)))));
    }
    cpu__normal_f64(d, n, &at, 0, 1);
    for (long i = 0; i < n; i++) {
      long b = i / 2 * 4;
      double r = sqrt(-2 * log(unit_open_d(word(&at, b), word(&at, b + 1))));
      double t = 6.283185307179586 * unit_d(word(&at, b + 2), word(&at, b + 3));
      if (fabs(d[i] - r * (i % 2 ? sin(t) : cos(t))) > 1e-14) far = 1;
    }
    check(far < 4e-6, "normal n = %ld: off by %g", n, far);
    cpu__exponential_f32(f, n, &at, 2), cpu__gumbel_f32(f2, n, &at);
    for (far = 0; n--;) {
      double open = unit_open_f(word(&at, n));
      far = fmax(far, fabs(f[n] + 2 * log(open)) + fabs(f2[n] + log(-log1p(-fmin(open, 0x1.fffffep-1)))));
    }
    check(far < 8e-6, "exponential and gumbel: off by %g", far);
  }
}

static void moments(const char *name, double mean, double var)
{
  double m = 0, v = 0, fourth = 0;
  for (long i = 0; i < N; i++) m += d[i] / N;
  for (long i = 0; i < N; i++) {
    double s = (d[i] - m) * (d[i] - m);
    v += s / N, fourth += s * s / N;
  }
  check(fabs(m - mean) < 5 * sqrt(var / N), "%s: mean %g, expected %g", name, m, mean);
  check(fabs(v - var) < 5 * sqrt((fourth - v * v) / N), "%s: variance %g, expected %g", name, v, var);
}
static void widen(void) { for (long i = 0; i < N; i++) d[i] = f[i]; }

/* chi-square of counts against equal shares; its standard deviation is sqrt(2 (k - 1)) */
static void even(const char *name, const long *count, int k, long n)
{
  double chi = 0, want = (double)n / k;
  for (int i = 0; i < k; i++) chi += ((double)count[i] - want) * ((double)count[i] - want) / want;
  check(fabs(chi - (k - 1)) < 5 * sqrt(2. * (k - 1)), "%s: chi-square %g of %d cells", name, chi, k);
}

static void distributions(void)
{
  long count[256] = { 0 };
  cpu__uniform_f64(d, N, &g, 0, 1);
  for (long i = 0; i < N; i++) count[(int)(d[i] * 256)]++;
  even("uniform", count, 256, N);
  moments("uniform f64", 0.5, 1. / 12);
  cpu__uniform_f32(f, N, &g, -1, 1), widen(), moments("uniform f32", 0, 1. / 3);
  cpu__normal_f32(f, N, &g, 3, 2), widen(), moments("normal f32", 3, 4);
  cpu__normal_f64(d, N, &g, -1, 0.5), moments("normal f64", -1, 0.25);
  cpu__exponential_f32(f, N, &g, 0.5), widen(), moments("exponential f32", 0.5, 0.25);
  cpu__exponential_f64(d, N, &g, 2), moments("exponential f64", 2, 4);
  cpu__gumbel_f32(f, N, &g), widen(), moments("gumbel f32", 0.57721566490153286, 1.6449340668482264);
  cpu__gumbel_f64(d, N, &g), moments("gumbel f64", 0.57721566490153286, 1.6449340668482264);
  static const double shapes[] = { 0.1, 0.5, 1, 2.5, 40 };
  for (int i = 0; i < 5; i++) {
    check(cpu__gamma_f32(f, N, &g, shapes[i]) == 0, "gamma");
    widen(), moments("gamma f32", shapes[i], shapes[i]);
    check(cpu__gamma_f64(d, N, &g, shapes[i]) == 0, "gamma");
    moments("gamma f64", shapes[i], shapes[i]);
  }

  /* tails of the normal: P(|z| > 3) = 0.0026998 */
  long beyond = 0;
  cpu__normal_f32(f, N, &g, 0, 1);
  for (long i = 0; i < N; i++) beyond += fabsf(f[i]) > 3;
  check(fabs((double)beyond / N - 0.0026998) < 5 * sqrt(0.0027 / N), "%ld normals beyond 3", beyond);

  /* neighbours, and the same place in another stream or seed, are not correlated: r has standard error 1 / sqrt(N) */
  for (int other = 0; other < 3; other++) {
    yt_generator h = g;
    double r = 0;
    if (other == 1) h.stream++;
    if (other == 2) h.seed++;
    cpu__normal_f32(f2, N, &h, 0, 1);
    for (long i = 0; i + 1 < N; i++) r += (double)f[i] * f2[other ? i : i + 1] / N;
    check(fabs(r) < 5 / sqrt(N), "correlation %d: %g", other, r);
  }
}

static void events(void)
{
  static const double p[] = { 0.5, 0.1, 0.999 };
  for (int k = 0; k < 3; k++) {
    long hits = 0, drops = 0, bad = 0;
    cpu__bernoulli(u, N, &g, p[k]);
    for (long i = 0; i < N; i++) hits += u[i];
    check(fabs((double)hits / N - p[k]) < 5 * sqrt(p[k] * (1 - p[k]) / N), "bernoulli(%g): %ld", p[k], hits);
    cpu__dropout_f32(f, N, &g, p[k]);
    for (long i = 0; i < N; i++) drops += f[i] == 0, bad += f[i] != 0 && f[i] != (float)(1 / (1 - p[k]));
    check(drops == hits && bad == 0, "dropout(%g): %ld dropped, %ld of another value", p[k], drops, bad);
    for (long i = 0; i < N; i++) f[i] = (float)p[k], d[i] = p[k];
    cpu__bernoulli_p_f64(u, d, N, &g);
    for (long i = 0; i < N; i++) hits -= u[i];
    check(hits == 0, "bernoulli_p f64 draws as bernoulli does");
    cpu__bernoulli_p_f32(u, f, N, &g);
    for (long i = 0; i < N; i++) hits += u[i];
    check(fabs((double)hits / N - p[k]) < 5 * sqrt(p[k] * (1 - p[k]) / N), "bernoulli_p f32(%g): %ld", p[k], hits);
  }
  static const double edges[] = { 0, -1, NAN, 1, 2 };
  for (int k = 0; k < 5; k++) {
    long hits = 0, drops = 0;
    cpu__bernoulli(u, N, &g, edges[k]), cpu__dropout_f64(d, N, &g, edges[k]);
    for (long i = 0; i < N; i++) hits += u[i], drops += d[i] == 0;
    check(hits == (k < 3 ? 0 : N) && drops == hits, "bernoulli(%g): %ld, dropout: %ld", edges[k], hits, drops);
  }
}

static void integers(void)
{
  long count[7] = { 0 }, bad = 0, order[24] = { 0 };
  check(cpu__randint(l, N, &g, -3, 4) == 0, "randint");
  for (long i = 0; i < N; i++) if (l[i] < -3 || l[i] > 3) bad++; else count[l[i] + 3]++;
  check(bad == 0, "randint: %ld out of range", bad);
  even("randint", count, 7, N);
  check(cpu__randint(l, N, &g, INT64_MIN, INT64_MAX) == 0, "randint over everything");
  for (long i = 0; i < N; i++) bad += l[i] < 0;
  check(labs(bad - N / 2) < 5 * sqrt(N / 4), "half of all integers are negative: %ld", bad);
  check(cpu__randint(l, 9, &g, 5, 5) == -1 && strstr(yt_error(0), "from 5 to 4"), "an empty range: %s", yt_error(0));
  check(below(6, ~0u, ~0u) == 5 && below(~0ull, ~0u, ~0u) == ~0ull - 1 && below(1, 7, 7) == 0, "below stays below");

  cpu__permutation(l, N, &g, 1);
  bad = 0;
  memset(u, 0, sizeof u);
  for (long i = 0; i < N; i++) if (l[i] < 1 || l[i] > N || u[l[i] - 1]++) bad++;
  check(bad == 0, "permutation: %ld are not there once", bad);
  for (long k = 0; k < 24000; k++) {              /* all orders of four are equally likely */
    yt_generator h = { 9, 1, (uint64_t)k * 2 };
    int64_t p[4];
    cpu__permutation(p, 4, &h, 0);
    long rank = p[0] * 6 + (p[1] - (p[1] > p[0])) * 2 + (p[2] > p[3]);
    order[rank]++;
  }
  even("permutation", order, 24, 24000);
}

static void choices(void)
{
  static const float logit[5] = { 0, 1, -INFINITY, 2, -1 };
  static double wide_logit[3000];
  double p[5], s = 0;
  long rows = 20000, count[5] = { 0 }, bad = 0;
  for (int i = 0; i < 5; i++) s += exp(logit[i]);
  for (int i = 0; i < 5; i++) p[i] = exp(logit[i]) / s;
  for (long i = 0; i < rows * 5; i++) f[i] = logit[i % 5] + 30, d[i] = logit[i % 5] - 900;
  for (int type = 0; type < 2; type++) {
    memset(count, 0, sizeof count);
    int failed = type ? cpu__categorical_f64(l, d, rows, 5, &g, 1) : cpu__categorical_f32(l, f, rows, 5, &g, 1);
    check(failed == 0, "categorical: %s", yt_error(1));
    for (long i = 0; i < rows; i++) if (l[i] < 1 || l[i] > 5) bad++; else count[l[i] - 1]++;
    check(bad == 0 && count[2] == 0, "categorical: %ld out of range, %ld impossible", bad, count[2]);
    for (int i = 0; i < 5; i++)
      check(fabs((double)count[i] / (double)rows - p[i]) <= 5 * sqrt(p[i] * (1 - p[i]) / (double)rows),
            "categorical: %ld of %ld chose %d, expected %g", count[i], rows, i, p[i]);
  }
  for (int i = 0; i < 3000; i++) wide_logit[i] = i == 2500 ? 50 : -INFINITY;
  check(cpu__categorical_f64(l, wide_logit, 1, 3000, &g, 0) == 0 && l[0] == 2500, "the only choice of 3000: %d",
        (int)l[0]);
  for (int i = 0; i < 3000; i++) wide_logit[i] = 0;
  long low = 0;
  for (uint64_t k = 0; k < 4000; k++) {
    yt_generator h = { 3, 1, k };
    cpu__categorical_f64(l, wide_logit, 1, 3000, &h, 0);
    low += l[0] < 1500;
  }
  check(labs(low - 2000) < 5 * sqrt(1000), "half of a wide row's choices are in its first half: %ld", low);
  f[7] = NAN;
  check(cpu__categorical_f32(l, f, 4, 5, &g, 1) == -1 && strstr(yt_error(1), "row 2"), "NaN is named: %s", yt_error(1));
  for (int i = 0; i < 5; i++) f[i] = -INFINITY;
  check(cpu__categorical_f32(l, f, 1, 5, &g, 0) == -1 && strstr(yt_error(0), "row 0"), "so is a row of -inf");
  f[2] = INFINITY;
  check(cpu__categorical_f32(l, f, 1, 5, &g, 0) == -1, "and +inf");
  check(cpu__categorical_f32(l, f, 1, 0, &g, 0) == -1, "and a row of nothing");
  check(cpu__categorical_f32(l, f, 0, 0, &g, 0) == 0, "no rows are fine");
  check(cpu__gamma_f32(f, 1, &g, 0) == -1 && cpu__gamma_f64(d, 1, &g, NAN) == -1, "gamma of shape 0 or NaN is refused");
}

static void bounds(void)
{
  long bad = 0;
  float hi = nextafterf(1, 2);
  cpu__uniform_f32(f, N, &g, 1, hi), cpu__uniform_f32(f2, N, &g, -0.3f, 0.1f);
  for (long i = 0; i < N; i++) bad += !(f[i] == 1) || !(f2[i] >= -0.3f && f2[i] < 0.1f);
  check(bad == 0, "uniform: %ld outside lo <= y < hi", bad);
  check(unit_f(0) == 0 && unit_f(~0u) < 1 && unit_d(~0u, ~0u) < 1, "unit is below 1");
  check(unit_open_f(0) > 0 && unit_open_f(~0u) <= 1, "unit_open_f is above 0");
  check(unit_open_d(0, 0) > 0 && unit_open_d(~0u, ~0u) <= 1, "unit_open_d is above 0");
  check(isfinite(gumbel_f(0)) && isfinite(gumbel_f(~0u)) && isfinite(gumbel_d(0, 0)) && isfinite(gumbel_d(~0u, ~0u)),
        "gumbel is finite");
  float z[2];
  normal_pair_f(z, 0, 0), bad = !(z[0] > 6 && z[0] < 7);
  normal_pair_f(z, ~0u, ~0u), bad += !(z[0] == 0);
  check(bad == 0, "normal at the ends of the range");
}

static double everything(void)
{
  double sum = 0;
#define ADD(y) for (long i = 0; i < N; i++) sum = sum * 1.0000001 + (double)(y)[i];
  cpu__uniform_f32(f, N, &g, 0, 1); ADD(f)
  cpu__uniform_f64(d, N, &g, 0, 1); ADD(d)
  cpu__normal_f32(f, N, &g, 0, 1); ADD(f)
  cpu__normal_f64(d, N, &g, 0, 1); ADD(d)
  cpu__exponential_f32(f, N, &g, 1); ADD(f)
  cpu__gumbel_f32(f, N, &g); ADD(f)
  cpu__gamma_f32(f, N, &g, 0.7); ADD(f)
  cpu__bernoulli(u, N, &g, 0.3); ADD(u)
  cpu__dropout_f32(f, N, &g, 0.3); ADD(f)
  cpu__randint(l, N, &g, 0, 1000); ADD(l)
  cpu__categorical_f32(l, f, N / 4, 4, &g, 0); ADD(l)
  return sum;
}
static void threads(void)
{
  static const int teams[] = { 2, 5 };
  cpu__set_threads(1);
  double one = everything();
  check(isfinite(one), "sum over all: %g", one);
  for (int i = 0; i < 2; i++) {
    cpu__set_threads(teams[i]);
    check(everything() == one, "the same numbers with %d threads", teams[i]);
  }
  cpu__set_threads(2);
}

static void all(void)
{
  known_answers();
  elements();
  distributions();
  events();
  integers();
  choices();
  bounds();
  threads();
}

int main(void) { return on_every_isa(all); }
