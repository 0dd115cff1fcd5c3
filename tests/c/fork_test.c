/* fork_test.c: fork after load. The child starts workers of its own when it needs them and computes the same bits, even
 * if other threads of the parent were inside the library when it forked; the parent goes on as if nothing happened. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"
#include "learn.h"

enum { FORKS = 20, STEPS = 20, BUSY = 2 };
#ifdef __SANITIZE_THREAD__        /* it forbids threads in the child of a process that has threads */
enum { CHILD_THREADS = 1 };
#else
enum { CHILD_THREADS = 2 };
#endif

static atomic_int stop;

/* In the locks of the library as often as it can: new threads, shared storage, jobs of the pool. */
static void *short_lived(void *parcel) { yt_release(yt_import(parcel)); return NULL; }
static void *busy(void *seed)
{
  while (!atomic_load(&stop)) {
    pthread_t thread;
    yt_tensor *x = yt_zeros(YT_F32, &(yt_shape){ 1, { 1000 } }, YT_CPU);
    if (!pthread_create(&thread, NULL, short_lived, yt_export(x))) pthread_join(thread, NULL);
    yt_release(x);
    for (int i = 0; i < 20000; i++) yt_memory(YT_CPU, 0);
    learn(*(uint64_t *)seed, 2);
  }
  return NULL;
}

/* 0: the child learned as its parent does */
static int child_learns(double expected)
{
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);                    /* one that waits for a lock or a thread of its parent's would hang */
    if (yt_set_threads(CHILD_THREADS)) _exit(2);
    yt_memory_trim();
    _exit(learn(1, STEPS) == expected ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}
static void test_forks(const char *when, double expected)
{
  int good = 0, status = 0;
  for (int i = 0; i < FORKS; i++) {
    const int ended = child_learns(expected);
    if (ended) status = ended; else good++;
  }
  check(good == FORKS, "%s: %d of %d children learned; another's status was %d", when, good, FORKS, status);
  check(learn(1, STEPS) == expected, "%s: the parent learns as before", when);
}

int main(void)
{
  static uint64_t seeds[BUSY] = { 3, 4 };
  pthread_t thread[BUSY];
  yt_set_threads(1);
  const double expected = learn(1, STEPS);
  check(expected > 0 && expected < learn(1, 1), "the loss falls, to %g", expected);
  test_forks("one thread", expected);
  yt_set_threads(3);
  test_forks("workers asleep or awake", expected);
  for (int i = 0; i < BUSY; i++) pthread_create(&thread[i], NULL, busy, &seeds[i]);
  test_forks("other threads at work", expected);
  atomic_store(&stop, 1);
  for (int i = 0; i < BUSY; i++) pthread_join(thread[i], NULL);
  return check_report();
}
