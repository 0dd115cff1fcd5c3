--- Adamax: Adam with the largest gradient, fading, in place of the root mean square.
--   m = beta1 m + (1 - beta1) g;  u = max(beta2 u, |g| + eps);  p -= lr / (1 - beta1^t) m / u
--   source   Kingma & Ba 2015, arXiv:1412.6980, section 7.1
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, pointer, zeros_like = lib.C, Optimizer.pointer, Optimizer.zeros_like

local Adamax = Optimizer:extend("optim.Adamax", {
  lr = 2e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0, maximize = false,
}, { "step", "exp_avg", "exp_inf" })

function Adamax:prepare(s)
  s.exp_avg, s.exp_inf = zeros_like(s.p), zeros_like(s.p)
end

function Adamax:update(group, slots)
  local lr, eps, decay = group.lr, group.eps, group.weight_decay
  local beta1, beta2 = group.betas[1], group.betas[2]
  for i = 1, #slots do
    local s = slots[i]
    local p, g = self:next_of(s, group)
    if p and C.yt_adamax_(p, g, pointer(s.exp_avg), pointer(s.exp_inf), lr / (1 - beta1 ^ s.step), beta1, beta2, eps,
      decay) == nil then lib.fail() end
  end
end

return Adamax
