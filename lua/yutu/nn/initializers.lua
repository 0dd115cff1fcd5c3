--- yutu.nn.init: fills a tensor with its first values, in place, and returns it.
--   init.kaiming_uniform_(layer.weight, { nonlinearity = "relu" })
--   fan_in, fan_out   of a weight (out, in, ...): in and out, each times the elements of the rest
-- All take { generator = } last. Nothing here is recorded for gradients.
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"

local init = {}

-- f(tensor, ...) without gradients; an error inside puts them back on.
local function quietly(f, tensor, a, b, c)
  yutu.no_grad(f, tensor, a, b, c)
  return tensor
end

local function uniform(t, from, to, generator) t:uniform_(from, to, generator) end
local function normal(t, mean, std, generator) t:normal_(mean, std, generator) end
local function fill(t, value) t:fill_(value) end

local only_generator = check.options("init", { "generator" })
local function generator_of(owner, given)
  if given == nil then return nil end
  if type(given) ~= "table" then lib.raise(owner .. ": options come in a table, { generator = }") end
  return check.read(only_generator, given).generator
end

---- plain ------------------------------------------------------------------------------------------
--- Uniform, a <= x < b.
function init.uniform_(tensor, a, b, given)
  check.tensor("init.uniform_", "it", tensor)
  return quietly(uniform, tensor, a or 0, b or 1, generator_of("init.uniform_", given))
end

function init.normal_(tensor, mean, std, given)
  check.tensor("init.normal_", "it", tensor)
  return quietly(normal, tensor, mean or 0, std or 1, generator_of("init.normal_", given))
end

function init.constant_(tensor, value)
  check.tensor("init.constant_", "it", tensor)
  check.number("init.constant_", "val", value)
  return quietly(fill, tensor, value)
end
function init.zeros_(tensor) return init.constant_(tensor, 0) end
function init.ones_(tensor) return init.constant_(tensor, 1) end

local function need_matrix(owner, tensor, least)
  check.tensor(owner, "it", tensor)
  if tensor:dim() < 2 or (least ~= "or more" and tensor:dim() > 2) then
    lib.raise(("%s: %s has no two dims%s"):format(owner, check.shape(tensor), least and " or more" or ""))
  end
end

--- The identity matrix, cut or filled up with zeros.
function init.eye_(tensor)
  need_matrix("init.eye_", tensor)
  return quietly(function(t)
    t:fill_(0)
    t:diagonal():fill_(1)
  end, tensor)
end

--- Normal, what falls outside [a, b] replaced by the inverse of the normal distribution on that interval.
function init.trunc_normal_(tensor, mean, std, a, b, given)
  check.tensor("init.trunc_normal_", "it", tensor)
  mean, std, a, b = mean or 0, std or 1, a or -2, b or 2
  for name, value in pairs { mean = mean, std = std, a = a, b = b } do
    check.number("init.trunc_normal_", name, value)
  end
  if a >= b then lib.raise(("init.trunc_normal_: a = %g is not below b = %g"):format(a, b)) end
  local function erf(x) return yutu.tensor({ x }, { dtype = "f64" }):erf():item() end
  local low, high = erf((a - mean) / (std * math.sqrt(2))), erf((b - mean) / (std * math.sqrt(2)))
  local generator = generator_of("init.trunc_normal_", given)
  return quietly(function(t)
    t:uniform_(low, high, generator)
    t:copy_(t:erfinv():mul(std * math.sqrt(2)):add(mean):clamp(a, b))
  end, tensor)
end

---- by fan -----------------------------------------------------------------------------------------
local gains = { linear = 1, conv1d = 1, conv2d = 1, conv3d = 1, conv_transpose1d = 1, conv_transpose2d = 1,
  conv_transpose3d = 1, sigmoid = 1, tanh = 5 / 3, relu = math.sqrt(2), selu = 3 / 4 }

--- What a nonlinearity multiplies the standard deviation by; param is the slope of leaky_relu, 0.01 if not given.
function init.calculate_gain(nonlinearity, param)
  if nonlinearity == "leaky_relu" then return math.sqrt(2 / (1 + (param or 0.01) ^ 2)) end
  local gain = gains[nonlinearity]
  if not gain then lib.raise(("init.calculate_gain: no nonlinearity '%s'"):format(tostring(nonlinearity))) end
  return gain
end

local function fans(owner, tensor)
  need_matrix(owner, tensor, "or more")
  local shape, rest = tensor.shape, 1
  for i = 3, #shape do rest = rest * shape[i] end
  return shape[2] * rest, shape[1] * rest
end

local xavier = check.options("init.xavier", { "gain", 1 }, { "generator" })
local function xavier_std(owner, tensor, given)
  local o = check.read(xavier, given)
  local fan_in, fan_out = fans(owner, tensor)
  return o.gain * math.sqrt(2 / (fan_in + fan_out)), o.generator
end

--- Variance 2 / (fan_in + fan_out) times gain squared (Glorot & Bengio 2010).   options: gain = 1
function init.xavier_uniform_(tensor, given)
  local std, generator = xavier_std("init.xavier_uniform_", tensor, given)
  return quietly(uniform, tensor, -math.sqrt(3) * std, math.sqrt(3) * std, generator)
end
function init.xavier_normal_(tensor, given)
  local std, generator = xavier_std("init.xavier_normal_", tensor, given)
  return quietly(normal, tensor, 0, std, generator)
end

local kaiming = check.options("init.kaiming", { "a", 0 }, { "mode", "fan_in" }, { "nonlinearity", "leaky_relu" },
  { "generator" })
local function kaiming_std(owner, tensor, given)
  local o = check.read(kaiming, given)
  local fan = { fans(owner, tensor) }
  local n = fan[({ fan_in = 1, fan_out = 2 })[o.mode]]
  if not n then lib.raise(("%s: no mode '%s'; there are fan_in, fan_out"):format(owner, o.mode)) end
  return init.calculate_gain(o.nonlinearity, o.a) / math.sqrt(n), o.generator
end

--- Variance gain^2 / fan (He et al. 2015, arXiv:1502.01852).
--   options   a = 0 (slope of leaky_relu), mode = "fan_in" or "fan_out", nonlinearity = "leaky_relu"
function init.kaiming_uniform_(tensor, given)
  local std, generator = kaiming_std("init.kaiming_uniform_", tensor, given)
  return quietly(uniform, tensor, -math.sqrt(3) * std, math.sqrt(3) * std, generator)
end
function init.kaiming_normal_(tensor, given)
  local std, generator = kaiming_std("init.kaiming_normal_", tensor, given)
  return quietly(normal, tensor, 0, std, generator)
end

---- by structure -----------------------------------------------------------------------------------
local orthogonal = check.options("init.orthogonal_", { "gain", 1 }, { "generator" })

--- Orthonormal rows or columns times gain: the QR decomposition of a normal matrix, signs made positive on R's
-- diagonal so that every orthogonal matrix is equally likely (Saxe et al. 2013, arXiv:1312.6120).
function init.orthogonal_(tensor, given)
  need_matrix("init.orthogonal_", tensor, "or more")
  local o = check.read(orthogonal, given)
  local rows = tensor:size(1)
  local columns = tensor:numel() / rows
  return quietly(function(t)
    local tall, wide = math.max(rows, columns), math.min(rows, columns)
    local q, r = yutu.linalg.qr(yutu.randn({ tall, wide }, { dtype = "f64", generator = o.generator }))
    q = q * r:diagonal():sign()
    if rows < columns then q = q:t() end
    t:copy_(q:reshape(t.shape):mul(o.gain))
  end, tensor)
end

local sparse = check.options("init.sparse_", { "std", 0.01 }, { "generator" })

--- Normal of deviation std, with a share `sparsity` of each column set to zero (Martens 2010).
function init.sparse_(tensor, sparsity, given)
  need_matrix("init.sparse_", tensor)
  if type(sparsity) ~= "number" or not (sparsity >= 0 and sparsity <= 1) then
    lib.raise(("init.sparse_: sparsity = %s is not within [0, 1]"):format(tostring(sparsity)))
  end
  local o = check.read(sparse, given)
  local rows, columns = tensor:size(1), tensor:size(2)
  local zeros = math.ceil(sparsity * rows)
  return quietly(function(t)
    t:normal_(0, o.std, o.generator)
    if zeros == 0 then return end
    local order = yutu.rand({ rows, columns }, { generator = o.generator }):argsort(1)
    local chosen = order:slice(1, 1, zeros)
    t:scatter_(1, chosen, yutu.zeros(chosen.shape, { dtype = t.dtype }))
  end, tensor)
end

return init
