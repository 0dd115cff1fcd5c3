--- Lion: steps of one size, in the direction of the sign of an interpolated momentum.
--   p -= lr (sign(beta1 m + (1 - beta1) g) + weight_decay p);  m = beta2 m + (1 - beta2) g
--   source   Chen et al. 2023, arXiv:2302.06675, algorithm 2
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, pointer, zeros_like = lib.C, Optimizer.pointer, Optimizer.zeros_like

local Lion = Optimizer:extend("optim.Lion", {
  lr = 1e-4, betas = { 0.9, 0.99 }, weight_decay = 0, maximize = false,
}, { "step", "exp_avg" })

function Lion:prepare(s)
  s.exp_avg = zeros_like(s.p)
end

function Lion:update(group, slots)
  local lr, decay = group.lr, group.weight_decay
  local beta1, beta2 = group.betas[1], group.betas[2]
  for i = 1, #slots do
    local s = slots[i]
    local p, g = self:next_of(s, group)
    if p and C.yt_lion_(p, g, pointer(s.exp_avg), lr, beta1, beta2, decay) == nil then lib.fail() end
  end
end

return Lion
