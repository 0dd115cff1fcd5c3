-- A network of two layers, differentiated three ways: by hand with the chain rule, by autograd, and by wiggling a
-- weight.
local yutu = require "yutu"
yutu.manual_seed(4)
local f64 = { dtype = "f64" }

local x, t = yutu.randn({ 8, 3 }, f64), yutu.randn({ 8, 2 }, f64)    -- 8 examples: 3 numbers in, 2 wanted
local w1, b1 = yutu.randn({ 3, 5 }, f64), yutu.randn({ 5 }, f64)
local w2, b2 = yutu.randn({ 5, 2 }, f64), yutu.randn({ 2 }, f64)

local function forward()
  local z = x:matmul(w1) + b1     -- (8,5)
  local h = z:tanh()
  local y = h:matmul(w2) + b2     -- (8,2)
  return (y - t):square():mean(), h, y
end

-- By hand: from the loss back to each parameter, one rule per line of forward.
local loss, h, y = forward()
local dy = (y - t) * 2 / y:numel()                                   -- mean of squares
local by_hand = {}
by_hand.w2 = h:t():matmul(dy)                                        -- y = h w2 + b2
by_hand.b2 = dy:sum(1)
local dh = dy:matmul(w2:t())
local dz = dh * (1 - h:square())                                     -- tanh' = 1 - tanh^2
by_hand.w1 = x:t():matmul(dz)                                        -- z = x w1 + b1
by_hand.b1 = dz:sum(1)

-- By autograd: the same numbers, from the ops that were recorded.
local parameters = { w1 = w1, b1 = b1, w2 = w2, b2 = b2 }
for _, p in pairs(parameters) do p.requires_grad = true end
forward():backward()

-- By wiggling: how the loss changes when one weight moves a little.
local function wiggle(p, i, j)
  return yutu.no_grad(function()
    local was, e = p[{ i, j }]:item(), 1e-6
    p[{ i, j }] = was + e
    local up = forward():item()
    p[{ i, j }] = was - e
    local down = forward():item()
    p[{ i, j }] = was
    return (up - down) / (2 * e)
  end)
end

print(("loss %.6f\n\n%-10s%16s"):format(loss:item(), "gradient", "largest difference between hand and autograd"))
for _, name in ipairs { "w1", "b1", "w2", "b2" } do
  print(("%-10s%16.1e"):format(name, (by_hand[name] - parameters[name].grad):abs():amax():item()))
end
print(("\nw1[2][3]: by hand %.9f, by autograd %.9f, by wiggling %.9f"):format(
  by_hand.w1[{ 2, 3 }]:item(), w1.grad[{ 2, 3 }]:item(), wiggle(w1, 2, 3)))
print [[

Three ways, one answer. Autograd is the chain rule with bookkeeping: each op remembers what its own rule needs.
Next: 05_network.lua. Or change tanh to sigmoid, here and in the rule.]]
