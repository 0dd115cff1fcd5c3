/* manners.c: what a host must find as it left it. Loading the library starts no thread and keeps no file open; neither
 * loading nor training prints, or touches signals, environment, locale, affinity, rounding, folder; idle workers sleep.
 *
 * YUTU_THREADS must be 2 or more, for workers to exist; LUA_PATH and YUTU_LIBRARY say where things are. */
#define _GNU_SOURCE 1              /* for the processors of a thread */
#include <dirent.h>
#include <fenv.h>
#include <lauxlib.h>
#include <locale.h>
#include <lua.h>
#include <lualib.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xmmintrin.h>
#include "check.h"

extern char **environ;
enum { SIGNALS = 65, ENVIRONMENT = 1 << 16, CONTROL_BITS = 0xffc0 };

typedef struct {
  void *handler[SIGNALS];
  int flags[SIGNALS], rounding;
  sigset_t blocked;
  cpu_set_t affinity;
  unsigned control;               /* of SSE arithmetic: rounding, denormals, traps */
  mode_t mask;
  char environment[ENVIRONMENT], locale[256], folder[4096];
} surroundings;

static void look(surroundings *s)
{
  size_t n = 0;
  memset(s, 0, sizeof *s);
  for (int i = 1; i < SIGNALS; i++) {
    struct sigaction a;
    if (!sigaction(i, NULL, &a)) memcpy(&s->handler[i], &a.sa_handler, sizeof s->handler[i]), s->flags[i] = a.sa_flags;
  }
  pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
  sched_getaffinity(0, sizeof s->affinity, &s->affinity);
  s->rounding = fegetround(), s->control = _mm_getcsr() & CONTROL_BITS;
  umask(s->mask = umask(0));
  for (char **e = environ; *e && n < ENVIRONMENT; e++)
    n += (size_t)snprintf(s->environment + n, ENVIRONMENT - n, "%s\n", *e);
  snprintf(s->locale, sizeof s->locale, "%s", setlocale(LC_ALL, NULL));
  if (!getcwd(s->folder, sizeof s->folder)) abort();
}
static void compare(const char *when, const surroundings *a)
{
  static surroundings now;
  look(&now);
  check(!memcmp(a->handler, now.handler, sizeof now.handler), "%s changes no signal handler", when);
  check(!memcmp(a->flags, now.flags, sizeof now.flags), "%s changes no signal's flags", when);
  check(!memcmp(&a->blocked, &now.blocked, sizeof now.blocked), "%s blocks no signal", when);
  check(CPU_EQUAL(&a->affinity, &now.affinity), "%s leaves the thread on its processors", when);
  check(a->rounding == now.rounding && a->control == now.control, "%s leaves the arithmetic as it is", when);
  check(a->mask == now.mask && !strcmp(a->folder, now.folder), "%s leaves folder and file mask", when);
  check(!strcmp(a->environment, now.environment), "%s sets no variable", when);
  check(!strcmp(a->locale, now.locale), "%s leaves the locale %s", when, a->locale);
}

static int entries(const char *folder)
{
  int n = 0;
  DIR *d = opendir(folder);
  if (!d) abort();
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}
static double seconds_of_work(void)
{
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static const char *run(lua_State *L, const char *chunk) { return luaL_dostring(L, chunk) ? lua_tostring(L, -1) : NULL; }

int main(void)
{
  static surroundings before;
  const struct timespec nap = { 0, 50000000 }, rest = { 0, 300000000 };
  lua_State *L = luaL_newstate();
  FILE *said = tmpfile();
  const int out = dup(1), err = dup(2);
  if (!L || !said) abort();
  luaL_openlibs(L);
  run(L, "known = { known = 1, yutu = 1, small = 1, learner = 1, loss = 1 }"
    " for name in pairs(_G) do known[name] = 1 end");
  const int files = entries("/proc/self/fd"), threads = entries("/proc/self/task");
  look(&before);
  dup2(fileno(said), 1), dup2(fileno(said), 2);

  const char *trouble = run(L, "yutu = require 'yutu'; small = yutu.ones(3):add(1):sum():item()");
  const int files_loaded = entries("/proc/self/fd"), threads_loaded = entries("/proc/self/task");
  dup2(out, 1), dup2(err, 2);
  check(!trouble, "it loads: %s", trouble);
  compare("loading", &before);
  check(files_loaded == files, "loading keeps no file open: %d more", files_loaded - files);
  check(threads_loaded == threads, "loading, and a small op, start no thread: %d more", threads_loaded - threads);

  dup2(fileno(said), 1), dup2(fileno(said), 2);
  trouble = run(L, "learner = require 'learn'(1); for _ = 1, learner.steps do loss = learner.step() end;"
    "yutu.linalg.inv(yutu.eye(8)); pcall(yutu.matmul, yutu.ones(2, 3), yutu.ones(2, 3)); assert(loss < learner.good)");
  nanosleep(&nap, NULL);
  const double from = seconds_of_work();
  nanosleep(&rest, NULL);
  const double busy = seconds_of_work() - from;
  fflush(NULL);
  dup2(out, 1), dup2(err, 2);
  check(!trouble, "it trains: %s", trouble);
  compare("training", &before);
  check(entries("/proc/self/fd") == files, "training keeps no file open");
  check(entries("/proc/self/task") > threads, "training had workers");
  check(busy < .02, "idle workers sleep: %.3f s of work in 0.3 s of rest", busy);
  trouble = run(L, "for name in pairs(_G) do assert(known[name], name) end");
  check(!trouble, "no global of Lua is set: %s", trouble);
  struct stat size;
  fstat(fileno(said), &size);
  check(size.st_size == 0, "nothing is printed, but %lld bytes were", (long long)size.st_size);
  lua_close(L);
  return check_report();
}
