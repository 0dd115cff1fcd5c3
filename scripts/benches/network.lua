--- A 4-64-64-2 tanh network from Lua: forward, and a whole training step with Adam, beside PyTorch.
local yutu = require "yutu"
local race = require "support.race"
local torch = require "support.torch"
local nn, optim = yutu.nn, yutu.optim

yutu.manual_seed(1)
yutu.set_num_threads(1)

local function network()
  return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
end

-- The same by loops over plain tables.
local function by_hand(layers, x)
  for i, layer in ipairs(layers) do
    local w, b, y = layer.weight:totable(), layer.bias:totable(), {}
    for o = 1, #w do
      local sum = b[o]
      for k = 1, #x do sum = sum + w[o][k] * x[k] end
      y[o] = i < #layers and math.tanh(sum) or sum
    end
    x = y
  end
  return x
end

local function check_forward(model)
  local x = yutu.randn(3, 4)
  local y = model(x):totable()
  for row, values in ipairs(x:totable()) do
    local expected = by_hand({ model[1], model[3], model[5] }, values)
    for k = 1, 2 do race.check("forward", race.close_to(y[row][k], expected[k], 1e-5)) end
  end
end

-- As it is written first, and with results that a scope frees instead of the collector.
local function forward(batch)
  local model, x = network(), yutu.randn(batch, 4)
  check_forward(model)
  local function plain(n) for _ = 1, n do model(x) end end
  local function unrecorded(f)
    return race.repeated(function(n)
      yutu.set_grad_enabled(false)
      f(n)
      yutu.set_grad_enabled(true)
    end)
  end
  return unrecorded(plain), unrecorded(function(n) yutu.scope(plain, n) end)
end

local function training(batch)
  local model, x, y = network(), yutu.randn(batch, 4), yutu.randn(batch, 2)
  local optimizer = optim.Adam(model:parameters(), { lr = 1e-3 })
  local function train(n)
    local loss
    for _ = 1, n do
      optimizer:zero_grad()
      loss = nn.functional.mse_loss(model(x), y)
      loss:backward()
      optimizer:step()
    end
    return loss:item()
  end
  local first = train(1)
  race.check("training lowers the loss", train(200) < 0.9 * first)
  return race.repeated(train)
end

race.heading "4-64-64-2 tanh network, forward, one thread"
for _, batch in ipairs { 1, 8, 64, 256 } do
  local peer, name = torch.contestant({ 1 }, "forward " .. batch)
  local plain, scoped = forward(batch)
  local t = race.run { ours = plain, scoped = scoped, torch = peer }
  race.row("batch " .. batch, t.ours, name(), t.torch, ({ [1] = 30, [64] = 4 })[batch])
  race.row("... in a scope", t.scoped, name(), t.torch)
end

race.heading "the same, forward, backward and Adam; ours on one thread"
for _, batch in ipairs { 1, 64, 256 } do
  local peer, name = torch.contestant({ 1, 2 }, "train " .. batch, 0.012)
  local t = race.run { ours = training(batch), torch = peer }
  race.row("batch " .. batch, t.ours, name(), t.torch, ({ [64] = 10 })[batch])
end
os.exit(race.missed, true)
