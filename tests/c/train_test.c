/* train_test.c: a small network trained from C with no Lua at all, and the same program with every allocation failed
 * in turn: each failure is an error, none is a crash or a leak. */
#include <math.h>
#include <string.h>
#include "yutu.h"
#include "check.h"

enum { N = 64, HIDDEN = 16 };

typedef struct { yt_tensor *w1, *b1, *w2, *b2, *m[4], *v[4]; } network;

static yt_tensor *parameter(int rows, int columns, double bound, yt_generator *g)
{
  yt_tensor *t = yt_empty(YT_F32, &(yt_shape){ 2, { rows, columns } }, YT_CPU);
  if (t && (!yt_uniform_(t, -bound, bound, g) || yt_requires_grad(t, 1))) { yt_release(t); return NULL; }
  return t;
}
static yt_tensor *zeros(const yt_tensor *like)
{
  yt_shape s = { like->ndim, { 0 } };
  memcpy(s.size, like->size, sizeof s.size);
  return yt_zeros(YT_F32, &s, YT_CPU);
}
static void forget(network *n)
{
  yt_tensor *all[] = { n->w1, n->b1, n->w2, n->b2 };
  for (int i = 0; i < 4; i++) yt_release(all[i]), yt_release(n->m[i]), yt_release(n->v[i]);
}
static int build(network *n)
{
  yt_generator g = { .seed = 7 };
  memset(n, 0, sizeof *n);
  if (!(n->w1 = parameter(HIDDEN, 1, 2, &g)) || !(n->w2 = parameter(1, HIDDEN, .25, &g))) return -1;
  if (!(n->b1 = yt_zeros(YT_F32, &(yt_shape){ 1, { HIDDEN } }, YT_CPU))) return -1;
  if (!(n->b2 = yt_zeros(YT_F32, &(yt_shape){ 1, { 1 } }, YT_CPU))) return -1;
  if (yt_requires_grad(n->b1, 1) || yt_requires_grad(n->b2, 1)) return -1;
  yt_tensor *all[] = { n->w1, n->b1, n->w2, n->b2 };
  for (int i = 0; i < 4; i++) if (!(n->m[i] = zeros(all[i])) || !(n->v[i] = zeros(all[i]))) return -1;
  return 0;
}
/* One step of Adam on the mean squared error. Returns the loss, or NaN after a failure. */
static double train(network *n, yt_tensor *x, yt_tensor *y, int t, double lr)
{
  yt_tensor *all[] = { n->w1, n->b1, n->w2, n->b2 };
  yt_scope s;
  yt_scope_open(&s);
  yt_tensor *hidden = yt_linear(x, n->w1, n->b1, YT_TANH);
  yt_tensor *loss = yt_mean(yt_squared_error(yt_linear(hidden, n->w2, n->b2, YT_IDENTITY), y), YT_ALL, 0);
  double value = loss ? yt_item(loss) : NAN;
  if (loss && yt_backward(loss)) value = NAN;
  const int was = yt_set_grad_enabled(0);
  for (int i = 0; i < 4 && value == value; i++) {
    if (!yt_adam_(all[i], yt_grad_of(all[i]), n->m[i], n->v[i], lr / (1 - pow(.9, t)), 1 / sqrt(1 - pow(.999, t)),
          .9, .999, 1e-8, 0, 1)) value = NAN;
    yt_set_grad(all[i], yt_none());
  }
  yt_set_grad_enabled(was);
  yt_scope_close(&s, NULL);
  return value;
}
/* sin on [-3, 3]; the loss after so many steps, NaN after a failure */
static double learn(int steps)
{
  float in[N], out[N];
  network n;
  double loss = NAN;
  for (int i = 0; i < N; i++) in[i] = 6.f * (float)i / (N - 1) - 3, out[i] = sinf(in[i]);
  const yt_shape column = { 2, { N, 1 } };
  yt_tensor *x = yt_from(YT_F32, &column, in), *y = yt_from(YT_F32, &column, out);
  if (!build(&n) && x && y)
    for (int t = 1; t <= steps; t++) if (isnan(loss = train(&n, x, y, t, 2e-2))) break;
  forget(&n);
  yt_release(x), yt_release(y);
  return loss;
}

int main(void)
{
  const double first = learn(1), last = learn(600);
  check(first > .1, "starts with a loss of %g", first);
  check(last < 2e-3, "learns sin to a mean squared error of %g", last);
  check(learn(600) == last, "the same seed ends at the same loss, bit for bit");

  const int64_t before = yt_memory(YT_CPU, 0);
  int failures = 0, silent = 0, wrong = 0, leaks = 0;
  for (int64_t n = 1;; n++) {
    yt_fail_allocation(n);
    const double loss = learn(2);
    if (yt_fail_allocation(0)) break;                  /* it needs fewer than n */
    failures++;
    if (!isnan(loss)) silent++;
    else if (!strstr(yt_error(0), "out of memory")) wrong++;
    if (yt_memory(YT_CPU, 0) != before) leaks++;
  }
  check(failures > 100, "only %d allocations to fail in turn", failures);
  check(!silent, "%d failed allocations went unnoticed", silent);
  check(!wrong, "%d failures did not say that memory ran out", wrong);
  check(!leaks, "%d failures leaked", leaks);
  check(learn(600) == last, "and afterwards all works as before");

  yt_tensor *a = yt_zeros(YT_F32, &(yt_shape){ 2, { 3, 4 } }, YT_CPU);
  check(!yt_matmul(a, a) && !strcmp(yt_error(0), "matmul: (3,4) x (3,4): inner sizes 4 and 3 differ"),
    "%s", yt_error(0));
  check(!yt_add(yt_tanh(yt_matmul(a, a)), yt_num(1)), "a failed call passes through the calls around it");
  check(!yt_sum(a, 2, 0) && !strcmp(yt_error(0), "sum: dim 2 of (3,4)")
    && !strcmp(yt_error(1), "sum: dim 3 of (3,4)"), "%s; in Lua %s", yt_error(0), yt_error(1));
  check(!yt_empty(YT_F32, &(yt_shape){ 3, { 1000000, 1000000, 1000000 } }, YT_CPU), "%s", yt_error(0));
  check(!yt_empty(YT_F32, &(yt_shape){ 1, { -1 } }, YT_CPU), "%s", yt_error(0));
  yt_release(a);
  return check_report();
}
