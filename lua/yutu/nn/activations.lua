--- Activation layers, elementwise unless said otherwise: any shape -> the same. Their formulas stand in ops.def, their
-- functions in functional.lua. Options come by name or in PyTorch's order: nn.LeakyReLU(0.2), nn.ELU { alpha = 0.5 }.
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"
local F = require "yutu.nn.functional"
local Module = require "yutu.nn.module"

local activations = {}

-- A class that applies f(x, its options in order).
local function layer(name, f, ...)
  local class, options = Module:extend("nn." .. name), check.options("nn." .. name, ...)
  local first, second = options.names[1], options.names[2]
  class.shown = options.names

  function class:init(a, b)
    for option, value in pairs(check.read(options, a, b)) do self[option] = value end
  end

  if second then function class:forward(x) return (f(x, self[first], self[second])) end
  elseif first then function class:forward(x) return (f(x, self[first])) end
  else function class:forward(x) return (f(x)) end end
  activations[name] = class
  return class
end

--    class          function       options
layer("Sigmoid",     F.sigmoid)
layer("Tanh",        F.tanh)
layer("ReLU",        F.relu)
layer("ReLU6",       F.relu6)
layer("LeakyReLU",   F.leaky_relu,  { "negative_slope", 0.01 })
layer("ELU",         F.elu,         { "alpha", 1 })
layer("CELU",        F.celu,        { "alpha", 1 })
layer("SELU",        F.selu)
layer("SiLU",        F.silu)
layer("GELU",        F.gelu,        { "approximate", "none" })
layer("Mish",        F.mish)
layer("Softplus",    F.softplus,    { "beta", 1 }, { "threshold", 20 })
layer("Softsign",    F.softsign)
layer("LogSigmoid",  F.logsigmoid)
layer("Hardtanh",    F.hardtanh,    { "min_val", -1 }, { "max_val", 1 })
layer("Hardsigmoid", F.hardsigmoid)
layer("Hardswish",   F.hardswish)
layer("Tanhshrink",  F.tanhshrink)
layer("Softshrink",  F.softshrink,  { "lambd", 0.5 })
layer("Hardshrink",  F.hardshrink,  { "lambd", 0.5 })
activations.Swish = activations.SiLU

-- The options of these have no default: they must be given.
local function demanding(name, f, first, second)
  local class = layer(name, f, { first }, second and { second })
  local read = class.init
  function class:init(a, b)
    read(self, a, b)
    for _, option in ipairs(class.shown) do
      if type(self[option]) ~= "number" then lib.raise(("nn.%s: %s is not a number"):format(name, option)) end
    end
  end
end

--- Along dim, each row sums to 1.
demanding("Softmax", F.softmax, "dim")
demanding("LogSoftmax", F.log_softmax, "dim")
demanding("Softmin", F.softmin, "dim")
--- x where it is above threshold, else value.
demanding("Threshold", F.threshold, "threshold", "value")
--- The first half of dim times the sigmoid of the second (Dauphin et al. 2016, arXiv:1612.08083).
layer("GLU", F.glu, { "dim", -1 })

--- x, or a learned slope times x below 0 (He et al. 2015, arXiv:1502.01852).   x (N, C, ...), one slope or one per C
local PReLU = Module:extend "nn.PReLU"
local prelu = check.options("nn.PReLU", { "num_parameters", 1 }, { "init", 0.25 }, { "dtype", "f32" })

function PReLU:init(num_parameters, start)
  local o = check.read(prelu, num_parameters, start)
  check.count("nn.PReLU", "num_parameters", o.num_parameters)
  self.num_parameters = o.num_parameters
  self.weight = self:parameter(yutu.full({ o.num_parameters }, o.init, { dtype = o.dtype }))
end

PReLU.shown = { "num_parameters" }
function PReLU:forward(x) return F.prelu(x, self.weight) end
activations.PReLU = PReLU

return activations
