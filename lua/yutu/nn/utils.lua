--- yutu.nn.utils: gradients clipped, parameters as one vector.
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"

local is_tensor = check.is_tensor
local utils = {}

-- The gradients that have arrived at one tensor or at a list of them.
local function gradients(owner, parameters)
  if is_tensor(parameters) then parameters = { parameters } end
  check.list(owner, "parameters", parameters)
  local grads, n = {}, 0
  for i = 1, #parameters do
    local p = parameters[i]
    if not is_tensor(p) then check.tensor(owner, ("parameters[%d]"):format(i), p) end
    local g = p.grad
    if g then
      n = n + 1
      grads[n] = g
    end
  end
  return grads
end

local function total_norm(grads, p)
  local total = 0
  if p == 2 then
    for i = 1, #grads do total = total + grads[i]:sumsq():item() end
    return math.sqrt(total)
  elseif p == math.huge then
    for i = 1, #grads do total = math.max(total, grads[i]:abs():amax():item()) end
    return total
  end
  for i = 1, #grads do total = total + grads[i]:norm(p):item() ^ p end
  return total ^ (1 / p)
end

local function clip_norm(grads, max_norm, o)
  local norm = total_norm(grads, o.norm_type)
  if o.error_if_nonfinite and (norm ~= norm or norm == math.huge) then
    lib.raise(("clip_grad_norm_: the norm of the gradients is %g"):format(norm))
  end
  local scale = max_norm / (norm + 1e-6)
  if scale < 1 then for i = 1, #grads do grads[i]:mul_(scale) end end
  return norm
end

local function clip_value_to(grads, limit)
  for i = 1, #grads do grads[i]:clamp_(-limit, limit) end
end

local clip_options = check.options("clip_grad_norm_", { "norm_type", 2 }, { "error_if_nonfinite", false })
local clip_defaults = check.read(clip_options)

--- Scales the gradients of all parameters together, so that the norm of all of them is at most max_norm.
--   options   norm_type = 2 (math.huge: the largest), error_if_nonfinite = false
--   returns   the norm before, a number
function utils.clip_grad_norm_(parameters, max_norm, given)
  local o = given and check.read(clip_options, given) or clip_defaults
  if type(max_norm) ~= "number" then lib.raise "clip_grad_norm_: max_norm is not a number" end
  if o.norm_type <= 0 then lib.raise(("clip_grad_norm_: norm_type = %g is not above 0"):format(o.norm_type)) end
  return yutu.no_grad(clip_norm, gradients("clip_grad_norm_", parameters), max_norm, o)
end

--- Keeps every element of the gradients within [-clip_value, clip_value].
function utils.clip_grad_value_(parameters, clip_value)
  if type(clip_value) ~= "number" then lib.raise "clip_grad_value_: clip_value is not a number" end
  yutu.no_grad(clip_value_to, gradients("clip_grad_value_", parameters), clip_value)
end

--- All parameters, flattened, one after the other: one vector.
function utils.parameters_to_vector(parameters)
  check.list("parameters_to_vector", "parameters", parameters)
  local flat = {}
  for i, p in ipairs(parameters) do
    check.tensor("parameters_to_vector", ("parameters[%d]"):format(i), p)
    flat[i] = p:reshape { -1 }
  end
  if #flat == 0 then lib.raise "parameters_to_vector: there are no parameters" end
  return yutu.cat(flat, 1)
end

--- The inverse: the vector's elements become the parameters' values, in place.
function utils.vector_to_parameters(vector, parameters)
  check.tensor("vector_to_parameters", "vector", vector)
  check.list("vector_to_parameters", "parameters", parameters)
  local total, at = 0, 1
  for i, p in ipairs(parameters) do
    check.tensor("vector_to_parameters", ("parameters[%d]"):format(i), p)
    total = total + p:numel()
  end
  if vector:dim() ~= 1 or vector:numel() ~= total then
    lib.raise(("vector_to_parameters: vector %s for %d elements"):format(check.shape(vector), total))
  end
  yutu.no_grad(function()
    for _, p in ipairs(parameters) do
      local n = p:numel()
      if n > 0 then p:copy_(vector:slice(1, at, at + n - 1):reshape(p.shape)) end
      at = at + n
    end
  end)
end

return utils
