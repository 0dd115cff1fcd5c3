/* env_test.c: environments, as a C program meets them: seeds and streams, both ways to begin anew, truncation beside
 * termination, refusals that change nothing, saving, and equal results for any number of threads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "yutu.h"

enum { MOST = 4096 };
static float observation[MOST][4], final_observation[MOST][4], reward[MOST];
static uint8_t terminated[MOST], truncated[MOST];
static int64_t action[MOST];

static int step(yt_envs *e)
{
  return yt_envs_step(e, action, 0, observation[0], reward, terminated, truncated, final_observation[0]);
}

/* Actions that keep the pole up through any number of steps. */
static void balance(yt_envs *e)
{
  for (int i = 0; i < e->num_envs; i++) {
    const float *s = observation[i];
    action[i] = s[2] + 0.5f * s[3] + 0.02f * s[0] + 0.05f * s[1] > 0;
  }
}

/* A fixed jumble of actions. */
static void jumble(yt_envs *e, int t)
{
  for (int i = 0; i < e->num_envs; i++) action[i] = (i * 7 + t * 13 + t / 3) % 5 < 2;
}

static char *bytes_of(const yt_envs *e)
{
  char *bytes = malloc((size_t)yt_envs_save(e, NULL));
  yt_envs_save(e, bytes);
  return bytes;
}

static int says(const char *text) { return strstr(yt_error(0), text) != NULL; }

static void what_is_refused(void)
{
  check(!yt_envs_new("Cartpole", 1, 1, YT_SAME_STEP) && says("no environment \"Cartpole\"") && says("CartPole-v1"),
        "an unknown name is told the known ones: %s", yt_error(0));
  check(!yt_envs_new("CartPole-v1", 0, 1, YT_SAME_STEP) && says("num_envs is 0"), "no environment: %s", yt_error(0));
  check(!yt_envs_new("CartPole-v1", 1 << 30, 1, YT_SAME_STEP) && says("num_envs"), "too many: %s", yt_error(0));
  check(!yt_envs_new("CartPole-v1", 1, 1, 2) && says("autoreset is 2"), "an unknown mode: %s", yt_error(0));
  for (int n = 1; n <= 2; n++) {
    yt_fail_allocation(n);
    check(!yt_envs_new("CartPole-v1", 8, 1, YT_SAME_STEP) && says("no memory"), "allocation %d fails", n);
  }
  yt_fail_allocation(0);

  yt_envs *e = yt_envs_new("CartPole-v1", 3, 1, YT_SAME_STEP);
  check(step(e) == -1 && says("never reset"), "a step before the first reset: %s", yt_error(0));
  yt_envs_reset(e, NULL, observation[0]);
  char *before = bytes_of(e);
  action[0] = action[2] = 0;
  action[1] = 2;
  check(step(e) == -1 && says("action 2 of environment 1 is not in 0 to 1"), "an action above: %s", yt_error(0));
  action[1] = INT64_MIN;
  check(step(e) == -1, "an action far below");
  action[0] = action[1] = 1;
  action[2] = 3;
  check(yt_envs_step(e, action, 1, observation[0], reward, terminated, truncated, NULL) == -1 &&
        says("action 3 of environment 3 is not in 1 to 2"), "counted from 1: %s", yt_error(0));
  char *after = bytes_of(e);
  check(!memcmp(before, after, (size_t)yt_envs_save(e, NULL)), "a refused step changes nothing");
  check(!yt_envs_state(e, 3) && !yt_envs_state(e, -1) && says("not in 0 to 2"), "no such environment: %s", yt_error(0));
  free(before);
  free(after);
  yt_envs_free(e);
}

/* From rest and upright, pushed to the right: temp = 10 / 1.1, theta'' = -temp / (0.5 (4/3 - 0.1 / 1.1)). */
static void one_step_by_hand(void)
{
  yt_envs *e = yt_envs_new("CartPole-v1", 1, 1, YT_SAME_STEP);
  yt_envs_reset(e, NULL, observation[0]);
  double *state = yt_envs_state(e, 0);
  memset(state, 0, 4 * sizeof *state);
  action[0] = 1;
  step(e);
  double temp = 10 / 1.1, theta_acc = -temp / (0.5 * (4 / 3. - 0.1 / 1.1)), x_acc = temp - 0.05 * theta_acc / 1.1;
  check(state[0] == 0 && state[2] == 0, "positions lag one step behind");
  check(fabs(state[1] - 0.02 * x_acc) < 1e-15 && fabs(state[3] - 0.02 * theta_acc) < 1e-15, "velocities");
  check(observation[0][1] == (float)state[1] && reward[0] == 1, "the observation is the state in f32");
  yt_envs_free(e);
}

static void streams(void)
{
  yt_envs *few = yt_envs_new("CartPole-v1", 2, 5, YT_SAME_STEP), *many = yt_envs_new("CartPole-v1", 7, 5, YT_SAME_STEP);
  float two[2][4];
  yt_envs_reset(few, NULL, two[0]);
  yt_envs_reset(many, NULL, observation[0]);
  check(!memcmp(two, observation, sizeof two), "environment i begins alike, however many there are");
  check(memcmp(observation[0], observation[1], 16), "two environments begin differently");
  int within = 1, same = 1;
  for (int i = 0; i < 7; i++) for (int k = 0; k < 4; k++) within &= fabsf(observation[i][k]) <= 0.05f;
  check(within, "an episode begins within 0.05 of rest");
  for (int t = 0; t < 300; t++) {
    jumble(few, t);
    yt_envs_step(few, action, 0, two[0], reward, terminated, truncated, NULL);
    jumble(many, t);
    step(many);
    same &= !memcmp(two, observation, sizeof two);
  }
  check(same && few->episodes > 10, "and goes on alike through %d episodes", (int)few->episodes);
  uint64_t seed = 5;
  yt_envs_reset(few, &seed, two[0]);
  float again[2][4];
  yt_envs_reset(few, &seed, again[0]);
  check(!memcmp(two, again, sizeof two) && few->episodes == 0 && few->steps == 0, "a seed begins everything anew");
  yt_envs_reset(few, NULL, again[0]);
  check(memcmp(two, again, sizeof two), "without one the stream runs on");
  yt_envs_free(few);
  yt_envs_free(many);
}

static void same_step(void)
{
  yt_envs *e = yt_envs_new("CartPole-v1", 4, 3, YT_SAME_STEP);
  yt_envs_reset(e, NULL, observation[0]);
  int ends = 0, right = 1, length[4] = { 0 };
  for (int t = 0; t < 200; t++) {
    jumble(e, t);
    step(e);
    for (int i = 0; i < 4; i++) {
      length[i]++;
      int fell = fabsf(final_observation[i][0]) > 2.4f || fabsf(final_observation[i][2]) > 0.20943952f;
      right &= fell == terminated[i] && !truncated[i] && reward[i] == 1;
      right &= fabsf(observation[i][2]) < 0.21f;
      if (!terminated[i]) { right &= !memcmp(observation[i], final_observation[i], 16); continue; }
      right &= fabsf(observation[i][2]) <= 0.05f && e->ended_length[i] == length[i] &&
               e->ended_return[i] == length[i] && e->episode_length[i] == 0;
      ends++;
      length[i] = 0;
    }
  }
  check(right && ends > 20, "same step: the fall is in final_observation, the next beginning in observation");
  double sum = 0, lengths = 0;
  for (int k = 0; k < ends && k < YT_RECENT; k++) sum += e->recent_return[k], lengths += (double)e->recent_length[k];
  check(e->episodes == ends && e->steps == 800 && sum == lengths && sum > 5 * ends, "statistics of what ended");
  yt_envs_free(e);
}

static void next_step(void)
{
  yt_envs *e = yt_envs_new("CartPole-v1", 1, 3, YT_NEXT_STEP);
  yt_envs_reset(e, NULL, observation[0]);
  do { action[0] = 1; step(e); } while (!terminated[0]);
  check(fabsf(observation[0][2]) > 0.2f && e->episodes == 1, "next step: the fall is the observation");
  action[0] = 0;
  step(e);
  check(reward[0] == 0 && !terminated[0] && !truncated[0] && fabsf(observation[0][2]) <= 0.05f &&
        e->episode_length[0] == 0, "the next step only begins anew");
  step(e);
  check(reward[0] == 1 && e->episode_length[0] == 1, "and the one after counts again");
  yt_envs_free(e);
}

static void truncation(void)
{
  yt_envs *e = yt_envs_new("CartPole-v1", 1, 2, YT_SAME_STEP);
  yt_envs_reset(e, NULL, observation[0]);
  int t = 0;
  do {
    balance(e);
    step(e);
    t++;
  } while (!terminated[0] && !truncated[0]);
  check(t == 500 && truncated[0] && !terminated[0] && e->ended_return[0] == 500, "truncated after 500, not terminated");
  check(memcmp(observation[0], final_observation[0], 16), "and begins anew");
  for (t = 1; t < 500; t++) {
    balance(e);
    step(e);
  }
  double *state = yt_envs_state(e, 0);
  state[2] = 0.3;
  step(e);
  check(terminated[0] && truncated[0], "the rules and the limit in one step: both");
  yt_envs_free(e);
}

static void saving(void)
{
  yt_envs *e = yt_envs_new("CartPole-v1", 5, 9, YT_SAME_STEP), *f = yt_envs_new("CartPole-v1", 5, 1, YT_SAME_STEP);
  yt_envs_reset(e, NULL, observation[0]);
  for (int t = 0; t < 77; t++) { jumble(e, t); step(e); }
  int64_t n = yt_envs_save(e, NULL);
  char *bytes = bytes_of(e);
  check(yt_envs_load(f, bytes, n) == 0, "saved bytes load: %s", yt_error(0));
  float theirs[5][4];
  int same = 1;
  for (int t = 77; t < 300; t++) {
    jumble(e, t);
    step(e);
    memcpy(theirs, observation, sizeof theirs);
    step(f);
    same &= !memcmp(theirs, observation, sizeof theirs);
  }
  char *a = bytes_of(e), *b = bytes_of(f);
  check(same && !memcmp(a, b, (size_t)n), "and go on bit for bit");

  check(yt_envs_load(f, bytes, n - 1) == -1 && says("bytes where"), "too short: %s", yt_error(0));
  check(yt_envs_load(f, bytes, 3) == -1, "far too short");
  bytes[0] ^= 1;
  check(yt_envs_load(f, bytes, n) == -1 && says("no saved environments"), "other bytes: %s", yt_error(0));
  yt_envs *g = yt_envs_new("CartPole-v1", 6, 1, YT_SAME_STEP), *h = yt_envs_new("CartPole-v1", 5, 1, YT_NEXT_STEP);
  check(yt_envs_load(g, a, n) == -1 && says("of 5 CartPole-v1, not of 6"), "another number: %s", yt_error(0));
  check(yt_envs_load(h, a, n) == -1 && says("autoreset"), "the other mode: %s", yt_error(0));
  free(b);
  b = bytes_of(f);
  check(!memcmp(a, b, (size_t)n), "what refuses to load is as before");
  free(a);
  free(b);
  free(bytes);
  yt_envs_free(e);
  yt_envs_free(f);
  yt_envs_free(g);
  yt_envs_free(h);
}

static void threads(void)
{
  char *bytes[2];
  int64_t n = 0;
  for (int k = 0; k < 2; k++) {
    yt_set_threads(k + 1);
    yt_envs *e = yt_envs_new("CartPole-v1", MOST, 4, YT_SAME_STEP);
    yt_envs_reset(e, NULL, observation[0]);
    for (int t = 0; t < 60; t++) { jumble(e, t); step(e); }
    bytes[k] = bytes_of(e);
    n = yt_envs_save(e, NULL);
    yt_envs_free(e);
  }
  check(!memcmp(bytes[0], bytes[1], (size_t)n), "the same with one thread and with two");
  free(bytes[0]);
  free(bytes[1]);
}

int main(void)
{
  what_is_refused();
  one_step_by_hand();
  streams();
  same_step();
  next_step();
  truncation();
  saving();
  threads();
  check(yt_env_name(0) && !strcmp(yt_env_name(0), "CartPole-v1") && !yt_env_name(1000) && !yt_env_name(-1), "the list");
  return check_report();
}
