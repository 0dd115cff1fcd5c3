--- A loop as a beginner writes it, 100,000 steps, with no collectgarbage() and no scope: memory must not grow, and once
-- warm nothing is asked of the system.
local yutu = require "yutu"
local race = require "support.race"
local nn, clock = yutu.nn, yutu.C.yt_clock

local WARM, STEPS = 5000, 100000

local function resident()         -- bytes
  local f = assert(io.open "/proc/self/statm")
  local pages = select(2, f:read("*n", "*n"))
  f:close()
  return pages * 4096
end

yutu.manual_seed(1)
local model = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
local optimizer = yutu.optim.Adam(model:parameters(), { lr = 1e-3 })
local x = yutu.randn(64, 4)
local y = yutu.cat({ x:slice(2, 1, 1) * x:slice(2, 2, 2), x:slice(2, 3, 3):sin() }, 2)

local function train(steps)
  local loss
  for _ = 1, steps do
    optimizer:zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss:backward()
    optimizer:step()
  end
  return loss:item()
end

train(WARM)
local before, asked, from = resident(), yutu.memory().allocations, clock()
local loss = train(STEPS)
local seconds = clock() - from
local after, asked_since = resident(), yutu.memory().allocations - asked
race.check(("the loss is %g"):format(loss), loss < 1e-2)

race.heading(("%d steps of a 4-64-64-2 network, batch 64, with Adam"):format(STEPS))
race.fact("a step", race.seconds(seconds / STEPS))
race.fact("resident before", ("%.1f MB"):format(before / 1e6))
race.fact("resident after", ("%.1f MB"):format(after / 1e6), "at most 4 MB more", after - before < 4e6)
race.fact("asked of the system meanwhile", ("%d times"):format(asked_since), "0", asked_since == 0)
os.exit(race.missed, true)
