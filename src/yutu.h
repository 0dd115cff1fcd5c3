/* yutu.h: tensors that remember how they were made, and the loops that learn from them.
 *
 * A first program. Calls nest: a call that fails returns NULL, every op passes NULL on, so check once.
 *
 *   yt_scope s;                                       // tensors born in a scope die with it
 *   yt_scope_open(&s);
 *   yt_tensor *w = yt_zeros(YT_F32, &(yt_shape){ 2, { 1, 3 } }, YT_CPU);
 *   yt_requires_grad(w, 1);
 *   yt_tensor *y = yt_linear(x, w, yt_none(), YT_TANH);          // x (N,3) -> y (N,1)
 *   yt_tensor *loss = yt_mean(yt_square(yt_sub(y, t)), YT_ALL, 0);
 *   if (!loss) puts(yt_error());                      // "sub: (4,1) and (5) do not broadcast"
 *   if (yt_backward(loss)) puts(yt_error());
 *   yt_set_grad_enabled(0);
 *   yt_sub_(w, yt_mul(yt_grad_of(w), yt_num(0.1)));   // a trailing _ writes into its first argument
 *   yt_set_grad_enabled(1);
 *   yt_scope_close(&s, NULL);                         // or keep one: it moves to the outer scope
 *
 * Who owns what. Outside a scope a call hands its result to the caller, who owes it one yt_release. Inside, the
 * scope owns it. Views share storage and keep it alive. A yt_num() belongs to the op that uses it.
 * Absent is yt_none(), failed is NULL; the two are never mixed up.
 *
 * Threads. Any number of threads may call. A tensor stays in the thread that made it; to hand one over, send
 * yt_export(t) and receive with yt_import: the storage is shared, the header is new. Errors are per thread. No thread
 * is started before the first large op. After fork the child goes on, with workers of its own, whatever other threads
 * did.
 *
 * Dims and indices count from 0 here, and negative ones from the end. An op that reads indices from a tensor takes
 * the base they count from (0 in C, 1 in Lua), so that no index tensor is ever copied for it.
 *
 * The ops themselves are declared in yutu_ops.h, made from ops.def. */
#ifndef YUTU_H
#define YUTU_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#ifdef YUTU_BUILD
#pragma GCC visibility push(default)
#endif
/* ffi: begin */
enum { YT_DIMS = 8 };             /* at most so many dims */
enum { YT_ALL = 127, YT_DIM_SET = 256 };  /* dims of a reduction: one dim, YT_ALL, or YT_DIM_SET + a bit per dim */
enum { YT_BOOL, YT_U8, YT_I32, YT_I64, YT_F16, YT_BF16, YT_F32, YT_F64, YT_DTYPES };  /* in order of promotion */
enum { YT_CPU, YT_CUDA, YT_TEST, YT_DEVICES };
enum { YT_IDENTITY, YT_RELU, YT_TANH, YT_SIGMOID };  /* activations that yt_linear can fuse */

typedef struct yt_tensor {        /* read it freely, change it through functions only */
  int32_t refs;                   /* not atomic: a header belongs to one thread */
  int8_t dtype, ndim;
  int8_t dense;                   /* row-major without gaps */
  int8_t weak;                    /* a number: takes the other operand's dtype, dies with the op that uses it */
  int64_t numel, size[8], stride[8];   /* strides in elements */
  void *data;                     /* the first element; NULL once released */
  struct yt_storage *storage;
  struct yt_node *node;           /* how it was made; NULL: no gradient */
  struct yt_tensor *next;         /* in its scope, or in the free list */
  double number;                  /* of a weak one */
  double id;                      /* of this birth, never used again; headers are recycled, never unmapped */
} yt_tensor;

typedef struct yt_shape { int32_t ndim; int64_t size[8]; } yt_shape;
typedef struct yt_scope { struct yt_scope *outer; yt_tensor *born; } yt_scope;

/* A counter-based stream (Philox4x32-10). Equal fields give equal numbers on every device and with any number of
 * threads; different streams of one seed never meet. Each fill advances offset by the blocks it used. */
typedef struct yt_generator { uint64_t seed, stream, offset; } yt_generator;

/* What Lua holds. Not a bare pointer: FFI would take x + 1 and x - y for pointer arithmetic, and a stale
 * handle must be noticed. Valid while _t->id == _id. */
typedef struct yt_ref { yt_tensor *_t; double _id; } yt_ref;
typedef struct yt_pool { int32_t n, limit, cap; yt_tensor **t; double *id; int64_t tags; } yt_pool;  /* Lua's own */

typedef struct yt_param { const char *name, *type, *kind, *value; } yt_param;  /* value: its default, in Lua */
typedef struct yt_op {
  const char *name, *kind, *domain, *doc;
  const char *gradient;           /* the rule's text, or what it reads; NULL: no gradient */
  const yt_param *params;
  int32_t nparams, nin;           /* nin: how many are tensors; they come first */
  int32_t order;                  /* 0 no gradient, 1 first order only, 2 any order */
  double lo, hi;                  /* where tests sample */
} yt_op;

const char *yt_version(void);     /* "0.1.0" */
const char *yt_ffi(void);         /* the declarations that LuaJIT reads */
const yt_op *yt_ops(void);        /* the op table, in order; ends with a NULL name */
const char *yt_error(int base);   /* of this thread's last failure; dims in it count from base */
const char *yt_isa(void);         /* "sse2", "avx2" or "avx512", chosen at load */

/* ---- tensors ---- */
yt_tensor *yt_empty(int dtype, const yt_shape *shape, int device);   /* errors: over 2^47 bytes, no memory */
yt_tensor *yt_zeros(int dtype, const yt_shape *shape, int device);
yt_tensor *yt_from(int dtype, const yt_shape *shape, const void *data);  /* copies dense rows of that dtype */
yt_tensor *yt_num(double value);  /* a number as an operand: 0-d, weak */
yt_tensor *yt_none(void);         /* "no tensor", for optional arguments */
double yt_item(yt_tensor *t);     /* the one element; NaN and an error if there are more */
yt_tensor *yt_cat(yt_tensor **t, int n, int dim);                    /* one after the other along dim */
yt_tensor *yt_mlp(yt_tensor *x, yt_tensor **w, yt_tensor **b, const int32_t *act, int n);  /* n times yt_linear */

/* Memory of the host as a tensor, without a copy; dense rows. The host keeps it alive until alive->dead is set
 * (by any thread), then frees the mark with yt_wrap_free. */
typedef struct yt_wrap_mark { volatile int32_t dead; } yt_wrap_mark;
yt_tensor *yt_wrap(int dtype, const yt_shape *shape, void *data, yt_wrap_mark **alive);
void yt_wrap_free(yt_wrap_mark *mark);

typedef struct yt_exported yt_exported;
yt_exported *yt_export(yt_tensor *t);               /* for another thread; owes one yt_import */
yt_tensor *yt_import(yt_exported *e);

yt_tensor *yt_retain(yt_tensor *t);
void yt_release(yt_tensor *t);
void yt_scope_open(yt_scope *s);
yt_tensor *yt_scope_close(yt_scope *s, yt_tensor *keep);  /* keep, or NULL, passes to the outer scope or the caller */

/* ---- gradients ---- */
int yt_requires_grad(yt_tensor *t, int on);         /* errors: not a leaf, not a float */
int yt_is_leaf(const yt_tensor *t);
int yt_backward(yt_tensor *y);                      /* adds dy/dleaf to every leaf; y has one element */
/* dx[i] NULL: y does not depend on it */
int yt_grad(yt_tensor *y, yt_tensor **x, int n, int create_graph, yt_tensor **dx);
yt_tensor *yt_grad_of(yt_tensor *t);                /* a leaf's gradient, NULL if none has arrived */
yt_tensor *yt_grad_borrow(const yt_tensor *t);      /* the same, not the caller's; good until it changes */
int yt_set_grad(yt_tensor *t, yt_tensor *g);        /* g may be yt_none(): forget it */
int yt_set_grad_enabled(int on);                    /* of this thread; returns what it was */
int yt_version_of(const yt_tensor *t);              /* counts writes to its storage */

/* The same walk in the caller's hands: it stops at nodes that the caller made (yt_custom) and at hooks.
 *   p = yt_pass_new(...); while ((r = yt_pass_run(p)) == 1) { ... yt_pass_give(p, k, dx); } yt_pass_free(p); */
typedef struct yt_pass yt_pass;
enum { YT_RETAIN_GRAPH = 1, YT_CREATE_GRAPH = 2 };
yt_pass *yt_pass_new(yt_tensor *y, yt_tensor *gradient, yt_tensor **x, int n, int flags);  /* n = 0: into the leaves */
int yt_pass_run(yt_pass *p);                        /* 0 done, 1 stopped, -1 failed */
int64_t yt_pass_tag(const yt_pass *p);              /* where it stopped: > 0 a custom op, < 0 a hook */
yt_tensor *yt_pass_grad(yt_pass *p);                /* the gradient that arrived there; the caller's */
int yt_pass_give(yt_pass *p, int k, yt_tensor *d);  /* the gradient of input k; at a hook k = 0 replaces it */
yt_tensor *yt_pass_result(yt_pass *p, int i);       /* dx of x[i], when done, once; NULL if y does not depend on it */
void yt_pass_free(yt_pass *p);
yt_tensor *yt_custom(yt_tensor *y, yt_tensor **in, int n, int64_t tag);  /* y again, as made from in by the caller */
int yt_hook(yt_tensor *t, int64_t tag);             /* stop there with -tag; 0: no longer */
int64_t yt_new_tag(yt_pool *p);                     /* for one of these: a tag of p's and of no other Lua state */
int yt_tag_died(yt_pool *p, int64_t *tag);          /* 1 and a tag of p's whose node is gone: forget its function */

/* ---- random ---- */
yt_generator *yt_default_generator(void);           /* this thread's */
void yt_seed(uint64_t seed);

/* ---- what a Lua state needs ---- */
void yt_unref(yt_tensor *t, double id);             /* releases it if it is still that one */
double yt_own(yt_pool *p, yt_tensor *t);            /* takes slot p->n, returns t's id; 0: relieve the pressure first */
int yt_pool_fit(yt_pool *p);                        /* room for limit */
void yt_pool_close(yt_pool *p);
void yt_pressure_eased(double bytes);               /* ask again after so many more live bytes */

/* ---- counters and switches ---- */
/* what: 0 live bytes, 1 cached bytes, 2 peak live, 3 system allocations so far */
int64_t yt_memory(int device, int what);
int64_t yt_memory_live(void);                       /* live bytes of this thread, all devices */
void yt_memory_trim(void);                          /* gives this thread's cached blocks back to the system */
int yt_threads(void);                               /* size of the pool, the caller included */
int yt_set_threads(int n);
int yt_serial(int on);                              /* this thread's ops use no other thread; returns what it was */
int yt_device_index(const char *name);              /* -1 and an error: no such device */
const char *yt_device_name(int device);
int yt_device_of(const yt_tensor *t);             /* where its elements are; a number is on the CPU */
int yt_set_debug(int on);                           /* after every op look for non-finite values; returns what it was */
/* for tests: the n-th allocation from now fails, once; 0: none. Returns what was left. */
int64_t yt_fail_allocation(int64_t n);

/* ---- files ---- */
yt_tensor *yt_idx_read(const char *path);           /* IDX, gzipped or not; errors: cut short, sizes that lie */

/* A safetensors file that is read, or one that is being put together: named tensors, and notes (its metadata, text
 * under a key). Opening checks the whole header; the tensors are then read one by one.
 *   f = yt_safetensors_open(path);   x = yt_safetensors_get(f, yt_safetensors_find(f, "weight"));
 *   f = yt_safetensors_new();        yt_safetensors_put(f, "weight", x);   yt_safetensors_save(f, path); */
typedef struct yt_safetensors yt_safetensors;
yt_safetensors *yt_safetensors_new(void);
yt_safetensors *yt_safetensors_open(const char *path);                /* errors: anything wrong with file or header */
void yt_safetensors_free(yt_safetensors *f);
int64_t yt_safetensors_count(const yt_safetensors *f);
const char *yt_safetensors_name(const yt_safetensors *f, int64_t i);
int64_t yt_safetensors_find(const yt_safetensors *f, const char *name);  /* -1 and an error: no such tensor */
yt_tensor *yt_safetensors_get(yt_safetensors *f, int64_t i);          /* errors: read failed, no memory */
int yt_safetensors_put(yt_safetensors *f, const char *name, yt_tensor *t);  /* retains t; errors: taken, not UTF-8 */
int yt_safetensors_annotate(yt_safetensors *f, const char *key, const char *text);
const char *yt_safetensors_note(const yt_safetensors *f, const char *key);  /* NULL: none */
const char *yt_safetensors_next_note(const yt_safetensors *f, const char *key);  /* its keys: from NULL to NULL */
int yt_safetensors_save(yt_safetensors *f, const char *path);         /* all or nothing: else the old file stays */

/* ---- batches gathered ahead by a thread: rows of the fields, as a list of i64 from 0 names them ---- */
typedef struct yt_prefetch yt_prefetch;
yt_prefetch *yt_prefetch_new(yt_tensor **fields, int n, yt_tensor *index, int64_t batch_size, int depth);
int yt_prefetch_next(yt_prefetch *p, yt_tensor **out);              /* 1 and n tensors, 0 no more, -1 failed */
void yt_prefetch_free(yt_prefetch *p);              /* at any time */

/* ---- the process ---- */
double yt_clock(void);                              /* seconds, never backwards */
int yt_terminal(void);                              /* columns of the terminal at standard error; 0: it is none */
int yt_watch_interrupt(int on);                     /* Ctrl-C only sets a flag while on; a second one ends the process.
                                                       1: done; 0: another thread watches, nothing changed */
int yt_interrupted(void);                           /* 1, once, after a Ctrl-C */

/* ---- environments: N of one kind, stepped together into the caller's arrays (src/rl/vector.c, src/envs/env.h) ---- */
enum { YT_SAME_STEP, YT_NEXT_STEP };  /* an ended episode begins anew within the step that ends it, or in the next one,
                                         which then ignores its action and gives reward 0 and no flag */
enum { YT_RECENT = 128 };
typedef struct yt_envs {          /* read it freely, change it through functions only */
  const char *name;
  int32_t num_envs, observation_size, num_actions, max_episode_steps, autoreset;
  double reward_threshold;        /* mean return from which it counts as solved */
  const float *observation_low, *observation_high;
  int64_t steps, episodes;        /* so far, over all environments: steps made, episodes ended */
  const double *episode_return, *ended_return;     /* (N) of the running episode, and of the one that ended last */
  const int64_t *episode_length, *ended_length;
  double recent_return[128];      /* of the last episodes to end: the k-th, from 0, at k % YT_RECENT */
  int64_t recent_length[128];
} yt_envs;
const char *yt_env_name(int i);   /* of the i-th environment there is; NULL: no more */
yt_envs *yt_envs_new(const char *name, int num_envs, uint64_t seed, int autoreset);
void yt_envs_free(yt_envs *e);
int yt_envs_reset(yt_envs *e, const uint64_t *seed, float *observation);  /* seed NULL: the streams run on */
int yt_envs_step(yt_envs *e, const int64_t *action, int64_t base, float *observation, float *reward,
                 uint8_t *terminated, uint8_t *truncated, float *final_observation);
void *yt_envs_state(yt_envs *e, int i);             /* environment i's own bytes, as its file lays them out */
int64_t yt_envs_save(const yt_envs *e, void *bytes);              /* returns how many; bytes may be NULL */
int yt_envs_load(yt_envs *e, const void *bytes, int64_t n);       /* errors: not bytes of such an e; e is as before */
/* ffi: end */
#ifdef YUTU_BUILD
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#include "yutu_ops.h"
#endif
