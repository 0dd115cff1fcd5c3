/* memory.c: headers, nodes, storage, scopes, numbers. A steady loop makes no call of malloc.
 *
 * Everything is per thread and found through one thread-local pointer. A header and a node stay in their thread; a
 * storage may be shared, its count is atomic, and its block returns to the thread that allocated it, by way of a shared
 * list when another thread was the last to use it. */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core.h"

enum { CHUNK = 64 };              /* headers and nodes are made so many at a time */
#define KEEP_CACHED ((int64_t)256 << 20)

static _Thread_local yt_thread *self;
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the two below, and of `dead` */
static yt_thread *threads;
static yt_storage *strays[YT_DEVICES][CLASSES];
static atomic_int stray_count;
static yt_thread no_memory;       /* when there is none even for a thread's own block: every allocation fails */

#define BUMP(counter, n) \
  atomic_store_explicit(&(counter), atomic_load_explicit(&(counter), memory_order_relaxed) + (n), memory_order_relaxed)
#define READ(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* ---- threads ---- */
static void leave(void *me)       /* a thread ends: the next to start takes over its caches and free lists */
{
  self = NULL;                    /* should the host's own ending still need us, it enters again */
  pthread_mutex_lock(&lock);
  ((yt_thread *)me)->retired = 1;
  pthread_mutex_unlock(&lock);
}
static void hold(void) { pthread_mutex_lock(&lock); }
static void let_go(void) { pthread_mutex_unlock(&lock); }
static void start(void)
{
  pthread_key_create(&at_exit, leave);
  pthread_atfork(hold, let_go, let_go);               /* so that a child never finds the lock held */
}
static yt_thread *enter(void)
{
  static int count;
  pthread_once(&once, start);
  pthread_mutex_lock(&lock);
  for (self = threads; self && !self->retired; self = self->next);
  if (!self && (self = calloc(1, sizeof *self))) {
    self->number = count % 4096, self->mark = 1 << 20, self->next = threads, threads = self;
    self->generator = (yt_generator){ .seed = 0, .stream = (uint64_t)count };
    count++;
  }
  if (self) self->retired = 0;    /* before another new thread can look */
  pthread_mutex_unlock(&lock);
  if (!self) { no_memory.fail_in = 1; return &no_memory; }
  self->grad = 1, self->scope = NULL, self->composing = 0, self->pass = NULL, self->fail_in = 0;
  pthread_setspecific(at_exit, self);
  return self;
}
yt_thread *yt__self(void) { return self ? self : enter(); }

yt_generator *yt_default_generator(void) { return &yt__self()->generator; }
void yt_seed(uint64_t seed)
{
  yt_generator *g = yt_default_generator();
  g->seed = seed, g->stream = 0, g->offset = 0;
}

/* ---- errors ---- */
int yt__fail(const char *format, ...)
{
  va_list ap;
  va_start(ap, format);
  vsnprintf(yt__self()->error, sizeof self->error, format, ap);
  va_end(ap);
  yt__self()->failures++;
  return -1;
}
const char *yt_error(int base)    /* "\1<number>" is a dim counted from 0: show it in the reader's base */
{
  yt_thread *me = yt__self();
  char *to = me->shown, *end = to + sizeof me->shown - 24;
  for (const char *p = me->error; *p && to < end;)
    if (*p == 1) {
      char *after;
      long dim = strtol(p + 1, &after, 10);
      to += snprintf(to, 24, "%ld", dim < 0 ? dim : dim + base);
      p = after;
    } else *to++ = *p++;
  *to = 0;
  return me->shown;
}

/* ---- the system's memory ---- */
/* Tests fail the n-th from now of everything that is asked for, whether the system or a free list would serve it. */
static int forbidden(yt_thread *me) { return me->fail_in && (me == &no_memory || !--me->fail_in); }
int64_t yt_fail_allocation(int64_t n)
{
  yt_thread *me = yt__self();
  const int64_t left = me->fail_in;
  return me->fail_in = n, left;
}
void *yt__malloc(size_t n)
{
  yt_thread *me = yt__self();
  void *p = forbidden(me) ? NULL : malloc(n);
  if (!p) yt__fail("out of memory: %zu bytes", n);
  BUMP(me->mallocs, 1);
  return p;
}

/* ---- free lists of headers and nodes ---- */
#define POOL(T, list) \
  static T *take_##list(yt_thread *me) \
  { \
    if (me->fail_in && forbidden(me)) return yt__fail("out of memory"), NULL; \
    if (!me->list) { \
      T *chunk = yt__malloc(CHUNK * sizeof *chunk); \
      if (!chunk) return NULL; \
      memset(chunk, 0, CHUNK * sizeof *chunk); \
      for (int i = 0; i < CHUNK; i++) chunk[i].next = me->list, me->list = chunk + i; \
    } \
    T *t = me->list; \
    me->list = t->next; \
    return t; \
  }
POOL(yt_tensor, headers)
POOL(yt_node, nodes)

yt_tensor *yt__header(void)
{
  yt_thread *me = yt__self();
  yt_tensor *t = take_headers(me);
  if (!t) return NULL;
  t->refs = 1, t->weak = 0, t->ndim = 0, t->dense = 1, t->numel = 0;
  t->data = NULL, t->storage = NULL, t->node = NULL;
  t->id = ++me->births * 4096 + me->number;
  if (me->scope) t->next = me->scope->born, me->scope->born = t;
  return t;
}
yt_tensor *yt_num(double v)       /* floating: refs 0 until somebody keeps it */
{
  yt_tensor *t = take_headers(yt__self());
  if (!t) return NULL;
  t->refs = 0, t->weak = 1, t->dtype = YT_F64, t->ndim = 0, t->dense = 1, t->numel = 1;
  t->number = v, t->data = &t->number, t->storage = NULL, t->node = NULL, t->id = 0;
  return t;
}
yt_tensor *yt_none(void)
{
  static yt_tensor none = { .refs = 1 << 30 };
  return &none;
}

/* ---- storage ---- */
static int class_of(size_t bytes, size_t *rounded)   /* lines of 64 bytes, three significant bits */
{
  size_t n = bytes ? (bytes + 63) / 64 : 1, shift = 0;
  while (n >> shift > 7) shift++;
  n = (n + ((size_t)1 << shift) - 1) >> shift;
  *rounded = (n << shift) * 64;
  return (int)(shift * 8 + n);
}
static void drop(yt_storage *s)   /* back to the system */
{
  yt__backends[s->device]->free(s->data);
  free(s);
}
static void trim(yt_thread *me)
{
  for (int d = 0; d < YT_DEVICES; d++) {
    for (int c = 0; c < CLASSES; c++)
      for (yt_storage *s; (s = me->cache[d][c]);) me->cache[d][c] = s->next, drop(s);
    atomic_store_explicit(&me->cached[d], 0, memory_order_relaxed);
  }
}
static yt_storage *stray(int device, int cls)
{
  if (!atomic_load_explicit(&stray_count, memory_order_relaxed)) return NULL;
  pthread_mutex_lock(&lock);
  yt_storage *s = strays[device][cls];
  if (s) strays[device][cls] = s->next, atomic_fetch_sub(&stray_count, 1);
  pthread_mutex_unlock(&lock);
  return s;
}
void yt_memory_trim(void)
{
  trim(yt__self());
  pthread_mutex_lock(&lock);
  for (int d = 0; d < YT_DEVICES; d++)
    for (int c = 0; c < CLASSES; c++)
      for (yt_storage *s; (s = strays[d][c]);) strays[d][c] = s->next, drop(s);
  atomic_store(&stray_count, 0);
  pthread_mutex_unlock(&lock);
}
static void *block(yt_thread *me, int device, size_t bytes)
{
  const yt_backend *b = yt__backends[device];
  if (READ(me->cached[device]) > KEEP_CACHED && READ(me->cached[device]) > READ(me->live[device])) trim(me);
  BUMP(me->mallocs, 1);
  void *p = b->alloc(bytes);
  if (!p) yt_memory_trim(), p = b->alloc(bytes);
  return p;
}
int yt__allocate(yt_tensor *t, int device)
{
  yt_thread *me = yt__self();
  size_t bytes;
  int cls = class_of((size_t)t->numel * (size_t)yt__dtype_size(t->dtype), &bytes);
  yt_storage *s = me->cache[device][cls];
  if (me->fail_in && forbidden(me)) return yt__fail("out of memory: %lld bytes", (long long)bytes);
  if (s) me->cache[device][cls] = s->next, BUMP(me->cached[device], -(int64_t)bytes);
  else if (!(s = stray(device, cls))) {
    if (!(s = yt__malloc(sizeof *s))) return -1;
    if (!(s->data = block(me, device, bytes)))
      return free(s), yt__fail("out of memory: %lld bytes for %s %s on %s, %lld in use", (long long)bytes,
        yt__dtype_name(t->dtype), yt__show(t), yt__backends[device]->name, (long long)yt_memory(device, 0));
    s->cls = cls, s->bytes = (int64_t)bytes, s->device = (int16_t)device, s->mark = NULL;
  }
  s->home = me;
  atomic_init(&s->refs, 1);
  atomic_init(&s->version, 0);
  s->writer = -1, s->rewired = 0;
  BUMP(me->live[device], (int64_t)bytes);
  if (READ(me->live[device]) > READ(me->peak[device]))
    atomic_store_explicit(&me->peak[device], READ(me->live[device]), memory_order_relaxed);
  t->storage = s, t->data = s->data;
  return 0;
}
void yt__unref_storage(yt_storage *s)
{
  if (atomic_load_explicit(&s->refs, memory_order_acquire) != 1 &&
      atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  yt_thread *me = yt__self();
  if (s->cls < 0) {               /* the host's */
    __atomic_store_n(&s->mark->dead, 1, __ATOMIC_RELEASE);
    free(s);
    return;
  }
  BUMP(me->live[s->device], -s->bytes);
  if (s->home == me) {
    s->next = me->cache[s->device][s->cls], me->cache[s->device][s->cls] = s;
    BUMP(me->cached[s->device], s->bytes);
    return;
  }
  pthread_mutex_lock(&lock);
  s->next = strays[s->device][s->cls], strays[s->device][s->cls] = s;
  atomic_fetch_add(&stray_count, 1);
  pthread_mutex_unlock(&lock);
}
void yt__share(yt_tensor *out, const yt_tensor *x)
{
  if (x->storage) atomic_fetch_add_explicit(&x->storage->refs, 1, memory_order_relaxed);
  out->storage = x->storage, out->data = x->data, out->dtype = x->dtype;
}
int64_t yt_memory(int device, int what)
{
  int64_t sum = 0;
  if (device < 0 || device >= YT_DEVICES) return 0;
  yt__self();
  pthread_mutex_lock(&lock);
  for (yt_thread *t = threads; t; t = t->next)
    sum += what == 0 ? READ(t->live[device])
      : what == 1 ? READ(t->cached[device])
      : what == 2 ? READ(t->peak[device]) : READ(t->mallocs);
  pthread_mutex_unlock(&lock);
  return sum;
}
static int64_t live(yt_thread *me)
{
  int64_t n = 0;
  for (int d = 0; d < YT_DEVICES; d++) n += READ(me->live[d]);
  return n;
}
int64_t yt_memory_live(void) { return live(yt__self()); }
void yt_pressure_eased(double bytes) { yt_thread *me = yt__self(); me->mark = live(me) + (int64_t)bytes; }

/* ---- the host's memory ---- */
yt_tensor *yt_wrap(int dtype, const yt_shape *shape, void *data, yt_wrap_mark **alive)
{
  *alive = NULL;
  if (!data || !shape || dtype < 0 || dtype >= YT_DTYPES)
    return yt__fail("wrap: data, a shape and a dtype are needed"), NULL;
  if ((uintptr_t)data % (uintptr_t)yt__dtype_size(dtype))
    return yt__fail("wrap: %s elements must lie at a multiple of %d bytes", yt__dtype_name(dtype),
      yt__dtype_size(dtype)), NULL;
  yt_storage *s = yt__malloc(sizeof *s);
  yt_wrap_mark *mark = yt__malloc(sizeof *mark);
  yt_tensor *t = s && mark ? yt__header() : NULL;
  if (!t || yt__lay_out(t, shape->ndim, shape->size)) {
    if (t) yt__discard(t);
    return free(s), free(mark), NULL;
  }
  mark->dead = 0;
  *s = (yt_storage){ .cls = -1, .device = YT_CPU, .writer = -1, .mark = mark, .data = data, .home = yt__self() };
  atomic_init(&s->refs, 1);
  t->dtype = (int8_t)dtype, t->storage = s, t->data = data;
  *alive = mark;
  return t;
}
void yt_wrap_free(yt_wrap_mark *mark) { free(mark); }

/* ---- between threads ---- */
struct yt_exported { yt_tensor as; };
yt_exported *yt_export(yt_tensor *t)
{
  if (!t) return NULL;
  if (t->node && t->node->op != NODE_LEAF)
    return yt__fail("export: detach it first; a graph stays in its thread"), NULL;
  yt_exported *e = yt__malloc(sizeof *e);
  if (!e) return NULL;
  e->as = *t, e->as.node = NULL;
  if (t->weak) e->as.data = &e->as.number;
  yt__share(&e->as, t);
  return e;
}
yt_tensor *yt_import(yt_exported *e)
{
  if (!e) return yt__fail("import: nothing was exported"), NULL;
  yt_tensor *t = yt__header();
  if (!t) return NULL;
  t->dtype = e->as.dtype, t->ndim = e->as.ndim, t->dense = e->as.dense, t->numel = e->as.numel;
  memcpy(t->size, e->as.size, sizeof t->size), memcpy(t->stride, e->as.stride, sizeof t->stride);
  t->storage = e->as.storage, t->data = e->as.data;
  free(e);
  return t;
}

/* ---- life and death ---- */
yt_tensor *yt_retain(yt_tensor *t) { if (t) t->refs++; return t; }
void yt_release(yt_tensor *t)
{
  if (!t || --t->refs > 0) return;
  yt_thread *me = yt__self();
  if (t->storage) yt__unref_storage(t->storage);
  if (t->node) yt__unref_node(t->node);
  t->id = 0, t->data = NULL, t->storage = NULL, t->node = NULL;
  t->next = me->headers, me->headers = t;
}
void yt__discard(yt_tensor *t) { if (!yt__self()->scope) yt_release(t); }
void yt_scope_open(yt_scope *s) { yt_thread *me = yt__self(); s->outer = me->scope, s->born = NULL, me->scope = s; }
yt_tensor *yt_scope_close(yt_scope *s, yt_tensor *keep)
{
  yt_tensor *mine = NULL;
  yt__self()->scope = s->outer;
  for (yt_tensor *t = s->born, *next; t; t = next) {
    next = t->next;
    if (t == keep) mine = t; else yt_release(t);
  }
  if (!mine) return yt_retain(keep);                  /* older than the scope */
  if (s->outer) mine->next = s->outer->born, s->outer->born = mine;
  return mine;
}

/* ---- what a Lua state owns ---- */
void yt_unref(yt_tensor *t, double id) { if (t->id == id) yt_release(t); }
double yt_own(yt_pool *p, yt_tensor *t)
{
  yt_thread *me = yt__self();
  if (p->n + 1 >= p->limit || live(me) > me->mark) return 0;
  p->n++;
  p->t[p->n] = t;
  return p->id[p->n] = t->id;
}
int yt_pool_fit(yt_pool *p)
{
  if (p->limit <= p->cap) return 0;
  yt_tensor **t = realloc(p->t, sizeof *t * (size_t)p->limit);
  if (t) p->t = t;
  double *id = realloc(p->id, sizeof *id * (size_t)p->limit);
  if (id) p->id = id;
  if (!t || !id) return p->limit = p->cap, yt__fail("out of memory: a table of tensors");
  BUMP(yt__self()->mallocs, 2);
  p->cap = p->limit;
  return 0;
}
void yt_pool_close(yt_pool *p)
{
  for (int i = 1; i <= p->n; i++) yt_unref(p->t[i], p->id[i]);
  free(p->t), free(p->id);
  p->t = NULL, p->id = NULL, p->n = p->limit = p->cap = 0;
  for (int64_t tag; yt_tag_died(p, &tag););           /* nobody will ask any more */
}

/* ---- tags ---- */
/* Tags of dead nodes wait in one list until the state that knows their functions asks. Its upper half tells whose a tag
 * is: states share threads, and may move between them. With `lock` held: all three. */
static struct { int64_t *tag; int n, cap; } dead;
static int64_t owner(int64_t tag) { return (tag < 0 ? -tag : tag) >> 32; }
int64_t yt_new_tag(yt_pool *p)
{
  static atomic_int states;
  if (!p->tags) p->tags = (1 + (int64_t)(atomic_fetch_add(&states, 1) & 0xfffff)) << 32;    /* exact in a double */
  return ++p->tags;
}
static void tag_died(int64_t tag)
{
  pthread_mutex_lock(&lock);
  if (dead.n == dead.cap) {
    int64_t *more = realloc(dead.tag, sizeof *more * (size_t)(dead.cap * 2 + 64));
    if (more) dead.tag = more, dead.cap = dead.cap * 2 + 64;
  }
  if (dead.n < dead.cap) dead.tag[dead.n++] = tag;    /* else its function stays until the state closes */
  pthread_mutex_unlock(&lock);
}
int yt_tag_died(yt_pool *p, int64_t *tag)
{
  int i;
  if (!p->tags) return 0;
  pthread_mutex_lock(&lock);
  for (i = dead.n - 1; i >= 0 && owner(dead.tag[i]) != owner(p->tags); i--);
  if (i >= 0) *tag = dead.tag[i], dead.tag[i] = dead.tag[--dead.n];
  pthread_mutex_unlock(&lock);
  return i >= 0;
}

/* ---- nodes ---- */
yt_node *yt__node(int op, const yt_tensor *t)
{
  yt_thread *me = yt__self();
  yt_node *n = take_nodes(me);
  if (!n) return NULL;
  n->refs = 1, n->op = op, n->seq = ++me->seq;
  n->dtype = t->dtype, n->device = (int8_t)(t->storage ? t->storage->device : YT_CPU);
  n->queued = n->spent = n->want = 0;
  n->rewired = t->storage ? t->storage->rewired : 0, n->tag = n->hook = 0, n->edge = n->edge_, n->nedges = YT_IN;
  n->shape.ndim = t->ndim, n->numel = t->numel;
  memcpy(n->shape.size, t->size, sizeof t->size[0] * (size_t)t->ndim);
  for (int k = 0; k < YT_IN; k++) n->edge_[k] = NULL, n->args.in.in[k] = NULL;
  n->y = NULL, n->sum = NULL, n->grad = NULL;
  return n;
}

void yt__unref_node(yt_node *n)   /* long chains die in a loop, not in a recursion */
{
  yt_thread *me = yt__self();
  if (--n->refs > 0) return;
  n->next = me->dying, me->dying = n;
  if (me->draining) return;
  me->draining = 1;
  while ((n = me->dying)) {
    me->dying = n->next;
    for (int k = 0; k < n->nedges; k++) if (n->edge[k]) yt__unref_node(n->edge[k]);
    if (n->edge != n->edge_) free(n->edge);
    for (int k = 0; k < YT_IN; k++) yt_release(n->args.in.in[k]);
    if (n->y) yt__unref_storage(n->y);
    if (n->tag) tag_died(n->tag);
    if (n->hook) tag_died(-n->hook);
    yt_release(n->sum);
    yt_release(n->grad);
    n->next = me->nodes, me->nodes = n;
  }
  me->draining = 0;
}
