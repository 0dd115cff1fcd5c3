/* pool.h: the one thread pool of the library.
 *
 * A job is a function and a number of slices that do not depend on one another. The caller works too and takes every
 * slice that no worker has begun, so a job never waits for a sleeping worker. While one thread uses the pool another's
 * job runs serially on its own thread; so does a job started inside a slice. After fork the child starts its own
 * workers when it first needs them. Workers block all signals: those stay with the host's threads. */
#ifndef CPU_POOL_H
#define CPU_POOL_H

/* One slice of a job: `slice` counts from 0, `slices` is how many there are. */
typedef void cpu_task(void *ctx, int slice, int slices);

/* Threads that share a job, the caller included: the processors this process may use, or YUTU_THREADS. */
int cpu__threads(void);

/* Sets that number, 1 to 64 (more is taken as 64). Stops surplus workers, waits for a running job.
 * errors: n < 1, or called from inside a slice. */
int cpu__set_threads(int n);

/* Runs f(ctx, 0..slices-1, slices), in any order, and returns when all are done. Starts the workers if it must. */
void cpu__run(cpu_task *f, void *ctx, int slices);

/* How many slices a job of about `us` microseconds and `items` divisible items deserves: 1 when it is too small for a
 * thread to help (2 us while the workers spin, 80 us when they sleep) or inside a slice, else the threads. */
int cpu__slices(double us, long items);

/* While on, jobs of this thread run serially on it, as if inside a slice. Returns what it was. */
int cpu__serial(int on);

/* The first item of a slice, when `items` are divided as evenly as they can be. */
static inline long cpu__first(long items, int slice, int slices)
{
  return items / slices * slice + (slice < items % slices ? slice : items % slices);
}

/* Joins every worker; the next job starts new ones. For orderly ends and tests: the library is never unloaded,
 * so nothing needs it. errors: called from inside a slice. */
int cpu__stop_threads(void);

#endif
