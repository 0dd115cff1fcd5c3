--- Fully connected layer, y = x W^T + b.   x (..., in_features) -> y (..., out_features)
--   options   bias = true, dtype = "f32", device
--   start     weight and bias uniform within 1 / sqrt(in_features), as PyTorch does
-- The weight is (out, in) and lies in memory by columns: the product reads it as it is, nothing is packed.
local yutu = require "yutu"
local check = require "yutu.nn.check"
local init = require "yutu.nn.initializers"
local Module = require "yutu.nn.module"

local linear = yutu.linear
local options = check.options("nn.Linear", { "bias", true }, { "dtype", "f32" }, { "device" })

local Linear = Module:extend "nn.Linear"
Linear.shown = { "in_features", "out_features" }

function Linear:init(in_features, out_features, given)
  check.count("nn.Linear", "in_features", in_features)
  check.count("nn.Linear", "out_features", out_features)
  local o = check.read(options, given)
  local where = { dtype = o.dtype, device = o.device }
  self.in_features, self.out_features = in_features, out_features
  self.weight = self:parameter(yutu.zeros({ in_features, out_features }, where):t())
  if o.bias then self.bias = self:parameter(yutu.zeros({ out_features }, where)) end
  self:reset_parameters()
end

function Linear:reset_parameters()
  local bound = 1 / math.sqrt(self.in_features)
  init.uniform_(self.weight, -bound, bound)
  if self.bias then init.uniform_(self.bias, -bound, bound) end
end

-- act: "relu", "tanh" or "sigmoid", applied in the same pass
function Linear:forward(x, act) return (linear(x, self.weight, self.bias, act)) end

function Linear:describe() return ("%s, bias=%s"):format(Module.describe(self), tostring(self.bias ~= nil)) end

return Linear
