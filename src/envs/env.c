/* env.c: the list of environments, and the random numbers they draw. */
#include <stdio.h>
#include <string.h>
#include "backends/backend.h"
#include "backends/philox.h"
#include "envs/env.h"

static const env_class *const classes[] = {
  &yt__cartpole,
};
enum { CLASSES_LISTED = sizeof classes / sizeof *classes };

const env_class *yt__env_class(const char *name)
{
  char known[512] = "";
  for (int i = 0; i < CLASSES_LISTED; i++) {
    if (name && !strcmp(classes[i]->name, name)) return classes[i];
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", classes[i]->name);
  }
  yt__fail("envs: no environment \"%.64s\"; there is %s", name ? name : "", known);
  return NULL;
}

const char *yt_env_name(int i)
{
  return i >= 0 && i < CLASSES_LISTED ? classes[i]->name : NULL;
}

void yt__env_uniform(yt_generator *random, double low, double high, int n, double *x)
{
  for (int i = 0; i < n; i += 2, random->offset++) {
    uint32_t word[4];
    philox(word, random->seed, random->offset, random->stream);
    x[i] = uniform_d(unit_d(word[0], word[1]), low, high);
    if (i + 1 < n) x[i + 1] = uniform_d(unit_d(word[2], word[3]), low, high);
  }
}
