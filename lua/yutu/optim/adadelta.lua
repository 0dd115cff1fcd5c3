--- Adadelta: the size of a step follows the sizes of those before; lr scales it.
--   v = rho v + (1 - rho) g^2;  x = sqrt(u + eps) / sqrt(v + eps) g;  u = rho u + (1 - rho) x^2;  p -= lr x
--   source   Zeiler 2012, arXiv:1212.5701
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, pointer, zeros_like = lib.C, Optimizer.pointer, Optimizer.zeros_like

local Adadelta = Optimizer:extend("optim.Adadelta", {
  lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0, maximize = false,
}, { "step", "square_avg", "acc_delta" })

function Adadelta:check(group)
  Optimizer.check(self, group)
  if not (group.rho >= 0 and group.rho <= 1) then self:fail("rho = %g is not in [0, 1]", group.rho) end
end

function Adadelta:prepare(s)
  s.square_avg, s.acc_delta = zeros_like(s.p), zeros_like(s.p)
end

function Adadelta:update(group, slots)
  local lr, rho, eps, decay = group.lr, group.rho, group.eps, group.weight_decay
  for i = 1, #slots do
    local s = slots[i]
    local p, g = self:next_of(s, group)
    if p and C.yt_adadelta_(p, g, pointer(s.square_avg), pointer(s.acc_delta), lr, rho, eps, decay) == nil then
      lib.fail()
    end
  end
end

return Adadelta
