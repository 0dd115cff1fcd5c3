-- One neuron: a weighted sum, a squashing function, and a rule that nudges the weights.
-- It learns AND, and shows why it can't learn XOR.
local yutu = require "yutu"
yutu.manual_seed(1)

local x = yutu.tensor { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } }     -- four inputs, two numbers each
local AND = yutu.tensor { { 0 }, { 0 }, { 0 }, { 1 } }
local XOR = yutu.tensor { { 0 }, { 1 }, { 1 }, { 0 } }

local function learn(name, target)
  local w = yutu.randn({ 2, 1 }, { requires_grad = true })           -- one weight per input
  local b = yutu.zeros({ 1 }, { requires_grad = true })              -- how easily it fires
  print(("\nlearning %s"):format(name))
  for step = 0, 2000 do
    local y = (x:matmul(w) + b):sigmoid()                            -- the neuron: between 0 and 1
    local loss = (y - target):square():mean()                        -- how wrong it is
    if step % 500 == 0 then print(("  step %4d  loss %.4f"):format(step, loss:item())) end
    loss:backward()                                                  -- in which direction each weight is wrong
    yutu.no_grad(function()
      w:sub_(w.grad * 2)                                             -- a step the other way
      b:sub_(b.grad * 2)
    end)
    w.grad, b.grad = nil, nil
  end
  local y = (x:matmul(w) + b):sigmoid()
  for i = 1, 4 do
    print(("  %d %s %d = %.2f   (should be %d)"):format(x[{ i, 1 }]:item(), name, x[{ i, 2 }]:item(),
      y[i]:item(), target[i]:item()))
  end
  print(("  it fires where %.1f a + %.1f b > %.1f"):format(w[{ 1, 1 }]:item(), w[{ 2, 1 }]:item(), -b:item()))
end

learn("AND", AND)
learn("XOR", XOR)
print [[

A neuron cuts its inputs with one straight line. AND can be cut off like that; XOR can't, so the best it can say is 0.5.
Next: lua 02_linear_regression.lua. Or try OR here, or a step of 20 instead of 2.]]
