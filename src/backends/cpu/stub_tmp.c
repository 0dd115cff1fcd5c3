#include "cpu.h"
__attribute__((weak)) int cpu_solve(yt_tensor *o, const args_solve *a) { (void)o,(void)a; return yt__fail("stub solve"); }
__attribute__((weak)) int cpu_solve_triangular(yt_tensor *o, const args_solve_triangular *a) { (void)o,(void)a; return yt__fail("stub solve_triangular"); }
__attribute__((weak)) int cpu_cholesky(yt_tensor *o, const args_cholesky *a) { (void)o,(void)a; return yt__fail("stub cholesky"); }
__attribute__((weak)) int cpu_qr_packed(yt_tensor *o, const args_qr_packed *a) { (void)o,(void)a; return yt__fail("stub qr_packed"); }
__attribute__((weak)) int cpu_eigh_packed(yt_tensor *o, const args_eigh_packed *a) { (void)o,(void)a; return yt__fail("stub eigh_packed"); }
__attribute__((weak)) int cpu_svd_packed(yt_tensor *o, const args_svd_packed *a) { (void)o,(void)a; return yt__fail("stub svd_packed"); }
__attribute__((weak)) int cpu_slogdet_packed(yt_tensor *o, const args_slogdet_packed *a) { (void)o,(void)a; return yt__fail("stub slogdet_packed"); }
