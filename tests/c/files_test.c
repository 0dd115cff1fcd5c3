/* files_test.c: safetensors and IDX files from C: round trips, damage, and every allocation failed in turn. Under the
 * address sanitizer it also shows that no refusal leaves anything behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "yutu.h"
#include "check.h"

static char folder[] = "/tmp/yutu-files-XXXXXX", path[64];

static void write_bytes(const void *data, size_t n)
{
  unlink(path); /* a file cut to nothing and written anew is flushed to the disk; a new one is not */
  FILE *f = fopen(path, "wb");
  check(f && fwrite(data, 1, n, f) == n && !fclose(f), "the test can write %s", path);
}
static size_t read_bytes(char *to, size_t most)
{
  FILE *f = fopen(path, "rb");
  const size_t n = f ? fread(to, 1, most, f) : 0;
  if (f) fclose(f);
  return n;
}

/* Two tensors and a note; 0, or -1 after an error. */
static int save(void)
{
  yt_scope s;
  yt_scope_open(&s);
  yt_safetensors *f = yt_safetensors_new();
  yt_tensor *w = yt_from(YT_F32, &(yt_shape){ 2, { 2, 3 } }, (float[]){ 1, 2, 3, 4, 5, 6 });
  yt_tensor *b = yt_from(YT_BOOL, &(yt_shape){ 1, { 3 } }, (char[]){ 1, 0, 1 });
  int r = f ? 0 : -1;
  if (!r) r = yt_safetensors_put(f, "w", yt_transpose(w, 0, 1));
  if (!r) r = yt_safetensors_put(f, "b", b);
  if (!r) r = yt_safetensors_annotate(f, "by", "files_test");
  if (!r) r = yt_safetensors_save(f, path);
  yt_safetensors_free(f);
  yt_scope_close(&s, NULL);
  return r;
}
/* 0: what save() wrote came back; -1: an error; 1: something else came back. */
static int load(void)
{
  yt_safetensors *f = yt_safetensors_open(path);
  if (!f) return -1;
  yt_tensor *w = yt_safetensors_get(f, yt_safetensors_find(f, "w"));
  yt_tensor *b = yt_safetensors_get(f, yt_safetensors_find(f, "b"));
  int r = -1;
  if (w && b) {
    const char *by = yt_safetensors_note(f, "by");
    const float *x = w->data;
    r = !(w->ndim == 2 && w->size[0] == 3 && w->size[1] == 2 && x[0] == 1 && x[1] == 4 && x[5] == 6
          && b->dtype == YT_BOOL && !memcmp(b->data, "\1\0\1", 3) && by && !strcmp(by, "files_test"));
  }
  yt_release(w), yt_release(b);
  yt_safetensors_free(f);
  return r;
}

static void round_trip(void)
{
  check(!save(), "saves: %s", yt_error(0));
  check(!load(), "and reads the same: %s", yt_error(0));
  yt_safetensors *f = yt_safetensors_open(path);
  check(f && yt_safetensors_count(f) == 2, "two tensors");
  check(yt_safetensors_find(f, "v") == -1 && strstr(yt_error(0), "no tensor is called v"),
        "names one that is not there");
  check(!yt_safetensors_get(f, -1) && !yt_safetensors_get(f, 2) && !yt_safetensors_name(f, 2), "nothing outside");
  check(!yt_safetensors_note(f, "x") && !yt_safetensors_next_note(f, yt_safetensors_next_note(f, NULL)), "one note");
  check(yt_safetensors_save(f, path) == -1, "a file being read is not saved");
  yt_safetensors_free(f);

  f = yt_safetensors_new();
  yt_tensor *t = yt_zeros(YT_U8, &(yt_shape){ 0, { 0 } }, YT_CPU);
  check(yt_safetensors_put(f, "t", t) == 0 && yt_safetensors_put(f, "t", t) == -1, "a name is taken once");
  check(yt_safetensors_put(f, "\xff", t) == -1 && yt_safetensors_put(f, "none", yt_none()) == -1,
        "not UTF-8; no tensor");
  check(yt_safetensors_put(f, "failed", NULL) == -1, "what failed before is passed on");
  check(yt_safetensors_annotate(f, "k", "\xff") == -1, "a note that is not UTF-8");
  check(yt_safetensors_save(f, "") == -1 && yt_safetensors_save(f, NULL) == -1, "no path");
  yt_safetensors_free(f);
  yt_release(t);
}

static void damaged(void)
{
  static char whole[4096], bytes[4096];
  unsigned seed = 1;
  int wrong = 0, refused = 0;
  check(!save(), "saves");
  const size_t n = read_bytes(whole, sizeof whole);
  for (int round = 0; round < 3000; round++) {
    memcpy(bytes, whole, n);
    size_t m = n;
    for (int k = 0; k <= round % 3; k++) {
      seed = seed * 1664525u + 1013904223u; /* Numerical Recipes' generator */
      if (round % 4 == 0) m = seed / 65536 % n;
      else bytes[seed / 65536 % n] = (char)(seed >> 8);
    }
    write_bytes(bytes, m);
    const int r = load();
    refused += r < 0;
    wrong +=
      r < 0 && !strstr(yt_error(0), "files_test") && !strstr(yt_error(0), path) && !strstr(yt_error(0), "no tensor");
  }
  check(refused > 1000 && !wrong, "%d damaged files refused, %d of them without a reason", refused, wrong);
}

static void idx_files(void)
{
  static const unsigned char plain[] = { 0, 0, 0x0b, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x01, 0x00, 0xff, 0xff };
  write_bytes(plain, sizeof plain);
  yt_tensor *t = yt_idx_read(path);
  check(t && t->dtype == YT_I32 && t->size[1] == 2 && ((int32_t *)t->data)[0] == 256 && ((int32_t *)t->data)[1] == -1,
        "two shorts");
  yt_release(t);
  for (size_t n = 0; n < sizeof plain; n++) {
    write_bytes(plain, n);
    check(!yt_idx_read(path), "cut to %zu bytes: refused", n);
  }
}

/* Fails the n-th allocation for every n until one run succeeds. */
static void failed_in_turn(const char *what, int (*work)(void))
{
  int r = -1, n = 0, silent = 0;
  while (r < 0 && n < 1000) {
    yt_memory_trim();
    yt_fail_allocation(++n);
    r = work();
    yt_fail_allocation(0);
    silent += r < 0 && !strstr(yt_error(0), "out of memory");
  }
  check(!r && n > 2 && !silent, "%s: %d allocations fail one by one, %d of them silently", what, n - 1, silent);
}
static int read_idx(void)
{
  yt_tensor *t = yt_idx_read(path);
  yt_release(t);
  return t ? 0 : -1;
}

int main(void)
{
  if (!mkdtemp(folder)) return 1;
  snprintf(path, sizeof path, "%s/file", folder);
  round_trip();
  damaged();
  idx_files();
  failed_in_turn("save", save);
  check(!load(), "the last save is whole");
  failed_in_turn("load", load);
  write_bytes("\0\0\10\1\0\0\0\2ab", 10);
  failed_in_turn("idx", read_idx);
  unlink(path);
  check(!rmdir(folder), "no temporary file is left in %s", folder);
  return check_report();
}
