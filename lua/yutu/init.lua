--- yutu: tensors that remember how they were made, and the loops that learn from them.
--
--   local yutu = require "yutu"
--   local x = yutu.randn(3, 4)                       -- constructors are fields of yutu (create.lua)
--   local y = (x * 2 + 1):tanh():mean(2)             -- ops are methods; yutu.tanh(x) is the same as x:tanh()
--   yutu.nn, yutu.optim, yutu.data, yutu.rl, ...     -- loaded when first used
local lib = require "yutu.ffi"
local functions = require "yutu.functions"
local Tensor = require "yutu.tensor"
local create = require "yutu.create"
local C = lib.C

local yutu = { Tensor = Tensor, ops = functions.ops, version = lib.version, C = C }

for name, f in pairs(create) do yutu[name] = f end
-- methods that make one tensor of several need these too
for _, name in ipairs { "cat", "stack", "meshgrid", "zeros_like", "ones_like", "empty_like", "full_like", "rand_like",
  "randn_like" } do Tensor[name] = create[name] end
require "yutu.methods"
for name, f in pairs(require "yutu.autograd") do yutu[name] = f end

yutu.is_tensor, yutu.scope, yutu.memory, yutu.collect = lib.is_tensor, lib.scope, lib.memory, lib.collect

--- How many threads an op may use, this one included.
function yutu.get_num_threads() return C.yt_threads() end
function yutu.set_num_threads(n)
  if C.yt_set_threads(lib.int(n, "set_num_threads", "n")) < 0 then lib.fail() end
end
--- After every op look for numbers that are not finite, and name the op that first made one. YUTU_DEBUG=1 does it too.
function yutu.checknumerics(on) return C.yt_set_debug(on ~= false and 1 or 0) ~= 0 end
--- "sse2", "avx2" or "avx512": what the kernels were chosen for.
function yutu.instruction_set() return require "ffi".string(C.yt_isa()) end

local modules = {
  nn = "yutu.nn", optim = "yutu.optim", data = "yutu.data", rl = "yutu.rl", linalg = "yutu.linalg",
  Trainer = "yutu.trainer", safetensors = "yutu.safetensors", checkpoint = "yutu.checkpoint",
  progress = "yutu.progress", repl = "yutu.repl",
}
return setmetatable(yutu, { __index = function(self, name)
  local value
  if modules[name] then value = require(modules[name])
  elseif type(name) == "string" then value = Tensor[name] end
  rawset(self, name, value)
  return value
end })
