--- The small network that every host trains. Large enough for its ops to be worth splitting among threads, small enough
-- for a frame.
--
--   local learner = require "learn"(seed)
--   learner.step() -> loss                one step of Adam
--   learner.digest() -> "0x..."           of every weight's bits
--
-- What it learns: y = sin(2a) b on 512 points, 2-128-128-1, tanh. From seeds 1 to 20 the loss goes from
-- 0.17 to 0.43 down to 0.0008 to 0.0013 in learner.steps steps; learner.good leaves a margin.
local yutu = require "yutu"
local nn, optim = yutu.nn, yutu.optim

local function digest_of(parameters)
  local h = 0xcbf29ce484222325ULL -- FNV-1a
  for _, p in ipairs(parameters) do
    local bytes = p:detach():tobytes()
    for i = 1, #bytes do h = bit.bxor(h, bytes:byte(i)) * 0x100000001b3ULL end
  end
  return "0x" .. bit.tohex(h)
end

return function(seed)
  yutu.manual_seed(seed)
  local model = nn.Sequential(nn.Linear(2, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 1))
  local opt = optim.Adam(model:parameters(), { lr = 3e-3 })
  local x = yutu.rand(512, 2) * 2 - 1
  local y = (x[{ {}, { 1, 1 } }] * 2):sin() * x[{ {}, { 2, 2 } }]
  local learner = { model = model, steps = 150, good = 0.004 }
  function learner.step()
    local loss = nn.functional.mse_loss(model(x), y)
    opt:zero_grad()
    loss:backward()
    opt:step()
    return loss:item()
  end
  function learner.digest() return digest_of(model:parameters()) end
  return learner
end
