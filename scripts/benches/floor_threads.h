/* floor_threads.h: one helper thread for the floors: it spins for a while, then sleeps. */
#ifndef YUTU_FLOOR_THREADS_H
#define YUTU_FLOOR_THREADS_H
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

typedef void floor_part(void *ctx, long from, long end);

static struct {
  _Alignas(64) atomic_uint bell, asleep;
  _Alignas(64) atomic_uint answer;
  floor_part *f;
  void *ctx;
  long end;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t woken;
} helper = { .lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER };

static void *help(void *unused)
{
  for (unsigned seen = 0;; seen++) {
    for (int spins = 0; helper.bell == seen && spins < 4000; spins++) _mm_pause();
    if (helper.bell == seen) {
      pthread_mutex_lock(&helper.lock);
      helper.asleep = 1;
      while (helper.bell == seen) pthread_cond_wait(&helper.woken, &helper.lock);
      helper.asleep = 0;
      pthread_mutex_unlock(&helper.lock);
    }
    helper.f(helper.ctx, 0, helper.end);
    helper.answer = seen + 1;
  }
  return unused;
}

static void wake_helper(void)
{
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  if (CPU_COUNT(&allowed) > 1) CPU_CLR(sched_getcpu(), &allowed);      /* Linux likes to wake it right here */
  pthread_setaffinity_np(helper.thread, sizeof allowed, &allowed);
  pthread_mutex_lock(&helper.lock);
  pthread_cond_signal(&helper.woken);
  pthread_mutex_unlock(&helper.lock);
}

/* Runs f on both halves of [0, n), the upper one on the calling thread; the cut is at a multiple of unit. */
static void floor_split(floor_part *f, void *ctx, long n, long unit, int threads)
{
  if (threads < 2) { f(ctx, 0, n); return; }
  if (!helper.thread && pthread_create(&helper.thread, NULL, help, NULL)) { f(ctx, 0, n); return; }
  helper.f = f, helper.ctx = ctx, helper.end = n / 2 / unit * unit;
  const unsigned job = ++helper.bell;
  if (helper.asleep) wake_helper();
  f(ctx, helper.end, n);
  while (helper.answer != job) _mm_pause();
}
#endif
