--- PPO: one update against CleanRL's, learning, exact resume, and the host's own loop.
local yutu = require "yutu"
local rl = require "yutu.rl"

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("^tests/spec/ppo_spec%.lua:%d+: ", text)
  return text
end

local function all_close(expected, tensor, tolerance, what)
  local found = tensor:tolist()
  assert.equal(#expected, #found)
  for i = 1, #expected do
    local text = ("%s, element %d: %.9g expected, %.9g found"):format(what, i, expected[i], found[i])
    assert.is_true(math.abs(expected[i] - found[i]) <= tolerance * math.max(1, math.abs(expected[i])), text)
  end
end

-- Every bit that an agent holds, as one string.
local function bits(agent)
  local out = {}
  for _, p in ipairs(agent.parameters) do out[#out + 1] = table.concat(p:detach():tolist(), ",") end
  for _, state in ipairs(agent.optimizer:state_dict().state) do
    out[#out + 1] = state.step .. ":" .. table.concat(state.exp_avg_sq:tolist(), ",")
  end
  out[#out + 1] = tostring(agent.generator)
  out[#out + 1] = table.concat(agent.env:state():tolist(), ",")
  return table.concat(out, "\n")
end

local path
before_each(function() path = os.tmpname() end)
after_each(function() os.remove(path) end)

describe("PPO's update", function()
  local recorded = dofile "tests/reference/ppo.lua"

  it("is CleanRL's: log-probabilities, values, advantages, losses, gradients' norm, weights", function()
    local T, N = recorded.steps, recorded.envs
    local agent = rl.PPO(rl.make("CartPole-v1", { num_envs = N }), {
      num_steps = T, num_minibatches = recorded.minibatches, update_epochs = recorded.epochs,
      hidden = { recorded.hidden }, learning_rate = recorded.learning_rate,
    })
    yutu.no_grad(function()
      for i, p in ipairs(agent.parameters) do p:copy_(yutu.tensor(recorded.initial[i]):reshape(p.shape)) end
      for name, x in pairs(agent.rollout) do x:copy_(yutu.tensor(recorded[name]):reshape(x.shape)) end
    end)
    agent.t = T
    agent:begin_update()
    for _, name in ipairs { "logprob", "advantage", "returns" } do
      all_close(recorded[name], agent.batch[name], 2e-6, name)
    end
    local values = {}
    for i = 1, T * N do values[i] = recorded.value[i] end
    all_close(values, agent.batch.value, 2e-6, "value")
    for k, update in ipairs(recorded.updates) do
      agent:learn_from(yutu.tensor(update.index, { dtype = "i64" }))
      for name, expected in pairs(update) do
        if name ~= "index" then all_close({ expected }, yutu.tensor { agent.report[name] }, 1e-5, k .. " " .. name) end
      end
    end
    for i, p in ipairs(agent.parameters) do all_close(recorded.after[i], p:detach(), 1e-5, "parameter " .. i) end
  end)

  it("draws every sample once per epoch, in another order each time", function()
    local agent = rl.PPO(rl.make("CartPole-v1", { num_envs = 2 }), { num_steps = 16 })
    agent:collect()
    agent:begin_update()
    local orders = {}
    repeat
      local order = agent.batch.order:tolist()
      orders[table.concat(order, " ")] = true
      table.sort(order)
      for i = 1, 32 do assert.equal(i, order[i]) end
    until not agent:advance()
    local different = 0
    for _ in pairs(orders) do different = different + 1 end
    assert.equal(4, different)
  end)

  it("stops early once the policy has moved by target_kl", function()
    local function minibatches(target)
      local agent = rl.PPO(rl.make("CartPole-v1", { num_envs = 4 }), { target_kl = target, learning_rate = 0.02 })
      agent:collect()
      agent:begin_update()
      local n = 1
      while agent:advance() do n = n + 1 end
      assert.equal(1, agent.iteration)
      return n
    end
    assert.equal(16, minibatches(0))
    assert.equal(4, minibatches(1e-6))
  end)
end)

describe("PPO on CartPole-v1", function()
  -- Over the seeds 1 to 20, the mean return after 200,000 steps is 493 on average and 434 at worst.
  it("learns to balance the pole #slow", function()
    local agent = rl.PPO(rl.make("CartPole-v1", { num_envs = 8, seed = 1 }), { seed = 1, learning_rate = 1e-3 })
    local untrained = agent:evaluate { episodes = 20, seed = 7 }
    agent:train { total_steps = 200000 }
    local trained = agent:evaluate { episodes = 20, seed = 7 }
    assert.is_true(untrained.mean < 120)
    assert.is_true(trained.mean > 350, "mean return " .. trained.mean)
    assert.equal(20, #trained.returns)
  end)

  it("lowers the learning rate to 0 over total_steps, and reports as it goes", function()
    local agent = rl.PPO(rl.make("CartPole-v1", { num_envs = 4 }), { num_steps = 32 })
    local rates, seen = {}, nil
    local last = agent:train { total_steps = 128 * 4 + 50, callback = function(progress)
      rates[#rates + 1], seen = progress.learning_rate, progress
    end }
    assert.same({ 2.5e-4, 2.5e-4 * 0.75, 2.5e-4 * 0.5, 2.5e-4 * 0.25 }, rates)
    assert.equal(seen, last)
    assert.same({ 512, 4 }, { last.steps, last.iteration })
    assert.is_true(last.entropy > 0.5 and last.entropy < 0.6932 and last.steps_per_second > 0 and last.episodes > 5)
    assert.is_true(last.mean_return == last.mean_length and last.mean_return > 8)
  end)

  it("is the same run for the same seed, and another for another", function()
    local function run(seed)
      local agent = rl.PPO(rl.make("CartPole-v1", { num_envs = 4, seed = seed }), { seed = seed, num_steps = 32 })
      agent:train { total_steps = 1024 }
      return bits(agent)
    end
    assert.equal(run(1), run(1))
    assert.are_not.equal(run(1), run(2))
  end)

  it("evaluates repeatably and without touching the run", function()
    local agent = rl.PPO(rl.make("CartPole-v1", { num_envs = 4 }))
    agent:train { total_steps = 512 }
    local before = bits(agent)
    local a = agent:evaluate { episodes = 7, seed = 3, deterministic = false }
    assert.same(a, agent:evaluate { episodes = 7, seed = 3, deterministic = false })
    assert.are_not.same(a.returns, agent:evaluate { episodes = 7, seed = 4, deterministic = false }.returns)
    assert.equal(before, bits(agent))
  end)
end)

describe("a saved PPO agent", function()
  local function new()
    return rl.PPO(rl.make("CartPole-v1", { num_envs = 4, seed = 3 }), { seed = 3, num_steps = 32 })
  end

  it("goes on bit for bit from between two updates", function()
    local whole, first = new(), new()
    whole:train { total_steps = 1280 }
    first:train { total_steps = 1280, callback = function(progress) return progress.iteration < 4 end }
    assert.is_true(first:save(path))
    local second = assert(rl.load(path))
    assert.are_not.equal(bits(whole), bits(second))
    second:train { total_steps = 1280 }
    assert.equal(bits(whole), bits(second))
  end)

  it("goes on bit for bit from within an update and a half-filled rollout", function()
    local agent = new()
    agent:collect()
    agent:begin_update()
    agent:advance()
    local env, observation = agent.env, agent.rows[1].observation:clone()
    local function play(player, steps)
      for _ = 1, steps do
        local action = player:act(observation)
        local reward, terminated, truncated, info
        observation, reward, terminated, truncated, info = env:step(action)
        player:observe { reward = reward, terminated = terminated, truncated = truncated,
          observation = info.final_observation }
      end
    end
    play(agent, 11)
    assert.is_true(agent:save(path))
    local other, kept = assert(rl.load(path)), observation
    local function finish(player)
      env, observation = player.env, kept
      player:learn()
      play(player, 21)
      player:learn()
      assert.equal(2, player.iteration)
      return bits(player)
    end
    assert.equal(finish(agent), finish(other))
  end)

  it("acts without an environment of its own, and goes on in one that is given", function()
    local Still = { observation_space = rl.Box { size = 3, low = -1, high = 1 }, action_space = rl.Discrete(5) }
    function Still.reset() return { 0, 0, 0 } end
    function Still.step(_, action) return { action / 5, 0, 0 }, action, false, false end
    local function make() return setmetatable({ max_episode_steps = 10 }, { __index = Still }) end
    local agent = rl.PPO(rl.vector(make, 2), { num_steps = 8 })
    agent:train { total_steps = 64 }
    assert.is_true(agent:save(path))
    local policy = assert(rl.load(path))
    local x = yutu.rand(6, 3)
    assert.same(agent:act(x, { deterministic = true }):tolist(), policy:act(x, { deterministic = true }):tolist())
    assert.matches("no environment", message(policy.train, policy, { total_steps = 64 }))
    local again = assert(rl.load(path, { env = rl.vector(make, 2) }))
    assert.equal(8, again:train({ total_steps = 128 }).iteration)
    assert.matches("2 environments of 3 numbers and 5 actions, not for 2 of 4 and 2",
      message(rl.load, path, { env = rl.make("CartPole-v1", { num_envs = 2 }) }))
  end)

  it("is refused when the file is none", function()
    local agent, why = rl.load "/nonexistent/agent.yutu"
    assert.is_nil(agent)
    assert.matches("nonexistent", why)
    yutu.checkpoint.save(path, { model = 1 })
    agent, why = rl.load(path)
    assert.is_nil(agent)
    assert.matches("holds no agent", why)
    yutu.checkpoint.save(path, { algorithm = "PPO", env = { made = true, name = "CartPole-v1", num_envs = 2 } })
    agent, why = rl.load(path)
    assert.is_nil(agent)
    assert.matches("can't be restored", why)
  end)
end)

describe("PPO in a host's loop", function()
  local spaces = { observation_space = rl.Box { size = 2, low = -1, high = 1 }, action_space = rl.Discrete(2) }

  -- The host pays 1 for the action that the sign of its one number names.
  local function frames(agent, count, budget)
    local right, learned, most, random = 0, 0, 0, yutu.Generator(9)
    for _ = 1, count do
      local x = yutu.rand({ 1 }, { generator = random }):item() * 2 - 1
      local action = agent:act { x, 1 }
      local good = (action == 2) == (x > 0)
      right = right + (good and 1 or 0)
      agent:observe { reward = good and 1 or 0, terminated = true, observation = { x, 1 } }
      local done = agent:learn { budget_ms = budget }
      learned, most = learned + done, math.max(most, done)
    end
    return right / count, learned, most
  end

  it("learns a slice per frame, and no more than the budget allows", function()
    local agent = rl.PPO(spaces, { num_steps = 64, learning_rate = 3e-3, gamma = 0, seed = 2 })
    local first = frames(agent, 256, 0)
    local _, learned, most = frames(agent, 3000, 0)
    assert.equal(1, most)         -- a budget of nothing: one minibatch in a frame
    assert.is_true(learned > 500)
    local last = frames(agent, 500, 0)
    assert.is_true(first < 0.75 and last > 0.9, ("%.2f, then %.2f"):format(first, last))
  end)

  it("finishes an update at once when there is no budget", function()
    local agent = rl.PPO(spaces, { num_steps = 64 })
    local _, learned, most = frames(agent, 200, nil)
    assert.same({ 48, 16, 3 }, { learned, most, agent.iteration })
  end)

  it("keeps acting while learning lags behind, and says that a step was not kept", function()
    local agent, kept = rl.PPO(spaces, { num_steps = 16, num_minibatches = 1 }), 0
    for _ = 1, 20 do
      assert.is_true(spaces.action_space:contains(agent:act { 0.5, 1 }))
      if agent:observe { reward = 1, terminated = false, truncated = false, observation = { 0.5, 1 } } then
        kept = kept + 1
      end
    end
    assert.equal(16, kept)
    assert.equal(4, agent:learn())
    agent:act { 0.5, 1 }
    assert.is_true(agent:observe { reward = 1, observation = { 0.5, 1 } })
    assert.is_false(agent:observe { reward = 1, observation = { 0.5, 1 } })
  end)

  it("serves several environments at once", function()
    local agent = rl.PPO({ num_envs = 3, observation_space = spaces.observation_space, action_space = rl.Discrete(4) },
      { num_steps = 4 })
    local actions = agent:act { { 1, 0 }, { 0, 1 }, { 0, 0 } }
    assert.equal(3, #actions)
    for _, a in ipairs(actions) do assert.is_true(a >= 1 and a <= 4) end
    local x = yutu.rand(3, 2)
    assert.is_true(agent:observe { reward = { 1, 2, 3 }, terminated = { true, false, false }, observation = x })
    assert.same({ 1, 2, 3 }, agent.rollout.reward[1]:tolist())
    assert.same({ true, false, false }, agent.rollout.terminated[1]:tolist())
    local taken = agent:act(x)
    assert.same({ 3 }, taken.shape)
    assert.equal("i64", taken.dtype)
  end)
end)

describe("PPO refuses", function()
  local env = rl.make("CartPole-v1", { num_envs = 2 })

  it("settings that it does not know, of the wrong type, or that do not fit", function()
    assert.matches('no setting "lr"', message(rl.PPO, env, { lr = 1 }))
    assert.matches('gamma is "high", a number is needed', message(rl.PPO, env, { gamma = "high" }))
    assert.matches("num_steps is 0", message(rl.PPO, env, { num_steps = 0 }))
    assert.matches("2 x 5 samples .* 4 equal minibatches", message(rl.PPO, env, { num_steps = 5 }))
  end)

  it("environments that are none, and the mode that wastes steps", function()
    assert.matches("observation_space", message(rl.PPO, {}))
    assert.matches("same_step", message(rl.PPO, rl.make("CartPole-v1", { autoreset = "next_step" })))
    local continuous = { observation_space = env.observation_space, action_space = rl.Box { size = 1 } }
    assert.matches("Box%(1%), an rl.Discrete is needed", message(rl.PPO, continuous))
  end)

  it("calls with the wrong arguments", function()
    local agent = rl.PPO(env)
    assert.matches("total_steps = 10 is less than one update's 256", message(agent.train, agent, { total_steps = 10 }))
    assert.matches('no option "steps"', message(agent.train, agent, { steps = 1000 }))
    assert.matches("episodes = 0", message(agent.evaluate, agent, { episodes = 0 }))
    assert.matches("act: 3 elements given, 8 are needed", message(agent.act, agent, { 1, 2, 3 }))
  end)
end)
