/* fills.c: tensors filled from a formula or from a random stream, and draws made from tensors. Numbers are made dense,
 * in f32, f64 or i64, then stored: layout and storage dtype do not change them. */
#include "cpu.h"
#include "random.h"

int cpu_fill(yt_tensor *out, const args_fill *p)
{
  double value = p->value;
  const yt_tensor number = { .dtype = YT_F64, .dense = 1, .weak = 1, .numel = 1, .number = value, .data = &value };
  return cpu__copy(out, &number);
}
int cpu_arange(yt_tensor *out, const args_arange *p)
{
  const int whole = out->dtype <= YT_I64, dtype = whole ? YT_I64 : YT_F64;
  void *y = cpu__target(out, dtype, 0);
  if (!y) return -1;
  for (long i = 0; i < out->numel; i++)
    if (whole) ((int64_t *)y)[i] = (int64_t)(p->start + p->step * (double)i);
    else ((double *)y)[i] = p->start + p->step * (double)i;
  cpu__write(out, dtype, y);
  return 0;
}

/* f32(...) or f64(...) into dense memory, then home */
#define FILL(f32, f64)                     \
  const int dtype = cpu__real(out->dtype); \
  void *y = cpu__target(out, dtype, 0);    \
  if (!y) return -1;                       \
  if (dtype == YT_F64) {                   \
    f64;                                   \
  } else {                                 \
    f32;                                   \
  }                                        \
  cpu__write(out, dtype, y);               \
  return 0
#define N out->numel
#define G &p->generator
int cpu_uniform(yt_tensor *out, const args_uniform *p)
{
  FILL(cpu__uniform_f32(y, N, G, p->from, p->to), cpu__uniform_f64(y, N, G, p->from, p->to));
}
int cpu_normal(yt_tensor *out, const args_normal *p)
{
  FILL(cpu__normal_f32(y, N, G, p->mean, p->std), cpu__normal_f64(y, N, G, p->mean, p->std));
}
int cpu_gumbel(yt_tensor *out, const args_gumbel *p) { FILL(cpu__gumbel_f32(y, N, G), cpu__gumbel_f64(y, N, G)); }
int cpu_exponential(yt_tensor *out, const args_exponential *p)
{
  FILL(cpu__exponential_f32(y, N, G, 1 / p->lambd), cpu__exponential_f64(y, N, G, 1 / p->lambd));
}
int cpu_gamma(yt_tensor *out, const args_gamma *p)
{
  FILL(if (cpu__gamma_f32(y, N, G, p->concentration)) return -1,
       if (cpu__gamma_f64(y, N, G, p->concentration)) return -1);
}
int cpu_dropout_mask(yt_tensor *out, const args_dropout_mask *p)
{
  FILL(cpu__dropout_f32(y, N, G, p->p), cpu__dropout_f64(y, N, G, p->p));
}

int cpu_bernoulli(yt_tensor *out, const args_bernoulli *p)
{
  uint8_t *y = cpu__target(out, YT_U8, 0);
  if (!y) return -1;
  cpu__bernoulli(y, N, G, p->p);
  cpu__write(out, YT_U8, y);
  return 0;
}
int cpu_bernoulli_p(yt_tensor *out, const args_bernoulli_p *p)
{
  const int dtype = cpu__real(p->p->dtype);
  uint8_t *y = cpu__target(out, YT_U8, 0);
  const void *chance = cpu__read(p->p, dtype, 1);
  if (!y || !chance) return -1;
  if (dtype == YT_F64) cpu__bernoulli_p_f64(y, chance, N, G);
  else cpu__bernoulli_p_f32(y, chance, N, G);
  cpu__write(out, YT_U8, y);
  return 0;
}
int cpu_random(yt_tensor *out, const args_random *p)
{
  int64_t *y = cpu__target(out, YT_I64, 0);
  if (!y || cpu__randint(y, N, G, p->from, p->to)) return -1;
  cpu__write(out, YT_I64, y);
  return 0;
}
int cpu_permutation(yt_tensor *out, const args_permutation *p)
{
  int64_t *y = cpu__target(out, YT_I64, 0);
  if (!y) return -1;
  cpu__permutation(y, N, G, p->base);
  cpu__write(out, YT_I64, y);
  return 0;
}
int cpu_categorical(yt_tensor *out, const args_categorical *p)
{
  const int dtype = cpu__real(p->logits->dtype);
  const long n = p->logits->size[p->logits->ndim - 1];
  const void *logits = cpu__read(p->logits, dtype, 1);
  int64_t *y = cpu__target(out, YT_I64, 0);
  if (!logits || !y) return -1;
  if (dtype == YT_F64 ? cpu__categorical_f64(y, logits, N, n, G, p->base)
                      : cpu__categorical_f32(y, logits, N, n, G, p->base))
    return -1;
  cpu__write(out, YT_I64, y);
  return 0;
}
