/* autograd.c: the tape, and walking it backwards.
 *
 * A pass visits nodes in order of decreasing seq, so each has heard from all its users. Rules are made of ops: with
 * recording on, what they compute can be differentiated again. C calls nobody back: at a node that the caller made, or
 * at a hook, the pass stops and the caller goes on with it. */
#include <stdlib.h>
#include <string.h>
#include "core.h"

struct yt_pass {
  yt_node **heap;                 /* those with a gradient, latest on top */
  int n, cap;
  yt_node *at;                    /* where it stopped */
  int hooked;                     /* the hook of at has been heard */
  int failed, composing, retain, done;
  int nx, room;                   /* for how many x there is memory */
  yt_node **x;                    /* what the caller asks for; NULL: every leaf */
  yt_tensor **dx;
};

int yt__composing(void) { return yt__self()->composing; }

/* ---- recording ---- */
int yt__record(int id, yt_tensor *out, const yt_args *a)
{
  const yt_row *op = yt__rows + id;
  yt_node *n = yt__node(id, out);
  unsigned keep = 0;
  if (!n) return -1;
  memcpy(n->args.bytes + sizeof *a, (const char *)a + sizeof *a, op->args_size - sizeof *a);
  for (int k = 0; k < op->nin; k++)
    if (a->in[k] && a->in[k]->node && !(op->keep[k] & NOWHERE)) {
      n->edge[k] = a->in[k]->node, n->edge[k]->refs++;
      keep |= op->keep[k];
    }
  for (int k = 0; k < op->nin; k++)
    if (keep >> k & 1 && a->in[k]) {
      yt_tensor *t = a->in[k];
      n->version[k] = t->storage ? atomic_load_explicit(&t->storage->version, memory_order_relaxed) : 0;
      if (t == out) {             /* in place: the past of out, which is gone; kept without a cycle, to be refused */
        yt_thread *me = yt__self();
        yt_scope *scope = me->scope;
        me->scope = NULL;
        yt_tensor *was = yt__alias(t);
        me->scope = scope;
        if (!was) { yt__unref_node(n); return -1; }
        if (was->node) yt__unref_node(was->node), was->node = NULL;
        n->args.in.in[k] = was;
      } else n->args.in.in[k] = yt_retain(t);
    }
  if (keep & KEEP_Y) {
    n->y = out->storage, atomic_fetch_add_explicit(&n->y->refs, 1, memory_order_relaxed);
    n->y_data = out->data;
    memcpy(n->y_stride, out->stride, sizeof n->y_stride[0] * (size_t)out->ndim);
    n->version[YT_IN] = atomic_load_explicit(&n->y->version, memory_order_relaxed)
      + (a->in[0] == out);        /* this write is about to count */
  }
  if (out->node) yt__unref_node(out->node);
  out->node = n;
  return 0;
}

/* ---- the heap of a pass ---- */
static void push(yt_pass *p, yt_node *n)
{
  if (n->queued) return;
  if (p->n == p->cap) {
    yt_node **h = yt__malloc(sizeof *h * (size_t)(p->cap * 2 + 64));
    if (!h) { p->failed = 1; return; }
    if (p->n) memcpy(h, p->heap, sizeof *h * (size_t)p->n);
    free(p->heap);
    p->heap = h, p->cap = p->cap * 2 + 64;
  }
  int i = p->n++;
  for (; i && p->heap[(i - 1) / 2]->seq < n->seq; i = (i - 1) / 2) p->heap[i] = p->heap[(i - 1) / 2];
  p->heap[i] = n, n->queued = 1, n->refs++;
}
static yt_node *pop(yt_pass *p)
{
  if (!p->n) return NULL;
  yt_node *top = p->heap[0], *last = p->heap[--p->n];
  int i = 0;
  for (int c; (c = 2 * i + 1) < p->n; i = c) {
    if (c + 1 < p->n && p->heap[c + 1]->seq > p->heap[c]->seq) c++;
    if (p->heap[c]->seq < last->seq) break;
    p->heap[i] = p->heap[c];
  }
  p->heap[i] = last, top->queued = 0;
  return top;
}

/* ---- gradients arrive ---- */
static int alone(const yt_tensor *t)  /* nobody else sees its memory, and no two elements share it */
{
  if (t->refs != 1 || !t->storage || t->node
      || atomic_load_explicit(&t->storage->refs, memory_order_relaxed) != 1 || t->storage->cls < 0) return 0;
  for (int d = 0; d < t->ndim; d++) if (!t->stride[d] && t->size[d] > 1) return 0;
  return 1;
}
static int expands_to(const yt_tensor *d, const yt_shape *s)
{
  const int lead = s->ndim - d->ndim;
  for (int i = 0; lead >= 0 && i < d->ndim; i++) if (d->size[i] != 1 && d->size[i] != s->size[lead + i]) return 0;
  return lead >= 0;
}
static int sums_to(const yt_tensor *d, const yt_shape *s)         /* broadcasting could have made d's shape of s */
{
  const int lead = d->ndim - s->ndim;
  for (int i = 0; lead >= 0 && i < s->ndim; i++) if (s->size[i] != 1 && s->size[i] != d->size[lead + i]) return 0;
  return lead >= 0;
}
static yt_tensor *shaped_like(yt_tensor *d, const yt_node *to)    /* undoes broadcasting and promotion, for every op */
{
  if (d && !yt__same_shape(d, &to->shape))
    d = expands_to(d, &to->shape) ? yt_expand(d, &to->shape) : yt_sum_to(d, &to->shape);
  if (d && d->dtype != to->dtype) d = yt_cast(d, to->dtype);
  return d;
}
static void add_to(yt_pass *p, yt_node *to, yt_tensor *d)
{
  if (!to->sum) to->sum = yt_retain(d);
  else if (!p->composing && alone(to->sum)) { if (!yt_add_(to->sum, d)) p->failed = 1; }
  else {
    yt_tensor *old = to->sum;
    if (!(to->sum = yt_retain(yt_add(old, d)))) p->failed = 1;
    yt_release(old);
  }
  push(p, to);
}
void yt__give(yt_node *n, int k, yt_tensor *d)
{
  yt_pass *p = yt__self()->pass;
  if (!(d = shaped_like(d, n->edge[k]))) { p->failed = 1; return; }
  add_to(p, n->edge[k], d);
}

/* ---- visiting ---- */
static int current(const char *op, const yt_node *n, int k, const yt_storage *s)
{
  if (!s || atomic_load_explicit(&s->version, memory_order_relaxed) == n->version[k]) return 1;
  char which[24] = "its result";
  if (k != YT_IN) {
    const yt_op *row = yt_ops() + 0;
    while (row->name && strcmp(row->name, op)) row++;
    strncpy(which, row->name ? row->params[k].name : "a tensor", sizeof which - 1);
  }
  yt__fail("backward: %s saved %s, but %s_ has changed it since", op, which,
    s->writer < 0 ? "somebody" : yt__rows[s->writer].name);
  return 0;
}
static int saved_is_current(const yt_row *op, const yt_node *n)
{
  if (n->spent)
    return yt__fail("backward: %s was differentiated before and what it saved is gone; retain_graph keeps it",
      op->name), 0;
  for (int k = 0; k < op->nin; k++)
    if (n->args.in.in[k] && !current(op->name, n, k, n->args.in.in[k]->storage)) return 0;
  return !n->y || current(op->name, n, YT_IN, n->y);
}
static yt_tensor *result_of(yt_node *n, int composing)              /* y again, as long as the rule runs */
{
  yt_tensor *y = yt__header();
  if (!y) return NULL;
  y->ndim = n->shape.ndim & 15;
  memcpy(y->size, n->shape.size, sizeof y->size), memcpy(y->stride, n->y_stride, sizeof y->stride);
  y->dtype = n->dtype, y->storage = n->y, y->data = n->y_data;
  atomic_fetch_add_explicit(&n->y->refs, 1, memory_order_relaxed);
  yt__find_dense(y);
  if (composing) y->node = n, n->refs++;
  return y;
}
static void forget(yt_node *n)    /* what was saved */
{
  n->spent = 1;
  for (int k = 0; k < YT_IN; k++) {
    yt_release(n->args.in.in[k]), n->args.in.in[k] = NULL;
    if (n->edge_[k]) yt__unref_node(n->edge_[k]), n->edge_[k] = NULL;
  }
  if (n->y) yt__unref_storage(n->y), n->y = NULL;
}
static void visit(yt_pass *p, yt_node *n)
{
  const yt_row *op = yt__rows + n->op;
  yt_tensor *g = n->sum, *y = NULL;
  yt_scope s;
  n->sum = NULL;
  if (!saved_is_current(op, n)) p->failed = 1;
  else {
    yt_scope_open(&s);
    if (n->y && !(y = result_of(n, p->composing))) p->failed = 1;
    else op->rule(n, &n->args, y, g);
    yt_scope_close(&s, NULL);
  }
  yt_release(g);
  if (!p->retain && !p->failed) forget(n);
}
static void accumulate(yt_pass *p, yt_node *leaf)
{
  yt_tensor *d = leaf->sum;
  leaf->sum = NULL;
  if (!leaf->want) { yt_release(d); return; }
  if (!leaf->grad) {
    if (alone(d) || p->composing) leaf->grad = d;
    else {
      if (!(leaf->grad = yt_cast(d, d->dtype))) p->failed = 1;
      yt_release(d);
    }
  } else if (!p->composing && !leaf->grad->node) {
    if (!yt_add_(leaf->grad, d)) p->failed = 1;
    yt_release(d);
  } else {
    yt_tensor *sum = yt_add(leaf->grad, d);
    if (!sum) p->failed = 1;
    else yt_release(leaf->grad), leaf->grad = sum;
    yt_release(d);
  }
}

/* ---- a pass ---- */
static yt_pass *pass_for(int n)   /* a steady loop takes the same one each time */
{
  yt_thread *me = yt__self();
  yt_pass *p = me->idle;
  me->idle = NULL;
  if (!p || p->room < n) {
    if (p) free(p->heap), free(p);
    if (!(p = yt__malloc(sizeof *p + (sizeof *p->x + sizeof *p->dx) * (size_t)n))) return NULL;
    *p = (yt_pass){ .room = n };
  }
  *p = (yt_pass){ .heap = p->heap, .cap = p->cap, .room = p->room, .nx = n };
  p->x = (yt_node **)(p + 1), p->dx = (yt_tensor **)(p->x + n);
  return p;
}
yt_pass *yt_pass_new(yt_tensor *y, yt_tensor *gradient, yt_tensor **x, int n, int flags)
{
  if (!y || !gradient) return NULL;
  if (gradient == yt_none()) gradient = NULL;
  if (!y->node) return yt__fail("backward: nothing that made this tensor needs a gradient"), NULL;
  if (!gradient && y->numel != 1)
    return yt__fail("backward: from %s a gradient of that shape must be given; only one number has none",
      yt__show(y)), NULL;
  if (gradient && !gradient->weak && !yt__same_shape(gradient, &y->node->shape))
    return yt__fail("backward: gradient %s for %s", yt__show(gradient), yt__show(y)), NULL;
  for (int i = 0; i < n; i++)
    if (!x[i] || !x[i]->node) return yt__fail("grad: argument %d needs no gradient", i + 1), NULL;
  yt_pass *p = pass_for(n);
  if (!p) return NULL;
  p->composing = !!(flags & YT_CREATE_GRAPH), p->retain = flags & (YT_RETAIN_GRAPH | YT_CREATE_GRAPH);
  for (int i = 0; i < n; i++) p->x[i] = x[i]->node, p->x[i]->refs++, p->dx[i] = NULL;

  yt_thread *me = yt__self();
  yt_scope *scope = me->scope;
  const int grad = me->grad;
  me->scope = NULL, me->grad = p->composing;
  yt_tensor *one = yt_empty(y->dtype, &y->node->shape, y->storage ? y->storage->device : YT_CPU), *start = one;
  if (one && !yt_fill_(one, 1)) yt_release(one), start = one = NULL;
  if (one && gradient) start = yt_mul(one, gradient), yt_release(one);
  me->scope = scope, me->grad = grad;
  if (start) {
    if (y->node->sum) yt_release(y->node->sum);
    y->node->sum = start;
    push(p, y->node);
  } else p->failed = 1;
  if (p->failed) { yt_pass_free(p); return NULL; }
  return p;
}
static int asked(yt_pass *p, yt_node *n)             /* hands out what the caller asked for */
{
  yt_thread *me = yt__self();
  yt_scope *scope = me->scope;
  me->scope = NULL;
  for (int i = 0; i < p->nx; i++)
    if (n == p->x[i] && !p->dx[i] && !(p->dx[i] = yt__alias(n->sum))) p->failed = 1;
  me->scope = scope;
  return p->failed;
}
static int stops(yt_pass *p, yt_node *n)             /* the caller's turn? */
{
  if (n->hook && !p->hooked) return p->hooked = 1;
  p->hooked = 0;
  if (asked(p, n)) return 0;
  if (n->op == NODE_CUSTOM) return 1;
  if (n->op >= 0) visit(p, n);
  else if (p->nx) yt_release(n->sum), n->sum = NULL;
  else accumulate(p, n);
  return 0;
}
int yt_pass_run(yt_pass *p)
{
  if (!p) return -1;
  yt_thread *me = yt__self();
  const int grad = me->grad, composing = me->composing;
  yt_scope *scope = me->scope;
  yt_pass *outer = me->pass;
  int stopped = 0;
  me->pass = p, me->grad = me->composing = p->composing, me->scope = NULL;
  yt_node *n = p->at;
  p->at = NULL;
  if (n && !p->hooked) {          /* back from a custom op: its inputs have been given theirs */
    yt_release(n->sum), n->sum = NULL;
    yt__unref_node(n), n = NULL;
  }
  for (; !p->failed && (n || (n = pop(p))); n = NULL) {
    if (stops(p, n)) { p->at = n, stopped = 1; break; }
    yt__unref_node(n);
  }
  if (!stopped) p->done = 1;
  me->pass = outer, me->grad = grad, me->composing = composing, me->scope = scope;
  return p->failed ? -1 : stopped;
}
int64_t yt_pass_tag(const yt_pass *p) { return !p || !p->at ? 0 : p->hooked ? -p->at->hook : p->at->tag; }
yt_tensor *yt_pass_grad(yt_pass *p) { return p && p->at && p->at->sum ? yt__alias(p->at->sum) : NULL; }
int yt_pass_give(yt_pass *p, int k, yt_tensor *d)
{
  if (!p || !p->at || !d) return -1;
  yt_node *n = p->at;
  if (k < 0 || (!p->hooked && k >= n->nedges)) return yt__fail("backward: no input %d", k + 1);
  yt_node *to = p->hooked ? n : n->edge[k];
  if (!to) return 0;
  yt_thread *me = yt__self();
  const int grad = me->grad;
  yt_pass *outer = me->pass;
  yt_scope s;
  me->grad = p->composing, me->pass = p;
  yt_scope_open(&s);
  if (!d->weak && !expands_to(d, &to->shape) && !sums_to(d, &to->shape)) {
    yt_tensor needed = { .ndim = (int8_t)to->shape.ndim };
    memcpy(needed.size, to->shape.size, sizeof needed.size);
    yt__fail("backward: gradient %s for input %d, which is %s", yt__show(d), k + 1, yt__show(&needed)), p->failed = 1;
  }
  yt_tensor *e = p->failed ? NULL
    : d->weak ? yt_mul(yt_fill_(yt_empty(to->dtype, &to->shape, YT_CPU), 1), d) : shaped_like(d, to);
  if (!e) p->failed = 1;
  else if (p->hooked) yt_retain(e), yt_release(n->sum), n->sum = e;
  else add_to(p, to, e);
  yt_scope_close(&s, NULL);
  me->grad = grad, me->pass = outer;
  return p->failed ? -1 : 0;
}
yt_tensor *yt_pass_result(yt_pass *p, int i)
{
  if (!p || i < 0 || i >= p->nx || !p->dx[i]) return NULL;
  yt_tensor *d = p->dx[i];        /* made outside scopes; handed over, so that nothing can fail here */
  yt_scope *s = yt__self()->scope;
  p->dx[i] = NULL;
  if (s) d->next = s->born, s->born = d;
  return d;
}
void yt_pass_free(yt_pass *p)
{
  if (!p) return;
  if (p->at) yt_release(p->at->sum), p->at->sum = NULL, yt__unref_node(p->at);
  for (yt_node *n; (n = pop(p)); yt__unref_node(n)) yt_release(n->sum), n->sum = NULL;
  for (int i = 0; i < p->nx; i++) yt__unref_node(p->x[i]), yt_release(p->dx[i]);
  yt_thread *me = yt__self();
  if (me->idle) free(p->heap), free(p); else me->idle = p;
}
static int unattended(yt_pass *p)
{
  int r = yt_pass_run(p);
  if (r == 1) r = yt__fail("backward: the graph has an op or a hook of the caller's; use yt_pass_run");
  return r;
}
int yt_backward(yt_tensor *y)
{
  yt_pass *p = yt_pass_new(y, yt_none(), NULL, 0, 0);
  const int r = p ? unattended(p) : -1;
  yt_pass_free(p);
  return r;
}
int yt_grad(yt_tensor *y, yt_tensor **x, int n, int create_graph, yt_tensor **dx)
{
  for (int i = 0; i < n; i++) dx[i] = NULL;
  yt_pass *p = yt_pass_new(y, yt_none(), x, n, create_graph ? YT_CREATE_GRAPH : 0);
  const int r = p ? unattended(p) : -1;
  for (int i = 0; i < n && !r; i++) dx[i] = yt_pass_result(p, i);
  yt_pass_free(p);
  return r;
}

/* ---- leaves, custom ops, hooks ---- */
int yt_is_leaf(const yt_tensor *t) { return t && (!t->node || t->node->op == NODE_LEAF); }
int yt_requires_grad(yt_tensor *t, int on)
{
  if (!t) return -1;
  if (!yt_is_leaf(t)) return yt__fail("requires_grad: this tensor is a result, not a leaf; detach it first");
  if (on && (t->dtype < YT_F16 || t->weak))
    return yt__fail("requires_grad: %s has no gradient", t->weak ? "a number" : yt__dtype_name(t->dtype));
  if (on && !t->node && !(t->node = yt__node(NODE_LEAF, t))) return -1;
  if (on) t->node->want = 1;
  else if (t->node) yt__unref_node(t->node), t->node = NULL;
  return 0;
}
yt_tensor *yt_grad_of(yt_tensor *t) { return t && t->node && t->node->grad ? yt__alias(t->node->grad) : NULL; }
yt_tensor *yt_grad_borrow(const yt_tensor *t) { return t && t->node ? t->node->grad : NULL; }
int yt_set_grad(yt_tensor *t, yt_tensor *g)
{
  if (!t || !g) return -1;
  if (!t->node || t->node->op != NODE_LEAF)
    return g == yt_none() ? 0 : yt__fail("grad: only a leaf that requires a gradient keeps one");
  if (g != yt_none() && (!yt__same_shape(g, &t->node->shape) || g->dtype != t->dtype))
    return yt__fail("grad: %s %s for %s %s",
      yt__dtype_name(g->dtype), yt__show(g), yt__dtype_name(t->dtype), yt__show(t));
  yt_thread *me = yt__self();
  yt_scope *scope = me->scope;
  me->scope = NULL;
  yt_tensor *kept = g == yt_none() ? NULL : yt__alias(g);
  me->scope = scope;
  if (g != yt_none() && !kept) return -1;
  yt_release(t->node->grad);
  t->node->grad = kept;
  return 0;
}
int yt_set_grad_enabled(int on) { yt_thread *me = yt__self(); int was = me->grad; me->grad = !!on; return was; }

yt_tensor *yt_custom(yt_tensor *y, yt_tensor **in, int n, int64_t tag)
{
  int wants = 0;
  if (!y) return NULL;
  for (int k = 0; k < n; k++) if (in[k] && in[k]->node) wants = 1;
  yt_tensor *out = yt__alias(y);
  if (!out) return NULL;
  if (out->node) yt__unref_node(out->node), out->node = NULL;
  if (!wants || !yt__self()->grad) return out;
  yt_node *node = yt__node(NODE_CUSTOM, out);
  if (node && n > YT_IN) {
    node->edge = yt__malloc(sizeof *node->edge * (size_t)n);
    if (!node->edge) node->edge = node->edge_, yt__unref_node(node), node = NULL;
  }
  if (!node) { yt__discard(out); return NULL; }
  node->nedges = n > YT_IN ? n : YT_IN;
  for (int k = 0; k < n; k++) {
    node->edge[k] = in[k] ? in[k]->node : NULL;
    if (node->edge[k]) node->edge[k]->refs++;
  }
  node->tag = tag;
  out->node = node;
  return out;
}
int yt_hook(yt_tensor *t, int64_t tag)
{
  if (!t || !t->node) return yt__fail("hook: this tensor needs no gradient");
  t->node->hook = tag;
  return 0;
}
