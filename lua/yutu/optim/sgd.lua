--- Stochastic gradient descent, with momentum (Polyak's, or Nesterov's) and weight decay.
--   d = g + weight_decay p;  b = momentum b + (1 - dampening) d, at first d
--   p -= lr b, or with nesterov lr (d + momentum b)
--   source   Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning"; PyTorch's form
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, pointer, zeros_like = lib.C, Optimizer.pointer, Optimizer.zeros_like

local SGD = Optimizer:extend("optim.SGD", {
  lr = 1e-2, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false, maximize = false,
}, { "step", "momentum_buffer" })

function SGD:check(group)
  Optimizer.check(self, group)
  if group.momentum < 0 then self:fail("momentum = %g is negative", group.momentum) end
  if group.nesterov and (group.momentum <= 0 or group.dampening ~= 0) then
    self:fail "nesterov needs a momentum above 0 and no dampening"
  end
end

function SGD:update(group, slots)
  local lr, momentum, dampening, decay = group.lr, group.momentum, group.dampening, group.weight_decay
  local nesterov = group.nesterov and 1 or 0
  for i = 1, #slots do
    local s = slots[i]
    local p, g = self:next_of(s, group)
    if p then
      local done
      if momentum == 0 then done = C.yt_sgd_plain_(p, g, lr, decay)
      else
        local first = s.momentum_buffer and 0 or 1
        s.momentum_buffer = s.momentum_buffer or zeros_like(s.p)
        done = C.yt_sgd_(p, g, pointer(s.momentum_buffer), lr, momentum, dampening, nesterov, decay, first)
      end
      if done == nil then lib.fail() end
    end
  end
end

return SGD
