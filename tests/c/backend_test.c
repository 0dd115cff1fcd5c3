/* backend_test.c: a second device, made of the CPU's kernels, to hold the backend contract against: results agree,
 * devices do not mix, memory is counted per device, and a kernel that a device lacks is an error that names both. */
#include <stdlib.h>
#include <string.h>
#include "core.h"
#include "check.h"

static int allocations, kernels;
static void *allocate(size_t bytes) { allocations++; return aligned_alloc(64, (bytes + 63) & ~(size_t)63); }
static int counted_add(yt_tensor *out, const args_add *a) { kernels++; return cpu_add(out, a); }

static yt_tensor *numbers(int device)
{
  yt_tensor *t = yt_empty(YT_F32, &(yt_shape){ 2, { 3, 4 } }, device);
  return yt_arange_(t, 1, 1);
}
/* softmax(x w + x) of the numbers above, with its gradient: what one device says must be what the other says */
static yt_tensor *work(int device, yt_tensor **gradient)
{
  yt_scope s;
  yt_scope_open(&s);
  yt_tensor *x = numbers(device), *w = yt_mul(yt_transpose(numbers(device), 0, 1), yt_num(.01));
  yt_requires_grad(x, 1);
  yt_tensor *y = yt_softmax(yt_add(yt_matmul(yt_matmul(x, w), x), x), 1);
  if (yt_backward(yt_sum(yt_square(y), YT_ALL, 0))) y = NULL;
  *gradient = yt_grad_of(x);
  yt_retain(*gradient);
  return yt_scope_close(&s, y);
}
static int same(const yt_tensor *a, const yt_tensor *b)
{
  return a && b && a->numel == b->numel && !memcmp(a->data, b->data, (size_t)a->numel * sizeof(float));
}

int main(void)
{
  static yt_backend second;
  second = yt__cpu;
  second.name = "test", second.alloc = allocate, second.add = counted_add, second.erf = NULL;
  check(yt_device_index("test") == -1 && strstr(yt_error(0), "test"), "%s", yt_error(0));
  check(!yt_empty(YT_F32, &(yt_shape){ 1, { 3 } }, YT_TEST), "an absent device gives no memory");
  yt__backends[YT_TEST] = &second;
  check(yt_device_index("test") == YT_TEST, "a device is known once its module is there");

  yt_tensor *g1, *g2, *y1 = work(YT_CPU, &g1), *y2 = work(YT_TEST, &g2);
  check(same(y1, y2) && same(g1, g2), "both devices give the same result and gradient");
  check(kernels > 0 && allocations > 0,
    "the second device did the work itself: %d kernels, %d blocks", kernels, allocations);
  check(y2 && yt__device(y2) == YT_TEST && yt__device(g2) == YT_TEST, "results stay on the device");
  check(yt_memory(YT_TEST, 0) == 2 * (int64_t)64,
    "memory is counted per device: %lld bytes live", (long long)yt_memory(YT_TEST, 0));

  check(!yt_add(y1, y2) && !strcmp(yt_error(0), "add: arguments on cpu and test"), "%s", yt_error(0));
  check(!yt_matmul(y2, yt_transpose(y1, 0, 1)) && strstr(yt_error(0), "arguments on test and cpu"), "%s", yt_error(0));
  check(!yt_add_(y1, y2) && strstr(yt_error(0), "arguments on cpu and test"), "%s", yt_error(0));
  check(!yt_erf(y2) && !strcmp(yt_error(0), "erf: the device test has no kernel for it"), "%s", yt_error(0));
  yt_tensor *sum = yt_add(y2, yt_num(1));
  check(sum && yt__device(sum) == YT_TEST, "a number is at home everywhere");

  yt_tensor *all[] = { y1, y2, g1, g2, sum };
  for (int i = 0; i < 5; i++) yt_release(all[i]);
  check(yt_memory(YT_TEST, 0) == 0, "%lld bytes leaked", (long long)yt_memory(YT_TEST, 0));
  yt_memory_trim();
  return check_report();
}
