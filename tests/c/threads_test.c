/* threads_test.c: threads of the host. Several train at once and none disturbs another; tensors pass between them by
 * yt_export and yt_import, with one storage and one owner of each header; what a thread leaves behind is used again. */
#include <pthread.h>
#include <string.h>
#include "check.h"
#include "learn.h"

enum { THREADS = 4, STEPS = 1000, ROUNDS = 50 };
#define START_LOSS .1             /* from seeds 1 to 20: 0.20 to 0.85 at first */
#define GOOD_LOSS .02             /* and 0.0038 to 0.0064 after STEPS */

/* ---- training side by side ---- */
typedef struct { uint64_t seed; double loss; char error[64]; } run;

static void *train(void *arg)
{
  run *r = arg;
  yt_tensor *wrong = yt_matmul(yt_none(), yt_none());
  snprintf(r->error, sizeof r->error, "%s", wrong ? "" : yt_error(0));
  r->loss = learn(r->seed, STEPS);
  return NULL;
}
static void test_training(void)
{
  run alone[2] = { { .seed = 1 }, { .seed = 2 } }, r[THREADS];
  pthread_t thread[THREADS];
  check(learn(1, 1) > START_LOSS, "starts with a loss of %g", learn(1, 1));
  for (int i = 0; i < 2; i++) train(&alone[i]);
  check(alone[0].loss < GOOD_LOSS && alone[1].loss < GOOD_LOSS, "learns to %g and %g", alone[0].loss, alone[1].loss);
  check(alone[0].loss != alone[1].loss, "seeds differ");
  for (int i = 0; i < THREADS; i++) r[i] = (run){ .seed = 1 + (uint64_t)i % 2 };
  for (int i = 0; i < THREADS; i++) pthread_create(&thread[i], NULL, train, &r[i]);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < THREADS; i++)
    check(r[i].loss == alone[i % 2].loss, "thread %d ends at %.9g, alone it was %.9g", i, r[i].loss, alone[i % 2].loss);
  check(!strcmp(r[0].error, alone[0].error) && r[0].error[0], "each thread has its own message: %s", r[0].error);
}

/* ---- a tensor goes there and comes back ---- */
typedef struct { yt_exported *there, *back; int ok; } parcel;

static void *receive(void *arg)
{
  parcel *p = arg;
  yt_scope s;
  yt_scope_open(&s);
  yt_tensor *x = yt_import(p->there);
  p->ok = x && x->ndim == 2 && x->size[0] == 3 && x->size[1] == 2 && yt_item(yt_sum(x, YT_ALL, 0)) == 15;
  yt_tensor *y = yt_mul(x, yt_num(2));
  yt_add_(x, yt_num(1));          /* the sender sees this */
  p->back = yt_export(y);
  yt_scope_close(&s, NULL);
  return NULL;
}
static void test_sharing(void)
{
  const float values[] = { 0, 1, 2, 3, 4, 5 };
  const int64_t before = yt_memory(YT_CPU, 0);
  int arrived = 0, seen = 0, came_back = 0, shared = 0;
  for (int i = 0; i < ROUNDS; i++) {
    yt_scope s;
    yt_scope_open(&s);
    yt_tensor *x = yt_from(YT_F32, &(yt_shape){ 2, { 2, 3 } }, values);
    parcel p = { .there = yt_export(yt_transpose(x, 0, 1)) };
    pthread_t thread;
    pthread_create(&thread, NULL, receive, &p);
    pthread_join(thread, NULL);
    yt_tensor *y = yt_import(p.back);
    arrived += p.ok;
    seen += yt_item(yt_sum(x, YT_ALL, 0)) == 21;
    came_back += y && y->size[0] == 3 && yt_item(yt_sum(y, YT_ALL, 0)) == 30;
    yt_tensor *again = yt_import(yt_export(y));
    shared += again && y && again->data == y->data && again != y;
    yt_scope_close(&s, NULL);
  }
  check(arrived == ROUNDS, "a view arrives with its shape and values: %d of %d", arrived, ROUNDS);
  check(seen == ROUNDS, "what the other thread writes is seen here: %d of %d", seen, ROUNDS);
  check(came_back == ROUNDS, "a result made there comes back: %d of %d", came_back, ROUNDS);
  check(shared == ROUNDS, "the storage is the same, the header is new: %d of %d", shared, ROUNDS);
  check(yt_memory(YT_CPU, 0) == before, "%lld bytes are left", (long long)(yt_memory(YT_CPU, 0) - before));
}
static void test_refusal(void)
{
  yt_scope s;
  yt_scope_open(&s);
  yt_tensor *x = yt_zeros(YT_F32, &(yt_shape){ 1, { 3 } }, YT_CPU);
  yt_requires_grad(x, 1);
  yt_tensor *y = yt_mul(x, yt_num(2));
  check(!yt_export(y) && strstr(yt_error(0), "detach it first"), "a graph stays in its thread: %s", yt_error(0));
  yt_tensor *z = yt_import(yt_export(yt_detach(y)));
  check(z && !z->node && z->data == y->data, "detached it may go");
  check(!yt_import(NULL) && !yt_export(NULL), "what failed is passed on");
  yt_scope_close(&s, NULL);
}

/* ---- writers in two threads, one storage: the last to let go frees it ---- */
static void *let_go(void *arg)
{
  yt_tensor *x = yt_import(arg);
  for (int i = 0; i < 1000; i++) yt_release(yt_view(x, &(yt_shape){ 1, { 6 } }));
  yt_release(x);
  return NULL;
}
static void test_last_owner(void)
{
  const int64_t before = yt_memory(YT_CPU, 0), asked = yt_memory(YT_CPU, 3);
  for (int i = 0; i < ROUNDS; i++) {
    pthread_t thread[THREADS];
    yt_tensor *x = yt_zeros(YT_F32, &(yt_shape){ 2, { 2, 3 } }, YT_CPU);
    for (int k = 0; k < THREADS; k++) pthread_create(&thread[k], NULL, let_go, yt_export(x));
    yt_release(x);
    for (int k = 0; k < THREADS; k++) pthread_join(thread[k], NULL);
  }
  check(yt_memory(YT_CPU, 0) == before, "every byte is given back, whoever was last");
  const int began = ROUNDS * THREADS;
  const long long grown = yt_memory(YT_CPU, 3) - asked - began;      /* an export is one itself */
  check(grown < 40, "threads take over what others left: %lld system allocations in %d threads", grown, began);
}

int main(void)
{
  yt_set_threads(2);
  test_training();
  test_sharing();
  test_refusal();
  test_last_owner();
  return check_report();
}
