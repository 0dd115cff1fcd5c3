/* check.h: what a C test needs. check(condition, "what is promised", ...) counts; a failure prints its line.
 * End main with `return check_report();`. */
#ifndef CHECK_H
#define CHECK_H
#include <stdio.h>

static int check_passed, check_failed;

#define check(condition, ...) do {                       \
    if (condition) check_passed++;                       \
    else {                                               \
      check_failed++;                                    \
      fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);    \
      fprintf(stderr, __VA_ARGS__);                      \
      fprintf(stderr, "\n");                             \
    }                                                    \
  } while (0)

static int check_report(void)
{
  printf("%d passed, %d failed\n", check_passed, check_failed);
  return check_failed != 0;
}
#endif
