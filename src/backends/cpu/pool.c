/* pool.c: a thread pool whose caller never waits for a thread that has not begun.
 *
 * A job is published as a ticket, job << 32 | slices << 16 | next free slice. Taking a slice is one compare-and-swap,
 * so a worker that is late, or still holds an old job's number, takes nothing, and the caller does that share itself.
 * Everything a slice reads (`task`, `ctx`) is written before the ticket and read after taking from it. Waiting is a
 * short spin, then a futex: a hot loop costs no system call, an idle program no processor time.
 *
 * State written with `lock` held: task, ctx, job, team, avoid, allowed, thread[]. */
#define _GNU_SOURCE 1
#include "pool.h"
#include "isa.h"
#include "../backend.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

enum {
  MAX_THREADS = 64,
  MAX_SLICES = 0xffff,
  SPINS = 2000,        /* pauses before a wait becomes a system call: 20 to 60 us */
  AWAKE_US = 2,        /* work worth splitting while the workers spin */
  ASLEEP_US = 80,      /* and when they must be woken */
  WINDOW = 1 << 20     /* clock ticks within which small jobs add up to one worth waking for: 0.3 to 0.5 ms */
};

static struct {
  _Alignas(64) _Atomic uint64_t ticket;
  _Alignas(64) _Atomic uint32_t bell;             /* the newest job; workers wait for it to change */
  _Atomic uint32_t asleep, stop;
  _Alignas(64) _Atomic uint32_t done, waiting;    /* the caller waits for done == slices */
  _Alignas(64) cpu_task *task;
  void *ctx;
  uint32_t job;
  int avoid;                                      /* the processor that workers keep off, or -1 */
  _Atomic int team;                               /* threads now running, the caller included; 0 before the first job */
  _Atomic int wanted;                             /* threads to run; 0 until first asked */
  cpu_set_t allowed;
  pthread_t thread[MAX_THREADS];                  /* [1, team); joined by shrink */
  pthread_mutex_t lock;                           /* one job at a time */
} pool = { .avoid = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local int t_inside;                /* this thread is running a slice */
static _Thread_local double t_owed;               /* us of work done alone because the workers slept ... */
static _Thread_local uint64_t t_since;            /* ... since this clock tick */

static void wait_while(_Atomic uint32_t *word, uint32_t value)
{
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}
static void wake(_Atomic uint32_t *word, int threads)
{
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}

/* Takes slices of one job until none is left. */
static void work(uint32_t job)
{
  uint64_t t = atomic_load(&pool.ticket);
  for (;;) {
    const int slice = t & 0xffff, slices = t >> 16 & 0xffff;
    if (t >> 32 != job || slice >= slices) return;
    if (!atomic_compare_exchange_weak(&pool.ticket, &t, t + 1)) continue;
    t_inside = 1;
    pool.task(pool.ctx, slice, slices);
    t_inside = 0;
    if (atomic_fetch_add(&pool.done, 1) + 1 == (uint32_t)slices && atomic_load(&pool.waiting)) wake(&pool.done, 1);
    t = atomic_load(&pool.ticket);
  }
}

static void *worker(void *last_job)
{
  uint32_t seen = (uint32_t)(uintptr_t)last_job;
  while (!atomic_load(&pool.stop)) {
    for (int spins = 0; atomic_load(&pool.bell) == seen;) {
      if (++spins < SPINS) { _mm_pause(); continue; }
      atomic_fetch_add(&pool.asleep, 1);
      wait_while(&pool.bell, seen);
      atomic_fetch_sub(&pool.asleep, 1);
    }
    seen = atomic_load(&pool.bell);
    work(seen);
  }
  return NULL;
}

/* Linux likes to wake a worker on the caller's own processor, where it would only wait: forbid it that one. */
static void keep_off(int processor)
{
  cpu_set_t set = pool.allowed;
  if (processor == pool.avoid || processor < 0 || processor >= CPU_SETSIZE) return;
  CPU_CLR(processor, &set);
  if (!CPU_COUNT(&set)) return;
  for (int i = 1; i < pool.team; i++) pthread_setaffinity_np(pool.thread[i], sizeof set, &set);
  pool.avoid = processor;
}

/* With the lock held: joins every worker above `team`; since a bell wakes all of them, all of them. */
static void join_workers(void)
{
  if (pool.team > 1) {
    atomic_store(&pool.stop, 1);
    atomic_store(&pool.bell, ++pool.job);
    wake(&pool.bell, MAX_THREADS);
    for (int i = 1; i < pool.team; i++) pthread_join(pool.thread[i], NULL);
    atomic_store(&pool.stop, 0);
  }
  pool.team = 0;
  pool.avoid = -1;
}

/* The child of a fork has none of the workers, and a lock that a vanished thread may hold. */
static void after_fork(void)
{
  pool.team = 0;
  pool.avoid = -1;
  pool.asleep = pool.stop = pool.waiting = 0;
  pthread_mutex_init(&pool.lock, NULL);
}
static void watch_forks(void) { pthread_atfork(NULL, NULL, after_fork); }

/* With the lock held: starts the workers that are missing. One that can't be started is done without. */
static void start_workers(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  const int wanted = cpu__threads();
  sigset_t all, old;
  pthread_once(&once, watch_forks);
  if (sched_getaffinity(0, sizeof pool.allowed, &pool.allowed)) CPU_ZERO(&pool.allowed);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  for (pool.team = 1; pool.team < wanted; pool.team++)
    if (pthread_create(&pool.thread[pool.team], NULL, worker, (void *)(uintptr_t)pool.job)) break;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int cpu__threads(void)
{
  int wanted = atomic_load_explicit(&pool.wanted, memory_order_relaxed);
  if (wanted) return wanted;
  cpu_set_t allowed;
  const char *asked = getenv("YUTU_THREADS");
  const int n = asked ? atoi(asked) : sched_getaffinity(0, sizeof allowed, &allowed) ? 1 : CPU_COUNT(&allowed);
  const int first = n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
  return atomic_compare_exchange_strong(&pool.wanted, &wanted, first) ? first : wanted;
}

int cpu__set_threads(int n)
{
  if (n < 1) return yt__fail("set_threads: %d threads; at least 1 is needed", n);
  if (t_inside) return yt__fail("set_threads: called while a parallel operation runs on this thread");
  n = n > MAX_THREADS ? MAX_THREADS : n;
  pthread_mutex_lock(&pool.lock);
  if (pool.team && pool.team != n) join_workers();
  atomic_store(&pool.wanted, n);
  pthread_mutex_unlock(&pool.lock);
  return 0;
}

int cpu__stop_threads(void)
{
  if (t_inside) return yt__fail("stop_threads: called while a parallel operation runs on this thread");
  pthread_mutex_lock(&pool.lock);
  join_workers();
  pthread_mutex_unlock(&pool.lock);
  return 0;
}

static void run_alone(cpu_task *f, void *ctx, int slices)
{
  const int inside = t_inside;
  t_inside = 1;
  for (int i = 0; i < slices; i++) f(ctx, i, slices);
  t_inside = inside;
}

void cpu__run(cpu_task *f, void *ctx, int slices)
{
  uint32_t finished;
  if (slices < 2 || slices > MAX_SLICES || t_inside || cpu__threads() < 2 || pthread_mutex_trylock(&pool.lock)) {
    run_alone(f, ctx, slices);
    return;
  }
  if (!pool.team) start_workers();
  const uint32_t job = ++pool.job;
  pool.task = f, pool.ctx = ctx;
  atomic_store(&pool.done, 0);
  atomic_store(&pool.ticket, (uint64_t)job << 32 | (uint64_t)slices << 16);
  atomic_store(&pool.bell, job);
  if (atomic_load(&pool.asleep)) {
    keep_off(sched_getcpu());
    wake(&pool.bell, slices - 1);
  }
  work(job);
  for (int spins = 0; (finished = atomic_load(&pool.done)) != (uint32_t)slices;) {
    if (++spins < SPINS) { _mm_pause(); continue; }
    atomic_store(&pool.waiting, 1);
    wait_while(&pool.done, finished);
    atomic_store(&pool.waiting, 0);
  }
  pthread_mutex_unlock(&pool.lock);
}

/* Small jobs that follow one another closely deserve the workers as much as a large one: what was done alone
 * is added up over a short window. */
static int worth_waking(double us)
{
  const uint64_t now = __rdtsc();
  if (now - t_since > WINDOW) t_since = now, t_owed = 0;
  t_owed += us;
  if (t_owed < ASLEEP_US) return 0;
  t_owed = 0;
  return 1;
}

int cpu__serial(int on)
{
  const int was = t_inside;
  t_inside = on;
  return was;
}
int cpu__slices(double us, long items)
{
  if (us < AWAKE_US || items < 2 || t_inside) return 1;
  long n = cpu__threads();
  if (n < 2) return 1;
  const int awake = atomic_load_explicit(&pool.team, memory_order_relaxed) > 1 &&
                    !atomic_load_explicit(&pool.asleep, memory_order_relaxed);
  if (!awake && !worth_waking(us)) return 1;
  if (us < (double)n) n = (long)us;    /* a slice of less than a microsecond only makes noise */
  return (int)(n < items ? n : items);
}

/* ---- the instruction set ---- */

static int best_isa(void)
{
  static const char *const name[] = { "sse2", "avx2", "avx512" };
  const char *limit = getenv("YUTU_ISA");
  int best = CPU_SSE2;
  __builtin_cpu_init();
  /* what -march=x86-64-v3 and v4 let a compiler use, beyond what those processors always have */
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("bmi2")) best = CPU_AVX2;
  if (best == CPU_AVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) best = CPU_AVX512;
  for (int i = 0; limit && i < best; i++) if (!strcmp(limit, name[i])) best = i;
  return best;
}

int cpu__isa(void)
{
  static _Atomic int known;                       /* 1 + the answer; 0 until first asked */
  int isa = atomic_load_explicit(&known, memory_order_relaxed);
  if (!isa) atomic_store_explicit(&known, isa = 1 + best_isa(), memory_order_relaxed);
  return isa - 1;
}
