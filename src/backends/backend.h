/* backend.h: what a device must bring, made from the op table, so that a kernel that is missing does not link.
 *
 * A kernel gets a result whose shape and dtype are settled and whose memory is there, and the arguments of its row. It
 * may be given any strides and any dtype; it never sees an empty result (but for the ops that fill what they are
 * given). Optional tensors that are absent are NULL. It returns 0, or -1 after yt__fail. It knows no autograd. */
#ifndef BACKEND_H
#define BACKEND_H
#include "yutu.h"
#include "ops_args.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct yt_backend {
  const char *name;
  void *(*alloc)(size_t bytes);                 /* 64-byte aligned; NULL: none left. Cached by the core */
  void (*free)(void *data);
  int (*upload)(void *device, const void *host, size_t bytes);      /* (optional) NULL: its memory is the host's */
  int (*download)(void *host, const void *device, size_t bytes);    /* (optional) */
#define KERNEL(name) int (*name)(yt_tensor *out, const args_##name *a);
  YT_KERNELS(KERNEL)
#undef KERNEL
} yt_backend;

#define KERNEL(name) int cpu_##name(yt_tensor *out, const args_##name *a);
YT_KERNELS(KERNEL)
#undef KERNEL
extern const yt_backend yt__cpu;

int yt__fail(const char *format, ...)           /* keeps the message for yt_error(); returns -1. "\1%d" is a dim, */
#ifdef __GNUC__                                 /* shown in the reader's base */
  __attribute__((format(printf, 1, 2)))
#endif
  ;
void *yt__malloc(size_t n);                     /* counted; fails when tests say so; free() it */
int yt__promote(int a, int b);
int yt__dtype_size(int dtype);
const char *yt__dtype_name(int dtype);
const char *yt__show(const yt_tensor *t);       /* "(3,4)"; four results at a time */
#ifdef __cplusplus
}
#endif
#endif
