--- Adagrad: steps divided by the root of the sum of all squared gradients so far.
--   s += g^2;  p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
--   source   Duchi, Hazan & Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization"
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, pointer, zeros_like = lib.C, Optimizer.pointer, Optimizer.zeros_like

local Adagrad = Optimizer:extend("optim.Adagrad", {
  lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10, maximize = false,
}, { "step", "sum" })

function Adagrad:check(group)
  Optimizer.check(self, group)
  if group.lr_decay < 0 then self:fail("lr_decay = %g is negative", group.lr_decay) end
  if group.initial_accumulator_value < 0 then
    self:fail("initial_accumulator_value = %g is negative", group.initial_accumulator_value)
  end
end

function Adagrad:prepare(s, group)
  s.sum = zeros_like(s.p)
  s.sum:fill_(group.initial_accumulator_value)
end

function Adagrad:update(group, slots)
  local lr, lr_decay, eps, decay = group.lr, group.lr_decay, group.eps, group.weight_decay
  for i = 1, #slots do
    local s = slots[i]
    local p, g = self:next_of(s, group)
    if p and C.yt_adagrad_(p, g, pointer(s.sum), lr / (1 + (s.step - 1) * lr_decay), eps, decay) == nil then
      lib.fail()
    end
  end
end

return Adagrad
