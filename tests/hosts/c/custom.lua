--- A custom op and a hook per step: their functions live in this Lua state, their nodes in C, in lists of the thread.
--   local run = require "custom"(factor)
--   run(n)                n steps; errors if a gradient is not factor * 6 + 1 in each
--   run.kept() -> count   functions that still wait for their node to die
local yutu = require "yutu"
local lib = require "yutu.ffi"

return function(factor)
  local times = yutu.Function {
    forward = function(_, x) return x * factor end,
    backward = function(_, g) return g * factor end,
  }
  local x = yutu.ones(3):requires_grad_()
  x:register_hook(function(g) return g + 1 end)           -- one that stays
  local function steps(_, n)
    for _ = 1, n do
      local y = times(x)
      y:register_hook(function(g) return g * 2 end)
      x.grad = nil
      y:sum():mul(3):backward()
      local got = x.grad:select(1, 2):item()
      if got ~= factor * 6 + 1 then error(("the gradient is %g, should be %g"):format(got, factor * 6 + 1)) end
    end
  end
  local function kept()
    yutu.collect()
    local count = 0
    for _ in pairs(lib.functions) do count = count + 1 end
    return count
  end
  return setmetatable({ kept = kept }, { __call = steps })
end
