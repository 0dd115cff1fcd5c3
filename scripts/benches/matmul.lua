--- Matrix products from Lua beside the best library called from C (floor_gemm.c), both with operands as they lie: the
-- serial OpenBLAS with the kernels that suit this processor best, and oneDNN. A line shows what oneDNN reaches with one
-- operand packed beforehand, too: no library can do that for operands it sees for the first time. Ours runs in a scope,
-- so that the next product gets its memory again.
local ffi = require "ffi"
local yutu = require "yutu"
local race = require "support.race"
local torch = require "support.torch"

local shapes = {
  { 512, 512, 512 }, { 1024, 1024, 1024 }, { 2048, 2048, 2048 }, { 2048, 256, 256 }, { 2048, 64, 64 }, { 128, 64, 4 },
  { 64, 64, 64 },
}
local blas_path = "/usr/lib/x86_64-linux-gnu/openblas-serial/libopenblas.so.0"
local libraries = { [0] = "OpenBLAS", "oneDNN", "oneDNN, packed beforehand" }

ffi.cdef "int setenv(const char *name, const char *value, int replace); int unsetenv(const char *name);"
local function choose_kernels(name)
  if name == "" then ffi.C.unsetenv "OPENBLAS_CORETYPE" else ffi.C.setenv("OPENBLAS_CORETYPE", name, 1) end
end

local function operands(m, n, k)
  yutu.manual_seed(1)
  return yutu.randn(m, k), yutu.randn(k, n), yutu.zeros(m, n)
end

-- OpenBLAS chooses its kernels once per process: each choice is tried in a process of its own, which prints GF/s.
if arg[1] == "--try" then
  local floor = require "support.floor" "gemm"
  if floor.floor_openblas(blas_path) == nil then os.exit(1) end
  local a, b, c = operands(512, 512, 512)
  local p = floor.floor_product_new(0, 1, a.data, b.data, c.data, 512, 512, 512)
  local t = race.run({ it = race.repeated(function(times) floor.floor_multiply(p, times) end) }, 7)
  print(2 * 512 ^ 3 / t.it / 1e9)
  os.exit(0, true)
end

local function best_kernels()
  local best, name = 0, ""
  for _, choice in ipairs { "", "Haswell", "Zen", "SkylakeX", "Cooperlake" } do
    choose_kernels(choice)
    local p = io.popen(("luajit %s --try 2>/dev/null"):format(arg[0]))
    local rate = tonumber(p:read "*l" or "") or 0
    p:close()
    if rate > best then best, name = rate, choice end
  end
  return name
end

choose_kernels(best_kernels())
local floor = require "support.floor" "gemm"
local core = floor.floor_openblas(blas_path)
libraries[0] = core ~= nil and ("OpenBLAS (%s)"):format(ffi.string(core)) or "OpenBLAS"

local function difference(a, c, n)
  local p1, p2, worst = a.data, c.data, 0
  for i = 0, n - 1 do worst = math.max(worst, math.abs(p1[i] - p2[i])) end
  return worst
end

local function compare(shape, threads)
  local m, n, k = unpack(shape)
  local a, b, c = operands(m, n, k)
  local ours, contestants = a:matmul(b), {}
  local function multiply() a:matmul(b) end
  contestants.ours = race.repeated(function(times) for _ = 1, times do yutu.scope(multiply) end end)
  for library = 0, 2 do
    local p = floor.floor_product_new(library, threads, a.data, b.data, c.data, m, n, k)
    if p ~= nil then
      floor.floor_multiply(p, 1)
      race.check(("%d x %d x %d, %s differs"):format(m, n, k, libraries[library]),
        difference(ours, c, m * n) < 2e-4 * math.sqrt(k))
      contestants[library .. ""] = race.repeated(function(times) floor.floor_multiply(p, times) end)
    end
  end
  local peer, peer_name = torch.contestant({ threads }, ("matmul %d %d %d"):format(m, n, k))
  contestants.torch = peer
  local t = race.run(contestants, m * n * k > 1e9 and 12 or 40)

  local what, rate = ("%d x %d x %d"):format(m, n, k), race.gigaflops(2 * m * n * k)
  local blas, dnnl = t["0"], t["1"]
  local best = (not dnnl or blas and blas < dnnl) and 0 or 1
  race.row(what, t.ours, libraries[best], t[best .. ""], m * n * k > 1e6 and 0.97 or nil, rate)
  if t["2"] then race.row("", t.ours, libraries[2], t["2"], nil, rate) end
  race.row("", t.ours, peer_name(), t.torch, nil, rate)
end

for threads = 1, 2 do
  yutu.set_num_threads(threads)
  race.heading(("matrix products, %s"):format(threads == 1 and "one thread" or "two threads"))
  for _, shape in ipairs(shapes) do compare(shape, threads) end
end
os.exit(race.missed, true)
