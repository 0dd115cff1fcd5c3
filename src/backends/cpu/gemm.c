/* gemm.c: how a matrix product is cut up, and who does which part.
 *
 * Small products run straight from their operands. Where b's rows are not contiguous, or the product is large, a block
 * of b is first packed into panels as wide as the register tile, by all threads together; then each slice takes row
 * tiles, packing its own part of a. Where a and b both lie along k and one side is very narrow, inner products need
 * no packing; where c is narrow and tall and a lies along m, c's transpose is computed with the two exchanged.
 * All of these choices look at the shape and the strides, never at the threads.
 *   source  Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication", and BLIS (Van Zee 2015) */
#include "gemm.h"
#include "gemm_kernels.h"
#include "isa.h"
#include "pool.h"
#include "../backend.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
  BLOCK_BYTES = 2048,          /* of one column of a block of b: deep enough that c passes by seldom */
  A_BYTES = 576 << 10,         /* of packed a: lives in the second-level cache */
  B_BYTES = 4 << 20,           /* of packed b: in the third */
  COPY_BYTES = 1 << 20,        /* of an operand copied whole, or of a transposed result: memory that a thread keeps */
  MOST_SLICES = 1024
};

/* ---- memory for packed operands, kept by each thread until it ends ---- */

enum { FOR_A, FOR_B, FOR_C, SLOTS };
typedef struct { char *raw; size_t bytes; } slot;
static _Thread_local slot *t_slots;
static pthread_key_t slots_key;

static void free_slots(void *slots)
{
  for (int i = 0; i < SLOTS; i++) free(((slot *)slots)[i].raw);
  free(slots);
}
static void make_key(void) { pthread_key_create(&slots_key, free_slots); }

static void *scratch(int which, long elements, size_t size)     /* at a multiple of 64 */
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  const size_t bytes = (size_t)elements * size;
  if (!t_slots) {
    pthread_once(&once, make_key);
    slot *slots = yt__malloc(SLOTS * sizeof *slots);
    if (!slots) return NULL;
    memset(slots, 0, SLOTS * sizeof *slots);
    if (pthread_setspecific(slots_key, slots)) { free(slots); return NULL; }
    t_slots = slots;
  }
  slot *s = &t_slots[which];
  if (s->bytes < bytes) {
    free(s->raw);
    s->bytes = (bytes + bytes / 4 + 4095) & ~(size_t)4095;
    s->raw = yt__malloc(s->bytes + 64);
    if (!s->raw) { s->bytes = 0; return NULL; }
  }
  return s->raw + (64 - (uintptr_t)s->raw % 64);
}

/* ---- one pass over c: a block of k, in slices ---- */

typedef struct {
  cpu_gemm_block g;
  const cpu_gemm_kernels *kernels;
  size_t size;                 /* of an element */
  long chunk;                  /* row tiles taken through all columns together, what the second cache holds; 0: all */
  int pack_a;                  /* a chunk of a is packed; or a is read where it lies */
  long unit;                   /* columns that slices must not cut; 0: slices take row tiles */
  int dots;
  atomic_int failed;
} pass;

static const void *at(const void *p, long elements, size_t size) { return (const char *)p + elements * (long)size; }

static void run_slice(void *ctx, int slice, int slices)
{
  pass *p = ctx;
  cpu_gemm_block g = p->g;
  if (slices > 1 && p->unit) {
    const long units = (g.n + p->unit - 1) / p->unit;
    const long from = cpu__first(units, slice, slices) * p->unit, end = cpu__first(units, slice + 1, slices) * p->unit;
    g.n = (end < g.n ? end : g.n) - from;
    g.b = at(g.b, g.b_panel ? from / p->kernels->width * g.b_panel : from * g.bcs, p->size);
    g.c = (void *)at(g.c, from, p->size);
    if (g.bias) g.bias = at(g.bias, from, p->size);
  } else if (slices > 1) {
    g.tile_end = cpu__first(p->g.tile_end, slice + 1, slices);
    g.tile = cpu__first(p->g.tile_end, slice, slices);
  }
  if (p->dots) { p->kernels->dots(&g); return; }
  if (!p->chunk) { p->kernels->block(&g); return; }
  const long from = g.tile, tiles = g.tile_end - from, panel = g.k * p->kernels->tall;
  const int chunks = (int)((tiles + p->chunk - 1) / p->chunk);
  cpu_gemm_block packed = g;
  if (p->pack_a) {
    packed.a = scratch(FOR_A, panel * (p->chunk < tiles ? p->chunk : tiles), p->size);
    if (!packed.a) { p->failed = 1; return; }
    packed.ars = 1, packed.acs = p->kernels->tall, packed.a_panel = panel;
  }
  for (int i = 0; i < chunks; i++) {
    packed.tile = g.tile = from + cpu__first(tiles, i, chunks);
    packed.tile_end = g.tile_end = from + cpu__first(tiles, i + 1, chunks);
    if (p->pack_a) p->kernels->pack_a(&g, (void *)packed.a);
    p->kernels->block(&packed);
  }
}

/* Slices take row tiles, or columns where those balance better. */
static void run_pass(pass *p, double us, long unit)
{
  const long tiles = p->g.tile_end;
  int slices = cpu__slices(us, p->g.m * p->g.n);
  p->unit = 0;
  if (slices > 1) {
    const long units = (p->g.n + unit - 1) / unit;
    const long by_rows = (tiles + slices - 1) / slices * units, by_columns = (units + slices - 1) / slices * tiles;
    if (by_columns < by_rows) p->unit = unit;
    const long items = p->unit ? units : tiles;
    if (p->chunk && !p->unit && us > 1000)         /* a chunk or less each: none lags far behind */
      slices *= (int)((tiles + p->chunk * slices - 1) / (p->chunk * slices));
    if (slices > MOST_SLICES) slices = MOST_SLICES;
    if (items < slices) slices = (int)items;
  }
  if (slices > 1) cpu__run(run_slice, p, slices);
  else if (p->dots || p->chunk) run_slice(p, 0, 1);
  else p->kernels->block(&p->g);
}

typedef struct { const cpu_gemm_kernels *kernels; long k, n; const void *b; long brs, bcs; void *to; } packing;

static void pack_slice(void *ctx, int slice, int slices)
{
  const packing *p = ctx;
  const long panels = (p->n + p->kernels->width - 1) / p->kernels->width;
  p->kernels->pack_b(p->k, p->n, p->b, p->brs, p->bcs, p->to, cpu__first(panels, slice, slices),
                     cpu__first(panels, slice + 1, slices));
}

/* c = a b by blocks of k and of columns, packed where the plan in p says so */
static int blocked_product(pass *p, const cpu_gemm *g, long depth, int pack_b, double us)
{
  const cpu_gemm_kernels *kernels = p->kernels;
  const long width = kernels->width, widest = B_BYTES / (long)p->size / depth / width * width;
  const long wide = g->n < widest || !pack_b ? (g->n + width - 1) / width * width : widest;
  void *panels = pack_b ? scratch(FOR_B, depth * wide, p->size) : NULL;
  if (pack_b && !panels) return -1;
  for (long j = 0; j < g->n; j += wide) {
    const long n = g->n - j < wide ? g->n - j : wide;
    for (long l = 0; l < g->k; l += depth) {
      const long k = g->k - l < depth ? g->k - l : depth;
      p->g.b = at(g->b, l * g->brs + j * g->bcs, p->size);
      if (pack_b) {
        packing b = { kernels, k, n, p->g.b, g->brs, g->bcs, panels };
        cpu__run(pack_slice, &b, cpu__slices((double)(k * n) * (double)p->size / 20e3, (n + width - 1) / width));
        p->g.b = panels, p->g.b_panel = k * width, p->g.brs = width, p->g.bcs = 1;
      }
      p->g.k = k, p->g.n = n;
      p->g.a = at(g->a, l * g->acs, p->size);
      p->g.c = (void *)at(g->c, j, p->size);
      p->g.bias = g->bias && !l ? at(g->bias, j, p->size) : NULL;
      p->g.accumulate = l ? 1 : g->accumulate;
      p->g.act = l + k == g->k ? g->act : CPU_NONE;
      run_pass(p, us * (double)k / (double)g->k * (double)n / (double)g->n, p->g.few ? 4 * kernels->lanes : width);
    }
  }
  return p->failed ? -1 : 0;
}

static int product(const cpu_gemm *g, int f64);

/* c' = b' a': c's few columns would leave most of a vector empty, its many rows fill them */
static int exchanged_product(const cpu_gemm *g, const cpu_gemm_kernels *kernels, int f64)
{
  void *c = scratch(FOR_C, g->m * g->n, f64 ? 8 : 4);
  const cpu_gemm e = { .m = g->n, .n = g->m, .k = g->k, .a = g->b, .ars = g->bcs, .acs = g->brs,
                       .b = g->a, .brs = g->acs, .bcs = g->ars, .c = c, .ldc = g->m };
  if (!c || product(&e, f64)) return -1;
  kernels->copy(g->m, g->n, c, 1, g->m, g->c, g->ldc);
  return 0;
}

/* inner products of a's rows and b's columns, which are copied if they are not contiguous */
static int dot_product(pass *p, const cpu_gemm *g, int rows, double us)
{
  if (g->brs != 1) {
    void *columns = scratch(FOR_B, g->n * g->k, p->size);
    if (!columns) return -1;
    p->kernels->copy(g->n, g->k, g->b, g->bcs, g->brs, columns, g->k);
    p->g.b = columns, p->g.bcs = g->k;
  }
  p->dots = 1;
  p->g.dot_rows = rows;
  p->g.tiles = p->g.tile_end = g->m;
  run_pass(p, us, p->kernels->lanes);
  return 0;
}

/* The rows of a tile of inner products if those cost less than register tiles, else 0. Costs are in vector operations,
 * two of which run at once: inner products use whole vectors, but each tile of them starts and ends with some 170. */
static int dots_pay(const cpu_gemm *g, long lanes)
{
  if (g->acs != 1 || (g->n > lanes && (g->m > lanes || g->brs != 1))) return 0;
  long rows = 1, cols;
  if (g->n <= 4 && g->m > 4) for (rows = lanes; rows * g->n > lanes && rows > 1; rows /= 2) continue;
  else while (rows < g->m && rows < lanes && rows < (g->m > 4 ? 8 : 4)) rows *= 2;
  cols = lanes / rows;
  const long dots = ((g->m + rows - 1) / rows) * ((g->n + cols - 1) / cols) * (g->k + lanes + 170);
  const long copies = g->n * g->k / 2 + 400, tiles = g->m * ((g->n + lanes - 1) / lanes) * g->k;
  return dots + (g->brs == 1 ? 0 : copies) < tiles + (g->bcs == 1 ? 0 : copies) ? (int)rows : 0;
}

/* Rows a multiple of 4 KB apart contend for the same few lines of a cache. */
static int contend(long stride, size_t size) { return stride * (long)size % 4096 == 0; }

static int product(const cpu_gemm *g, int f64)
{
  static const cpu_gemm_kernels *const tables[] = { cpu__gemm_sse2, cpu__gemm_avx2, cpu__gemm_avx512 };
  const cpu_gemm_kernels *kernels = &tables[cpu__isa()][f64];
  const long m = g->m, n = g->n, k = g->k > 0 ? g->k : 0, lanes = kernels->lanes, size = f64 ? 8 : 4;
  if (m <= 0 || n <= 0) return 0;

  /* 8e3 vectors of products a microsecond: two multipliers at 4 GHz */
  const double us = (double)(m * ((n + lanes - 1) >> kernels->lane_bits)) *
                    ((double)k / 8e3 + (g->act > CPU_RELU ? 4e-3 : 2e-4));
  const long tiles = m <= kernels->tall ? 1 : (m + kernels->tall - 1) / kernels->tall;
  const int in_place = g->bcs == 1 || !k, large = (double)k * (double)(n * size) > 64e3;
  if (in_place && !large && us < 1 && n > lanes) { /* one layer of a small network: no plan, no threads */
    kernels->block(&(cpu_gemm_block){ .m = m, .n = n, .k = k, .tiles = tiles, .tile_end = tiles,
      .a = g->a, .ars = g->ars, .acs = g->acs, .b = g->b, .brs = g->brs, .c = g->c, .ldc = g->ldc,
      .bias = g->bias, .act = g->act, .accumulate = g->accumulate, .few = m <= kernels->few });
    return 0;
  }
  pass p = { .kernels = kernels, .size = (size_t)size };
  p.g = (cpu_gemm_block){ .m = m, .n = n, .k = k, .tiles = tiles,
    .a = g->a, .ars = g->ars, .acs = g->acs, .b = g->b, .brs = g->brs, .bcs = g->bcs, .c = g->c, .ldc = g->ldc,
    .bias = g->bias, .act = g->act, .accumulate = g->accumulate };
  p.g.tile_end = p.g.tiles;

  if (k && (n <= lanes || m <= lanes)) {
    const int rows = g->brs == 1 || n * k * size <= COPY_BYTES ? dots_pay(g, lanes) : 0;
    if (rows) return dot_product(&p, g, rows, us);
    if (n <= lanes && g->ars == 1 && m > 4 && !g->bias && !g->accumulate && !g->act && m * n * size <= COPY_BYTES &&
        5 * n * ((m + lanes - 1) >> kernels->lane_bits) < 4 * m) return exchanged_product(g, kernels, f64);
  }
  if (in_place && !large) {                        /* the usual product of a small network */
    p.g.few = m <= kernels->few;
    run_pass(&p, us, p.g.few ? 4 * lanes : kernels->width);
    return 0;
  }
  const int pack_b = !in_place || m >= (contend(g->brs, p.size) ? 24 : 640);
  const long deepest = pack_b || !contend(g->brs, p.size) ? BLOCK_BYTES / size : 256;
  const long depth = k <= deepest ? k : (k + (k + deepest - 1) / deepest - 1) / ((k + deepest - 1) / deepest);
  if (large && m >= 48) {
    p.chunk = A_BYTES / (size * depth * kernels->tall);
    p.pack_a = contend(g->acs == 1 ? g->ars : g->acs, p.size) || (pack_b && (g->acs != 1 || n > 512));
    p.g.far = 1;
  }
  p.g.few = !pack_b && m <= kernels->few;
  return blocked_product(&p, g, depth, pack_b, us);
}

int cpu__gemm_f32(const cpu_gemm *g)
{
  return product(g, 0) ? yt__fail("matmul: no memory to pack operands of %ld x %ld x %ld", g->m, g->n, g->k) : 0;
}
int cpu__gemm_f64(const cpu_gemm *g)
{
  return product(g, 1) ? yt__fail("matmul: no memory to pack operands of %ld x %ld x %ld", g->m, g->n, g->k) : 0;
}

/* ---- many products of one shape ---- */

typedef struct { const cpu_gemm *g; int f64; long batch; const long *a, *b, *c; atomic_int failed; } batch_job;

static void batch_slice(void *ctx, int slice, int slices)
{
  batch_job *j = ctx;
  const size_t size = j->f64 ? 8 : 4;
  for (long i = cpu__first(j->batch, slice, slices); i < cpu__first(j->batch, slice + 1, slices); i++) {
    cpu_gemm g = *j->g;
    g.a = at(g.a, j->a[i], size), g.b = at(g.b, j->b[i], size), g.c = (void *)at(g.c, j->c[i], size);
    if (product(&g, j->f64)) j->failed = 1;
  }
}
static int batch_product(const cpu_gemm *g, int f64, long batch, const long *a, const long *b, const long *c)
{
  batch_job j = { .g = g, .f64 = f64, .batch = batch, .a = a, .b = b, .c = c };
  const double us = (double)batch * (double)g->m * (double)g->n * (double)g->k / (f64 ? 64e3 : 128e3);
  const int slices = batch < cpu__threads() ? 1 : cpu__slices(us, batch);    /* few large ones are cut up inside */
  if (batch > 0 && slices > 1) cpu__run(batch_slice, &j, slices);
  else if (batch > 0) batch_slice(&j, 0, 1);
  return j.failed ? yt__fail("matmul: no memory to pack operands of %ld x %ld x %ld", g->m, g->n, g->k) : 0;
}
int cpu__gemm_batch_f32(const cpu_gemm *g, long batch, const long *a_offset, const long *b_offset,
                        const long *c_offset)
{
  return batch_product(g, 0, batch, a_offset, b_offset, c_offset);
}
int cpu__gemm_batch_f64(const cpu_gemm *g, long batch, const long *a_offset, const long *b_offset,
                        const long *c_offset)
{
  return batch_product(g, 1, batch, a_offset, b_offset, c_offset);
}
