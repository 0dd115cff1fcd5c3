/* ops.c: the life of an op, the same for all: check, shape, allocate, compute, record. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core.h"

#define YUTU_VERSION "0.1.0"
const char *yt_version(void) { return YUTU_VERSION; }

/* ---- the table ---- */
int yt__shape_map(const yt_row *op, yt_tensor *out, yt_args *a);
int yt__shape_cmp(const yt_row *op, yt_tensor *out, yt_args *a);
int yt__shape_fold(const yt_row *op, yt_tensor *out, args_sum *a);
int yt__shape_seek(const yt_row *op, yt_tensor *out, args_argmax *a);
int yt__shape_scan(const yt_row *op, yt_tensor *out, args_cumsum *a);
int yt__shape_fill(const yt_row *op, yt_tensor *out, yt_args *a);
int yt__shape_step(const yt_row *op, yt_tensor *out, yt_args *a);
static int shape_MAP(const yt_row *op, yt_tensor *out, void *a)  { return yt__shape_map(op, out, a); }
static int shape_CMP(const yt_row *op, yt_tensor *out, void *a)  { return yt__shape_cmp(op, out, a); }
static int shape_FOLD(const yt_row *op, yt_tensor *out, void *a) { return yt__shape_fold(op, out, a); }
static int shape_SEEK(const yt_row *op, yt_tensor *out, void *a) { return yt__shape_seek(op, out, a); }
static int shape_SCAN(const yt_row *op, yt_tensor *out, void *a) { return yt__shape_scan(op, out, a); }
static int shape_FILL(const yt_row *op, yt_tensor *out, void *a) { return yt__shape_fill(op, out, a); }
static int shape_STEP(const yt_row *op, yt_tensor *out, void *a) { return yt__shape_step(op, out, a); }
static int lacks(const yt_backend *b, const char *op)
{
  return yt__fail("%s: the device %s has no kernel for it", op, b->name);
}
#include "ops_declare.h"
#include "ops_table.h"
const yt_op *yt_ops(void) { return op_table; }

#include "ffi_text.h"
const char *yt_ffi(void) { return ffi_text; }

/* ---- devices ---- */
const yt_backend *yt__backends[YT_DEVICES] = { [YT_CPU] = &yt__cpu };
int yt__device(const yt_tensor *t) { return t->storage ? t->storage->device : -1; }
const char *yt_device_name(int device)
{
  static const char *const names[] = { "cpu", "cuda", "test" };
  return device >= 0 && device < YT_DEVICES ? names[device] : "no device";
}
int yt_device_index(const char *name)
{
  for (int d = 0; d < YT_DEVICES; d++)
    if (name && !strcmp(name, yt_device_name(d)))
      return yt__backends[d] ? d : yt__fail("device %s: this build of yutu has no module for it", name);
  return yt__fail("no device is called %s", name ? name : "NULL");
}

int yt_device_of(const yt_tensor *t) { return t && yt__device(t) >= 0 ? yt__device(t) : YT_CPU; }

/* ---- looking for numbers that are not ---- */
int yt__debug;
int yt_set_debug(int on) { int was = yt__debug; yt__debug = on; return was; }
__attribute__((constructor)) static void read_environment(void)
{
  const char *s = getenv("YUTU_DEBUG");
  yt__debug = s && *s && strcmp(s, "0");
}
static int is_finite(yt_tensor *t)
{
  yt_scope s;
  if (!t || t->weak || t->dtype < YT_F16 || !t->numel) return 1;
  yt_scope_open(&s);
  const int ok = yt_item(yt_all(yt_isfinite(t), YT_ALL, 0)) != 0;
  yt_scope_close(&s, NULL);
  return ok;
}
static int all_finite(const yt_row *op, yt_tensor *out, const yt_args *a)
{
  yt_thread *me = yt__self();
  const int grad = me->grad, composing = me->composing;
  int ok = 1;
  me->grad = me->composing = 0, me->checking = 1;
  if (!is_finite(out)) {             /* the first that made one: its inputs were whole */
    ok = 0;
    for (int k = 0; k < op->nin; k++) if (a->in[k] && a->in[k] != out && !is_finite(a->in[k])) ok = 1;
    if (op->kind == KIND_FILL) ok = 1;
  }
  me->grad = grad, me->composing = composing, me->checking = 0;
  if (!ok)
    yt__fail("%s: made a number that is not finite, in %s from %s%s%s", op->name, yt__show(out),
      a->in[0] ? yt__show(a->in[0]) : "()",
      op->nin > 1 && a->in[1] ? " and " : "", op->nin > 1 && a->in[1] ? yt__show(a->in[1]) : "");
  return ok;
}

/* ---- the life of an op ---- */
static int check(const yt_row *op, yt_tensor **in, int *device)
{
  for (int k = 0; k < op->nin; k++) {
    yt_tensor *t = in[k];
    if (!t) return -1;            /* a failed argument: pass it on */
    if (t == yt_none()) { in[k] = NULL; continue; }
    const int d = yt__device(t);
    if (d >= 0 && *device >= 0 && d != *device)
      return yt__fail("%s: arguments on %s and %s", op->name, yt_device_name(*device), yt_device_name(d));
    if (d >= 0) *device = d;
  }
  return in[0] ? 0 : yt__fail("%s: its first tensor is missing", op->name);
}
/* An input that views memory which an op in place has since put elsewhere in the graph. */
static int up_to_date(const yt_row *op, const yt_tensor *t)
{
  if (!t || !t->node || !t->storage || t->node->rewired == t->storage->rewired) return 1;
  yt__fail("%s: %s shares memory that %s_ has changed since, so its gradient is unknown; "
    "take the view again after the change", op->name,
    yt__show(t), t->storage->writer < 0 ? "somebody" : yt__rows[t->storage->writer].name);
  return 0;
}
static int run(const yt_row *op, yt_tensor *out, const yt_args *a)
{
  if (!op->run || (!out->numel && op->kind != KIND_PUT)) return 0;
  return op->run(yt__backends[out->storage->device], out, a);
}
static yt_tensor *fresh(const yt_row *op, yt_args *a, int device)
{
  yt_tensor *out = yt__header();
  if (!out) return NULL;
  if (!op->shape(op, out, a) && (out->storage || !yt__allocate(out, device < 0 ? YT_CPU : device)) && !run(op, out, a))
    return out;
  yt__discard(out);
  return NULL;
}
/* What a rule makes of numbers alone, sub(b, K(1)) say, is a number too: exact, and without a dtype of its own. */
static void stay_a_number(yt_tensor *t) { t->number = *(double *)t->data, t->weak = 1; }

static yt_tensor *unscoped_copy(yt_tensor *x)
{
  yt_thread *me = yt__self();
  yt_scope *scope = me->scope;
  const int grad = me->grad;
  me->scope = NULL, me->grad = 0;
  yt_tensor *r = yt_cast(x, x->dtype);
  me->scope = scope, me->grad = grad;
  return r;
}
static int overlaps(const yt_tensor *t, const yt_tensor *into)       /* in another order */
{
  return t && t->storage && t->storage == into->storage &&
    (t->data != into->data || t->ndim != into->ndim
      || memcmp(t->stride, into->stride, sizeof t->stride[0] * (size_t)t->ndim));
}
static yt_tensor *overwrite(const yt_row *op, yt_tensor *into, yt_args *a)
{
  yt_tensor plan, *copy[YT_IN] = { NULL };
  int failed = 0;
  if (into->weak) return yt__fail("%s_: a number cannot be changed", op->name), NULL;
  if (op->shape(op, &plan, a)) return NULL;
  if (into->ndim != plan.ndim || memcmp(into->size, plan.size, sizeof plan.size[0] * (size_t)plan.ndim))
    return yt__fail("%s_: %s cannot hold %s", op->name, yt__show(into), yt__show(&plan)), NULL;
  if (plan.dtype >= YT_F16 && into->dtype < YT_F16 && op != yt__rows + OP_copy && op->kind != KIND_PUT)
    return yt__fail("%s_: %s cannot hold %s", op->name, yt__dtype_name(into->dtype), yt__dtype_name(plan.dtype)), NULL;
  for (int d = 0; d < into->ndim; d++)
    if (!into->stride[d] && into->size[d] > 1)
      return yt__fail("%s_: %s is expanded, its elements share memory; clone it first", op->name, yt__show(into)), NULL;
  for (int k = 1; k < op->nin && !failed; k++)
    if (overlaps(a->in[k], into)) failed = !(a->in[k] = copy[k] = unscoped_copy(a->in[k]));
  failed = failed || run(op, into, a);
  for (int k = 1; k < YT_IN; k++) yt_release(copy[k]);
  return failed ? NULL : into;
}
static int may_change(const yt_row *op, const yt_tensor *into)
{
  if (op->kind == KIND_FILL || op->kind == KIND_STEP || !into->node || into->node->op != NODE_LEAF || !into->node->want)
    return 1;
  yt__fail("%s_: a leaf that needs a gradient cannot be changed in place; do it under no_grad", op->name);
  return 0;
}
static void written(int id, yt_tensor *into)
{
  atomic_fetch_add_explicit(&into->storage->version, 1, memory_order_relaxed);
  into->storage->writer = (int16_t)id;
}
yt_tensor *yt__call(int id, yt_tensor *into, void *args)
{
  const yt_row *op = yt__rows + id;
  yt_args *a = args;
  yt_thread *me = yt__self();
  yt_tensor *out = NULL, *number[YT_IN];
  int device = -1, numbers = 0, wants = 0, ok = 1;
  for (int k = 0; k < op->nin; k++)
    if (a->in[k]) {
      if (a->in[k]->weak) number[numbers++] = a->in[k];
      if (a->in[k]->node) wants = 1;
    }
  if (!check(op, a->in, &device)) {
    const int linked = wants && me->grad;
    wants = linked && op->rule;
    if (op->stream) {
      yt_stream_args *s = args;
      s->generator = *s->source;
      s->source->offset += (uint64_t)a->in[0]->numel + 1;
    }
    if (wants) for (int k = 0; k < op->nin && ok; k++) ok = up_to_date(op, a->in[k]);
    if (ok && into) ok = !linked || may_change(op, into);
    yt_node *before = into ? into->node : NULL;
    if (ok) out = into ? overwrite(op, into, a) : fresh(op, a, device);
    if (out && out->dtype < YT_F16) wants = 0;         /* whole numbers have no gradient */
    if (out && op->kind == KIND_MAP && numbers == op->nin && me->composing) stay_a_number(out);
    if (out && yt__debug && !me->checking && !all_finite(op, out, a)) {
      if (!into) yt__discard(out);
      out = NULL;
    }
    if (out && wants && yt__record(id, out, a)) {      /* no memory for the node: no result either */
      if (!into) yt__discard(out);
      out = NULL;
    }
    if (out && into) {
      written(id, into);
      if (op->kind == KIND_STEP)
        for (int k = 2; k < op->nin; k++) if (a->in[k]->storage != into->storage) written(id, a->in[k]);
      if (op->kind == KIND_FILL && before && before->op != NODE_LEAF && me->grad) {   /* nothing of its past is left */
        yt__unref_node(before);
        into->node = NULL, into->storage->rewired++;
      } else if (wants) into->storage->rewired++, into->node->rewired = into->storage->rewired;
    }
  }
  while (numbers--) if (number[numbers]->refs == 0) number[numbers]->refs = 1, yt_release(number[numbers]);
  return out;
}
yt_tensor *yt__put_copy(int op, yt_args *a)
{
  yt_scope s;
  yt_scope_open(&s);
  a->in[0] = yt_clone(a->in[0]);
  yt_tensor *out = a->in[0] ? yt__call(op, a->in[0], a) : yt__abandon(op, a);
  if (out) return yt_scope_close(&s, out);
  yt_scope_close(&s, NULL);
  return NULL;
}
yt_tensor *yt__abandon(int op, yt_args *a)           /* nothing to write into: the numbers given die all the same */
{
  for (int k = 0; k < yt__rows[op].nin; k++)
    if (a->in[k] && a->in[k]->weak && !a->in[k]->refs) a->in[k]->refs = 1, yt_release(a->in[k]);
  return NULL;
}
yt_generator *yt__stream(yt_generator *g) { return g ? g : yt_default_generator(); }

yt_tensor *yt__alias(const yt_tensor *t)
{
  yt_tensor *r = yt__header();
  if (!r) return NULL;
  r->ndim = t->ndim, r->dense = t->dense, r->numel = t->numel;
  memcpy(r->size, t->size, sizeof r->size), memcpy(r->stride, t->stride, sizeof r->stride);
  yt__share(r, t);
  if ((r->node = t->node)) r->node->refs++;
  return r;
}

/* ---- the public functions ---- */
#include "ops_calls.h"

yt_tensor *yt_empty(int dtype, const yt_shape *shape, int device)
{
  if (!shape || dtype < 0 || dtype >= YT_DTYPES) return yt__fail("empty: no dtype %d", dtype), NULL;
  if (device < 0 || device >= YT_DEVICES || !yt__backends[device]) return yt__fail("empty: no device %d", device), NULL;
  yt_tensor *t = yt__header();
  if (!t) return NULL;
  t->dtype = (int8_t)dtype;
  if (!yt__lay_out(t, shape->ndim, shape->size) && !yt__allocate(t, device)) return t;
  yt__discard(t);
  return NULL;
}
yt_tensor *yt_zeros(int dtype, const yt_shape *shape, int device)
{
  yt_tensor *t = yt_empty(dtype, shape, device);
  if (!t || yt_fill_(t, 0)) return t;
  yt__discard(t);
  return NULL;
}
yt_tensor *yt_from(int dtype, const yt_shape *shape, const void *data)
{
  yt_tensor *t = yt_empty(dtype, shape, YT_CPU);
  if (t && t->numel) memcpy(t->data, data, (size_t)t->numel * (size_t)yt__dtype_size(dtype));
  return t;
}
double yt_item(yt_tensor *t)
{
  double v;
  if (!t) return NAN;
  if (t->numel != 1) return yt__fail("item: %s has %lld elements", yt__show(t), (long long)t->numel), NAN;
  if (t->weak) v = t->number;
  else if (t->dtype == YT_F32 && t->storage->device == YT_CPU) v = (double)*(float *)t->data;
  else if (t->dtype == YT_F64 && t->storage->device == YT_CPU) v = *(double *)t->data;
  else {
    yt_tensor *d = unscoped_copy(t), *w = NULL;
    yt_thread *me = yt__self();
    yt_scope *scope = me->scope;
    me->scope = NULL;
    w = d ? yt_cast(d, YT_F64) : NULL;
    me->scope = scope;
    v = w ? *(double *)w->data : NAN;
    yt_release(d), yt_release(w);
  }
  if (t->weak && !t->refs) t->refs = 1, yt_release(t);
  return v;
}
int yt_version_of(const yt_tensor *t) { return t && t->storage ? (int)atomic_load(&t->storage->version) : 0; }
