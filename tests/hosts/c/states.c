/* states.c: a C host with several Lua states in each of several threads. Every state trains the same network, the
 * states of a thread step by step in turn, and all must end with the same bits.
 *
 *   states DIGEST      what learn.lua must end with; LUA_PATH and YUTU_LIBRARY say where things are */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"

enum { THREADS = 4, STATES = 2 };

typedef struct { lua_State *state[STATES]; char digest[STATES][64], trouble[256]; double loss[STATES]; } job;

static lua_State *new_state(void)
{
  lua_State *L = luaL_newstate();
  if (L) luaL_openlibs(L);
  return L;
}
/* Runs a chunk. Returns 0, or notes what went wrong. */
static int run(job *j, int i, const char *chunk)
{
  lua_State *L = j->state[i];
  if (!L) return snprintf(j->trouble, sizeof j->trouble, "no memory for a Lua state"), -1;
  if (!luaL_dostring(L, chunk)) return 0;
  snprintf(j->trouble, sizeof j->trouble, "%s", lua_tostring(L, -1));
  return -1;
}
static double number(lua_State *L, const char *name)
{
  lua_getglobal(L, name);
  const double value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}
static int each(job *j, const char *chunk)
{
  for (int i = 0; i < STATES; i++) if (run(j, i, chunk)) return -1;
  return 0;
}

/* ---- training ---- */
static int train(job *j)
{
  if (each(j, "learner = require 'learn'(1); steps, good = learner.steps, learner.good")) return -1;
  for (int left = (int)number(j->state[0], "steps"); left > 0; left--) if (each(j, "loss = learner.step()")) return -1;
  if (each(j, "digest = learner.digest()")) return -1;
  for (int i = 0; i < STATES; i++) {
    lua_getglobal(j->state[i], "digest");
    snprintf(j->digest[i], sizeof j->digest[i], "%s", lua_tostring(j->state[i], -1));
    j->loss[i] = number(j->state[i], "loss") / number(j->state[i], "good");
  }
  return 0;
}
static void *born_and_closed_here(void *arg)
{
  job *j = arg;
  for (int i = 0; i < STATES; i++) j->state[i] = new_state();
  train(j);
  for (int i = 0; i < STATES; i++) if (j->state[i]) lua_close(j->state[i]), j->state[i] = NULL;
  return NULL;
}
static void *visited(void *arg) { train(arg); return NULL; }

static void report(const char *what, const job *j, const char *digest)
{
  check(!j->trouble[0], "%s: %s", what, j->trouble);
  for (int i = 0; i < STATES; i++) {
    check(!strcmp(j->digest[i], digest), "%s: state %d ends with %s, not %s", what, i, j->digest[i], digest);
    check(j->loss[i] < 1, "%s: state %d learns: its loss is %g times what is good", what, i, j->loss[i]);
  }
}
static void test_threads(const char *digest)
{
  pthread_t thread[THREADS];
  job *jobs = calloc(THREADS, sizeof *jobs);
  if (!jobs) abort();
  for (int i = 0; i < THREADS; i++) pthread_create(&thread[i], NULL, born_and_closed_here, &jobs[i]);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < THREADS; i++) report("a thread with states of its own", &jobs[i], digest);
  free(jobs);
}
/* A host may make its states in one thread, run them in another, and close them in the first. */
static void test_visits(const char *digest)
{
  job j = { .trouble = "" };
  for (int i = 0; i < STATES; i++) j.state[i] = new_state();
  for (int visit = 0; visit < 2; visit++) {
    pthread_t thread;
    pthread_create(&thread, NULL, visited, &j);
    pthread_join(thread, NULL);
    report("states that another thread runs", &j, digest);
  }
  check(!train(&j), "and then the first again: %s", j.trouble);
  for (int i = 0; i < STATES; i++) if (j.state[i]) lua_close(j.state[i]);
}

/* ---- functions of Lua that C knows by number: each state has its own ---- */
static void test_custom(void)
{
  job j = { .trouble = "" };
  j.state[0] = new_state(), j.state[1] = new_state();
  check(!run(&j, 0, "custom = require 'custom'(2)") && !run(&j, 1, "custom = require 'custom'(5)"), "%s", j.trouble);
  for (int turn = 0; turn < 50; turn++)
    if (each(&j, "custom(20 + math.random(9))") || (turn % 7 == 0 && each(&j, "kept = custom.kept()"))) break;
  check(!j.trouble[0], "two states with custom ops and hooks: %s", j.trouble);
  check(!each(&j, "kept = custom.kept()"), "%s", j.trouble);
  for (int i = 0; i < STATES; i++)
    check(number(j.state[i], "kept") < 3, "state %d still keeps %g functions", i, number(j.state[i], "kept"));
  lua_close(j.state[1]);
  j.state[1] = NULL;
  check(!run(&j, 0, "custom(9); custom.kept(); custom(1)"), "a state goes on when the other closes: %s", j.trouble);
  lua_close(j.state[0]);
}

int main(int argc, char **argv)
{
  if (argc != 2) return fprintf(stderr, "usage: states DIGEST\n"), 2;
  test_threads(argv[1]);
  test_visits(argv[1]);
  test_custom();
  return check_report();
}
