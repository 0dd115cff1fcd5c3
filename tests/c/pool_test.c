/* pool.h: every slice runs once, whoever else uses the pool; nested jobs, several clients, resizing, signals, fork. */
#include "backends/cpu/pool.h"
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 1000 };

typedef struct { atomic_int ran[MANY], wrong; int slices; } tally;

static void count_slice(void *ctx, int slice, int slices)
{
  tally *t = ctx;
  if (slices != t->slices || slice < 0 || slice >= slices) atomic_fetch_add(&t->wrong, 1);
  else atomic_fetch_add(&t->ran[slice], 1);
}
static int each_ran(tally *t, int times)
{
  for (int i = 0; i < t->slices; i++) if (t->ran[i] != times) return 0;
  return !t->wrong;
}
static void *newly(size_t bytes)
{
  void *p = calloc(1, bytes);
  if (!p) abort();
  return p;
}

static void test_slices(void)
{
  static const int counts[] = { 0, 1, 2, 3, 7, 64, 65, MANY };
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    tally *t = newly(sizeof *t);
    t->slices = counts[i];
    for (int r = 0; r < 50; r++) cpu__run(count_slice, t, counts[i]);
    check(each_ran(t, 50), "each of %d slices runs once per job", counts[i]);
    free(t);
  }
}

static void test_division(void)
{
  int even = 1, whole = 1;
  for (long items = 0; items < 50; items++)
    for (int n = 1; n < 12; n++) {
      long from = 0;
      for (int i = 0; i < n; i++) {
        const long end = cpu__first(items, i + 1, n);
        whole &= cpu__first(items, i, n) == from && end >= from;
        even &= end - from == items / n || end - from == items / n + 1;
        from = end;
      }
      whole &= from == items;
    }
  check(whole, "slices cover the items without gap or overlap");
  check(even, "slices differ by one item at most");
}

/* ---- nested ---- */
typedef struct { tally inner; atomic_int same_thread; } nest;
typedef struct { nest *n; pthread_t thread; } inner_job;

static void inner_slice(void *ctx, int slice, int slices)
{
  inner_job *j = ctx;
  if (pthread_equal(j->thread, pthread_self())) atomic_fetch_add(&j->n->same_thread, 1);
  count_slice(&j->n->inner, slice, slices);
}
static void outer_slice(void *ctx, int slice, int slices)
{
  inner_job j = { ctx, pthread_self() };
  (void)slice, (void)slices;
  check(cpu__slices(1e6, 100) == 1, "inside a slice nothing is worth splitting");
  cpu__run(inner_slice, &j, j.n->inner.slices);
}
static void test_nested(void)
{
  nest *n = newly(sizeof *n);
  n->inner.slices = 10;
  cpu__run(outer_slice, n, 1);
  check(each_ran(&n->inner, 1), "a nested job runs whole");
  memset(n, 0, sizeof *n);
  n->inner.slices = 10;
  for (int r = 0; r < 20; r++) {
    inner_job j = { n, pthread_self() };
    cpu__run(inner_slice, &j, 10);
  }
  check(each_ran(&n->inner, 20), "the pool works after a nested job");
  free(n);
}
static void nested_alone(void *ctx, int slice, int slices)
{
  inner_job j = { ctx, pthread_self() };
  (void)slice, (void)slices;
  cpu__run(inner_slice, &j, 10);
}
static void test_nested_is_serial(void)
{
  nest *n = newly(sizeof *n);
  n->inner.slices = 10;
  cpu__run(nested_alone, n, 8);
  check(n->same_thread == 80, "a nested job stays on its thread: %d of 80 slices did", n->same_thread);
  check(each_ran(&n->inner, 8), "every nested job runs whole");
  free(n);
}

/* ---- several clients ---- */
static void *client(void *arg)
{
  tally *t = arg;
  for (int r = 0; r < 2000; r++) cpu__run(count_slice, t, t->slices);
  return NULL;
}
static void test_clients(void)
{
  enum { CLIENTS = 4 };
  pthread_t thread[CLIENTS];
  tally *t = newly(CLIENTS * sizeof *t);
  for (int i = 0; i < CLIENTS; i++) t[i].slices = 2 + i, pthread_create(&thread[i], NULL, client, &t[i]);
  for (int i = 0; i < CLIENTS; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < CLIENTS; i++) check(each_ran(&t[i], 2000), "client %d of several gets its slices, once each", i);
  free(t);
}

/* ---- sharing, signals, sleep ---- */
typedef struct { pthread_t caller; atomic_int elsewhere, open; } sharing;

static void slow_slice(void *ctx, int slice, int slices)
{
  sharing *s = ctx;
  const struct timespec ms = { 0, 1000000 };
  (void)slice, (void)slices;
  if (!pthread_equal(s->caller, pthread_self())) {
    sigset_t set;
    atomic_fetch_add(&s->elsewhere, 1);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    if (!sigismember(&set, SIGINT) || !sigismember(&set, SIGUSR1)) atomic_fetch_add(&s->open, 1);
  }
  nanosleep(&ms, NULL);
}
static void test_sharing(void)
{
  const struct timespec nap = { 0, 20000000 };
  sharing s = { .caller = pthread_self() };
  nanosleep(&nap, NULL);                           /* the workers fall asleep */
  for (int r = 0; r < 3; r++) cpu__run(slow_slice, &s, 8), nanosleep(&nap, NULL);
  check(s.elsewhere > 0, "workers that slept take part in a job");
  check(s.open == 0, "workers block the host's signals");
}

static void test_sizes(void)
{
  check(cpu__set_threads(0) == -1, "no threads at all is refused");
  check(cpu__set_threads(-3) == -1, "a negative number of threads is refused");
  for (int n = 1; n <= 5; n++) {
    tally *t = newly(sizeof *t);
    t->slices = 40;
    check(cpu__set_threads(n) == 0 && cpu__threads() == n, "%d threads can be had", n);
    for (int r = 0; r < 200; r++) cpu__run(count_slice, t, 40);
    check(each_ran(t, 200), "%d threads run every slice", n);
    free(t);
  }
  check(cpu__set_threads(1000) == 0 && cpu__threads() == 64, "more than 64 threads are 64");
  cpu__set_threads(1);
  check(cpu__slices(1e6, 100) == 1, "one thread never splits");
  cpu__set_threads(4);
  check(cpu__slices(1, 100) == 1, "work of a microsecond is never split");
  check(cpu__slices(1e6, 1) == 1, "one item can't be split");
  check(cpu__slices(1e6, 3) == 3, "there are no more slices than items");
  check(cpu__slices(1e6, 100) == 4, "long work goes to all threads");
  check(cpu__stop_threads() == 0, "the workers can be stopped");
  check(cpu__stop_threads() == 0, "and stopped again");
  tally *t = newly(sizeof *t);
  t->slices = 9;
  cpu__run(count_slice, t, 9);
  check(each_ran(t, 1), "and start again by themselves");
  free(t);
}
static void resize_inside(void *ctx, int slice, int slices)
{
  (void)slice, (void)slices;
  atomic_fetch_add((atomic_int *)ctx, cpu__set_threads(2) == -1 && cpu__stop_threads() == -1);
}
static void test_refusals_inside(void)
{
  atomic_int refused = 0;
  cpu__run(resize_inside, &refused, 4);
  check(refused == 4, "a slice may not resize the pool it runs in");
}

/* ---- fork ---- */
#ifdef __SANITIZE_THREAD__                        /* it forbids threads in the child of a process that has threads */
enum { CHILD_THREADS = 1 };
#else
enum { CHILD_THREADS = 3 };
#endif

static void test_fork(void)
{
  cpu__set_threads(3);
  for (int r = 0; r < 5; r++) {
    tally *t = newly(sizeof *t);
    t->slices = 30;
    cpu__run(count_slice, t, 30);                  /* workers exist, some awake */
    const pid_t child = fork();
    if (child == 0) {
      cpu__set_threads(CHILD_THREADS);
      alarm(20);                                   /* a child that waits for the parent's workers would hang */
      for (int i = 0; i < 100; i++) cpu__run(count_slice, t, 30);
      cpu__set_threads((CHILD_THREADS + 1) / 2);
      for (int i = 0; i < 100; i++) cpu__run(count_slice, t, 30);
      _exit(each_ran(t, 201) ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    check(status == 0, "a forked child runs jobs with workers of its own: status %d", status);
    cpu__run(count_slice, t, 30);
    check(each_ran(t, 2), "the parent's workers outlive the fork");
    free(t);
  }
}

int main(void)
{
  cpu__set_threads(4);
  test_division();
  test_slices();
  test_nested();
  test_nested_is_serial();
  test_clients();
  test_sharing();
  test_sizes();
  test_refusals_inside();
  test_fork();
  return check_report();
}
