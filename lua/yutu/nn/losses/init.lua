--- The loss layers, a class for each loss declared.   nn.CrossEntropyLoss { label_smoothing = 0.1 }(logits, labels)
local check = require "yutu.nn.check"
local loss = require "yutu.nn.losses.all"
local Module = require "yutu.nn.module"

local losses = {}
for _, row in ipairs(loss.declared) do
  local class, f = Module:extend("nn." .. row.class), row.f
  local spec = check.options("nn." .. row.class, unpack(row.options))
  spec.reductions = row.reductions
  class.shown = spec.names

  function class:init(given)
    for name, value in pairs(loss.read(spec, given)) do
      self[name] = check.is_tensor(value) and self:buffer(value) or value
    end
  end

  if row.inputs == 3 then function class:forward(a, b, c) return (f(a, b, c, self)) end
  else function class:forward(a, b) return (f(a, b, self)) end end

  function class:describe()
    local out = {}
    for _, name in ipairs(spec.names) do
      local value = self[name]
      if value ~= spec.defaults[name] then
        out[#out + 1] = ("%s=%s"):format(name, check.is_tensor(value) and check.shape(value) or tostring(value))
      end
    end
    return table.concat(out, ", ")
  end
  losses[row.class] = class
end
return losses
