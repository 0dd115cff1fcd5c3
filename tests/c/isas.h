/* isas.h: runs a test once per instruction set. The library decides at its first call, so each run is a process of its
 * own, made before that call. Needs _POSIX_C_SOURCE. */
#ifndef ISAS_H
#define ISAS_H
#include "backends/cpu/isa.h"
#include "check.h"
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs the checks as SSE2, AVX2 and AVX-512 code, as far as this CPU goes; returns what main returns. */
static int on_every_isa(void (*run)(void))
{
  static const char *const names[] = { "sse2", "avx2", "avx512" };
  for (int isa = CPU_SSE2; isa <= CPU_AVX512; isa++) {
    int counts[3] = { 0 }, status = -1, channel[2];
    if (pipe(channel)) return 1;
    pid_t child = fork();
    if (child == 0) {
      setenv("YUTU_ISA", names[isa], 1);
      int have = cpu__isa() == isa;
      check_passed = check_failed = 0;
      if (have) run();
      counts[0] = check_passed, counts[1] = check_failed, counts[2] = have;
      ssize_t sent = write(channel[1], counts, sizeof counts);
      _exit(sent != sizeof counts);
    }
    close(channel[1]);
    int told = read(channel[0], counts, sizeof counts) == sizeof counts;
    close(channel[0]);
    waitpid(child, &status, 0);
    check(told && status == 0, "as %s the test ended with status %d", names[isa], status);
    if (!counts[2]) printf("%s: not on this CPU\n", names[isa]);
    check_passed += counts[0], check_failed += counts[1];
  }
  return check_report();
}
#endif
