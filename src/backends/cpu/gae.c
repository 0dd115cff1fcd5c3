/* gae.c: generalised advantage estimation, backwards over time.
 *   reward, value, final_value (T,N); last_value (N); terminated, truncated (T,N) u8  ->  advantage (T,N)
 *   truncated      bootstraps from final_value (T,N); terminated does not; the sum is cut at either
 *   source         Schulman et al. 2016, arXiv:1506.02438, eq. 16 */
#include "cpu.h"

#define GAE(T)                                                                                           \
  static void gae_##T(T *a, const T *r, const T *v, const T *last, const uint8_t *terminated,            \
                      const uint8_t *truncated, const T *final, long steps, long n, T gamma, T lambda)   \
  {                                                                                                      \
    for (long t = steps - 1; t >= 0; t--)                                                                \
      for (long i = 0; i < n; i++) {                                                                     \
        const long k = t * n + i;                                                                        \
        const int more = t < steps - 1 && !terminated[k] && !truncated[k];                               \
        const T next = terminated[k] ? 0 : truncated[k] ? final[k] : t < steps - 1 ? v[k + n] : last[i]; \
        a[k] = r[k] + gamma * next - v[k] + (more ? gamma * lambda * a[k + n] : 0);                      \
      }                                                                                                  \
  }
GAE(float)
GAE(double)

int cpu_gae(yt_tensor *out, const args_gae *p)
{
  const int dtype = cpu__real(out->dtype);
  const void *in[6];
  void *a = cpu__target(out, dtype, 0);
  for (int k = 0; k < 6; k++)
    if (!(in[k] = cpu__read(p->in[k], k == 3 || k == 4 ? YT_BOOL : dtype, k + 1))) return -1;
  if (!a) return -1;
  const long steps = out->size[0], n = out->size[1];
  if (dtype == YT_F64) gae_double(a, in[0], in[1], in[2], in[3], in[4], in[5], steps, n, p->gamma, p->lambda);
  else gae_float(a, in[0], in[1], in[2], in[3], in[4], in[5], steps, n, (float)p->gamma, (float)p->lambda);
  cpu__write(out, dtype, a);
  return 0;
}
