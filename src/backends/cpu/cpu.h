/* cpu.h: what the CPU backend's files share. */
#ifndef CPU_H
#define CPU_H
#include "../backend.h"
#include "isa.h"
#include "pool.h"

enum { CPU_F32, CPU_F64, CPU_I64 };                   /* what is computed in */
static const int cpu__compute_dtype[] = { YT_F32, YT_F64, YT_I64 };
static inline int cpu__compute(int dtype) { return dtype == YT_F64 ? CPU_F64 : dtype >= YT_F16 ? CPU_F32 : CPU_I64; }
static inline int cpu__real(int dtype) { return dtype == YT_F64 ? YT_F64 : YT_F32; }

/* Kernels that want dense operands ask for them here.
 *   read    x dense and row-major in that dtype: x's own memory, or a copy in this thread's scratch block of that slot
 *   target  where to compute a dense result of that dtype: out's own memory, or scratch; write brings it home
 * Scratch blocks are per thread, grow and never shrink; slots 0..CPU_SLOTS-1 belong to the running kernel. NULL: no
 * memory, and yt__fail has been called. */
enum { CPU_SLOTS = 8 };
void *cpu__scratch(int slot, size_t bytes);
const void *cpu__read(const yt_tensor *t, int dtype, int slot);
void *cpu__target(yt_tensor *out, int dtype, int slot);
void cpu__write(yt_tensor *out, int dtype, const void *from);
int cpu__copy(yt_tensor *out, const yt_tensor *x);    /* out = x, broadcast, any strides and dtypes, in parallel */

/* x seen as (outer, n, inner) around dim */
static inline void cpu__around(const yt_tensor *t, int dim, long *outer, long *n, long *inner)
{
  *outer = *inner = 1, *n = t->ndim ? t->size[dim] : 1;
  for (int d = 0; d < t->ndim; d++) if (d < dim) *outer *= t->size[d]; else if (d > dim) *inner *= t->size[d];
}
#endif
