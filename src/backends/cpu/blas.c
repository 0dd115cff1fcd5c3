/* blas.c: finds and opens the serial OpenBLAS.
 *
 * Opened by full path, RTLD_LOCAL and RTLD_DEEPBIND, so that it neither replaces nor is replaced by a BLAS the host
 * has loaded. A library that says it has threads of its own is refused: two thread pools in one process stall each
 * other, and openblas_set_num_threads reaches the host's OpenMP.
 *
 * OpenBLAS picks its kernels once, when it is loaded, by the processor or by OPENBLAS_CORETYPE in the environment.
 * This file leaves that variable alone: setenv while a host's threads call getenv is a data race. Measured with 0.3.21
 * on a Zen 5, which it doesn't know by name and takes for a Cooperlake: Cooperlake and SkylakeX run at 93% of the
 * peak, Haswell and Zen at 47%, and all four pass the residual tests of tests/c/gemm_test.c. So a wrong guess costs
 * time, not correctness, and only in LAPACK: products use our own kernels (gemm.c), which are as fast as its best. */
#define _GNU_SOURCE 1
#include "blas.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* the sanitizers' run times can't live beside a deeply bound library */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define BINDING (RTLD_NOW | RTLD_LOCAL)
#else
#define BINDING (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#endif

static const char *const usual_paths[] = {
  "/usr/lib/x86_64-linux-gnu/openblas-serial/libopenblas.so.0",      /* Debian, Ubuntu: libopenblas0-serial */
  "/usr/lib64/libopenblas.so.0",                                     /* Fedora: openblas-serial */
  "/usr/lib64/openblas-serial/libopenblas.so.0",
  "/usr/lib/openblas-serial/libopenblas.so.0",
  "/usr/lib/libopenblas.so.0",
  "/usr/local/lib/libopenblas.so.0",
  "/opt/OpenBLAS/lib/libopenblas.so.0",
};

static cpu_blas blas;
static const cpu_blas *found;

/* dlsym gives an object pointer; POSIX promises that it holds a function's address */
static int find(void *library, const char *name, void *function)
{
  return (*(void **)function = dlsym(library, name)) != NULL;
}

static int fill(void *library)
{
  int (*parallel)(void), ok = 1;
  char *(*core)(void);
  if (!find(library, "openblas_get_parallel", &parallel) || parallel() != 0) return 0;
  blas.core = find(library, "openblas_get_corename", &core) ? core() : "unknown";
#define FIND(p, routine) ok &= find(library, #p #routine "_", &blas.p##routine);
#define BOTH(routine) FIND(s, routine) FIND(d, routine)
  BOTH(gesv) BOTH(getrf) BOTH(getri) BOTH(potrf) BOTH(geqrf) BOTH(orgqr) BOTH(gesdd) BOTH(syevd) BOTH(trtrs)
#undef BOTH
#undef FIND
  return ok & find(library, "cblas_sgemm", &blas.sgemm) & find(library, "cblas_dgemm", &blas.dgemm);
}

static int try(const char *path)
{
  void *library = dlopen(path, BINDING);
  if (!library) return 0;
  blas.path = path;
  if (fill(library)) return 1;
  dlclose(library);
  return 0;
}

static void open_blas(void)
{
  const char *asked = getenv("YUTU_OPENBLAS");     /* that file or none */
  if (asked) {
    static char path[4096];
    snprintf(path, sizeof path, "%s", asked);
    found = try(path) ? &blas : NULL;
  }
  else
    for (size_t i = 0; i < sizeof usual_paths / sizeof *usual_paths && !found; i++)
      if (try(usual_paths[i])) found = &blas;
}

const cpu_blas *cpu__blas(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_blas);
  return found;
}
