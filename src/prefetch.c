/* prefetch.c: batches gathered ahead of a training loop, by a thread of their own.
 *
 * The worker gathers rows of the fields, batch after batch, and hands them over as exported tensors in a ring of
 * `depth` places; it waits while the ring is full. It uses no other thread, so the loop keeps the pool. What it shares
 * with the consumer is behind one lock; the fields themselves are only read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include "core.h"

enum { MOST_FIELDS = 16, MOST_DEPTH = 64 };
struct yt_prefetch {
  thrd_t thread;
  mtx_t lock;
  cnd_t changed;
  int n, depth, stop, ended, failed;                  /* ended: the worker is done */
  int64_t batch, made, taken;
  yt_exported *field[MOST_FIELDS], *index;            /* the worker imports them */
  yt_exported *ring[MOST_DEPTH][MOST_FIELDS];
  char error[512];
};

/* One batch into a place of the ring; -1: failed. */
static int gather(yt_exported **place, yt_tensor **field, int n, yt_tensor *index, int64_t at, int64_t batch)
{
  yt_tensor *rows = yt_slice(index, 0, at, at + batch, 1);
  int k = 0;
  for (; rows && k < n; k++) {
    yt_tensor *t = yt_index_select(field[k], 0, rows, 0);
    if (!(place[k] = yt_export(t))) { yt_release(t); break; }
    yt_release(t);
  }
  yt_release(rows);
  if (rows && k == n) return 0;
  while (k--) yt_release(yt_import(place[k]));
  return -1;
}
static int work(void *arg)
{
  yt_prefetch *p = arg;
  yt_tensor *field[MOST_FIELDS], *index = yt_import(p->index);
  const int64_t rows = index ? index->numel : 0;
  int ok = index != NULL;
  yt_serial(1);
  for (int k = 0; k < p->n; k++) ok &= (field[k] = yt_import(p->field[k])) != NULL;
  for (int64_t at = 0; ok && at < rows; at += p->batch) {
    mtx_lock(&p->lock);
    while (p->made - p->taken == p->depth && !p->stop) cnd_wait(&p->changed, &p->lock);
    const int stop = p->stop;
    mtx_unlock(&p->lock);
    if (stop) break;
    if (!(ok = !gather(p->ring[p->made % p->depth], field, p->n, index, at, p->batch))) break;
    mtx_lock(&p->lock);
    p->made++;
    cnd_broadcast(&p->changed);
    mtx_unlock(&p->lock);
  }
  for (int k = 0; k < p->n; k++) yt_release(field[k]);
  yt_release(index);
  mtx_lock(&p->lock);
  p->ended = 1, p->failed = !ok;
  if (!ok) snprintf(p->error, sizeof p->error, "%s", yt_error(0));
  cnd_broadcast(&p->changed);
  mtx_unlock(&p->lock);
  return 0;
}

yt_prefetch *yt_prefetch_new(yt_tensor **fields, int n, yt_tensor *index, int64_t batch_size, int depth)
{
  if (n < 1 || n > MOST_FIELDS || depth < 1 || depth > MOST_DEPTH || batch_size < 1)
    return yt__fail("prefetch: %d fields, batches of %lld, %d ahead; 1 to %d, 1 or more, 1 to %d", n,
      (long long)batch_size, depth, MOST_FIELDS, MOST_DEPTH), NULL;
  if (!index || index->ndim != 1 || index->dtype != YT_I64)
    return yt__fail("prefetch: the index is a list of i64"), NULL;
  yt_prefetch *p = yt__malloc(sizeof *p);
  if (!p) return NULL;
  memset(p, 0, sizeof *p);
  p->n = n, p->depth = depth, p->batch = batch_size;
  int k = 0, ok = (p->index = yt_export(index)) != NULL;
  for (; ok && k < n; k++) ok = (p->field[k] = yt_export(fields[k])) != NULL;
  if (ok && mtx_init(&p->lock, mtx_plain) == thrd_success && cnd_init(&p->changed) == thrd_success) {
    if (thrd_create(&p->thread, work, p) == thrd_success) return p;
    yt__fail("prefetch: the system gives no thread");
  }
  yt_release(yt_import(p->index));
  for (k = 0; k < n; k++) yt_release(yt_import(p->field[k]));
  free(p);
  return NULL;
}
int yt_prefetch_next(yt_prefetch *p, yt_tensor **out)
{
  yt_exported *batch[MOST_FIELDS];
  mtx_lock(&p->lock);
  while (p->made == p->taken && !p->ended) cnd_wait(&p->changed, &p->lock);
  const int some = p->made > p->taken, failed = p->failed;
  if (some) {
    memcpy(batch, p->ring[p->taken++ % p->depth], sizeof batch);
    cnd_broadcast(&p->changed);
  }
  mtx_unlock(&p->lock);
  if (!some) return failed ? yt__fail("prefetch: %s", p->error) : 0;
  int ok = 1;
  for (int k = 0; k < p->n; k++) ok &= (out[k] = yt_import(batch[k])) != NULL;
  return ok ? 1 : -1;
}
void yt_prefetch_free(yt_prefetch *p)
{
  if (!p) return;
  mtx_lock(&p->lock);
  p->stop = 1;
  cnd_broadcast(&p->changed);
  mtx_unlock(&p->lock);
  thrd_join(p->thread, NULL);
  for (; p->taken < p->made; p->taken++)
    for (int k = 0; k < p->n; k++) yt_release(yt_import(p->ring[p->taken % p->depth][k]));
  mtx_destroy(&p->lock), cnd_destroy(&p->changed);
  free(p);
}
