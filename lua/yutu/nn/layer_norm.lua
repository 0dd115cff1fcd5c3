--- Layer normalisation, (x - mean) / sqrt(var + eps) weight + bias over the last dims.   any shape -> the same
--   normalized_shape   a size, or the list of the last sizes
--   options            eps = 1e-5, elementwise_affine = true, bias = true, dtype = "f32", device
--   source             Ba et al. 2016, arXiv:1607.06450
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"
local Module = require "yutu.nn.module"

local layer_norm = yutu.layer_norm
local options = check.options("nn.LayerNorm", { "eps", 1e-5 }, { "elementwise_affine", true }, { "bias", true },
  { "dtype", "f32" }, { "device" })

local LayerNorm = Module:extend "nn.LayerNorm"
LayerNorm.shown = { "eps", "elementwise_affine" }

function LayerNorm:init(normalized_shape, given)
  local shape = type(normalized_shape) == "table" and normalized_shape or { normalized_shape }
  if #shape == 0 then lib.raise "nn.LayerNorm: normalized_shape is missing" end
  for _, size in ipairs(shape) do check.count("nn.LayerNorm", "normalized_shape", size) end
  local o = check.read(options, given)
  local where = { dtype = o.dtype, device = o.device }
  self.normalized_shape, self.eps, self.elementwise_affine = shape, o.eps, o.elementwise_affine
  if o.elementwise_affine then
    self.weight = self:parameter(yutu.ones(shape, where))
    if o.bias then self.bias = self:parameter(yutu.zeros(shape, where)) end
  end
end

function LayerNorm:forward(x)
  local shape = self.normalized_shape
  check.last_sizes("nn.LayerNorm", x, shape)
  return (layer_norm(x, self.weight, self.bias, #shape, self.eps))
end

function LayerNorm:describe()
  return ("(%s), %s"):format(table.concat(self.normalized_shape, ","), Module.describe(self))
end

return LayerNorm
