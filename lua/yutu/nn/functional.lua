--- yutu.nn.functional: layers and losses as functions, with PyTorch's names and arguments. Dims count from 1.
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"
local losses = require "yutu.nn.losses.all"

local where = yutu.where
local F = {}

---- activations: these are ops, and take their options by name or in order --------------------------
for _, name in ipairs { "sigmoid", "tanh", "relu", "leaky_relu", "elu", "celu", "selu", "silu", "mish", "softplus",
  "softsign", "logsigmoid", "hardsigmoid", "hardswish", "tanhshrink", "softshrink", "hardshrink", "threshold",
  "softmax", "log_softmax" } do F[name] = yutu[name] end

local gelu = check.options("gelu", { "approximate", "none" })
local gelus = { none = yutu.gelu, tanh = yutu.gelu_tanh }

--- x times the normal distribution function; approximate = "tanh" is faster and off by up to 5e-4.
function F.gelu(x, approximate)
  if type(approximate) == "table" then approximate = check.read(gelu, approximate).approximate end
  local f = gelus[approximate or "none"]
  if not f then lib.raise(("gelu: no approximation '%s'; there are none, tanh"):format(tostring(approximate))) end
  return f(x)
end

local hardtanh = check.options("hardtanh", { "min_val", -1 }, { "max_val", 1 })

--- x kept within [min_val, max_val]. At the ends the gradient is 0, where that of clamp is 1.
function F.hardtanh(x, min_val, max_val)
  check.tensor("hardtanh", "input", x)
  if type(min_val) ~= "number" or type(max_val) ~= "number" then
    local o = check.read(hardtanh, min_val, max_val)
    min_val, max_val = o.min_val, o.max_val
  end
  if min_val >= max_val then lib.raise(("hardtanh: min_val %g is not below max_val %g"):format(min_val, max_val)) end
  return where(x:gt(min_val):logical_and(x:lt(max_val)), x, x:detach():clamp(min_val, max_val))
end
function F.relu6(x) return F.hardtanh(x, 0, 6) end

function F.softmin(x, dim)
  check.tensor("softmin", "input", x)
  return x:neg():softmax(dim)
end

--- x, or weight times x below 0; weight has one element, or one for each index of dim 2.
function F.prelu(x, weight)
  check.tensor("prelu", "input", x)
  check.tensor("prelu", "weight", weight)
  local n = weight:numel()
  if n == 1 then return x:leaky_relu(weight:reshape {}) end
  local shape = {}
  for d = 1, x:dim() do shape[d] = 1 end
  if x:dim() < 2 or x:size(2) ~= n then
    lib.raise(("prelu: %d weights for input %s: one per index of dim 2 is needed"):format(n, check.shape(x)))
  end
  shape[2] = n
  return x:leaky_relu(weight:reshape(shape))
end

function F.glu(x, dim)
  check.tensor("glu", "input", x)
  dim = dim or -1
  local size = x:size(dim)
  if size % 2 ~= 0 then lib.raise(("glu: dim %d of %s has no two halves"):format(dim, check.shape(x))) end
  return x:slice(dim, 1, size / 2):mul(x:slice(dim, size / 2 + 1, size):sigmoid())
end

local gumbel = check.options("gumbel_softmax", { "tau", 1 }, { "hard", false }, { "dim", -1 }, { "generator" })

--- A differentiable sample of a category (Jang et al. 2016, arXiv:1611.01144).
--   options   tau = 1, dim = -1, hard = false: one-hot in value, soft in gradient; generator
function F.gumbel_softmax(logits, given)
  check.tensor("gumbel_softmax", "logits", logits)
  local o = check.read(gumbel, given)
  local noise = yutu.empty(logits.shape, { dtype = logits.dtype, device = logits.device }):gumbel_(o.generator)
  local soft = logits:add(noise):div(o.tau):softmax(o.dim)
  if not o.hard then return soft end
  local index = soft:argmax(o.dim, true)
  local one_hot = yutu.zeros_like(soft):scatter_(o.dim, index, yutu.ones_like(index):to(soft.dtype))
  return one_hot:sub(soft:detach()):add(soft)
end

---- layers -----------------------------------------------------------------------------------------
--- x w^T + bias: x (..., I), w (O, I), bias (O) or nil; act "relu", "tanh" or "sigmoid" on top.
F.linear = yutu.linear

local dropping = check.options("dropout", { "p", 0.5 }, { "training", true }, { "generator" })

function F.dropout(x, p, training)
  check.tensor("dropout", "input", x)
  local o = check.read(dropping, p, training)
  check.within("dropout", "p", o.p, 0, 1)
  if not o.training or o.p == 0 then return x end
  return x:dropout(o.p, o.generator)
end

local norm_options = check.options("layer_norm", { "weight" }, { "bias" }, { "eps", 1e-5 })

--- Over the last dims, whose sizes are normalized_shape.   options: weight, bias, eps = 1e-5
function F.layer_norm(x, normalized_shape, given)
  local o = check.read(norm_options, given)
  check.list("layer_norm", "normalized_shape", normalized_shape)
  check.last_sizes("layer_norm", x, normalized_shape)
  return x:layer_norm(o.weight, o.bias, #normalized_shape, o.eps)
end

local normal_options = check.options("normalize", { "p", 2 }, { "dim", 2 }, { "eps", 1e-12 })

--- x over its p-norm along dim, which counts as at least eps.
function F.normalize(x, given)
  check.tensor("normalize", "input", x)
  local o = check.read(normal_options, given)
  return x:div(x:norm(o.p, o.dim, true):maximum(o.eps))
end

--- a . b / (|a| |b|) along dim, lengths at least eps.   options: dim = 2, eps = 1e-8
function F.cosine_similarity(a, b, dim, eps)
  check.tensor("cosine_similarity", "x1", a)
  check.tensor("cosine_similarity", "x2", b)
  return a:cosine_similarity(b, dim, eps)
end
F.pairwise_distance = losses.pairwise_distance
F.one_hot, F.pad = yutu.one_hot, yutu.pad

---- losses -----------------------------------------------------------------------------------------
for name, f in pairs(losses.functions) do F[name] = f end

return F
