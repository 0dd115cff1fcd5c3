/* isa.h: one kernel file, several instruction sets.
 *
 * A file X_kernels.c is compiled once per instruction set with -DCPU_ISA=sse2, avx2 or avx512. Its functions are
 * static; it exports one const table named ISA(cpu__X), such as cpu__X_avx512. X.c, compiled for plain x86-64, holds
 * the three tables in this order and uses table[cpu__isa()]. */
#ifndef CPU_ISA_H
#define CPU_ISA_H

enum { CPU_SSE2, CPU_AVX2, CPU_AVX512 };

/* The best set that processor and system both support; YUTU_ISA=sse2|avx2|avx512 in the environment lowers it.
 * Decided at the first call and never changed. Any thread may ask. */
int cpu__isa(void);

#ifdef CPU_ISA
#define ISA_PASTE(name, isa) name##_##isa
#define ISA_EXPAND(name, isa) ISA_PASTE(name, isa)
#define ISA(name) ISA_EXPAND(name, CPU_ISA)

/* bytes of one register: what a kernel sizes its vectors by */
#if defined __AVX512F__
#define ISA_VECTOR 64
#elif defined __AVX2__
#define ISA_VECTOR 32
#else
#define ISA_VECTOR 16
#endif
#endif

#endif
