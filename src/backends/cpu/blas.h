/* blas.h: OpenBLAS, the serial build, opened at run time: LAPACK for linear algebra, and its matrix product.
 *
 * The routines keep no threads, and only one thread may be in any of them at a time: a serial build without
 * USE_LOCKING, as Debian's is, shares one work buffer (linalg.c holds the lock). Matrices are column-major as LAPACK
 * wants them; `int` is a Fortran INTEGER. Trailing hidden string lengths of CHARACTER arguments are declared. */
#ifndef CPU_BLAS_H
#define CPU_BLAS_H
#include <stddef.h>

enum { CBLAS_ROWS = 101, CBLAS_PLAIN = 111, CBLAS_TRANSPOSED = 112 };

#define CPU_LAPACK(T, p)                                                                                         \
  void (*p##gesv)(const int *n, const int *nrhs, T *a, const int *lda, int *ipiv, T *b, const int *ldb, int *info); \
  void (*p##getrf)(const int *m, const int *n, T *a, const int *lda, int *ipiv, int *info);                      \
  void (*p##getri)(const int *n, T *a, const int *lda, const int *ipiv, T *work, const int *lwork, int *info);   \
  void (*p##potrf)(const char *uplo, const int *n, T *a, const int *lda, int *info, size_t uplo_len);            \
  void (*p##geqrf)(const int *m, const int *n, T *a, const int *lda, T *tau, T *work, const int *lwork, int *info); \
  void (*p##orgqr)(const int *m, const int *n, const int *k, T *a, const int *lda, const T *tau, T *work,        \
                   const int *lwork, int *info);                                                                 \
  void (*p##gesdd)(const char *jobz, const int *m, const int *n, T *a, const int *lda, T *s, T *u, const int *ldu, \
                   T *vt, const int *ldvt, T *work, const int *lwork, int *iwork, int *info, size_t jobz_len);   \
  void (*p##syevd)(const char *jobz, const char *uplo, const int *n, T *a, const int *lda, T *w, T *work,        \
                   const int *lwork, int *iwork, const int *liwork, int *info, size_t jobz_len, size_t uplo_len); \
  void (*p##trtrs)(const char *uplo, const char *trans, const char *diag, const int *n, const int *nrhs, const T *a, \
                   const int *lda, T *b, const int *ldb, int *info, size_t uplo_len, size_t trans_len, size_t diag_len);

typedef struct cpu_blas {
  void (*sgemm)(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a, int lda,
                const float *b, int ldb, float beta, float *c, int ldc);
  void (*dgemm)(int order, int transa, int transb, int m, int n, int k, double alpha, const double *a, int lda,
                const double *b, int ldb, double beta, double *c, int ldc);
  CPU_LAPACK(float, s)
  CPU_LAPACK(double, d)
  const char *path, *core;   /* the file opened, and the processor OpenBLAS took this one for; both live forever */
} cpu_blas;

/* The library, opened by the first caller; NULL when there is none (every later call too). Any thread may ask. */
const cpu_blas *cpu__blas(void);

#endif
