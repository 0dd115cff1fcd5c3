/* linalg_real.h: linear algebra in one element type, REAL; linalg.c includes it for float and double. Matrices come and
 * go as dense rows; each function returns LAPACK's info, or -1000 after yt__fail. */

/* room for n elements in this thread's scratch block of that slot; NULL: none */
static REAL *FN(room)(int slot, long n) { return cpu__scratch(slot, (size_t)n * sizeof(REAL) + 64); }

static void FN(turned)(REAL *to, const REAL *from, long rows, long columns)        /* (rows, columns) -> its transpose */
{
  for (long i = 0; i < rows; i++) for (long j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
}
static int FN(solve)(const cpu_blas *blas, REAL *y, const REAL *a, const REAL *b, long size, long columns)
{
  int n = (int)size, k = (int)columns, info = 0, *pivots = cpu__scratch(5, (size_t)size * sizeof(int) + 64);
  REAL *ac = FN(room)(3, size * size), *bc = FN(room)(4, size * columns);
  if (!pivots || !ac || !bc) return -1000;
  FN(turned)(ac, a, size, size), FN(turned)(bc, b, size, columns);
  L(gesv)(&n, &k, ac, &n, pivots, bc, &n, &info);
  FN(turned)(y, bc, columns, size);
  return info;
}
static int FN(triangular)(const cpu_blas *blas, REAL *y, const REAL *a, const REAL *b, long size, long columns, int upper)
{
  int n = (int)size, k = (int)columns, info = 0;
  REAL *bc = FN(room)(4, size * columns);
  if (!bc) return -1000;
  FN(turned)(bc, b, size, columns);
  /* read as columns a is its transpose: the other triangle, transposed back by the call */
  L(trtrs)(upper ? "L" : "U", "T", "N", &n, &k, a, &n, bc, &n, &info, 1, 1, 1);
  FN(turned)(y, bc, columns, size);
  return info;
}
static int FN(cholesky)(const cpu_blas *blas, REAL *y, const REAL *a, long size)
{
  int n = (int)size, info = 0;
  memcpy(y, a, (size_t)(size * size) * sizeof(REAL));
  L(potrf)("U", &n, y, &n, &info, 1);                 /* the upper triangle of columns is the lower one of rows */
  for (long i = 0; i < size; i++) for (long j = i + 1; j < size; j++) y[i * size + j] = 0;
  return info;
}
static int FN(qr)(const cpu_blas *blas, REAL *y, const REAL *a, long rows, long columns)
{
  const long least = rows < columns ? rows : columns;
  int m = (int)rows, n = (int)columns, k = (int)least, lwork = (int)(columns * 64), info = 0;
  REAL *ac = FN(room)(3, rows * columns), *tau = FN(room)(4, least), *space = FN(room)(5, columns * 64), *r = y + rows * columns;
  if (!ac || !tau || !space) return -1000;
  FN(turned)(ac, a, rows, columns);
  L(geqrf)(&m, &n, ac, &m, tau, space, &lwork, &info);
  if (info) return info;
  for (long i = 0; i < least; i++) for (long j = 0; j < columns; j++) r[i * columns + j] = j < i ? 0 : ac[j * rows + i];
  L(orgqr)(&m, &k, &k, ac, &m, tau, space, &lwork, &info);
  for (long i = 0; i < rows; i++) for (long j = 0; j < columns; j++) y[i * columns + j] = j < least ? ac[j * rows + i] : 0;
  return info;
}
static int FN(eigh)(const cpu_blas *blas, REAL *y, const REAL *a, long size)
{
  int n = (int)size, lwork = (int)(1 + 6 * size + 2 * size * size), liwork = (int)(3 + 5 * size), info = 0;
  REAL *vectors = FN(room)(3, size * size), *space = FN(room)(4, lwork);
  int *ispace = cpu__scratch(5, (size_t)liwork * sizeof(int));
  if (!vectors || !space || !ispace) return -1000;
  memcpy(vectors, a, (size_t)(size * size) * sizeof(REAL));
  L(syevd)("V", "U", &n, vectors, &n, y, space, &lwork, ispace, &liwork, &info, 1, 1);
  FN(turned)(y + size, vectors, size, size);
  return info;
}
static int FN(svd)(const cpu_blas *blas, REAL *y, const REAL *a, long rows, long columns)
{
  /* read as columns a is its transpose v s u^T, whose left vectors, as columns, are the rows of v^T */
  const long least = rows < columns ? rows : columns, most = rows < columns ? columns : rows;
  int m = (int)columns, n = (int)rows, k = (int)least, info = 0;
  int lwork = (int)(4 * least * least + 7 * least + most + 64 * (most + least));
  REAL *ac = FN(room)(3, rows * columns), *vc = FN(room)(4, columns * least), *uc = FN(room)(5, least * rows), *space = FN(room)(6, lwork);
  int *ispace = cpu__scratch(7, (size_t)least * 8 * sizeof(int) + 64);
  if (!ac || !vc || !uc || !space || !ispace) return -1000;
  memcpy(ac, a, (size_t)(rows * columns) * sizeof(REAL));
  L(gesdd)("S", &m, &n, ac, &m, y + rows * least, vc, &m, uc, &k, space, &lwork, ispace, &info, 1);
  memcpy(y, uc, (size_t)(rows * least) * sizeof(REAL));              /* (k, rows) in columns is (rows, k) in rows */
  FN(turned)(y + (rows + 1) * least, vc, least, columns);
  return info;
}
static int FN(slogdet)(const cpu_blas *blas, REAL *y, const REAL *a, long size)
{
  int n = (int)size, info = 0, *pivots = cpu__scratch(5, (size_t)size * sizeof(int) + 64);
  REAL *lu = FN(room)(3, size * size);
  double sign = 1, sum = 0;
  if (!lu || !pivots) return -1000;
  memcpy(lu, a, (size_t)(size * size) * sizeof(REAL));
  L(getrf)(&n, &n, lu, &n, pivots, &info);
  for (long i = 0; i < size; i++) {
    const double d = lu[i * size + i];
    sign *= d < 0 ? -1 : d > 0 ? 1 : 0, sign *= pivots[i] != i + 1 ? -1 : 1, sum += log(fabs(d));
  }
  y[0] = (REAL)sign, y[1] = (REAL)sum;
  return info < 0 ? info : 0;                         /* singular is a determinant of 0 */
}
