/* safetensors.c: named tensors in one file, the format of Hugging Face's library of that name.
 *
 *   8 bytes      n, the header's length, little-endian
 *   n bytes      JSON: { name: { "dtype": "F32", "shape": [2,3], "data_offsets": [begin, end] }, ...,
 *                        "__metadata__": { key: text, ... } }, padded with spaces
 *   the rest     the elements, little-endian, rows dense; offsets count from here, and cover it without gaps
 *   source       https://github.com/huggingface/safetensors, README "Format"
 *
 * A header is believed only where it has been checked: before any tensor is made, every name, dtype, shape and offset
 * has been compared with the others and with the length of the file. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core.h"
#include "files.h"

enum { LONGEST_HEADER = 100 * 1000 * 1000 }; /* the reference implementation's limit */

typedef struct entry {
  const char *name; /* lives in index */
  yt_tensor *t;     /* what was put, retained; NULL: it is in the file */
  int dtype;
  yt_shape shape;
  int64_t begin, end; /* of its bytes, from the end of the header */
} entry;

struct yt_safetensors {
  char *path; /* owned, NULL if it was not opened */
  int fd;
  int64_t data, size; /* where the elements begin, how many bytes they take */
  entry *e;           /* owned, in the header's order */
  int64_t n, cap;
  json_t *index, *notes; /* owned: name -> i; key -> text */
};

/* ---- names ---- */
static const char *const codes[YT_DTYPES] = { "BOOL", "U8", "I32", "I64", "F16", "BF16", "F32", "F64" };
static int dtype_of(const char *code)
{
  for (int d = 0; d < YT_DTYPES; d++)
    if (!strcmp(code, codes[d])) return d;
  return -1;
}
/* A name from a file, fit for a message: short, and without control characters. */
static const char *shown(const char *name)
{
  static _Thread_local char ring[2][64];
  static _Thread_local int turn;
  char *s = ring[turn++ & 1];
  int i = 0;
  for (; name[i] && i < 60; i++) s[i] = (unsigned char)name[i] < ' ' || name[i] == 127 ? '?' : name[i];
  memcpy(s + i, name[i] ? "..." : "", name[i] ? 4 : 1);
  return s;
}
static int64_t add(yt_safetensors *f, const char *name) /* a new entry under a name that is free */
{
  if (f->n == f->cap) {
    const int64_t cap = f->cap * 2 + 16;
    entry *e = yt__malloc(sizeof *e * (size_t)cap);
    if (!e) return -1;
    if (f->n) memcpy(e, f->e, sizeof *e * (size_t)f->n);
    free(f->e);
    f->e = e, f->cap = cap;
  }
  if (json_object_set_new(f->index, name, json_integer(f->n)))
    return yt__fail("safetensors: the name %s is not UTF-8, or memory is out", shown(name));
  f->e[f->n] = (entry){ .name = json_object_iter_key(json_object_iter_at(f->index, name)) };
  return f->n++;
}

/* ---- the header of a file ---- */
static int integer(const json_t *j, int64_t *value)
{
  *value = json_integer_value(j);
  return json_is_integer(j) && *value >= 0 ? 0 : -1;
}
static int read_shape(const yt_safetensors *f, entry *e, const json_t *shape)
{
  const size_t ndim = json_array_size(shape);
  if (!json_is_array(shape)) return yt__fail("%s: tensor %s has no shape", f->path, shown(e->name));
  if (ndim > YT_DIMS)
    return yt__fail("%s: tensor %s has %zu dims, at most %d are possible", f->path, shown(e->name), ndim, YT_DIMS);
  e->shape.ndim = (int)ndim;
  for (size_t d = 0; d < ndim; d++)
    if (integer(json_array_get(shape, d), &e->shape.size[d]))
      return yt__fail("%s: tensor %s: a size is not a whole number, 0 or more", f->path, shown(e->name));
  return 0;
}
static int read_entry(const yt_safetensors *f, entry *e, const json_t *j)
{
  const char *code = json_string_value(json_object_get(j, "dtype"));
  const json_t *offsets = json_object_get(j, "data_offsets");
  yt_tensor plan;
  if (!json_is_object(j)) return yt__fail("%s: tensor %s is not described by an object", f->path, shown(e->name));
  if (!code || (e->dtype = dtype_of(code)) < 0)
    return yt__fail("%s: tensor %s has the dtype %s, which is none of ours", f->path, shown(e->name),
                    code ? shown(code) : "(none)");
  if (read_shape(f, e, json_object_get(j, "shape"))) return -1;
  if (json_array_size(offsets) != 2 || integer(json_array_get(offsets, 0), &e->begin)
      || integer(json_array_get(offsets, 1), &e->end))
    return yt__fail("%s: tensor %s has no pair of data_offsets", f->path, shown(e->name));
  if (e->begin > e->end || e->end > f->size)
    return yt__fail("%s: tensor %s lies at bytes %lld to %lld, and there are %lld", f->path, shown(e->name),
                    (long long)e->begin, (long long)e->end, (long long)f->size);
  if (yt__lay_out(&plan, e->shape.ndim, e->shape.size)) {
    const char *why = yt_error(0);
    return yt__fail("%s: tensor %s: %s", f->path, shown(e->name), why);
  }
  const int64_t needs = plan.numel * yt__dtype_size(e->dtype);
  if (needs != e->end - e->begin)
    return yt__fail("%s: tensor %s: %s %s takes %lld bytes, its data_offsets hold %lld", f->path, shown(e->name),
                    yt__dtype_name(e->dtype), yt__show(&plan), (long long)needs, (long long)(e->end - e->begin));
  return 0;
}
static int read_notes(yt_safetensors *f, json_t *notes)
{
  const char *key;
  json_t *text;
  if (!json_is_object(notes)) return yt__fail("%s: __metadata__ is not an object", f->path);
  json_object_foreach(notes, key, text) if (!json_is_string(text)) return yt__fail("%s: __metadata__: %s is not text",
                                                                                   f->path, shown(key));
  json_decref(f->notes);
  f->notes = json_incref(notes);
  return 0;
}
static int by_place(const void *a, const void *b)
{
  const entry *x = *(entry *const *)a, *y = *(entry *const *)b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end; /* the empty ones first */
}
static int check_cover(const yt_safetensors *f) /* every byte belongs to one tensor */
{
  entry **order = yt__malloc(sizeof *order * (size_t)(f->n + 1));
  int64_t at = 0;
  int r = 0;
  if (!order) return -1;
  for (int64_t i = 0; i < f->n; i++) order[i] = f->e + i;
  qsort(order, (size_t)f->n, sizeof *order, by_place);
  for (int64_t i = 0; i < f->n && !r; at = order[i++]->end)
    if (order[i]->begin < at)
      r = yt__fail("%s: tensors %s and %s overlap", f->path, shown(order[i - 1]->name), shown(order[i]->name));
    else if (order[i]->begin > at)
      r = yt__fail("%s: bytes %lld to %lld belong to no tensor", f->path, (long long)at, (long long)order[i]->begin);
  if (!r && at != f->size)
    r = yt__fail("%s: bytes %lld to %lld belong to no tensor", f->path, (long long)at, (long long)f->size);
  free(order);
  return r;
}
static int read_header(yt_safetensors *f, const char *text, size_t n)
{
  json_error_t e;
  const char *name;
  json_t *j, *root = text[0] == '{' ? json_loadb(text, n, JSON_REJECT_DUPLICATES, &e) : NULL;
  int r = 0;
  if (text[0] != '{') return yt__fail("%s: not a safetensors file: its header does not begin with {", f->path);
  if (!root) return yt__fail("%s: its header is not JSON: %s (byte %d)", f->path, shown(e.text), e.position);
  json_object_foreach(root, name, j)
  {
    if (!strcmp(name, "__metadata__")) r = read_notes(f, j);
    else {
      const int64_t i = add(f, name);
      r = i < 0 ? -1 : read_entry(f, f->e + i, j);
    }
    if (r) break;
  }
  json_decref(root);
  return r ? r : check_cover(f);
}
static int read_file(yt_safetensors *f)
{
  uint8_t length[8];
  int64_t size, n = 0;
  if ((f->fd = yt__open_to_read(f->path, &size)) < 0) return -1;
  if (size < 8) return yt__fail("%s: not a safetensors file: %lld bytes long", f->path, (long long)size);
  if (yt__read_at(f->fd, f->path, length, 8, 0)) return -1;
  for (int i = 7; i >= 0; i--) n = (n & INT64_MAX >> 8) << 8 | length[i];
  if (length[7] & 0x80 || n > LONGEST_HEADER || n > size - 8 || n < 2)
    return yt__fail("%s: not a safetensors file, or cut short: a header of %lld bytes in a file of %lld", f->path,
                    (long long)n, (long long)size);
  char *text = yt__malloc((size_t)n);
  if (!text) return -1;
  f->data = 8 + n, f->size = size - f->data;
  const int r = yt__read_at(f->fd, f->path, text, (size_t)n, 8) || read_header(f, text, (size_t)n);
  free(text);
  return r ? -1 : 0;
}

/* ---- life ---- */
yt_safetensors *yt_safetensors_new(void)
{
  yt_safetensors *f = yt__malloc(sizeof *f);
  if (!f) return NULL;
  *f = (yt_safetensors){ .fd = -1, .index = json_object(), .notes = json_object() };
  if (f->index && f->notes) return f;
  yt_safetensors_free(f);
  yt__fail("out of memory: a table of names");
  return NULL;
}
yt_safetensors *yt_safetensors_open(const char *path)
{
  yt_safetensors *f = yt_safetensors_new();
  const size_t n = path ? strlen(path) + 1 : 1;
  if (!f) return NULL;
  if ((f->path = yt__malloc(n))) {
    memcpy(f->path, path ? path : "", n);
    if (!read_file(f)) return f;
  }
  yt_safetensors_free(f);
  return NULL;
}
void yt_safetensors_free(yt_safetensors *f)
{
  if (!f) return;
  for (int64_t i = 0; i < f->n; i++) yt_release(f->e[i].t);
  if (f->fd >= 0) close(f->fd);
  json_decref(f->index), json_decref(f->notes);
  free(f->e), free(f->path), free(f);
}

/* ---- what is in it ---- */
int64_t yt_safetensors_count(const yt_safetensors *f) { return f->n; }
const char *yt_safetensors_name(const yt_safetensors *f, int64_t i) { return i >= 0 && i < f->n ? f->e[i].name : NULL; }
int64_t yt_safetensors_find(const yt_safetensors *f, const char *name)
{
  const json_t *i = name ? json_object_get(f->index, name) : NULL;
  return i ? json_integer_value(i)
           : yt__fail("%s: no tensor is called %s", f->path ? f->path : "safetensors", name ? shown(name) : "NULL");
}
yt_tensor *yt_safetensors_get(yt_safetensors *f, int64_t i)
{
  if (i < 0 || i >= f->n) return NULL; /* after yt_safetensors_find, which said why */
  const entry *e = f->e + i;
  if (e->t) return yt__alias(e->t);
  yt_tensor *t = yt_empty(e->dtype, &e->shape, YT_CPU);
  if (!t) return NULL;
  if (yt__read_at(f->fd, f->path, t->data, (size_t)(e->end - e->begin), f->data + e->begin)) {
    yt__discard(t);
    return NULL;
  }
  uint8_t *b = t->data;
  if (e->dtype == YT_BOOL)
    for (int64_t k = 0; k < t->numel; k++) b[k] = b[k] != 0;
  return t;
}
const char *yt_safetensors_note(const yt_safetensors *f, const char *key)
{
  return key ? json_string_value(json_object_get(f->notes, key)) : NULL;
}
const char *yt_safetensors_next_note(const yt_safetensors *f, const char *key)
{
  void *i = key ? json_object_iter_next(f->notes, json_object_key_to_iter(key)) : json_object_iter(f->notes);
  return i ? json_object_iter_key(i) : NULL;
}

/* ---- putting one together ---- */
int yt_safetensors_put(yt_safetensors *f, const char *name, yt_tensor *t)
{
  if (!t || !name) return -1;
  if (t == yt_none() || t->weak || !t->storage) return yt__fail("safetensors: %s is not a tensor", shown(name));
  if (!strcmp(name, "__metadata__") || json_object_get(f->index, name))
    return yt__fail("safetensors: the name %s is taken", shown(name));
  const int64_t i = add(f, name);
  if (i < 0) return -1;
  entry *e = f->e + i;
  e->t = yt_retain(t), e->dtype = t->dtype, e->shape.ndim = t->ndim;
  memcpy(e->shape.size, t->size, sizeof t->size);
  return 0;
}
int yt_safetensors_annotate(yt_safetensors *f, const char *key, const char *text)
{
  if (!key || !text) return yt__fail("safetensors: a note needs a key and a text");
  if (json_object_set_new(f->notes, key, json_string(text)))
    return yt__fail("safetensors: the note %s is not UTF-8, or memory is out", shown(key));
  return 0;
}
/* Places for all, those of wide elements first, so that each lies at a multiple of its width; NULL: no memory. */
static json_t *describe(yt_safetensors *f)
{
  json_t *root = json_object();
  int r = 0;
  f->size = 0;
  if (json_object_size(f->notes)) r |= json_object_set(root, "__metadata__", f->notes);
  for (int width = 8; width; width /= 2)
    for (int64_t i = 0; i < f->n; i++) {
      entry *e = f->e + i;
      if (yt__dtype_size(e->dtype) != width) continue;
      json_t *shape = json_array();
      for (int d = 0; d < e->shape.ndim; d++) r |= json_array_append_new(shape, json_integer(e->shape.size[d]));
      e->begin = f->size, e->end = f->size += e->t->numel * width;
      r |= json_object_set_new(root, e->name,
                               json_pack("{s:s,s:o,s:[I,I]}", "dtype", codes[e->dtype], "shape", shape, "data_offsets",
                                         (json_int_t)e->begin, (json_int_t)e->end));
    }
  if (!r) return root;
  json_decref(root);
  yt__fail("out of memory: a header");
  return NULL;
}
static int write_header(yt_writer *w, const json_t *root)
{
  const size_t n = json_dumpb(root, NULL, 0, JSON_COMPACT), padded = (n + 7) / 8 * 8;
  if (padded > LONGEST_HEADER)
    return yt__fail("%s: a header of %zu bytes, at most %d are allowed", w->path, padded, LONGEST_HEADER);
  char *text = yt__malloc(8 + padded);
  if (!text) return -1;
  for (int i = 0; i < 8; i++) text[i] = (char)(padded >> 8 * i & 0xff);
  memset(text + 8, ' ', padded);
  const int r = json_dumpb(root, text + 8, n, JSON_COMPACT) != n ? yt__fail("out of memory: a header")
                                                                 : yt__write(w, text, 8 + padded);
  free(text);
  return r;
}
static int write_elements(yt_writer *w, yt_tensor *t)
{
  const yt_backend *b = yt__backends[yt__device(t)];
  const size_t bytes = (size_t)t->numel * (size_t)yt__dtype_size(t->dtype);
  const int recording = yt_set_grad_enabled(0);
  yt_scope s;
  yt_scope_open(&s);
  if (!t->dense) t = yt_clone(t);
  int r = -1;
  if (t && !b->download) r = bytes ? yt__write(w, t->data, bytes) : 0;
  else if (t) {
    void *host = yt__malloc(bytes + 1);
    r = !host || b->download(host, t->data, bytes) || yt__write(w, host, bytes) ? -1 : 0;
    free(host);
  }
  yt_scope_close(&s, NULL);
  yt_set_grad_enabled(recording);
  return r;
}
int yt_safetensors_save(yt_safetensors *f, const char *path)
{
  yt_writer w;
  if (f->path) return yt__fail("safetensors: %s was opened to be read; put its tensors into a new one", f->path);
  json_t *root = describe(f);
  if (!root) return -1;
  int r = yt__write_begin(&w, path);
  if (!r) {
    r = write_header(&w, root);
    for (int width = 8; width && !r; width /= 2)
      for (int64_t i = 0; i < f->n && !r; i++)
        if (yt__dtype_size(f->e[i].dtype) == width) r = write_elements(&w, f->e[i].t);
    if (!r) r = yt__write_commit(&w);
    else yt__write_abandon(&w);
  }
  json_decref(root);
  return r;
}
