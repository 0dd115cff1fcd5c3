--- PPO on CartPole-v1, CleanRL's settings, end to end from Lua: environment steps a second beside a hand-fused floor in
-- C on one thread (floor_ppo.c) and beside PyTorch with environments in NumPy (peer_ppo.py).
local yutu = require "yutu"
local race = require "support.race"
local torch = require "support.torch"
local floor = require "support.floor" "ppo"
local rl, clock = yutu.rl, yutu.C.yt_clock

local STEPS, ROUNDS, PEER_STEPS = 204800, 5, 8192

local function agent_run(threads, seed)
  yutu.set_num_threads(threads)
  local env = rl.make("CartPole-v1", { num_envs = 8, seed = seed })
  local agent = rl.PPO(env, { seed = seed })
  local progress = agent:train { total_steps = STEPS }
  return progress.seconds / progress.steps, progress.mean_return
end

local function floor_run(seed)
  local from = clock()
  local mean_return = floor.floor_ppo(STEPS, seed)
  return (clock() - from) / STEPS, mean_return
end

local times = { {}, {}, floor = {} }
local returns = { ours = 0, floor = 0 }
local peers = {}                  -- by name: seconds per step of each round

for seed = 1, ROUNDS do
  for threads = 1, 2 do
    local seconds, mean_return = agent_run(threads, seed)
    times[threads][seed] = seconds
    returns.ours = returns.ours + mean_return / (2 * ROUNDS)
  end
  local seconds, mean_return = floor_run(seed)
  times.floor[seed] = seconds
  returns.floor = returns.floor + mean_return / ROUNDS
  if torch.available and seed <= 3 then
    torch.each({ 1, 2 }, function(ask, name)
      peers[name] = peers[name] or {}
      peers[name][seed] = 1 / ask(("ppo %d %d"):format(seed, PEER_STEPS))[1]
    end)
  end
end
race.check(("the agent learns: mean return %.0f"):format(returns.ours), returns.ours > 150)
race.check(("the floor learns: mean return %.0f"):format(returns.floor), returns.floor > 150)

local peer, peer_name
for name, list in pairs(peers) do
  local t = race.typical(list)
  if not peer or t < peer then peer, peer_name = t, name end
end

local function rate(seconds) return ("%.4g k/s"):format(1e-3 / seconds) end
race.heading(("PPO CartPole, 8 x 128 steps, 4 x 4 minibatches, %d steps; mean return at the end: ours %.0f, floor %.0f")
  :format(STEPS, returns.ours, returns.floor))
local floor_time = race.typical(times.floor)
for threads = 1, 2 do
  local ours, what = race.typical(times[threads]), threads == 1 and "one thread" or "two threads"
  race.row(what, ours, "C floor, one thread", floor_time, 0.5, rate)
  race.row(what, ours, ("PyTorch (%s)"):format(peer_name), peer, nil, rate)
end
os.exit(race.missed, true)
