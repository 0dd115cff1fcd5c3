/* core.h: what the core's own files share. No backend includes it. */
#ifndef CORE_H
#define CORE_H
#include <stdatomic.h>
#include "backends/backend.h"

enum { CLASSES = 320 };           /* sizes of blocks, see memory.c */
enum { KEEP_Y = 1 << 8, NOWHERE = 1 << 9 };
enum {
  KIND_MAP, KIND_CMP, KIND_FOLD, KIND_SEEK, KIND_SCAN, KIND_OP, KIND_PUT, KIND_FILL, KIND_STEP, KIND_VIEW, KIND_DX
};
enum { DOMAIN_FLOAT, DOMAIN_NUM, DOMAIN_ANY };

typedef struct yt_storage {
  atomic_int refs;
  atomic_uint version;            /* counts writes after the first; a saved tensor must not have moved on */
  uint32_t rewired;               /* counts writes that changed the graph: views made before are out of date */
  int16_t writer, device;         /* the op that wrote last */
  int32_t cls;                    /* size class; -1: the host's memory */
  int64_t bytes;
  void *data;                     /* owned; stays with this struct in the cache */
  struct yt_thread *home;         /* whose cache it returns to */
  yt_wrap_mark *mark;             /* of the host's memory */
  struct yt_storage *next;
} yt_storage;

/* A node is the graph's side of a tensor: the op that made it, or a leaf. Tensors hold nodes, nodes hold nodes and the
 * few tensors their rule reads; never the tensor they made, so there is no cycle. */
enum { NODE_LEAF = -1, NODE_CUSTOM = -2 };
typedef struct yt_node {
  int32_t refs, op;               /* op < 0: a leaf, or a custom op of the caller's */
  uint64_t seq;                   /* grows with time, so decreasing seq is a topological order */
  int8_t dtype, device, queued, spent;
  int8_t want;                    /* of a leaf: collects a gradient */
  int32_t nedges;
  uint32_t rewired;               /* its storage's count when it was made */
  int64_t tag, hook;              /* of a custom op, and of a hook; 0: none */
  yt_shape shape;                 /* of the tensor it stands for */
  int64_t numel;
  struct yt_node **edge, *edge_[YT_IN];  /* where the gradient of each input goes; NULL: nowhere */
  unsigned version[YT_IN + 1];
  yt_storage *y;                  /* the output's storage, if the rule reads it, */
  void *y_data;                   /* and how it lies there */
  int64_t y_stride[YT_DIMS];
  yt_tensor *sum;                 /* gradient arrived so far in this pass */
  yt_tensor *grad;                /* of a leaf */
  struct yt_node *next;
  union { yt_args in; yt_stream_args stream; char bytes[256]; } args;
} yt_node;

typedef struct yt_row {           /* what the core needs of an op */
  const char *name;
  uint8_t kind, domain, nin, stream;
  uint16_t args_size;
  uint16_t keep[YT_IN];           /* bit i: the rule of input k reads input i */
  int (*shape)(const struct yt_row *op, yt_tensor *out, void *args);
  int (*run)(const yt_backend *b, yt_tensor *out, const void *args);
  void (*rule)(yt_node *n, const void *args, yt_tensor *y, yt_tensor *g);
} yt_row;

typedef struct yt_thread {
  yt_scope *scope;
  yt_tensor *headers;
  yt_node *nodes, *dying;
  yt_storage *cache[YT_DEVICES][CLASSES];
  _Atomic int64_t live[YT_DEVICES], cached[YT_DEVICES], peak[YT_DEVICES], mallocs;  /* written by this thread only */
  int64_t mark;                   /* live bytes at which the Lua collector is due */
  int64_t fail_in;                /* tests: this many more allocations succeed; 0: all do */
  uint64_t seq, failures;
  double births, number;          /* make ids that no other thread makes */
  int grad, composing, draining, checking;  /* composing: gradients are made of differentiable ops */
  yt_pass *pass;                  /* the walk that a rule now runs for */
  yt_pass *idle;                  /* a finished one, with its memory, for the next */
  yt_generator generator;
  struct yt_thread *next;         /* all that ever were */
  int retired;
  char error[1024], shown[1100];
} yt_thread;

extern const yt_row yt__rows[];
extern const yt_backend *yt__backends[YT_DEVICES];
extern int yt__debug;

/* memory.c */
yt_thread *yt__self(void);
yt_tensor *yt__header(void);
int yt__allocate(yt_tensor *t, int device);
void yt__unref_storage(yt_storage *s);
yt_node *yt__node(int op, const yt_tensor *t);
void yt__unref_node(yt_node *n);
void yt__share(yt_tensor *out, const yt_tensor *x);                 /* out becomes x's view of the same storage */
void yt__discard(yt_tensor *t);                                     /* a failed result: released unless a scope will */

/* shape.c */
int yt__lay_out(yt_tensor *t, int ndim, const int64_t *size);       /* dense strides, numel; errors: too large */
void yt__find_dense(yt_tensor *t);                                  /* after size and stride were written */
int yt__same_shape(const yt_tensor *t, const yt_shape *s);
/* Negative dims count from the end; more: dims that may follow. */
int yt__dim(const char *op, const yt_tensor *x, int *dim, int more);
int yt__dims_mask(const char *op, const yt_tensor *x, int dims, unsigned *mask);

/* ops.c */
int yt__device(const yt_tensor *t);                                 /* -1: a number, at home everywhere */
yt_tensor *yt__call(int op, yt_tensor *into, void *args);           /* the life of an op */
yt_tensor *yt__put_copy(int op, yt_args *a);                        /* the same into a copy of the first argument */
yt_tensor *yt__abandon(int op, yt_args *a);
yt_generator *yt__stream(yt_generator *g);                          /* itself, or this thread's */
yt_tensor *yt__alias(const yt_tensor *t);                           /* a header of its own, born here, with its node */

/* functions.c */
yt_tensor *yt__progression(int64_t n, int64_t start, int64_t step, int device);     /* as a list of i64: an index */

/* autograd.c */
int yt__record(int op, yt_tensor *out, const yt_args *a);
int yt__composing(void);          /* must this rule's result be differentiable? */
void yt__give(yt_node *n, int k, yt_tensor *d);                     /* gradient d arrives at input k of n */
#endif
