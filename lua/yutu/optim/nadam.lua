--- NAdam: Adam with Nesterov's momentum, whose weight grows with the steps.
--   mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2);  m and v as in Adam
--   M(t) = mu(1) mu(2) .. mu(t);  s = sqrt(v / (1 - beta2^t)) + eps
--   p -= lr (m mu(t + 1) / (1 - M(t + 1)) + g (1 - mu(t)) / (1 - M(t))) / s
--   source   Dozat 2016, "Incorporating Nesterov momentum into Adam"; constants as in PyTorch
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, sqrt, pointer, zeros_like = lib.C, math.sqrt, Optimizer.pointer, Optimizer.zeros_like

local NAdam = Optimizer:extend("optim.NAdam", {
  lr = 2e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3, maximize = false,
}, { "step", "exp_avg", "exp_avg_sq", "mu_product" })

function NAdam:check(group)
  Optimizer.check(self, group)
  if group.momentum_decay < 0 then self:fail("momentum_decay = %g is negative", group.momentum_decay) end
end

function NAdam:prepare(s)
  s.exp_avg, s.exp_avg_sq, s.mu_product = zeros_like(s.p), zeros_like(s.p), 1
end

function NAdam:update(group, slots)
  local lr, eps, decay, fade = group.lr, group.eps, group.weight_decay, group.momentum_decay
  local beta1, beta2 = group.betas[1], group.betas[2]
  for i = 1, #slots do
    local s = slots[i]
    local p, g = self:next_of(s, group)
    if p then
      local mu = beta1 * (1 - 0.5 * 0.96 ^ (s.step * fade))
      local mu_next = beta1 * (1 - 0.5 * 0.96 ^ ((s.step + 1) * fade))
      s.mu_product = s.mu_product * mu
      local of_g, of_m = lr * (1 - mu) / (1 - s.mu_product), lr * mu_next / (1 - s.mu_product * mu_next)
      if C.yt_nadam_(p, g, pointer(s.exp_avg), pointer(s.exp_avg_sq), of_g, of_m, 1 / sqrt(1 - beta2 ^ s.step), beta1,
        beta2, eps, decay) == nil then lib.fail() end
    end
  end
end

return NAdam
