/* env.h: what an environment is.
 *
 * An environment is a class: constants, and two functions over a state that is plain bytes. It knows its own rules and
 * nothing else: time limits, automatic resets, statistics and saving are done for all of them by rl/vector.c. It draws
 * random numbers from the stream it is handed only, so that an episode follows from that stream and the actions alone.
 * It does not print, allocate or render.
 *
 * A new one: a C file in this folder that fills in an env_class, and its line in env.c. */
#ifndef ENV_H
#define ENV_H
#include "yutu.h"

typedef struct env_class {
  const char *name;                /* Gymnasium's, where it has one */
  int observation_size;            /* numbers in one observation */
  int num_actions;                 /* discrete actions are 0 .. num_actions - 1 */
  int max_episode_steps;           /* after so many an episode is truncated; 0: never */
  size_t state_size;               /* bytes */
  const float *observation_low, *observation_high;   /* observation_size of each */
  double reward_threshold;         /* mean return from which it counts as solved */

  /* Begins an episode.   random -> state, observation (observation_size) */
  void (*reset)(void *state, yt_generator *random, float *observation);

  /* One step.   state, action -> state, observation, reward; returns 1 if the episode ended by the rules
   * (terminated), never because of the time limit. Not called again before reset once it returned 1. */
  int (*step)(void *state, yt_generator *random, int64_t action, float *observation, float *reward);
} env_class;

/* The class of that name.   errors: NULL and a message with the names there are */
const env_class *yt__env_class(const char *name);

/* n numbers, uniform over low <= x < high, 53 random bits each.   random advances by (n + 1) / 2 blocks */
void yt__env_uniform(yt_generator *random, double low, double high, int n, double *x);

extern const env_class yt__cartpole;
#endif
