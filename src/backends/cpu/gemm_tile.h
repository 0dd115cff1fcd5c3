/* gemm_tile.h: the inner loops of a matrix product for one element type; gemm_kernels.c includes it twice.
 *
 * R is the type, NAME(x) its names, V the elements in a vector, TALL the rows of the tallest register tile. A tile sums
 * over its block of k in order from the bias up, then adds c. Of one or two rows it sums `chains` interleaved parts, or
 * the multipliers would wait for one another; so low a tile is all there is of a product. So equal rows give equal bits
 * wherever they are, and slices, which take whole tiles and whole panels, change none. */

typedef R NAME(vec) __attribute__((vector_size(ISA_VECTOR), aligned(sizeof(R)), may_alias));

INLINE NAME(vec) NAME(load)(const R *p) { return *(const NAME(vec) *)p; }
INLINE void NAME(store)(R *p, NAME(vec) v) { *(NAME(vec) *)p = v; }
INLINE NAME(vec) NAME(read)(const R *p, const int part, NAME(mask) mask)
{
  if (part) return NAME(load_part)(p, mask);
  return NAME(load)(p);
}
INLINE NAME(vec) NAME(every)(R x) { return x - (NAME(vec)){ 0 }; }
INLINE NAME(vec) NAME(relu)(NAME(vec) x)           /* keeps NaN */
{
  const __typeof__(x < x) negative = x < 0;
  return (NAME(vec))((__typeof__(negative))x & ~negative);
}

/* c[rows][vecs V] = a b: a at strides (rs, cs), rows of b and c contiguous, the last vector `part` elements wide. */
INLINE void NAME(tile)(const int rows, const int vecs, const int chains, const cpu_gemm_block *g, const R *a,
                       const R *b, R *c, const R *bias, long part)
{
  const NAME(mask) mask = NAME(mask_of)(part);
  const long rs = g->ars, cs = g->acs, ldb = g->brs, ldc = g->ldc;
  NAME(vec) s[TALL][4], more[3][TALL][4], row[4];
#define EACH_ROW _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++)
#define EACH_VEC _Pragma("GCC unroll 4") for (int j = 0; j < vecs; j++)
#define READ(p, j) NAME(read)((p) + (j) * V, (j) == vecs - 1, mask)
  EACH_VEC row[j] = bias ? READ(bias, j) : (NAME(vec)){ 0 };
  EACH_ROW EACH_VEC s[i][j] = row[j];
  if (g->far)                                      /* c comes from memory: to the second cache, out of the loop's way */
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < vecs; j += LINE) __builtin_prefetch(c + i * ldc + j * V, 0, 2);
  long k = g->k;
  if (chains > 1) {                                /* rows * vecs too few to hide the latency of an addition */
    for (int h = 0; h < chains - 1; h++) EACH_ROW EACH_VEC more[h][i][j] = (NAME(vec)){ 0 };
    for (; k >= chains; k -= chains, a += chains * cs, b += chains * ldb) {
#pragma GCC unroll 4
      for (int h = 0; h < chains; h++) {
        EACH_VEC row[j] = READ(b + h * ldb, j);
        EACH_ROW {
          const NAME(vec) x = NAME(every)(a[i * rs + h * cs]);
          if (h == 0) EACH_VEC s[i][j] += x * row[j];
          else EACH_VEC more[h - 1][i][j] += x * row[j];
        }
      }
    }
    for (int h = 0; h < chains - 1; h++) EACH_ROW EACH_VEC s[i][j] += more[h][i][j];
  }
  for (; k > 0; k--, a += cs, b += ldb) {
    if (vecs > 1)                                  /* some 40 ns ahead */
      _Pragma("GCC unroll 4") for (int j = 0; j < vecs; j += LINE) __builtin_prefetch(b + 12 * ldb + j * V);
    EACH_VEC row[j] = READ(b, j);
    EACH_ROW {
      const NAME(vec) x = NAME(every)(a[i * rs]);
      EACH_VEC s[i][j] += x * row[j];
    }
  }
  if (g->accumulate) {
    const R *from = c;
    EACH_ROW { EACH_VEC s[i][j] += READ(from, j); from += ldc; }
  }
  FORGET(c);                                       /* or the compiler keeps every row's address from there on */
  if (g->act == CPU_RELU) EACH_ROW EACH_VEC s[i][j] = NAME(relu)(s[i][j]);
  EACH_ROW {
    EACH_VEC if (j < vecs - 1) NAME(store)(c + j * V, s[i][j]);
    NAME(store_part)(c + (vecs - 1) * V, s[i][vecs - 1], mask);
    c += ldc;
  }
#undef EACH_ROW
#undef EACH_VEC
#undef READ
}

/* tanh and sigmoid of a finished tile, still in the nearest cache. Every element goes through a whole vector, so that
 * its bits don't depend on its column. */
static NOINLINE void NAME(activate)(int act, long rows, long n, R *c, long ldc)
{
  if (ldc == n) n *= rows, rows = 1;               /* narrow rows share vectors */
  for (long i = 0; i < rows; i++, c += ldc)
    for (long j = 0; j < n; j += V) {
      const long part = n - j < V ? n - j : V;
      const NAME(mask) mask = NAME(mask_of)(part);
      R x[V];
      NAME(store)(x, NAME(load_part)(c + j, mask));
      if (act == CPU_TANH) for (int l = 0; l < V; l++) x[l] = tanh_(x[l]);
      else for (int l = 0; l < V; l++) x[l] = sigmoid_(x[l]);
      NAME(store_part)(c + j, NAME(load)(x), mask);
    }
}

typedef void NAME(tile_fn)(const cpu_gemm_block *g, const R *a, const R *b, R *c, const R *bias, long part);
#define CHAINS(rows, vecs) (rows > 2 || rows * vecs >= 8 ? 1 : rows * vecs >= 4 ? 2 : 4)
#define TILE(rows, vecs)                                                                                  \
  static NOINLINE void NAME(tile_##rows##_##vecs)(const cpu_gemm_block *g, const R *a, const R *b, R *c,  \
                                                  const R *bias, long part)                               \
  {                                                                                                       \
    NAME(tile)(rows, vecs, CHAINS(rows, vecs), g, a, b, c, bias, part);                                   \
  }
#define ENTRY(rows, vecs) [rows][vecs] = NAME(tile_##rows##_##vecs),
#define LOW_TILES(DO) DO(1, 1) DO(2, 1) DO(3, 1) DO(4, 1) DO(5, 1) DO(6, 1) DO(1, 2) DO(2, 2) DO(3, 2) DO(4, 2) \
  DO(5, 2) DO(6, 2) DO(1, 4) DO(2, 4)
#define HIGH_TILES(DO) DO(7, 1) DO(8, 1) DO(9, 1) DO(10, 1) DO(11, 1) DO(12, 1) DO(7, 2) DO(8, 2) \
  DO(9, 2) DO(10, 2) DO(11, 2) DO(12, 2) DO(3, 4) DO(4, 4) DO(5, 4) DO(6, 4)
LOW_TILES(TILE)
#if TALL > 6
HIGH_TILES(TILE)
static NAME(tile_fn) *const NAME(tiles)[TALL + 1][5] = { LOW_TILES(ENTRY) HIGH_TILES(ENTRY) };
#else
static NAME(tile_fn) *const NAME(tiles)[TALL + 1][5] = { LOW_TILES(ENTRY) };
#endif
#undef TILE
#undef CHAINS
#undef ENTRY
#undef LOW_TILES
#undef HIGH_TILES

/* Row tiles [g->tile, g->tile_end) of `tiles`, by the panels of n columns given. */
static void NAME(block)(const cpu_gemm_block *g)
{
  const long step = g->few ? 4 : WIDE;             /* few rows: wider tiles, or none would keep the multipliers busy */
  const long least = g->m / g->tiles, taller = g->m % g->tiles;          /* as cpu__first, without its divisions */
  const long first = g->tile * least + (g->tile < taller ? g->tile : taller);
  const R *bias = g->bias;
  for (long j = 0, w; j < g->n; j += w) {
    const long left = g->n - j, vecs = left > (step - 1) * V ? step : left > V ? 2 : 1;
    w = left < vecs * V ? left : vecs * V;
    const R *b = (const R *)g->b + (g->b_panel ? j / (WIDE * V) * g->b_panel : j);
    const R *a = (const R *)g->a + (g->a_panel ? 0 : first * g->ars);
    R *c = (R *)g->c + first * g->ldc + j;
    for (long t = g->tile, rows; t < g->tile_end; t++) {
      rows = least + (t < taller);
      NAME(tiles)[rows][vecs](g, a, b, c, bias ? bias + j : NULL, w - (vecs - 1) * V);
      if (g->act > CPU_RELU) NAME(activate)(g->act, rows, w, c, g->ldc);
      a += g->a_panel ? g->a_panel : rows * g->ars;
      c += rows * g->ldc;
    }
  }
}

/* V rows of V: row i's element l becomes row l's element i. Pairs of rows trade halves, then quarters, and so on. */
INLINE void NAME(transpose)(NAME(vec) r[V])
{
#define SWAP(s, LOW, HIGH)                                                     \
  _Pragma("GCC unroll 16") for (int i = 0; i < V; i++) if (!(i & (s))) {       \
    const NAME(vec) x = r[i], y = r[i + (s)];                                  \
    r[i] = LOW(x, y), r[i + (s)] = HIGH(x, y);                                 \
  }
  STAGES(SWAP)
#undef SWAP
}

/* `copied` (k, n), rows ldt apart, from element strides */
static void NAME(copy)(long k, long n, const void *from, long brs, long bcs, void *copied, long ldt)
{
  const R *b = from;
  R *to = copied;
  const NAME(mask) last = NAME(mask_of)((n - 1) % V + 1);
  if (bcs == 1) {
    for (long l = 0; l < k; l++, b += brs, to += ldt) {
      long j = 0;
      for (; j + V < n; j += V) {
        __builtin_prefetch(b + j + n, 0, 2);       /* the next panel's: too far apart for the hardware to foresee */
        NAME(store)(to + j, NAME(load)(b + j));
      }
      __builtin_prefetch(b + j + n, 0, 2);
      NAME(store_part)(to + j, NAME(load_part)(b + j, last), last);
    }
    return;
  }
  if (brs != 1) {
    for (long l = 0; l < k; l++)
      for (long j = 0; j < n; j++) to[l * ldt + j] = b[l * brs + j * bcs];
    return;
  }
  for (long j = 0; j < n; j += V) {
    const NAME(mask) written = j + V <= n ? NAME(mask_of)(V) : last;
    const R *column[V];                            /* past the last one, that one again, not to be written */
    for (long i = 0; i < V; i++) column[i] = b + (j + i < n ? j + i : n - 1) * bcs;
    NAME(vec) r[V];
    long l = 0;
    for (; l + V <= k; l += V) {
#pragma GCC unroll 16
      for (long i = 0; i < V; i++) r[i] = NAME(load)(column[i] + l);
      NAME(transpose)(r);
#pragma GCC unroll 16
      for (long i = 0; i < V; i++) NAME(store_part)(to + (l + i) * ldt + j, r[i], written);
    }
    if (l == k) continue;
    for (long i = 0; i < V; i++) r[i] = NAME(load_part)(column[i] + l, NAME(mask_of)(k - l));
    NAME(transpose)(r);
    for (long i = 0; l + i < k; i++) NAME(store_part)(to + (l + i) * ldt + j, r[i], written);
  }
}

/* Panels [from, end) of b (k, n), each (k, WIDE V). Of the last one's columns those past n are left out. */
static void NAME(pack_b)(long k, long n, const void *b, long brs, long bcs, void *to, long from, long end)
{
  const long w = WIDE * V;
  for (long p = from; p < end; p++)
    NAME(copy)(k, n - p * w < w ? n - p * w : w, (const R *)b + p * w * bcs, brs, bcs, (R *)to + p * w * k, w);
}
/* Row tiles [tile, tile_end) of a (m, k), each (k, TALL) with the rows side by side. */
static void NAME(pack_a)(const cpu_gemm_block *g, void *to)
{
  const long least = g->m / g->tiles, taller = g->m % g->tiles, panel = TALL * g->k;
  const R *a = (const R *)g->a + (g->tile * least + (g->tile < taller ? g->tile : taller)) * g->ars;
  if (g->ars == 1) {                               /* a few rows of memory at a time, across all the tiles */
    for (long l = 0, k; l < g->k; l += k, a += k * g->acs) {
      const R *from = a;
      R *p = (R *)to + l * TALL;
      k = g->k - l < 16 ? g->k - l : 16;
      for (long t = g->tile, rows; t < g->tile_end; t++, from += rows, p += panel) {
        rows = least + (t < taller);
        NAME(copy)(k, rows, from, g->acs, 1, p, TALL);
      }
    }
    return;
  }
  for (long t = g->tile; t < g->tile_end; t++) {
    const long rows = least + (t < taller);
    NAME(copy)(g->k, rows, a, g->acs, g->ars, (R *)to + (t - g->tile) * panel, TALL);
    a += rows * g->ars;
  }
}

/* ---- inner products: both operands contiguous along k, and too few rows or columns for packing to pay ---- */

/* c[rows][cols] = act(start + inner products of a's rows and b's columns), rows * cols == V. Each sum is a vector until
 * the end, when pairs of them are folded into one until all V are. Of the columns only `kept` are written. */
INLINE void NAME(dot_tile)(const int rows, const int cols, const cpu_gemm_block *g, const R *const *a,
                           const R *const *b, const R *start, R *c, long rows_kept, long cols_kept)
{
  NAME(vec) s[V], x[V];
  long l = 0;
#pragma GCC unroll 16
  for (int o = 0; o < V; o++) s[o] = (NAME(vec)){ 0 };
#define STEP(READ)                                                            \
  _Pragma("GCC unroll 16") for (int q = 0; q < cols; q++) x[q] = READ(b[q]);  \
  _Pragma("GCC unroll 16") for (int p = 0; p < rows; p++) {                   \
    const NAME(vec) y = READ(a[p]);                                           \
    _Pragma("GCC unroll 16") for (int q = 0; q < cols; q++) s[p * cols + q] += y * x[q]; \
  }
#define WHOLE(p) NAME(load)((p) + l)
#define REST(p) NAME(load_part)((p) + l, mask)
  for (; l + V <= g->k; l += V) { STEP(WHOLE) }
  if (l < g->k) {
    const NAME(mask) mask = NAME(mask_of)(g->k - l);
    STEP(REST)
  }
#undef STEP
#undef WHOLE
#undef REST
#define FOLD(s_, LOW, HIGH)                                                                     \
  _Pragma("GCC unroll 16") for (int i = 0; i < V; i += 2 * (s_)) {                              \
    const NAME(vec) y0 = s[i], y1 = s[i + (s_)];                                                \
    s[i] = LOW(y0, y1) + HIGH(y0, y1);                                                          \
  }
  STAGES(FOLD)
#undef FOLD
  if (start) s[0] += NAME(load)(start);
  if (g->act == CPU_RELU) s[0] = NAME(relu)(s[0]);
  if (rows_kept == rows && cols_kept == cols && (rows == 1 || g->ldc == cols)) { NAME(store)(c, s[0]); return; }
  R out[V];
  NAME(store)(out, s[0]);
  for (long p = 0; p < rows_kept; p++)
    for (long q = 0; q < cols_kept; q++) c[p * g->ldc + q] = out[p * cols + q];
}

/* Rows [tile, tile_end) of c = a b; b is given by its columns, brs == acs == 1, and taken `cols` at a time. */
static void NAME(dots)(const cpu_gemm_block *g)
{
  const R *pa[V], *pb[V];
  const int rows = g->dot_rows, cols = V / rows;
  for (long j = 0; j < g->n; j += cols) {
    const long cols_kept = g->n - j < cols ? g->n - j : cols;
    for (int q = 0; q < cols; q++) pb[q] = (const R *)g->b + (j + (q < cols_kept ? q : 0)) * g->bcs;
    for (long i = g->tile; i < g->tile_end; i += rows) {
      const long rows_kept = g->tile_end - i < rows ? g->tile_end - i : rows;
      R *c = (R *)g->c + i * g->ldc + j, start[V] = { 0 }, *from = NULL;
      for (int p = 0; p < rows; p++) pa[p] = (const R *)g->a + (i + (p < rows_kept ? p : 0)) * g->ars;
      if (g->bias || g->accumulate) {
        from = start;
        for (long p = 0; p < rows_kept; p++)
          for (long q = 0; q < cols_kept; q++)
            start[p * cols + q] = (g->bias ? ((const R *)g->bias)[j + q] : 0) + (g->accumulate ? c[p * g->ldc + q] : 0);
      }
      switch (rows) {
        case 1: NAME(dot_tile)(1, V, g, pa, pb, from, c, rows_kept, cols_kept); break;
        case 2: NAME(dot_tile)(2, V / 2, g, pa, pb, from, c, rows_kept, cols_kept); break;
#if V > 2
        case 4: NAME(dot_tile)(4, V / 4, g, pa, pb, from, c, rows_kept, cols_kept); break;
#endif
#if V > 4
        case 8: NAME(dot_tile)(8, V / 8, g, pa, pb, from, c, rows_kept, cols_kept); break;
#endif
#if V > 8
        case 16: NAME(dot_tile)(16, V / 16, g, pa, pb, from, c, rows_kept, cols_kept); break;
#endif
      }
    }
  }
  if (g->act > CPU_RELU) NAME(activate)(g->act, g->tile_end - g->tile, g->n, (R *)g->c + g->tile * g->ldc, g->ldc);
}
