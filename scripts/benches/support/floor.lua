--- floor.lua: opens the floors, C programs that scripts/bench has compiled for this very machine.
local ffi = require "ffi"

ffi.cdef [[
int floor_op(const char *name, const float *const in[4], float *const out[4], long n, int threads, long times);
double floor_ppo(long steps, uint64_t seed);
const char *floor_openblas(const char *path);
void *floor_product_new(int library, int threads, const float *a, const float *b, float *c, long m, long n, long k);
void floor_multiply(void *p, long times);
]]

--- name: "ops", "ppo" or "gemm"
return function(name) return ffi.load(os.getenv "YUTU_BENCH_FLOORS" .. "/floor_" .. name .. ".so") end
