--- How a loss is declared: once, for nn.SmoothL1Loss { beta = 0.5 }(input, target) and for
-- nn.functional.smooth_l1_loss(input, target, { beta = 0.5 }). The families stand beside this file.
--   reduction   "mean" (default), "sum", or "none": a value per element or sample, as the loss says
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"

local mean, sum = yutu.mean, yutu.sum
local loss = { functions = {}, declared = {} }

function loss.reduce(values, reduction)
  if reduction == "mean" then return (mean(values)) end
  if reduction == "sum" then return (sum(values)) end
  return values
end

--- Reads options and looks at the reduction.
function loss.read(spec, given)
  if given ~= nil and type(given) ~= "table" then lib.raise(spec.owner .. ": options come in a table") end
  local o = check.read(spec, given)
  if not spec.reductions[o.reduction] then
    lib.raise(("%s: no reduction '%s'; there are mean, sum, none%s"):format(spec.owner, o.reduction,
      spec.reductions.batchmean and ", batchmean" or ""))
  end
  return o
end

local usual = { mean = true, sum = true, none = true }

--- loss.define { class, name, inputs = 2 or 3, options = { { "beta", 1 } }, f }. f(input, target, o), or with three
-- inputs f(a, b, c, o), gets every option in o.
function loss.define(row)
  local class, name, f = row[1], row[2], row[3]
  local options = row.options or {}
  options[#options + 1] = { "reduction", "mean" }
  local spec = check.options(name, unpack(options))
  spec.reductions = row.reductions or usual
  local defaults = loss.read(spec)
  if row.inputs == 3 then
    loss.functions[name] = function(a, b, c, given)
      return (f(a, b, c, given and loss.read(spec, given) or defaults))
    end
  else
    loss.functions[name] = function(a, b, given) return (f(a, b, given and loss.read(spec, given) or defaults)) end
  end
  loss.declared[#loss.declared + 1] = { class = class, inputs = row.inputs or 2, options = options, f = f,
    reductions = spec.reductions }
end

--- The values times a weight that broadcasts over them, if there is one.
function loss.weigh(owner, values, weight)
  if weight == nil then return values end
  check.tensor(owner, "weight", weight)
  return values:mul(weight)
end

--- |a - b + eps|_p along the last dim.   options: p = 2, eps = 1e-6, keepdim = false
local distance = check.options("pairwise_distance", { "p", 2 }, { "eps", 1e-6 }, { "keepdim", false })
function loss.pairwise_distance(a, b, given)
  check.tensor("pairwise_distance", "x1", a)
  check.tensor("pairwise_distance", "x2", b)
  local o = check.read(distance, given)
  return a:sub(b):add(o.eps):norm(o.p, -1, o.keepdim)
end

return loss
