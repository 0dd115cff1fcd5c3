--- Adam: running means of the gradient and of its square, corrected for their start at 0.
--   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
--   p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps);  amsgrad: with the largest v so far
--   source   Kingma & Ba 2015, arXiv:1412.6980; amsgrad: Reddi et al. 2018, arXiv:1904.09237
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, sqrt, pointer, zeros_like = lib.C, math.sqrt, Optimizer.pointer, Optimizer.zeros_like

local Adam = Optimizer:extend("optim.Adam", {
  lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, amsgrad = false, maximize = false,
}, { "step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq" })

Adam.decoupled = false            -- weight decay shrinks the parameter itself, not through the gradient (AdamW)

function Adam:prepare(s)
  s.exp_avg, s.exp_avg_sq = zeros_like(s.p), zeros_like(s.p)
end

function Adam:update(group, slots)
  local lr, eps, amsgrad = group.lr, group.eps, group.amsgrad
  local beta1, beta2 = group.betas[1], group.betas[2]
  local decay, shrink = group.weight_decay, 1
  if self.decoupled then decay, shrink = 0, 1 - lr * decay end
  local t, size, scale            -- the corrections after t steps; nearly always the same for all slots
  for i = 1, #slots do
    local s = slots[i]
    local p, g = self:next_of(s, group)
    if p then
      if s.step ~= t then
        t = s.step
        size, scale = lr / (1 - beta1 ^ t), 1 / sqrt(1 - beta2 ^ t)
      end
      local m, v = pointer(s.exp_avg), pointer(s.exp_avg_sq)
      local done
      if amsgrad then
        s.max_exp_avg_sq = s.max_exp_avg_sq or zeros_like(s.p)
        done = C.yt_amsgrad_(p, g, m, v, pointer(s.max_exp_avg_sq), size, scale, beta1, beta2, eps, decay, shrink)
      else done = C.yt_adam_(p, g, m, v, size, scale, beta1, beta2, eps, decay, shrink) end
      if done == nil then lib.fail() end
    end
  end
end

return Adam
