--- Losses between numbers. input and target have one shape, "none" gives a value per element.
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"
local loss = require "yutu.nn.losses.declare"

local reduce, same_shape = loss.reduce, check.same_shape
local squared_error, smooth_l1, huber, where = yutu.squared_error, yutu.smooth_l1, yutu.huber, yutu.where

-- (input - target)^2
loss.define { "MSELoss", "mse_loss", function(input, target, o)
  same_shape("mse_loss", "input", input, "target", target)
  return (reduce(squared_error(input, target), o.reduction))
end }

-- |input - target|
loss.define { "L1Loss", "l1_loss", function(input, target, o)
  same_shape("l1_loss", "input", input, "target", target)
  return (reduce(input:sub(target):abs(), o.reduction))
end }

-- a parabola of curvature 1 / beta within beta of the target, slope 1 beyond (Girshick 2015, arXiv:1504.08083)
loss.define { "SmoothL1Loss", "smooth_l1_loss", options = { { "beta", 1 } }, function(input, target, o)
  same_shape("smooth_l1_loss", "input", input, "target", target)
  check.within("smooth_l1_loss", "beta", o.beta, 0, math.huge)
  return (reduce(smooth_l1(input, target, o.beta), o.reduction))
end }

-- a parabola of curvature 1 within delta of the target, slope delta beyond (Huber 1964)
loss.define { "HuberLoss", "huber_loss", options = { { "delta", 1 } }, function(input, target, o)
  same_shape("huber_loss", "input", input, "target", target)
  if o.delta <= 0 then lib.raise(("huber_loss: delta = %g is not above 0"):format(o.delta)) end
  return (reduce(huber(input, target, o.delta), o.reduction))
end }

-- The variance of each element, or of each row as (..., 1) or (...); raised to eps in value, not in gradient.
local function variance(input, var, eps)
  check.tensor("gaussian_nll_loss", "var", var)
  if not check.is_float(var) then
    lib.raise(("gaussian_nll_loss: var is %s, a float dtype is needed"):format(var.dtype))
  end
  local a, b = input.shape, var.shape
  local fits = #a == #b or #a == #b + 1
  for i = 1, #b do fits = fits and (b[i] == a[i] or (i == #a and b[i] == 1)) end
  if not fits then
    lib.raise(("gaussian_nll_loss: var %s does not fit input %s"):format(check.shape(var), check.shape(input)))
  end
  if var:numel() > 0 and var:amin():item() < 0 then lib.raise "gaussian_nll_loss: var has negative elements" end
  if #b < #a then var = var:unsqueeze(-1) end
  local raised = var:clone()
  yutu.no_grad(raised.clamp_, raised, eps, math.huge)
  return raised
end

-- -log of the normal density of mean input and variance var at target (Nix & Weigend 1994)
--   full   adds the constant log(2 pi) / 2;   eps   the least variance
loss.define { "GaussianNLLLoss", "gaussian_nll_loss", inputs = 3, options = { { "full", false }, { "eps", 1e-6 } },
  function(input, target, var, o)
    same_shape("gaussian_nll_loss", "input", input, "target", target)
    var = variance(input, var, o.eps)
    local values = var:log():add(squared_error(input, target):div(var)):mul(0.5)
    return reduce(o.full and values:add(0.5 * math.log(2 * math.pi)) or values, o.reduction)
  end }

-- -log of the Poisson probability of target, whose mean is e^input, or input if log_input is false
--   full   adds Stirling's estimate of log(target!) where target > 1;   eps   keeps log(input) finite
loss.define { "PoissonNLLLoss", "poisson_nll_loss",
  options = { { "log_input", true }, { "full", false }, { "eps", 1e-8 } },
  function(input, target, o)
    same_shape("poisson_nll_loss", "input", input, "target", target)
    local values
    if o.log_input then values = input:exp():sub(input:mul(target))
    else values = input:sub(input:add(o.eps):log():mul(target)) end
    if o.full then
      check.tensor("poisson_nll_loss", "target", target)
      local stirling = target:xlogy(target):sub(target):add(target:mul(2 * math.pi):log():mul(0.5))
      values = values:add(where(target:gt(1), stirling, 0))
    end
    return reduce(values, o.reduction)
  end }
