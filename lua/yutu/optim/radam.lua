--- RAdam: Adam that divides by the root mean square only once enough steps make its variance tractable.
--   rho = r - 2 t beta2^t / (1 - beta2^t), r = 2 / (1 - beta2) - 1;  up to rho = 5: p -= lr m / (1 - beta1^t)
--   then times sqrt((rho - 4) (rho - 2) r / ((r - 4) (r - 2) rho)) sqrt(1 - beta2^t) / (sqrt(v) + eps)
--   source   Liu et al. 2020, arXiv:1908.03265, algorithm 2
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, sqrt, pointer, zeros_like = lib.C, math.sqrt, Optimizer.pointer, Optimizer.zeros_like

local RAdam = Optimizer:extend("optim.RAdam", {
  lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, maximize = false,
}, { "step", "exp_avg", "exp_avg_sq" })

function RAdam:prepare(s)
  s.exp_avg, s.exp_avg_sq = zeros_like(s.p), zeros_like(s.p)
end

-- What multiplies 1 / (sqrt(v) + eps) after t steps; 0: do not divide at all.
local function rectified(beta2, t)
  local correction = 1 - beta2 ^ t
  local limit = 2 / (1 - beta2) - 1
  local rho = limit - 2 * t * beta2 ^ t / correction
  if rho <= 5 then return 0 end
  return sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)) * sqrt(correction)
end

function RAdam:update(group, slots)
  local lr, eps, decay = group.lr, group.eps, group.weight_decay
  local beta1, beta2 = group.betas[1], group.betas[2]
  for i = 1, #slots do
    local s = slots[i]
    local p, g = self:next_of(s, group)
    if p and C.yt_radam_(p, g, pointer(s.exp_avg), pointer(s.exp_avg_sq), lr / (1 - beta1 ^ s.step),
      rectified(beta2, s.step), beta1, beta2, eps, decay) == nil then lib.fail() end
  end
end

return RAdam
