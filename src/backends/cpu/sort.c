/* sort.c: the order that sorts, and the k best.
 *
 * Each element becomes an unsigned key whose order is the one wanted (floats by their bits, NaN above all), so one
 * stable radix sort of (key, place) serves every dtype and both directions. */
#include <string.h>
#include "cpu.h"

typedef struct { uint64_t key; int64_t place; } item;

static uint64_t key_of(const void *x, int c, long i)
{
  if (c == CPU_I64) return (uint64_t)((const int64_t *)x)[i] ^ (1ull << 63);
  double v = c == CPU_F64 ? ((const double *)x)[i] : ((const float *)x)[i];
  uint64_t u;
  if (v != v) return UINT64_MAX;
  v = v == 0 ? 0 : v;             /* -0 is 0 */
  memcpy(&u, &v, 8);
  return u >> 63 ? ~u : u | 1ull << 63;
}
/* Eight bits at a time, least first; digits that all share are passed over. The result is where it returns. */
static item *radix(item *a, item *b, long n)
{
  uint64_t differ = 0;
  for (long i = 1; i < n; i++) differ |= a[i].key ^ a[0].key;
  for (int shift = 0; shift < 64; shift += 8) {
    long at[256] = { 0 }, sum = 0;
    if (!(differ >> shift & 255)) continue;
    for (long i = 0; i < n; i++) at[a[i].key >> shift & 255]++;
    for (int d = 0; d < 256; d++) { const long c = at[d]; at[d] = sum; sum += c; }
    for (long i = 0; i < n; i++) b[at[a[i].key >> shift & 255]++] = a[i];
    item *t = a;
    a = b, b = t;
  }
  return a;
}
static item *insertion(item *a, long n)
{
  for (long i = 1; i < n; i++) {
    const item v = a[i];
    long k = i;
    for (; k && a[k - 1].key > v.key; k--) a[k] = a[k - 1];
    a[k] = v;
  }
  return a;
}
/* A NaN is last in a sort, first in a top-k of the largest. */
static int order(yt_tensor *out, const yt_tensor *x, int dim, int descending, int nan_first, long k, int base)
{
  const int c = cpu__compute(x->dtype);
  const char *from = cpu__read(x, cpu__compute_dtype[c], 1);
  int64_t *to = cpu__target(out, YT_I64, 2);
  long outer, n, inner;
  cpu__around(x, dim, &outer, &n, &inner);
  item *a = cpu__scratch(3, (size_t)n * 2 * sizeof *a + 8);
  if (!from || !to || !a) return -1;
  for (long o = 0; o < outer * inner; o++) {
    const long first = o / inner * n * inner + o % inner;
    for (long i = 0; i < n; i++) {
      uint64_t key = key_of(from, c, first + i * inner);
      const int nan = key == UINT64_MAX && c != CPU_I64;
      if (descending) key = ~key;
      if (nan) key = nan_first ? 0 : UINT64_MAX;
      a[i].key = key, a[i].place = i;
    }
    const item *sorted = n < 64 ? insertion(a, n) : radix(a, a + n, n);
    for (long i = 0; i < k; i++) to[(o / inner * k + i) * inner + o % inner] = sorted[i].place + base;
  }
  cpu__write(out, YT_I64, to);
  return 0;
}
int cpu_argsort(yt_tensor *out, const args_argsort *p)
{
  return order(out, p->x, p->dim, p->descending, 0, p->x->ndim ? p->x->size[p->dim] : 1, p->base);
}
int cpu_argtopk(yt_tensor *out, const args_argtopk *p)
{
  return order(out, p->x, p->dim, p->largest, p->largest, p->k, p->base);
}
