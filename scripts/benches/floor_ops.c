/* floor_ops.c: elementwise ops, ops along rows and Adam, each in one pass at the width of the machine.
 *   x, z, y      n floats, n a multiple of 16; rows of 256 for the ops along rows
 *   w, b         256 floats: layer norm's weight and bias
 *   p, g, m, v   n floats: Adam's parameter, gradient and state, at its first step
 * Each runs on one thread or two and repeats its work, so that a call from Lua costs nothing. */
#define _GNU_SOURCE
#include "floor.h"
#include "floor_threads.h"

enum { ROW = 256, VECS = ROW / LANES };
typedef struct { const float *x, *z, *w, *b; float *y, *p, *m, *v; } arrays;

#define ELEMENTWISE(name, expression)                             \
  static void name(void *ctx, long from, long end)                \
  {                                                               \
    const arrays a = *(arrays *)ctx;                              \
    for (long i = from; i < end; i += LANES) {                    \
      const vec x = v_load(a.x + i);                              \
      v_store(a.y + i, expression);                               \
    }                                                             \
  }
ELEMENTWISE(add, x + v_load(a.z + i))
ELEMENTWISE(mul, x * v_load(a.z + i))
ELEMENTWISE(exponential, v_exp(x))
ELEMENTWISE(tangent, v_tanh(x))
/* GELU by its tanh form: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).   Hendrycks & Gimpel, arXiv:1606.08415 */
INLINE vec inner(vec x) { return v_set(0.7978845608f) * x * v_fma(x * x, v_set(0.044715f), v_set(1)); }
ELEMENTWISE(gelu, v_set(0.5f) * x * (v_set(1) + v_tanh(inner(x))))

static void softmax(void *ctx, long from, long end)
{
  const arrays a = *(arrays *)ctx;
  for (long i = from; i < end; i += ROW) {
    vec r[VECS], top = v_load(a.x + i), sum = v_set(0);
    for (int j = 0; j < VECS; j++) r[j] = v_load(a.x + i + j * LANES), top = V(max)(top, r[j]);
    top = v_set(v_largest(top));
    for (int j = 0; j < VECS; j++) r[j] = v_exp(r[j] - top), sum += r[j];
    sum = v_set(1 / v_sum(sum));
    for (int j = 0; j < VECS; j++) v_store(a.y + i + j * LANES, r[j] * sum);
  }
}

static void layer_norm(void *ctx, long from, long end)
{
  const arrays a = *(arrays *)ctx;
  for (long i = from; i < end; i += ROW) {
    vec r[VECS], sum = v_set(0), squares = v_set(0);
    for (int j = 0; j < VECS; j++) r[j] = v_load(a.x + i + j * LANES), sum += r[j];
    sum = v_set(v_sum(sum) / ROW);
    for (int j = 0; j < VECS; j++) r[j] -= sum, squares = v_fma(r[j], r[j], squares);
    squares = v_set(1 / sqrtf(v_sum(squares) / ROW + 1e-5f));
    for (int j = 0; j < VECS; j++)
      v_store(a.y + i + j * LANES, v_fma(r[j] * squares, v_load(a.w + j * LANES), v_load(a.b + j * LANES)));
  }
}

/* Kingma & Ba 2015, arXiv:1412.6980; lr 1e-3, betas 0.9 and 0.999, eps 1e-8; the gradient is x */
static void adam(void *ctx, long from, long end)
{
  const arrays a = *(arrays *)ctx;
  const vec step = v_set(1e-3f / 0.1f), scale = v_set(1 / sqrtf(0.001f));
  for (long i = from; i < end; i += LANES) {
    const vec g = v_load(a.x + i);
    const vec m = v_fma(v_set(0.9f), v_load(a.m + i), v_set(0.1f) * g);
    const vec v = v_fma(v_set(0.999f), v_load(a.v + i), v_set(0.001f) * g * g);
    v_store(a.m + i, m);
    v_store(a.v + i, v);
    v_store(a.p + i, v_load(a.p + i) - step * m / v_fma(V(sqrt)(v), scale, v_set(1e-8f)));
  }
}

static const struct { const char *name; floor_part *run; } ops[] = {
  { "add", add }, { "mul", mul }, { "exp", exponential }, { "tanh", tangent }, { "gelu", gelu },
  { "softmax", softmax }, { "layer_norm", layer_norm }, { "adam", adam },
};

/* Does op name `times` times on n elements.   returns 0, or -1: no such op */
int floor_op(const char *name, const float *const in[4], float *const out[4], long n, int threads, long times)
{
  arrays a = { in[0], in[1], in[2], in[3], out[0], out[1], out[2], out[3] };
  for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
    if (strcmp(ops[k].name, name)) continue;
    for (long i = 0; i < times; i++) floor_split(ops[k].run, &a, n, ROW, threads);
    return 0;
  }
  return -1;
}
