/* map.c: elementwise ops, reductions, searches, running results and optimizers, for every dtype, broadcast and stride.
 *
 * A row makes one contiguous loop per compute type (f32, f64, i64). Whatever is not contiguous in that type (a view, a
 * broadcast, another dtype) is read into a small buffer first, CHUNK elements at a time, and results are written back
 * the same way. So a new op costs a few tight loops and no thought. Large operands that lie across the result's order
 * are turned around in tiles before that. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "map.h"

enum { CHUNK = 512, OPERANDS = YT_IN + 1, FOLD_BLOCK = 32768 };
static const int compute_width[] = { 4, 8, 8 };
#define NS_PER_ELEMENT 1.5e-4     /* microseconds, for how many threads to use */

const cpu_map_kernels *cpu__map(void)
{
  static const cpu_map_kernels *const table[] = { &cpu__map_sse2, &cpu__map_avx2, &cpu__map_avx512 };
  return table[cpu__isa()];
}
const cpu_fold_kernels *cpu__fold(void)
{
  static const cpu_fold_kernels *const table[] = { &cpu__fold_sse2, &cpu__fold_avx2, &cpu__fold_avx512 };
  return table[cpu__isa()];
}

/* ---- the space an op runs over: operand 0 leads; dims in its memory order, merged where possible ---- */
typedef struct { int nd; long size[YT_DIMS], step[OPERANDS][YT_DIMS]; } space;

static long step_of(const yt_tensor *t, int d, int nd)         /* of dim d, aligned at the right as broadcasting does */
{
  const int i = d - nd + t->ndim;
  return i < 0 || t->size[i] == 1 ? 0 : (long)t->stride[i];
}
static void span(space *s, const yt_tensor *shape, const yt_tensor *const *t, int n)
{
  s->nd = 0;
  for (int d = 0; d < shape->ndim; d++) {
    if (shape->size[d] == 1) continue;
    int at = s->nd++;
    const long lead = step_of(t[0], d, shape->ndim);
    for (; at && s->step[0][at - 1] < lead && s->step[0][at - 1]; at--) {
      s->size[at] = s->size[at - 1];
      for (int k = 0; k < n; k++) s->step[k][at] = s->step[k][at - 1];
    }
    s->size[at] = shape->size[d];
    for (int k = 0; k < n; k++) s->step[k][at] = step_of(t[k], d, shape->ndim);
  }
  int m = 0;                      /* merge */
  for (int d = 1; d < s->nd; d++) {
    int joins = 1;
    for (int k = 0; k < n; k++) joins &= s->step[k][m] == s->step[k][d] * s->size[d];
    if (joins) s->size[m] *= s->size[d]; else s->size[++m] = s->size[d];
    for (int k = 0; k < n; k++) s->step[k][m] = s->step[k][d];
  }
  if (s->nd) s->nd = m + 1;
  else for (s->nd = 1, s->size[0] = 1, m = 0; m < n; m++) s->step[m][0] = 0;
}
static int in_a_row(const space *s, int k)                           /* operand k is contiguous in this order */
{
  long dense = 1;
  for (int d = s->nd - 1; d >= 0; dense *= s->size[d--]) if (s->step[k][d] != dense && s->size[d] != 1) return 0;
  return 1;
}
static int stands_still(const space *s, int k)
{
  for (int d = 0; d < s->nd; d++) if (s->step[k][d]) return 0;
  return 1;
}

/* A cursor walks one operand through the space, run by run of the innermost dim. */
typedef void converter(void *d, long ds, const void *s, long ss, long n);
typedef struct { char *p; const long *step; converter *f; int bytes; long at[YT_DIMS]; } cursor;
static cursor cursor_at(const space *s, int k, void *data, converter *f, int bytes, long i)
{
  cursor c = { .p = data, .step = s->step[k], .f = f, .bytes = bytes };
  for (int d = s->nd - 1; d >= 0; d--) c.at[d] = i % s->size[d], c.p += c.at[d] * c.step[d] * bytes, i /= s->size[d];
  return c;
}
static void walk(cursor *c, const space *s, void *buffer_, int bytes, int writing, long n)
{
  const int last = s->nd - 1;
  char *buffer = buffer_;
  while (n > 0) {
    long run = s->size[last] - c->at[last], step = c->step[last];
    if (run > n) run = n;
    if (writing) c->f(c->p, step, buffer, 1, run); else c->f(buffer, 1, c->p, step, run);
    buffer += run * bytes, n -= run, c->at[last] += run, c->p += run * step * c->bytes;
    for (int d = last; d > 0 && c->at[d] == s->size[d]; d--) {
      c->p += (c->step[d - 1] - s->size[d] * c->step[d]) * c->bytes;
      c->at[d] = 0, c->at[d - 1]++;
    }
  }
}

/* ---- a loop over operands of any kind ---- */
enum { STRAIGHT, CONSTANT, WALK, UNREAD };
typedef struct {
  const space *s;
  int n, c, written;              /* operands, compute type, a bit per operand that is written */
  int reads;                      /* a bit per operand that is read */
  const yt_tensor *t[OPERANDS];
  int how[OPERANDS];
  void (*body)(void *ctx, void *const *x, long n);
  void *ctx;
  const cpu_map_kernels *k;
} job;
static void run_slice(void *ctx, int slice, int slices)
{
  const job *j = ctx;
  _Alignas(64) char buffer[OPERANDS][CHUNK * 8];
  cursor in[OPERANDS], back[OPERANDS];
  void *x[OPERANDS];
  long total = 1, at, end;
  const int w = compute_width[j->c];
  for (int d = 0; d < j->s->nd; d++) total *= j->s->size[d];
  at = cpu__first((total + 15) / 16, slice, slices) * 16;
  end = cpu__first((total + 15) / 16, slice + 1, slices) * 16;
  if (end > total) end = total;
  for (int k = 0; k < j->n; k++) {
    if (j->how[k] == CONSTANT)
      j->k->load[j->c][j->t[k]->dtype](buffer[k], 1, j->t[k]->data, 0, end - at < CHUNK ? end - at : CHUNK);
    if (j->how[k] != WALK) continue;
    const int dtype = j->t[k]->dtype, bytes = yt__dtype_size(dtype);
    if (j->reads >> k & 1) in[k] = cursor_at(j->s, k, j->t[k]->data, j->k->load[j->c][dtype], bytes, at);
    if (j->written >> k & 1) back[k] = cursor_at(j->s, k, j->t[k]->data, j->k->store[j->c][dtype], bytes, at);
  }
  for (long m; at < end; at += m) {
    m = end - at < CHUNK ? end - at : CHUNK;
    for (int k = 0; k < j->n; k++) {
      x[k] = j->how[k] == STRAIGHT ? (char *)j->t[k]->data + at * w : buffer[k];
      if (j->how[k] == WALK && j->reads >> k & 1) walk(in + k, j->s, buffer[k], w, 0, m);
    }
    j->body(j->ctx, x, m);
    for (int k = 0; k < j->n; k++)
      if (j->how[k] == WALK && j->written >> k & 1) walk(back + k, j->s, buffer[k], w, 1, m);
  }
}
static void settle(job *j, int k)
{
  if (j->how[k] == UNREAD) return;
  if (j->t[k]->dtype == cpu__compute_dtype[j->c] && in_a_row(j->s, k)) j->how[k] = STRAIGHT;
  else j->how[k] = !(j->written >> k & 1) && stands_still(j->s, k) ? CONSTANT : WALK;
}

/* ---- turning a large operand around ---- */
/* x's dims 'rows' (contiguous in x) and 'columns' (contiguous in the result) differ: a matrix transposed, per outer
 * index */
static int across(const yt_tensor *x, int *fast)
{
  if (x->ndim < 2 || x->numel < 4096) return 0;
  for (int d = x->ndim - 2; d >= 0; d--)
    if (x->stride[d] == 1 && x->size[d] >= 16 && x->stride[x->ndim - 1] >= 16 && x->size[x->ndim - 1] >= 16)
      return *fast = d, 1;
  return 0;
}
typedef struct { const yt_tensor *x; char *d; int fast; long outer; const cpu_map_kernels *k; } turn_job;
static void turn_slice(void *ctx, int slice, int slices)
{
  const turn_job *j = ctx;
  const yt_tensor *x = j->x;
  const int last = x->ndim - 1, bytes = yt__dtype_size(x->dtype);
  long dense[YT_DIMS], n = 1;
  for (int d = last; d >= 0; d--) dense[d] = n, n *= x->size[d];
  const long columns = x->size[last], from = cpu__first((columns + 15) / 16, slice, slices) * 16;
  long to = cpu__first((columns + 15) / 16, slice + 1, slices) * 16;
  if (to > columns) to = columns;
  for (long o = 0; o < j->outer; o++) {
    long rest = o, s = 0, d = 0;
    for (int k = last - 1; k >= 0; k--) {
      if (k == j->fast) continue;
      s += rest % x->size[k] * x->stride[k], d += rest % x->size[k] * dense[k], rest /= x->size[k];
    }
    j->k->transpose(bytes, j->d + (d + from) * bytes, dense[j->fast],
      (char *)x->data + (s + from * x->stride[last]) * bytes, x->stride[last],
      x->size[j->fast], to - from);
  }
}
static void turn(const yt_tensor *x, int fast, void *to)             /* x, row-major, into to */
{
  turn_job j = { x, to, fast, x->numel / (x->size[fast] * x->size[x->ndim - 1]), cpu__map() };
  cpu__run(turn_slice, &j, cpu__slices((double)x->numel * 5e-4, (x->size[x->ndim - 1] + 15) / 16));
}
static void lay_dense(yt_tensor *t)
{
  long n = 1;
  for (int d = t->ndim - 1; d >= 0; d--) t->stride[d] = n, n *= t->size[d];
  t->dense = 1;
}

/* ---- elementwise ---- */
typedef struct { cpu_map_loop *f; int id[OPERANDS], n; } map_ctx;
static void map_body(void *ctx_, void *const *x, long n)
{
  const map_ctx *ctx = ctx_;
  const void *in[5];
  for (int k = 0; k < 5; k++) in[k] = x[0];           /* never read */
  for (int k = 1; k < ctx->n; k++) in[ctx->id[k]] = x[k];
  ctx->f(x[0], in, n);
}
typedef struct { cpu_map_loop *f; void *y; const void *x[5]; long n; int width; } direct_job;
static void direct_slice(void *ctx, int slice, int slices)
{
  const direct_job *j = ctx;
  const long at = cpu__first((j->n + 15) / 16, slice, slices) * 16;
  long end = cpu__first((j->n + 15) / 16, slice + 1, slices) * 16;
  const void *x[5];
  if (end > j->n) end = j->n;
  for (int k = 0; k < 5; k++) x[k] = (const char *)j->x[k] + at * j->width;
  if (at < end) j->f((char *)j->y + at * j->width, x, end - at);
}
static int compute_dtype_of(const yt_tensor *out, yt_tensor *const *in, int nin)
{
  int dtype = -1;
  for (int k = 0; k < nin; k++)
    if (in[k] && !in[k]->weak) dtype = dtype < 0 ? in[k]->dtype : yt__promote(dtype, in[k]->dtype);
  if (out->dtype > dtype) dtype = out->dtype;         /* a fraction or a real function lifted it */
  if (dtype < YT_F16)
    for (int k = 0; k < nin; k++) if (in[k] && in[k]->weak && in[k]->number != floor(in[k]->number)) return YT_F64;
  return dtype;
}
static int map(yt_tensor *out, yt_tensor *const *in, int nin, unsigned reads, cpu_map_loop *const *loops)
{
  const int c = cpu__compute(compute_dtype_of(out, in, nin)), wanted = cpu__compute_dtype[c];
  int direct = out->dense && out->dtype == wanted;
  for (int k = 0; k < nin && direct; k++)
    if (in[k] && reads >> k & 1) direct = in[k]->dense && in[k]->numel == out->numel && in[k]->dtype == wanted;
  if (direct) {
    direct_job j = { loops[c], out->data, { NULL }, out->numel, compute_width[c] };
    for (int k = 0; k < 5; k++) j.x[k] = k < nin && in[k] && reads >> k & 1 ? in[k]->data : out->data;
    const double us = (double)out->numel * NS_PER_ELEMENT;
    if (us < 1) j.f(j.y, j.x, j.n);
    else cpu__run(direct_slice, &j, cpu__slices(us, (j.n + 15) / 16));
    return 0;
  }
  space s;
  yt_tensor turned[OPERANDS];
  map_ctx ctx = { .f = loops[c], .n = 1 };
  job j = { .s = &s, .c = c, .written = 1, .body = map_body, .ctx = &ctx, .k = cpu__map() };
  j.t[0] = out;
  for (int k = 0, fast; k < nin; k++)
    if (in[k] && reads >> k & 1) {
      const int n = ctx.n++;
      ctx.id[n] = k, j.t[n] = in[k], j.reads |= 1 << n;
      if (out->dense && in[k]->numel == out->numel && across(in[k], &fast)) {
        turned[n] = *in[k];
        turned[n].data = cpu__scratch(CPU_SLOTS + n, (size_t)in[k]->numel * (size_t)yt__dtype_size(in[k]->dtype));
        if (!turned[n].data) return -1;
        turn(in[k], fast, turned[n].data);
        lay_dense(turned + n);
        j.t[n] = turned + n;
      }
    }
  j.n = ctx.n;
  span(&s, out, j.t, j.n);
  for (int k = 0; k < j.n; k++) settle(&j, k);
  cpu__run(run_slice, &j, cpu__slices((double)out->numel * 3 * NS_PER_ELEMENT, (out->numel + 15) / 16));
  return 0;
}

static void identity_f32(void *y, const void *const *x, long n) { if (y != x[0]) memcpy(y, x[0], (size_t)n * 4); }
static void identity_64(void *y, const void *const *x, long n)  { if (y != x[0]) memcpy(y, x[0], (size_t)n * 8); }
static cpu_map_loop *const identity[] = { identity_f32, identity_64, identity_64 };
int cpu__copy(yt_tensor *out, const yt_tensor *x)
{
  yt_tensor *in[] = { (yt_tensor *)x };
  int fast;
  if (!out->numel) return 0;
  if (out->dtype == x->dtype && !x->weak && out->numel == x->numel && out->dense && out->ndim == x->ndim) {
    if (across(x, &fast)) return turn(x, fast, out->data), 0;
    if (x->dense && (out->dtype == YT_F16 || out->dtype == YT_BF16 || yt__dtype_size(out->dtype) == 1))
      return memmove(out->data, x->data, (size_t)x->numel * (size_t)yt__dtype_size(x->dtype)), 0;
  }
  return map(out, in, 1, 1, identity);
}
int cpu_cast(yt_tensor *out, const args_cast *p) { return cpu__copy(out, p->x); }

/* ---- reductions ---- */
typedef struct { const cpu_fold_loops *f; char *r; const char *v; long n, block; int width; } blocks_job;
static void blocks_slice(void *ctx, int slice, int slices)
{
  const blocks_job *j = ctx;
  const long blocks = (j->n + j->block - 1) / j->block, end = cpu__first(blocks, slice + 1, slices);
  for (long b = cpu__first(blocks, slice, slices); b < end; b++) {
    const long at = b * j->block;
    j->f->run(j->r + b * 8, 0, j->v + at * j->width, j->n - at < j->block ? j->n - at : j->block);
  }
}
typedef struct {
  const space *s;
  const cpu_fold_loops *f;
  char *r;
  const yt_tensor *x;
  int c;
  const cpu_map_kernels *k;
} fold_job;
static void fold_range(const fold_job *j, long from, long to)        /* of the outermost dim */
{
  const space *s = j->s;
  const int last = s->nd - 1, w = yt__dtype_size(j->x->dtype);
  long at[YT_DIMS] = { from }, o = from * s->step[1][0];
  const char *p = (const char *)j->x->data + from * s->step[0][0] * w;
  if (from >= to) return;
  for (int d = 0; d >= 0;) {
    const long start = last ? 0 : from, n = (last ? s->size[last] : to) - start;
    const long step = s->step[0][last], rs = s->step[1][last];
    _Alignas(64) char buffer[CHUNK * 8];
    if (step == 1 && j->x->dtype == cpu__compute_dtype[j->c]) j->f->run(j->r + o * 8, rs, p, n);
    else for (long i = 0; i < n; i += CHUNK) {
      const long m = n - i < CHUNK ? n - i : CHUNK;
      j->k->load[j->c][j->x->dtype](buffer, 1, p + i * step * w, step, m);
      j->f->run(j->r + (o + i * rs) * 8, rs, buffer, m);
    }
    for (d = last - 1; d >= 0; d--) {
      p += s->step[0][d] * w, o += s->step[1][d];
      if (++at[d] < (d ? s->size[d] : to)) break;
      if (d) p -= s->size[d] * s->step[0][d] * w, o -= s->size[d] * s->step[1][d], at[d] = 0;
    }
  }
}
static void fold_slice(void *ctx, int slice, int slices)
{
  const fold_job *j = ctx;
  fold_range(j, cpu__first(j->s->size[0], slice, slices), cpu__first(j->s->size[0], slice + 1, slices));
}
/* kept: a tensor over the dense result with x's dims, size 1 where they are reduced */
static int fold(yt_tensor *out, const yt_tensor *x, const yt_tensor *kept, int op)
{
  const cpu_map_kernels *k = cpu__map();
  const int c = cpu__compute(x->dtype), wide = c == CPU_I64 ? CPU_I64 : CPU_F64;
  const int straight = out->dense && out->dtype == cpu__compute_dtype[wide];
  const cpu_fold_loops *f = &cpu__fold()->fold[op][c];
  const double us = (double)x->numel * NS_PER_ELEMENT;
  char *r = straight ? out->data : cpu__scratch(CPU_SLOTS, (size_t)out->numel * 8);
  const yt_tensor *t[] = { x, kept };
  space s;
  if (!r) return -1;
  f->start(r, out->numel);
  if (x->numel) {
    span(&s, x, t, 2);
    fold_job j = { &s, f, r, x, c, k };
    const long blocks = (x->numel + FOLD_BLOCK - 1) / FOLD_BLOCK;
    if (out->numel == 1 && blocks > 1 && in_a_row(&s, 0)
        && x->dtype == cpu__compute_dtype[c]) {         /* fixed blocks, then their results */
      char *part = cpu__scratch(CPU_SLOTS + 1, (size_t)blocks * 8);
      blocks_job b = { f, part, x->data, x->numel, FOLD_BLOCK, compute_width[c] };
      if (!part) return -1;
      f->start(part, blocks);
      cpu__run(blocks_slice, &b, cpu__slices(us, blocks));
      cpu__fold()->fold[op == OP_sumsq ? OP_sum : op][wide].run(r, 0, part, blocks);
    } else if (s.nd > 1 && s.step[1][0] && us > 2) cpu__run(fold_slice, &j, cpu__slices(us, s.size[0]));
    else fold_range(&j, 0, s.size[0]);
  }
  if (!straight) {
    yt_tensor result = *out;
    result.data = r, result.dtype = (int8_t)cpu__compute_dtype[wide];
    lay_dense(&result);
    if (out->dense) k->store[wide][out->dtype](out->data, 1, r, 1, out->numel);
    else return cpu__copy(out, &result);
  }
  return 0;
}
static yt_tensor kept_dims(const yt_tensor *x, int dims)
{
  yt_tensor k = { .ndim = x->ndim };
  for (int d = 0; d < x->ndim; d++) k.size[d] = (dims - YT_DIM_SET) >> d & 1 ? 1 : x->size[d];
  lay_dense(&k);
  return k;
}
int cpu_sum_to(yt_tensor *out, const args_sum_to *p)
{
  yt_tensor kept = { .ndim = out->ndim };
  memcpy(kept.size, out->size, sizeof kept.size);
  lay_dense(&kept);
  return fold(out, p->x, &kept, OP_sum);
}

/* ---- searches and running results ---- */
typedef struct {
  const char *from;
  char *to;
  long n, inner;
  int width;
  cpu_seek_loop *seek;
  cpu_scan_loop *scan;
  long outer;
} rows_job;
static void rows_slice(void *ctx, int slice, int slices)
{
  const rows_job *j = ctx;
  const long end = cpu__first(j->outer, slice + 1, slices), size = j->n * j->inner * j->width;
  for (long o = cpu__first(j->outer, slice, slices); o < end; o++)
    if (j->seek) j->seek(j->from + o * size, j->n, j->inner, (int64_t *)j->to + o * j->inner);
    else j->scan(j->to + o * size, j->from + o * size, j->n, j->inner);
}
static int seek(yt_tensor *out, const yt_tensor *x, int dim, int base, cpu_seek_loop *const *f)
{
  const int c = cpu__compute(x->dtype);
  rows_job j = {
    .from = cpu__read(x, cpu__compute_dtype[c], CPU_SLOTS), .width = compute_width[c], .seek = f[c],
    .outer = 1, .n = x->numel, .inner = 1,
  };
  int64_t *to = cpu__target(out, YT_I64, CPU_SLOTS + 1);
  if (!j.from || !to) return -1;
  if (dim != YT_ALL) cpu__around(x, dim, &j.outer, &j.n, &j.inner);
  j.to = (char *)to;
  cpu__run(rows_slice, &j, cpu__slices((double)x->numel * NS_PER_ELEMENT, j.outer));
  for (long o = 0; base && o < out->numel; o++) to[o] += base;
  cpu__write(out, YT_I64, to);
  return 0;
}
static int scan(yt_tensor *out, const yt_tensor *x, int dim, int op)
{
  const int c = cpu__compute(out->dtype), dtype = cpu__compute_dtype[c];
  rows_job j = {
    .from = cpu__read(x, dtype, CPU_SLOTS), .to = cpu__target(out, dtype, CPU_SLOTS + 1),
    .width = compute_width[c], .scan = cpu__fold()->scan[op][c],
  };
  if (!j.from || !j.to) return -1;
  cpu__around(out, dim, &j.outer, &j.n, &j.inner);
  cpu__run(rows_slice, &j, cpu__slices((double)x->numel * 1e-3, j.outer));
  cpu__write(out, dtype, j.to);
  return 0;
}

/* ---- optimizers ---- */
typedef struct { cpu_step_loop *f; const double *c; } step_ctx;
static void step_body(void *ctx_, void *const *x, long n) { const step_ctx *ctx = ctx_; ctx->f(x, ctx->c, n); }
static int step(yt_tensor *p, yt_tensor *const *in, int nin, const double *numbers, int op)
{
  space s;
  step_ctx ctx = { cpu__map()->step[op][p->dtype == YT_F64], numbers };
  job j = { .s = &s, .n = nin, .c = cpu__compute(p->dtype), .reads = (1 << nin) - 1, .written = ((1 << nin) - 1) & ~2,
    .body = step_body, .ctx = &ctx, .k = cpu__map() };
  for (int k = 0; k < nin; k++) j.t[k] = in[k];
  j.t[0] = p;
  span(&s, p, j.t, nin);
  int straight = 1;
  for (int k = 0; k < nin; k++) settle(&j, k), straight &= j.how[k] == STRAIGHT;
  if (straight && p->numel < 4096) {
    void *x[OPERANDS];
    for (int k = 0; k < nin; k++) x[k] = j.t[k]->data;
    ctx.f(x, numbers, p->numel);
  } else cpu__run(run_slice, &j, cpu__slices((double)p->numel * 3 * NS_PER_ELEMENT, (p->numel + 15) / 16));
  return 0;
}

/* ---- the kernels ---- */
#define ENTRY_MAP(name, nin, reads) \
  int cpu_##name(yt_tensor *out, const args_##name *p) \
  { \
    return map(out, p->in, nin, reads, cpu__map()->map[OP_##name]); \
  }
#define ENTRY_FOLD(name) \
  int cpu_##name(yt_tensor *out, const args_##name *p) \
  { \
    yt_tensor kept = kept_dims(p->x, p->dim); \
    return fold(out, p->x, &kept, OP_##name); \
  }
#define ENTRY_SEEK(name) \
  int cpu_##name(yt_tensor *out, const args_##name *p) \
  { \
    return seek(out, p->x, p->dim, p->base, cpu__fold()->seek[OP_##name]); \
  }
#define ENTRY_SCAN(name) \
  int cpu_##name(yt_tensor *out, const args_##name *p) { return scan(out, p->x, p->dim, OP_##name); }
#define ENTRY_STEP(name, nin, ...) \
  int cpu_##name(yt_tensor *out, const args_##name *p) \
  { \
    return step(out, p->in, nin, (const double[]){ __VA_ARGS__ }, OP_##name); \
  }
#include "map_entries.h"

/* ---- help for the kernels that want dense operands ---- */
static _Thread_local struct block { void *p; size_t n; } *blocks;
static pthread_key_t blocks_key;  /* frees them when their thread ends */
static void free_blocks(void *all)
{
  for (int slot = 0; slot < CPU_SLOTS + OPERANDS; slot++) free(((struct block *)all)[slot].p);
  free(all);
  blocks = NULL;
}
static void make_key(void) { pthread_key_create(&blocks_key, free_blocks); }
void *cpu__scratch(int slot, size_t bytes)
{
  struct block *s = blocks;
  if (!s) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!(s = blocks = calloc(CPU_SLOTS + OPERANDS, sizeof *s))) return yt__fail("out of memory: scratch blocks"), NULL;
    pthread_once(&once, make_key);
    pthread_setspecific(blocks_key, s);
  }
  if (s[slot].n < bytes || !s[slot].p) {
    free(s[slot].p);
    s[slot].n = (bytes + bytes / 4 + 127) & ~(size_t)63;
    if (!(s[slot].p = yt__cpu.alloc(s[slot].n))) s[slot].n = 0, yt__fail("out of memory: %zu bytes of scratch", bytes);
  }
  return s[slot].p;
}
const void *cpu__read(const yt_tensor *t, int dtype, int slot)
{
  if (t->dense && t->dtype == dtype) return t->data;
  yt_tensor copy = *t;
  copy.dtype = (int8_t)dtype, copy.weak = 0;
  lay_dense(&copy);
  copy.data = cpu__scratch(slot, (size_t)t->numel * (size_t)yt__dtype_size(dtype));
  return copy.data && !cpu__copy(&copy, t) ? copy.data : NULL;
}
void *cpu__target(yt_tensor *out, int dtype, int slot)
{
  return out->dense && out->dtype == dtype ? out->data
    : cpu__scratch(slot, (size_t)out->numel * (size_t)yt__dtype_size(dtype));
}
void cpu__write(yt_tensor *out, int dtype, const void *from)
{
  if (from == out->data) return;
  yt_tensor result = *out;
  result.data = (void *)from, result.dtype = (int8_t)dtype;
  lay_dense(&result);
  cpu__copy(out, &result);
}

/* ---- the backend ---- */
static void *allocate(size_t bytes) { return aligned_alloc(64, (bytes + 63) & ~(size_t)63); }
const yt_backend yt__cpu = { .name = "cpu", .alloc = allocate, .free = free,
#define KERNEL(name) .name = cpu_##name,
  YT_KERNELS(KERNEL)
#undef KERNEL
};
const char *yt_isa(void) { return (const char *[]){ "sse2", "avx2", "avx512" }[cpu__isa()]; }
int yt_threads(void) { return cpu__threads(); }
int yt_set_threads(int n) { return cpu__set_threads(n); }
int yt_serial(int on) { return cpu__serial(on); }
