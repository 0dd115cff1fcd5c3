--- RMSprop: steps divided by a running root mean square of the gradient.
--   v = alpha v + (1 - alpha) g^2;  p -= lr g / (sqrt(v) + eps);  centered: v less the square of a running mean
--   source   Hinton 2012, Neural Networks for Machine Learning, lecture 6e; centered: Graves 2013, arXiv:1308.0850
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, pointer, zeros_like = lib.C, Optimizer.pointer, Optimizer.zeros_like

local RMSprop = Optimizer:extend("optim.RMSprop", {
  lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0, centered = false, maximize = false,
}, { "step", "square_avg", "grad_avg", "momentum_buffer" })

function RMSprop:check(group)
  Optimizer.check(self, group)
  if group.momentum < 0 then self:fail("momentum = %g is negative", group.momentum) end
  if not (group.alpha >= 0 and group.alpha <= 1) then self:fail("alpha = %g is not in [0, 1]", group.alpha) end
end

function RMSprop:prepare(s)
  s.square_avg = zeros_like(s.p)
end

function RMSprop:update(group, slots)
  local lr, alpha, eps, decay, momentum = group.lr, group.alpha, group.eps, group.weight_decay, group.momentum
  local centered = group.centered and 1 or 0
  local full = group.centered or momentum > 0
  for i = 1, #slots do
    local s = slots[i]
    local p, g = self:next_of(s, group)
    if p then
      local done
      if full then
        s.grad_avg = s.grad_avg or zeros_like(s.p)
        s.momentum_buffer = s.momentum_buffer or zeros_like(s.p)
        done = C.yt_rmsprop_full_(p, g, pointer(s.square_avg), pointer(s.grad_avg), pointer(s.momentum_buffer), lr,
          alpha, eps, decay, momentum, centered)
      else done = C.yt_rmsprop_(p, g, pointer(s.square_avg), lr, alpha, eps, decay) end
      if done == nil then lib.fail() end
    end
  end
end

return RMSprop
