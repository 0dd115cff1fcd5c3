/* learn.h: a small training run for tests that ask whether it is disturbed: learn(seed, steps) -> the last loss.
 *
 * y = sin(2a) b on 256 points, 2-64-1, tanh, plain gradient descent. Its ops are worth splitting among threads. All
 * calls are of the public interface; NaN after a failure. */
#ifndef LEARN_H
#define LEARN_H
#include <math.h>
#include "yutu.h"

enum { LEARN_N = 256, LEARN_HIDDEN = 64, LEARN_PARAMETERS = 4 };

static yt_tensor *learn_vector(int n) { return yt_zeros(YT_F32, &(yt_shape){ 1, { n } }, YT_CPU); }
static yt_tensor *learn_matrix(int rows, int columns, double bound, yt_generator *g)
{
  yt_tensor *t = yt_empty(YT_F32, &(yt_shape){ 2, { rows, columns } }, YT_CPU);
  return yt_uniform_(t, -bound, bound, g);
}

static double learn_step(yt_tensor **p, yt_tensor *x, yt_tensor *y)
{
  yt_scope s;
  yt_scope_open(&s);
  yt_tensor *hidden = yt_linear(x, p[0], p[1], YT_TANH);
  yt_tensor *loss = yt_mean(yt_squared_error(yt_linear(hidden, p[2], p[3], YT_IDENTITY), y), YT_ALL, 0);
  double value = loss && !yt_backward(loss) ? yt_item(loss) : NAN;
  const int was = yt_set_grad_enabled(0);
  for (int i = 0; i < LEARN_PARAMETERS && !isnan(value); i++) {
    if (!yt_sub_(p[i], yt_mul(yt_grad_of(p[i]), yt_num(.05)))) value = NAN;
    yt_set_grad(p[i], yt_none());
  }
  yt_set_grad_enabled(was);
  yt_scope_close(&s, NULL);
  return value;
}

static double learn(uint64_t seed, int steps)
{
  yt_generator g = { .seed = seed };
  yt_scope s;
  yt_scope_open(&s);
  yt_tensor *x = learn_matrix(LEARN_N, 2, 1, &g), *a = yt_slice(x, 1, 0, 1, 1), *b = yt_slice(x, 1, 1, 2, 1);
  yt_tensor *y = yt_mul(yt_sin(yt_mul(a, yt_num(2))), b);
  yt_tensor *p[LEARN_PARAMETERS] = { learn_matrix(LEARN_HIDDEN, 2, 1.5, &g), learn_vector(LEARN_HIDDEN),
                                     learn_matrix(1, LEARN_HIDDEN, .2, &g), learn_vector(1) };
  double loss = y ? 0 : NAN;
  for (int i = 0; i < LEARN_PARAMETERS; i++) if (!p[i] || yt_requires_grad(p[i], 1)) loss = NAN;
  for (int i = 0; i < steps && !isnan(loss); i++) loss = learn_step(p, x, y);
  yt_scope_close(&s, NULL);
  return loss;
}
#endif
