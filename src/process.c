/* process.c: what a training script asks of its process: time, the terminal, Ctrl-C. Nothing is touched unasked. */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "core.h"

double yt_clock(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int yt_terminal(void)
{
  struct winsize w;
  if (!isatty(STDERR_FILENO)) return 0;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || !w.ws_col ? 80 : w.ws_col;
}

/* ---- Ctrl-C ---- */
static volatile sig_atomic_t interrupts;
static struct sigaction before; /* of whoever handled it until now */
static atomic_flag watched = ATOMIC_FLAG_INIT;
static _Thread_local int mine;

static void interrupted(int signal) /* the second time somebody means it: as if we were not here */
{
  if (!interrupts) {
    interrupts = 1;
    return;
  }
  sigaction(signal, &before, NULL);
  raise(signal);
}
int yt_watch_interrupt(int on)
{
  if (!on) {
    if (!mine) return 0;
    sigaction(SIGINT, &before, NULL);
    mine = 0;
    atomic_flag_clear(&watched);
    return 1;
  }
  if (atomic_flag_test_and_set(&watched)) return 0;
  struct sigaction ours = { .sa_handler = interrupted, .sa_flags = SA_RESTART };
  sigemptyset(&ours.sa_mask);
  interrupts = 0;
  if (!sigaction(SIGINT, NULL, &before) && before.sa_handler != SIG_IGN && !sigaction(SIGINT, &ours, NULL))
    return mine = 1;
  atomic_flag_clear(&watched); /* ignored, as under nohup: so shall it stay */
  return 0;
}
int yt_interrupted(void)
{
  const int was = mine && interrupts;
  if (was) interrupts = 0;
  return was;
}
