/* floor_gemm.c: c (m,n) = a (m,k) b (k,n), dense rows of floats, by the libraries that are installed.
 *   OPENBLAS         the serial build
 *   ONEDNN           matmul, operands as they lie
 *   ONEDNN_PACKED    matmul, b packed beforehand, which no operand that changes can be
 * On two threads each library takes half of the rows on either, running no threads of its own. */
#define _GNU_SOURCE
#include "floor_threads.h"
#include <dlfcn.h>
#include <stdlib.h>
#if __has_include(<oneapi/dnnl/dnnl.h>)
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>
#define WITH_ONEDNN
#endif

enum { OPENBLAS, ONEDNN, ONEDNN_PACKED };
typedef struct {
  int library, threads;
  long m, n, k;
  const float *a, *b;
  float *c;
#ifdef WITH_ONEDNN
  dnnl_primitive_t primitive;                   /* of one thread's rows */
  dnnl_memory_t packed, operands[2][3], scratch[2];
  dnnl_stream_t stream[2];
#endif
} floor_product;

/* ---- OpenBLAS ---- */

typedef void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                         const float *b, int ldb, float beta, float *c, int ldc);
static cblas_sgemm *sgemm;

/* path: of libopenblas.so.0; OPENBLAS_CORETYPE chooses its kernels now.   returns their name, NULL: no such file */
const char *floor_openblas(const char *path)
{
  char *(*core)(void);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (!library) return NULL;
  *(void **)&sgemm = dlsym(library, "cblas_sgemm");
  *(void **)&core = dlsym(library, "openblas_get_corename");
  return sgemm && core ? core() : NULL;
}

static void openblas_rows(void *ctx, long from, long end)
{
  enum { ROW_MAJOR = 101, PLAIN = 111 };
  const floor_product *p = ctx;
  sgemm(ROW_MAJOR, PLAIN, PLAIN, (int)(end - from), (int)p->n, (int)p->k, 1, p->a + from * p->k, (int)p->k, p->b,
        (int)p->n, 0, p->c + from * p->n, (int)p->n);
}

/* ---- oneDNN ---- */
#ifdef WITH_ONEDNN
static dnnl_engine_t engine;

static dnnl_memory_desc_t matrix(long rows, long cols, dnnl_format_tag_t layout)
{
  dnnl_memory_desc_t d;
  const dnnl_dims_t size = { rows, cols };
  dnnl_memory_desc_init_by_tag(&d, 2, size, dnnl_f32, layout);
  return d;
}

static dnnl_memory_t pack(const float *b, const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *wanted)
{
  dnnl_memory_t from, to;
  dnnl_primitive_desc_t choice;
  dnnl_primitive_t reorder;
  dnnl_stream_t stream;
  dnnl_memory_create(&from, plain, engine, (void *)b);
  dnnl_memory_create(&to, wanted, engine, DNNL_MEMORY_ALLOCATE);
  if (dnnl_reorder_primitive_desc_create(&choice, plain, engine, wanted, engine, NULL) ||
      dnnl_primitive_create(&reorder, choice)) return NULL;
  dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
  const dnnl_exec_arg_t arguments[] = { { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } };
  dnnl_primitive_execute(reorder, stream, 2, arguments);
  dnnl_stream_wait(stream);
  return to;
}

static int plan(floor_product *p)
{
  const long rows = p->m / p->threads;
  const dnnl_memory_desc_t a = matrix(rows, p->k, dnnl_ab), c = matrix(rows, p->n, dnnl_ab);
  const dnnl_memory_desc_t plain = matrix(p->k, p->n, dnnl_ab);
  const dnnl_memory_desc_t b = p->library == ONEDNN ? plain : matrix(p->k, p->n, dnnl_format_tag_any);
  dnnl_matmul_desc_t op;
  dnnl_primitive_desc_t choice;
  dnnl_primitive_attr_t attributes;
  omp_set_num_threads(1);                       /* of this thread only */
  if (!engine && dnnl_engine_create(&engine, dnnl_cpu, 0)) return -1;
  dnnl_primitive_attr_create(&attributes);
  dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
  if (dnnl_matmul_desc_init(&op, &a, &b, NULL, &c) ||
      dnnl_primitive_desc_create(&choice, &op, attributes, engine, NULL) ||
      dnnl_primitive_create(&p->primitive, choice)) return -1;
  const dnnl_memory_desc_t *chosen = dnnl_primitive_desc_query_md(choice, dnnl_query_weights_md, 0);
  if (!dnnl_memory_desc_equal(chosen, &plain) && !(p->packed = pack(p->b, &plain, chosen))) return -1;
  for (int t = 0; t < p->threads; t++) {
    dnnl_memory_t *operand = p->operands[t];
    dnnl_memory_create(&operand[0], &a, engine, (void *)(p->a + t * rows * p->k));
    if (p->packed) operand[1] = p->packed;
    else dnnl_memory_create(&operand[1], &plain, engine, (void *)p->b);
    dnnl_memory_create(&operand[2], &c, engine, p->c + t * rows * p->n);
    dnnl_memory_create(&p->scratch[t], dnnl_primitive_desc_query_md(choice, dnnl_query_scratchpad_md, 0), engine,
                       DNNL_MEMORY_ALLOCATE);
    dnnl_stream_create(&p->stream[t], engine, dnnl_stream_default_flags);
  }
  return 0;
}

static void onednn_rows(void *ctx, long from, long end)
{
  const floor_product *p = ctx;
  const int t = from > 0;
  const dnnl_exec_arg_t arguments[] = { { DNNL_ARG_SRC, p->operands[t][0] }, { DNNL_ARG_WEIGHTS, p->operands[t][1] },
                                        { DNNL_ARG_DST, p->operands[t][2] }, { DNNL_ARG_SCRATCHPAD, p->scratch[t] } };
  static _Thread_local int alone;
  if (!alone) omp_set_num_threads(1), alone = 1;
  (void)end;
  dnnl_primitive_execute(p->primitive, p->stream[t], 4, arguments);
  dnnl_stream_wait(p->stream[t]);
}
#endif

/* A product for floor_multiply, kept until the process ends.   threads   1, or 2 with an even m
 *   returns   NULL if the library is missing */
floor_product *floor_product_new(int library, int threads, const float *a, const float *b, float *c, long m, long n,
                                 long k)
{
  floor_product *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  *p = (floor_product){ .library = library, .threads = threads, .m = m, .n = n, .k = k, .a = a, .b = b, .c = c };
  if (library == OPENBLAS && sgemm) return p;
#ifdef WITH_ONEDNN
  if (library != OPENBLAS && !plan(p)) return p;
#endif
  free(p);
  return NULL;
}

void floor_multiply(floor_product *p, long times)
{
  floor_part *rows = openblas_rows;
#ifdef WITH_ONEDNN
  if (p->library != OPENBLAS) rows = onednn_rows;
#endif
  for (long i = 0; i < times; i++) floor_split(rows, p, p->m, p->m / p->threads, p->threads);
}
