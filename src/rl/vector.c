/* vector.c: N environments of one kind, stepped together.
 *
 * Invariants. Environment i draws from a random stream of its own, (seed, STREAM + i), so what it does depends on the
 * seed, i and its actions alone: not on N, not on threads. Everything that a run depends on lies in one block, which
 * is what save and load copy. Whatever is refused (an action out of range) is refused before anything moved.
 *
 *   action             (N) i64, counted from base
 *   observation        (N, observation_size) f32; of the new episode where an ended one began anew
 *   reward             (N) f32
 *   terminated         (N) u8: ended by the rules; there is no future to value
 *   truncated          (N) u8: ended by the time limit; its future is worth the value of final_observation.
 *                      Both are 1 where the rules and the limit meet in one step, as in Gymnasium
 *   final_observation  (N, observation_size) f32, or NULL: what the step led to, before any automatic reset
 *   source             Gymnasium 1.x, vector environments: autoreset modes SAME_STEP and NEXT_STEP, TimeLimit */
#include <stdlib.h>
#include <string.h>
#include "backends/backend.h"
#include "backends/cpu/pool.h"
#include "envs/env.h"

#define STREAM (UINT64_C(0x656e76) << 28)        /* "env": streams that nothing else uses; a whole number in Lua too */

enum { MOST = 1 << 20, THREADS_FROM = 1024 };     /* fewer environments are done sooner than a thread is woken */
static const double step_us = 0.025;             /* what a step costs at least (CartPole) */

typedef struct vector {
  yt_envs e;                      /* what the caller sees; must be first */
  const env_class *class;
  int32_t begun;                  /* was reset */
  size_t block_size;
  char *block;                    /* owned, calloc'ed; the arrays below lie in it */
  yt_generator *random;           /* (N) */
  double *episode_return, *ended_return;
  int64_t *episode_length, *ended_length;
  char *state;                    /* (N, stride) */
  size_t stride;
  uint8_t *over;                  /* (N) next-step mode: ended, begins anew in the next step */
} vector;

typedef struct saved {            /* what comes before the block in saved bytes */
  char magic[8], name[32];
  int32_t num_envs, autoreset, begun, stride;
  int64_t steps, episodes;
  double recent_return[YT_RECENT];
  int64_t recent_length[YT_RECENT];
} saved;

static const char magic[8] = "ytenvs1";

static void seed_all(vector *v, uint64_t seed)
{
  for (int i = 0; i < v->e.num_envs; i++) v->random[i] = (yt_generator){ seed, STREAM + (uint64_t)i, 0 };
}

yt_envs *yt_envs_new(const char *name, int num_envs, uint64_t seed, int autoreset)
{
  const env_class *class = yt__env_class(name);
  if (!class) return NULL;
  if (num_envs < 1 || num_envs > MOST) {
    yt__fail("envs: num_envs is %d, it must be 1 to %d", num_envs, MOST);
    return NULL;
  }
  if (autoreset != YT_SAME_STEP && autoreset != YT_NEXT_STEP) {
    yt__fail("envs: autoreset is %d, it must be YT_SAME_STEP or YT_NEXT_STEP", autoreset);
    return NULL;
  }
  size_t n = (size_t)num_envs, stride = (class->state_size + 7) & ~(size_t)7;
  size_t per_env = sizeof(yt_generator) + 2 * sizeof(double) + 2 * sizeof(int64_t) + stride + 1;
  vector *v = yt__malloc(sizeof *v);
  char *block = v ? yt__malloc(n * per_env) : NULL;
  if (!block) {
    free(v);
    yt__fail("envs: no memory for %d environments of %zu bytes", num_envs, per_env);
    return NULL;
  }
  memset(v, 0, sizeof *v);
  memset(block, 0, n * per_env);
  v->class = class;
  v->block = block;
  v->block_size = n * per_env;
  v->stride = stride;
  v->random = (yt_generator *)block;
  v->episode_return = (double *)(v->random + n);
  v->ended_return = v->episode_return + n;
  v->episode_length = (int64_t *)(v->ended_return + n);
  v->ended_length = v->episode_length + n;
  v->state = (char *)(v->ended_length + n);
  v->over = (uint8_t *)(v->state + n * stride);
  v->e = (yt_envs){
    .name = class->name, .num_envs = num_envs, .observation_size = class->observation_size,
    .num_actions = class->num_actions, .max_episode_steps = class->max_episode_steps, .autoreset = autoreset,
    .reward_threshold = class->reward_threshold,
    .observation_low = class->observation_low, .observation_high = class->observation_high,
    .episode_return = v->episode_return, .ended_return = v->ended_return,
    .episode_length = v->episode_length, .ended_length = v->ended_length,
  };
  seed_all(v, seed);
  return &v->e;
}

void yt_envs_free(yt_envs *e)
{
  vector *v = (vector *)e;
  if (!v) return;
  free(v->block);
  free(v);
}

void *yt_envs_state(yt_envs *e, int i)
{
  vector *v = (vector *)e;
  if (i >= 0 && i < e->num_envs) return v->state + (size_t)i * v->stride;
  yt__fail("envs: environment %d is not in 0 to %d", i, e->num_envs - 1);
  return NULL;
}

static void begin(vector *v, int i, float *observation)
{
  v->episode_return[i] = 0;
  v->episode_length[i] = 0;
  v->over[i] = 0;
  v->class->reset(v->state + (size_t)i * v->stride, &v->random[i], observation);
}

/* Begins a new episode everywhere; with a seed, streams and statistics begin anew too. */
int yt_envs_reset(yt_envs *e, const uint64_t *seed, float *observation)
{
  vector *v = (vector *)e;
  if (seed) {
    seed_all(v, *seed);
    e->steps = e->episodes = 0;
  }
  for (int i = 0; i < e->num_envs; i++) begin(v, i, observation + (size_t)i * (size_t)e->observation_size);
  v->begun = 1;
  return 0;
}

typedef struct outputs {
  vector *v;
  const int64_t *action;
  int64_t base;
  float *observation, *reward;
  uint8_t *terminated, *truncated;
  float *final_observation;
} outputs;

static void step_one(const outputs *o, int i)
{
  vector *v = o->v;
  const env_class *class = v->class;
  size_t bytes = (size_t)class->observation_size * sizeof(float), at = (size_t)i * (size_t)class->observation_size;
  float *observation = o->observation + at;
  if (v->over[i]) {
    begin(v, i, observation);
    o->reward[i] = 0;
    o->terminated[i] = o->truncated[i] = 0;
    if (o->final_observation) memcpy(o->final_observation + at, observation, bytes);
    return;
  }
  int terminated = class->step(v->state + (size_t)i * v->stride, &v->random[i], o->action[i] - o->base, observation,
                               &o->reward[i]);
  v->episode_return[i] += (double)o->reward[i];
  int64_t length = ++v->episode_length[i];
  int truncated = class->max_episode_steps && length >= class->max_episode_steps;
  o->terminated[i] = (uint8_t)terminated;
  o->truncated[i] = (uint8_t)truncated;
  if (o->final_observation) memcpy(o->final_observation + at, observation, bytes);
  if (!terminated && !truncated) return;
  v->ended_return[i] = v->episode_return[i];
  v->ended_length[i] = length;
  if (v->e.autoreset == YT_SAME_STEP) begin(v, i, observation);
  else v->over[i] = 1;
}

static void step_slice(void *context, int slice, int slices)
{
  const outputs *o = context;
  int to = (int)cpu__first(o->v->e.num_envs, slice + 1, slices);
  for (int i = (int)cpu__first(o->v->e.num_envs, slice, slices); i < to; i++) step_one(o, i);
}

int yt_envs_step(yt_envs *e, const int64_t *action, int64_t base, float *observation, float *reward,
                 uint8_t *terminated, uint8_t *truncated, float *final_observation)
{
  vector *v = (vector *)e;
  if (!v->begun) return yt__fail("step: the environments were never reset");
  for (int i = 0; i < e->num_envs; i++) {
    if (action[i] < base || action[i] - base >= e->num_actions) {
      return yt__fail("step: action %lld of environment %lld is not in %lld to %lld", (long long)action[i],
                      (long long)(i + base), (long long)base, (long long)(base + e->num_actions - 1));
    }
  }
  outputs o = { v, action, base, observation, reward, terminated, truncated, final_observation };
  int slices = e->num_envs < THREADS_FROM ? 1 : cpu__slices(step_us * e->num_envs, e->num_envs);
  if (slices > 1) cpu__run(step_slice, &o, slices);
  else step_slice(&o, 0, 1);
  for (int i = 0; i < e->num_envs; i++) {
    if (!(terminated[i] | truncated[i])) continue;
    int64_t k = e->episodes++ % YT_RECENT;
    e->recent_return[k] = v->ended_return[i];
    e->recent_length[k] = v->ended_length[i];
  }
  e->steps += e->num_envs;
  return 0;
}

int64_t yt_envs_save(const yt_envs *e, void *bytes)
{
  const vector *v = (const vector *)e;
  if (bytes) {
    saved head = { .num_envs = e->num_envs, .autoreset = e->autoreset, .begun = v->begun,
                   .stride = (int32_t)v->stride, .steps = e->steps, .episodes = e->episodes };
    memcpy(head.magic, magic, sizeof magic);
    strncpy(head.name, e->name, sizeof head.name - 1);
    memcpy(head.recent_return, e->recent_return, sizeof head.recent_return);
    memcpy(head.recent_length, e->recent_length, sizeof head.recent_length);
    memcpy(bytes, &head, sizeof head);
    memcpy((char *)bytes + sizeof head, v->block, v->block_size);
  }
  return (int64_t)(sizeof(saved) + v->block_size);
}

int yt_envs_load(yt_envs *e, const void *bytes, int64_t n)
{
  vector *v = (vector *)e;
  saved head;
  if (n < (int64_t)sizeof head) return yt__fail("envs: %lld bytes are no saved environments", (long long)n);
  memcpy(&head, bytes, sizeof head);
  head.name[sizeof head.name - 1] = 0;
  if (memcmp(head.magic, magic, sizeof magic)) return yt__fail("envs: these bytes are no saved environments");
  if (strcmp(head.name, e->name) || head.num_envs != e->num_envs) {
    return yt__fail("envs: these bytes are of %d %s, not of %d %s", head.num_envs, head.name, e->num_envs, e->name);
  }
  if (head.autoreset != e->autoreset) return yt__fail("envs: these bytes were saved in the other autoreset mode");
  if (n != yt_envs_save(e, NULL) || head.stride != (int32_t)v->stride) {
    return yt__fail("envs: %lld bytes where %lld are needed", (long long)n, (long long)yt_envs_save(e, NULL));
  }
  if (head.episodes < 0) return yt__fail("envs: these bytes count %lld episodes", (long long)head.episodes);
  memcpy(v->block, (const char *)bytes + sizeof head, v->block_size);
  memcpy(e->recent_return, head.recent_return, sizeof head.recent_return);
  memcpy(e->recent_length, head.recent_length, sizeof head.recent_length);
  v->begun = head.begun;
  e->steps = head.steps;
  e->episodes = head.episodes;
  return 0;
}
