/* dense.c: matrix products of tensors: the fused linear layer, and matmul with batch dims. Operands are passed to the
 * product as they lie, by their strides; halves and integers are computed in f32. */
#include "cpu.h"
#include "gemm.h"

_Static_assert((int)CPU_RELU == YT_RELU && (int)CPU_TANH == YT_TANH && (int)CPU_SIGMOID == YT_SIGMOID, "one numbering");

/* t in that dtype: itself with its strides, or a dense copy. NULL: no memory. */
static const void *operand(const yt_tensor *t, int dtype, int slot, long *stride)
{
  long n = 1;
  if (t->dtype == dtype) {
    for (int d = 0; d < t->ndim; d++) stride[d] = t->stride[d];
    return t->data;
  }
  for (int d = t->ndim - 1; d >= 0; d--) stride[d] = n, n *= t->size[d];
  return cpu__read(t, dtype, slot);
}
static int product(int dtype, const cpu_gemm *g) { return dtype == YT_F64 ? cpu__gemm_f64(g) : cpu__gemm_f32(g); }

int cpu_linear(yt_tensor *out, const args_linear *p)
{
  const int dtype = cpu__real(out->dtype);
  const long in = p->w->size[1], units = p->w->size[0];
  long xs[YT_DIMS], ws[YT_DIMS];
  cpu_gemm g = { .m = units ? out->numel / units : 0, .n = units, .k = in, .ldc = units, .act = p->act };
  if (p->x->ndim == 2) {
    if (!(g.a = operand(p->x, dtype, 1, xs))) return -1;
    g.ars = xs[0], g.acs = xs[1];
  } else {
    if (!(g.a = cpu__read(p->x, dtype, 1))) return -1;
    g.ars = in, g.acs = 1;
  }
  g.b = operand(p->w, dtype, 2, ws), g.brs = ws[1], g.bcs = ws[0];
  g.bias = p->bias ? cpu__read(p->bias, dtype, 3) : NULL;
  g.c = cpu__target(out, dtype, 0);
  if (!g.b || !g.c || (p->bias && !g.bias) || product(dtype, &g)) return -1;
  cpu__write(out, dtype, g.c);
  return 0;
}

enum { BATCH = 64 }; /* products whose offsets are made at a time */
int cpu_matmul(yt_tensor *out, const args_matmul *p)
{
  const yt_tensor *a = p->a, *b = p->b;
  const int dtype = cpu__real(out->dtype), row = a->ndim == 1, column = b->ndim == 1;
  long as[YT_DIMS], bs[YT_DIMS], batch = 1;
  const int an = a->ndim, bn = b->ndim, ab = an > 2 ? an - 2 : 0, bb = bn > 2 ? bn - 2 : 0, nb = ab > bb ? ab : bb;
  cpu_gemm g = { .m = row ? 1 : a->size[an - 2], .n = column ? 1 : b->size[bn - 1], .k = a->size[an - 1] };
  if (!(g.a = operand(a, dtype, 1, as)) || !(g.b = operand(b, dtype, 2, bs)) || !(g.c = cpu__target(out, dtype, 0)))
    return -1;
  g.ars = row ? 0 : as[an - 2], g.acs = as[an - 1];
  g.brs = column ? bs[0] : bs[bn - 2], g.bcs = column ? 0 : bs[bn - 1];
  g.ldc = g.n;
  for (int d = 0; d < nb; d++) batch *= out->size[d];
  if (batch == 1) {
    if (product(dtype, &g)) return -1;
  } else
    for (long i = 0, n; i < batch; i += n) {
      long ao[BATCH], bo[BATCH], co[BATCH];
      n = batch - i < BATCH ? batch - i : BATCH;
      for (long k = 0; k < n; k++) {
        long rest = i + k;
        ao[k] = bo[k] = 0, co[k] = (i + k) * g.m * g.n;
        for (int d = nb - 1; d >= 0; d--) {
          const long at = rest % out->size[d];
          const int da = d - nb + ab, db = d - nb + bb;
          rest /= out->size[d];
          if (da >= 0 && a->size[da] != 1) ao[k] += at * as[da];
          if (db >= 0 && b->size[db] != 1) bo[k] += at * bs[db];
        }
      }
      if (dtype == YT_F64 ? cpu__gemm_batch_f64(&g, n, ao, bo, co) : cpu__gemm_batch_f32(&g, n, ao, bo, co)) return -1;
    }
  cpu__write(out, dtype, g.c);
  return 0;
}
