/* rows_loops.h: the kernels of rows.h for one type T; included by rows_kernels.c, which defines T and _(name). */

/* ---- pieces of a row ---- */
ONCE T _(largest)(const T *x, long n)               /* NaN counts as small: it comes back through the sum */
{
  T m = -INFINITY;
#pragma omp simd reduction(max:m)
  for (long i = 0; i < n; i++) m = x[i] > m ? x[i] : m;
  return m;
}
FN T _(total)(V v)
{
  T s = 0;
  for (int width = LANES / 2; width >= 4; width /= 2) for (int i = 0; i < width; i++) v[i] += v[i + width];
  for (int i = 0; i < (LANES < 4 ? LANES : 4); i++) s += v[i];
  return s;
}
FN T _(sum)(const T *x, long n) { T s; SUM(s, n, AT(x)); return s; }
FN T _(dot)(const T *a, const T *b, long n) { T s; SUM(s, n, AT(a) * AT(b)); return s; }
ONCE T _(exp_shifted)(T *y, const T *x, T shift, long n)            /* y = e^(x - shift), returns its sum */
{
  T s = 0;
#pragma omp simd reduction(+:s)
  for (long i = 0; i < n; i++) {
    T e = exp_neg_(x[i] - shift);
    y[i] = e;
    s += e;
  }
  return s;
}
ONCE T _(sum_exp)(const T *x, T shift, long n)
{
  T s = 0;
#pragma omp simd reduction(+:s)
  for (long i = 0; i < n; i++) s += exp_neg_(x[i] - shift);
  return s;
}

/* x itself, or its copy in room with -inf up to a whole number of vectors; *padded is the length to go over */
FN const T *_(pad)(T *room, const T *x, long n, long *padded)
{
  *padded = n;
  if (n % FEW == 0 || n > ROW) return x;
  memcpy(room, x, (size_t)n * sizeof(T));
  for (*padded = PADDED(n); n < *padded; n++) room[n] = -INFINITY;
  return room;
}

/* For so many rows, at most BATCH, and as a whole at most a part of the cache: log sum e^x = m + s */
FN long _(batch)(long rows, long n)
{
  long most = n < 64 ? BATCH : BATCH * 64 / n < 1 ? 1 : BATCH * 64 / n;
  return rows < most ? rows : most;
}
ONCE void _(log_sums)(T *m, T *s, const T *x, long rows, long n)
{
  T room[BATCH * FEW], max;
  long w;
  if (n < FEW) {                                  /* short rows: shifted one by one, raised together */
    for (long k = 0; k < rows; k++) {
      max = -INFINITY;
      for (long i = 0; i < n; i++) max = x[k * n + i] > max ? x[k * n + i] : max;
      for (long i = 0; i < n; i++) room[k * n + i] = x[k * n + i] - max;
      m[k] = max;
    }
    for (long i = 0; i < rows * n; i++) room[i] = exp_neg_(room[i]);
    for (long k = 0; k < rows; k++) {
      T sum = 0;
      for (long i = 0; i < n; i++) sum += room[k * n + i];
      s[k] = sum;
    }
  } else for (long k = 0; k < rows; k++) {
    const T *p = _(pad)(room, x + k * n, n, &w);
    m[k] = _(largest)(p, w);
    s[k] = _(sum_exp)(p, m[k], w);
  }
  for (long k = 0; k < rows; k++) s[k] = log_(s[k]);
}

/* ---- softmax along contiguous rows; an item is a row ---- */

static void _(softmax_few)(T *y, const T *x, long rows, long n)
{
  T e[ROW];
  for (long r; rows > 0; rows -= r, x += r * n, y += r * n) {
    r = rows < ROW / n ? rows : ROW / n;
    for (long k = 0; k < r; k++) {
      T m = -INFINITY;
      for (long i = 0; i < n; i++) m = x[k * n + i] > m ? x[k * n + i] : m;
      for (long i = 0; i < n; i++) e[k * n + i] = x[k * n + i] - m;
    }
    for (long i = 0; i < r * n; i++) e[i] = exp_neg_(e[i]);
    for (long k = 0; k < r; k++) {
      T s = 0;
      for (long i = 0; i < n; i++) s += e[k * n + i];
      for (long i = 0; i < n; i++) y[k * n + i] = e[k * n + i] / s;
    }
  }
}
ONCE void _(softmax_rows)(T *y, const T *x, long rows, long n)
{
  T room[ROW];
  long w;
  if (n < FEW) {
    _(softmax_few)(y, x, rows, n);
    return;
  }
  for (; rows > 0; rows--, x += n, y += n) {
    const T *p = _(pad)(room, x, n, &w);
    T *e = n <= ROW ? room : y, s = 1 / _(exp_shifted)(e, p, _(largest)(p, w), w);
    for (long i = 0; i < n; i++) y[i] = e[i] * s;
  }
}
static void _(softmax)(const rows_args *a, long first, long last)
{
  _(softmax_rows)((T *)a->out + first * a->n, (const T *)a->in + first * a->n, last - first, a->n);
}
static void _(log_softmax)(const rows_args *a, long first, long last)
{
  T m[BATCH], s[BATCH];
  for (long r = first, n = a->n, rows; r < last; r += rows) {
    const T *x = (const T *)a->in + r * n;
    T *y = (T *)a->out + r * n;
    rows = _(batch)(last - r, n);
    _(log_sums)(m, s, x, rows, n);
    for (long k = 0; k < rows; k++) for (long i = 0; i < n; i++) y[k * n + i] = (x[k * n + i] - m[k]) - s[k];
  }
}
ONCE T _(infinite_sum)(T max, const T *x, long n, long stride)      /* log sum e^x where the largest is infinite */
{
  for (long i = 0; i < n; i++) if (isnan_(x[i * stride])) max = NAN;
  return max;
}
static void _(logsumexp)(const rows_args *a, long first, long last)
{
  T m[BATCH], s[BATCH];
  for (long r = first, n = a->n, rows; r < last; r += rows) {
    const T *x = (const T *)a->in + r * n;
    T *y = (T *)a->out + r;
    rows = _(batch)(last - r, n);
    _(log_sums)(m, s, x, rows, n);
    for (long k = 0; k < rows; k++) y[k] = isinf_(m[k]) ? _(infinite_sum)(m[k], x + k * n, n, 1) : m[k] + s[k];
  }
}

static void _(softmax_dx)(const rows_args *a, long first, long last)
{
  long n = a->n;
  const T *g = (const T *)a->in + first * n, *y = (const T *)a->in2 + first * n;
  T *dx = (T *)a->out + first * n;
  for (long r = first; r < last; r++, g += n, y += n, dx += n) {
    T s = _(dot)(g, y, n);
    for (long i = 0; i < n; i++) dx[i] = y[i] * (g[i] - s);
  }
}
static void _(log_softmax_dx)(const rows_args *a, long first, long last)
{
  long n = a->n;
  const T *g = (const T *)a->in + first * n, *y = (const T *)a->in2 + first * n;
  T *dx = (T *)a->out + first * n;
  for (long r = first; r < last; r++, g += n, y += n, dx += n) {
    T s = _(sum)(g, n);
    for (long i = 0; i < n; i++) dx[i] = g[i] - exp_neg_(y[i]) * s;
  }
}

/* ---- the same along a dim that is not the last: lanes are columns; an item is COLUMNS of one outer index ---- */
FN long _(block)(const rows_args *a, long item, long *at)         /* where its first element is, how many columns */
{
  long blocks = (a->inner + COLUMNS - 1) / COLUMNS, column = item % blocks * COLUMNS;
  *at = item / blocks * a->n * a->inner + column;
  return a->inner - column < COLUMNS ? a->inner - column : COLUMNS;
}
ONCE void _(column_max)(T *restrict m, const T *restrict x, long w, long n, long stride)
{
  for (long i = 0; i < w; i++) m[i] = -INFINITY;
  for (long k = 0; k < n; k++, x += stride) for (long i = 0; i < w; i++) m[i] = x[i] > m[i] ? x[i] : m[i];
}
ONCE void _(column_sum_exp)(T *restrict s, const T *restrict x, const T *restrict m, long w, long n, long stride)
{
  for (long i = 0; i < w; i++) s[i] = 0;
  for (long k = 0; k < n; k++, x += stride) for (long i = 0; i < w; i++) s[i] += exp_neg_(x[i] - m[i]);
}

static void _(softmax_across)(const rows_args *a, long first, long last)
{
  T m[COLUMNS], s[COLUMNS];
  for (long item = first, at; item < last; item++) {
    long w = _(block)(a, item, &at), n = a->n, stride = a->inner;
    const T *x = (const T *)a->in + at;
    T *y = (T *)a->out + at;
    _(column_max)(m, x, w, n, stride);
    for (long i = 0; i < w; i++) s[i] = 0;
    for (long k = 0; k < n; k++) for (long i = 0; i < w; i++) {
      T e = exp_neg_(x[k * stride + i] - m[i]);
      y[k * stride + i] = e;
      s[i] += e;
    }
    for (long i = 0; i < w; i++) s[i] = 1 / s[i];
    for (long k = 0; k < n; k++) for (long i = 0; i < w; i++) y[k * stride + i] *= s[i];
  }
}
static void _(log_softmax_across)(const rows_args *a, long first, long last)
{
  T m[COLUMNS], s[COLUMNS];
  for (long item = first, at; item < last; item++) {
    long w = _(block)(a, item, &at), n = a->n, stride = a->inner;
    const T *x = (const T *)a->in + at;
    T *y = (T *)a->out + at;
    _(column_max)(m, x, w, n, stride);
    _(column_sum_exp)(s, x, m, w, n, stride);
    for (long i = 0; i < w; i++) s[i] = log_(s[i]);
    for (long k = 0; k < n; k++) for (long i = 0; i < w; i++) y[k * stride + i] = (x[k * stride + i] - m[i]) - s[i];
  }
}
static void _(logsumexp_across)(const rows_args *a, long first, long last)
{
  T m[COLUMNS], s[COLUMNS];
  for (long item = first, at; item < last; item++) {
    long w = _(block)(a, item, &at), n = a->n, stride = a->inner;
    const T *x = (const T *)a->in + at;
    T *y = (T *)a->out + at / stride / n * stride + at % stride;
    _(column_max)(m, x, w, n, stride);
    _(column_sum_exp)(s, x, m, w, n, stride);
    for (long i = 0; i < w; i++) y[i] = m[i] + log_(s[i]);
    for (long i = 0; i < w; i++) if (isinf_(m[i])) y[i] = _(infinite_sum)(m[i], x + i, n, stride);
  }
}
static void _(softmax_dx_across)(const rows_args *a, long first, long last)
{
  T s[COLUMNS];
  for (long item = first, at; item < last; item++) {
    long w = _(block)(a, item, &at), n = a->n, stride = a->inner;
    const T *g = (const T *)a->in + at, *y = (const T *)a->in2 + at;
    T *dx = (T *)a->out + at;
    for (long i = 0; i < w; i++) s[i] = 0;
    for (long k = 0; k < n; k++) for (long i = 0; i < w; i++) s[i] += g[k * stride + i] * y[k * stride + i];
    for (long k = 0; k < n; k++) for (long i = 0; i < w; i++)
      dx[k * stride + i] = y[k * stride + i] * (g[k * stride + i] - s[i]);
  }
}
static void _(log_softmax_dx_across)(const rows_args *a, long first, long last)
{
  T s[COLUMNS];
  for (long item = first, at; item < last; item++) {
    long w = _(block)(a, item, &at), n = a->n, stride = a->inner;
    const T *g = (const T *)a->in + at, *y = (const T *)a->in2 + at;
    T *dx = (T *)a->out + at;
    for (long i = 0; i < w; i++) s[i] = 0;
    for (long k = 0; k < n; k++) for (long i = 0; i < w; i++) s[i] += g[k * stride + i];
    for (long k = 0; k < n; k++) for (long i = 0; i < w; i++)
      dx[k * stride + i] = g[k * stride + i] - exp_neg_(y[k * stride + i]) * s[i];
  }
}

/* ---- norms; an item is a row ---- */
FN T _(moments)(const T *x, long n, const rows_args *a, T *mean)  /* returns 1 / standard deviation */
{
  T m = a->rms ? 0 : _(sum)(x, n) / (T)n, v;
  SUM(v, n, (AT(x) - m) * (AT(x) - m));
  *mean = m;
  return 1 / sqrt_(v / (T)n + (T)a->eps);
}
static void _(norm)(const rows_args *a, long first, long last)
{
  long n = a->n;
  const T *x = (const T *)a->in + first * n, *weight = a->weight, *bias = a->bias;
  T *y = (T *)a->out + first * n, mean;
  for (long r = first; r < last; r++, x += n, y += n) {
    T rstd = _(moments)(x, n, a, &mean);
    if (weight && bias) {
#pragma omp simd
      for (long i = 0; i < n; i++) y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
    } else if (weight) {
#pragma omp simd
      for (long i = 0; i < n; i++) y[i] = (x[i] - mean) * rstd * weight[i];
    } else {
      for (long i = 0; i < n; i++) y[i] = (x[i] - mean) * rstd + (bias ? bias[i] : 0);
    }
  }
}
static void _(norm_dx)(const rows_args *a, long first, long last)
{
  long n = a->n;
  const T *g = (const T *)a->in + first * n, *x = (const T *)a->in2 + first * n, *weight = a->weight;
  T *dx = (T *)a->out + first * n, mean;
  for (long r = first; r < last; r++, g += n, x += n, dx += n) {
    T rstd = _(moments)(x, n, a, &mean), s = 0, t;
    if (weight) {
      if (!a->rms) s = _(dot)(g, weight, n);
      SUM(t, n, AT(g) * AT(weight) * (AT(x) - mean));
    } else {
      if (!a->rms) s = _(sum)(g, n);
      SUM(t, n, AT(g) * (AT(x) - mean));
    }
    s /= (T)n;
    t = t * rstd * rstd / (T)n;
    if (weight) {
#pragma omp simd
      for (long i = 0; i < n; i++) dx[i] = rstd * (g[i] * weight[i] - s - (x[i] - mean) * t);
    } else {
#pragma omp simd
      for (long i = 0; i < n; i++) dx[i] = rstd * (g[i] - s - (x[i] - mean) * t);
    }
  }
}
static void _(norm_stats)(const rows_args *a, long first, long last)
{
  T *mean = a->stats, *rstd = mean + a->rows;
  for (long r = first; r < last; r++) rstd[r] = _(moments)((const T *)a->in2 + r * a->n, a->n, a, &mean[r]);
}
/* Sums over rows first .. last - 1 of four vectors of columns, which stay in registers. */
ONCE void _(norm_dw_wide)(T *dw, T *db, const T *g, const T *x, const T *mean, const T *rstd, long first, long last,
                          long n)
{
  V w[4] = { 0 }, b[4] = { 0 };
  for (long k = first; k < last; k++) for (int u = 0; u < 4; u++) {
    V gv = *(const V *)(g + k * n + u * LANES), xv = *(const V *)(x + k * n + u * LANES);
    w[u] += gv * ((xv - mean[k]) * rstd[k]);
    b[u] += gv;
  }
  for (int u = 0; u < 4; u++) *(V *)(dw + u * LANES) += w[u];
  if (db) for (int u = 0; u < 4; u++) *(V *)(db + u * LANES) += b[u];
}
/* An item is DW_COLUMNS columns. Rows are summed 64 at a time, and then those sums: less rounding. */
static void _(norm_dw)(const rows_args *a, long first, long last)
{
  const T *mean = a->stats, *rstd = mean + a->rows, *g = a->in, *x = a->in2;
  T *dw = a->out, *db = a->out2;
  long n = a->n, begin = first * DW_COLUMNS, end = last * DW_COLUMNS < n ? last * DW_COLUMNS : n;
  for (long c = begin; c < end; c++) dw[c] = 0;
  if (db) for (long c = begin; c < end; c++) db[c] = 0;
  for (long r = 0; r < a->rows; r += 64) {
    long c = begin, r_end = a->rows - r < 64 ? a->rows : r + 64;
    for (; c + 4 * LANES <= end; c += 4 * LANES)
      _(norm_dw_wide)(dw + c, db ? db + c : NULL, g + c, x + c, mean, rstd, r, r_end, n);
    for (; c < end; c++) {
      T w = 0, b = 0;
      for (long k = r; k < r_end; k++) w += g[k * n + c] * ((x[k * n + c] - mean[k]) * rstd[k]), b += g[k * n + c];
      dw[c] += w;
      if (db) db[c] += b;
    }
  }
}

/* ---- cross entropy; an item is a row ---- */
static void _(cross_entropy)(const rows_args *a, long first, long last)
{
  const cpu_cross_entropy *o = a->options;
  const T *weight = o->weight;
  T smooth = (T)(o->smoothing / (double)a->n), m[BATCH], s[BATCH];
  for (long r = first, n = a->n, rows; r < last; r += rows) {
    const T *x = (const T *)a->in2 + r * n;
    T *loss = (T *)a->out + r;
    rows = _(batch)(last - r, n);
    _(log_sums)(m, s, x, rows, n);
    for (long k = 0; k < rows; k++, x += n) {
      if (o->label[r + k] == o->ignore) {
        loss[k] = 0;
        continue;
      }
      long l = (long)(o->label[r + k] - o->base);
      T all = 0;
      if (smooth != 0) {
        if (weight) for (long i = 0; i < n; i++) all += weight[i] * (s[k] - (x[i] - m[k]));
        else for (long i = 0; i < n; i++) all += s[k] - (x[i] - m[k]);
      }
      loss[k] = (T)(1 - o->smoothing) * (weight ? weight[l] : 1) * (s[k] - (x[l] - m[k])) + smooth * all;
    }
  }
}
/* d loss / dx_c = p_c (hit + smooth total) - hit [c = l] - smooth w_c, hit = (1 - smoothing) w_l */
static void _(cross_entropy_dx)(const rows_args *a, long first, long last)
{
  const cpu_cross_entropy *o = a->options;
  const T *weight = o->weight, *g = a->in;
  T smooth = (T)(o->smoothing / (double)a->n), total = weight ? _(sum)(weight, a->n) : (T)a->n;
  for (long r = first, n = a->n, rows; r < last; r += rows) {
    T *dx = (T *)a->out + r * n;
    rows = _(batch)(last - r, n);
    _(softmax_rows)(dx, (const T *)a->in2 + r * n, rows, n);
    for (long k = 0; k < rows; k++, dx += n) {
      if (o->label[r + k] == o->ignore) {
        for (long i = 0; i < n; i++) dx[i] = 0;
        continue;
      }
      long l = (long)(o->label[r + k] - o->base);
      T hit = (T)(1 - o->smoothing) * (weight ? weight[l] : 1), scale = g[r + k] * (hit + smooth * total);
      T shift = g[r + k] * smooth;
      if (weight) for (long i = 0; i < n; i++) dx[i] = dx[i] * scale - shift * weight[i];
      else for (long i = 0; i < n; i++) dx[i] = dx[i] * scale - shift;
      dx[l] -= g[r + k] * hit;
    }
  }
}

/* ---- where the largest is; an item is a row. The best block is kept, and looked through again at the end ---- */
ONCE int _(first_equal)(const T *x, int n, T v)     /* or the first NaN, if v is NaN */
{
  int at = n;
#pragma omp simd reduction(min:at)
  for (int i = 0; i < n; i++) {
    int j = (x[i] == v) | ((x[i] != x[i]) & (v != v)) ? i : n;
    at = j < at ? j : at;
  }
  return at;
}
ONCE long _(first_best)(const T *x, long n, T sign)
{
  T best = -INFINITY;
  long block = 0;
  for (long b = 0; b < n; b += ROW) {
    int w = n - b < ROW ? (int)(n - b) : ROW, nan = 0;
    T m = -INFINITY;
#pragma omp simd reduction(max:m) reduction(|:nan)
    for (int i = 0; i < w; i++) {
      T v = x[b + i] * sign;
      m = v > m ? v : m;
      nan |= v != v;
    }
    if (nan) return b + _(first_equal)(x + b, w, NAN);
    if (m > best) best = m, block = b;
  }
  return block + _(first_equal)(x + block, n - block < ROW ? (int)(n - block) : ROW, best * sign);
}
static void _(argmax)(const rows_args *a, long first, long last)
{
  for (long r = first; r < last; r++)
    ((int64_t *)a->out)[r] = _(first_best)((const T *)a->in + r * a->n, a->n, 1) + a->base;
}
static void _(argmin)(const rows_args *a, long first, long last)
{
  for (long r = first; r < last; r++)
    ((int64_t *)a->out)[r] = _(first_best)((const T *)a->in + r * a->n, a->n, -1) + a->base;
}

/* ---- the sum of squares; an item is SQUARES elements, out one double for each ---- */
static void _(sum_squares)(const rows_args *a, long first, long last)
{
  for (long item = first; item < last; item++) {
    double s = 0;
    long end = (item + 1) * SQUARES < a->n ? (item + 1) * SQUARES : a->n;
    for (long i = item * SQUARES; i < end; i += ROW) {
      const T *x = (const T *)a->in + i;
      s += (double)_(dot)(x, x, end - i < ROW ? end - i : ROW);
    }
    ((double *)a->out)[item] = s;
  }
}
