-- A network learns what one neuron can't: two spirals wound around each other. The picture is what it believes.
local yutu = require "yutu"
local nn, optim = yutu.nn, yutu.optim
yutu.manual_seed(5)

local points, labels, n = {}, {}, 200
for class = 1, 2 do
  for i = 1, n do
    local r = i / n * 2.5
    local angle = r * 3.2 + class * math.pi
    points[#points + 1], labels[#labels + 1] = { r * math.cos(angle), r * math.sin(angle) }, class
  end
end
local x = yutu.tensor(points) + yutu.randn { 2 * n, 2 } * 0.05
local y = yutu.tensor(labels, { dtype = "i64" })

local model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
local opt = optim.Adam(model:parameters(), { lr = 3e-3 })
print(model)

for step = 0, 1500 do
  local scores = model(x)                                            -- (400, 2): one score per class
  local loss = nn.functional.cross_entropy(scores, y)
  if step % 300 == 0 then
    print(("step %4d  loss %.4f  right %5.1f%%"):format(step, loss:item(),
      scores:argmax(2):eq(y):float():mean():item() * 100))
  end
  opt:zero_grad()
  loss:backward()
  opt:step()
end

print "\nwhat it believes ('#' one spiral, '.' the other):"
yutu.no_grad(function()
  for row = 1, 21 do
    local line = {}
    for column = 1, 61 do line[column] = { (column - 31) / 30 * 2.7, (11 - row) / 10 * 2.7 } end
    local class = model(yutu.tensor(line)):argmax(2)
    for column = 1, 61 do line[column] = class[column]:item() == 1 and "#" or "." end
    print(table.concat(line))
  end
end)
print [[

The first layer bends the plane, the second bends it again, the last cuts it with straight lines.
Next: 06_fashion_mnist.lua, on real pictures. Or take out one Linear and its Tanh: how far does it get?]]
