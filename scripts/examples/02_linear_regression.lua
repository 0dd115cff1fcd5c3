-- Linear regression twice: step by step downhill, and in one stroke by least squares. Both find the same line.
local yutu = require "yutu"
yutu.manual_seed(2)

local n = 200
local x = yutu.rand { n, 1 } * 10                                    -- between 0 and 10
local y = x * 1.7 - 4 + yutu.randn { n, 1 }                          -- a line, with noise
print "data: y = 1.7 x - 4, and noise of deviation 1\n"

-- Downhill: the gradient says how the error changes with each parameter.
local slope = yutu.zeros({ 1 }, { requires_grad = true })
local offset = yutu.zeros({ 1 }, { requires_grad = true })
for step = 0, 2000 do
  local loss = (x * slope + offset - y):square():mean()
  if step == 0 or step == 10 or step == 100 or step % 1000 == 0 then
    print(("step %4d   y = %7.4f x %+8.4f   mean squared error %.4f"):format(step,
      slope:item(), offset:item(), loss:item()))
  end
  loss:backward()
  yutu.no_grad(function()
    slope:sub_(slope.grad * 0.02)
    offset:sub_(offset.grad * 0.02)
  end)
  slope.grad, offset.grad = nil, nil
end

-- In one stroke: the parameters that minimise |A p - y|, by linear algebra.
local A = yutu.cat({ x, yutu.ones { n, 1 } }, 2)
local p = A:lstsq(y)
print(("least squares  y = %7.4f x %+8.4f   mean squared error %.4f"):format(
  p[1]:item(), p[2]:item(), (A:matmul(p) - y):square():mean():item()))

print(("\nthe two differ by %.1e in the slope, %.1e in the offset"):format(
  math.abs(p[1]:item() - slope:item()), math.abs(p[2]:item() - offset:item())))
print [[
Least squares needs no steps, but works for lines only. Going downhill works for anything that has a gradient.
Next: 03_activations.lua. Or try a step of 0.04 here: why does the error explode?]]
