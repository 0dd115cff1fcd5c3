--- Environments: the contract, CartPole against Gymnasium's, environments written in Lua, and advantages.
local ffi = require "ffi"
local yutu = require "yutu"
local rl = require "yutu.rl"

-- The message of an error, which must point at this file.
local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  assert.matches("^tests/spec/rl_spec%.lua:%d+: ", text)
  return text
end

-- A list of actions, always the same for the same step.
local function jumble(n, t)
  local actions = {}
  for i = 1, n do actions[i] = ((i * 7 + t * 13) % 5 < 2) and 1 or 2 end
  return actions
end

local function close(expected, found, tolerance, what)
  local text = ("%s: %.17g expected, %.17g found"):format(what, expected, found)
  assert.is_true(math.abs(expected - found) <= tolerance, text)
end

describe("CartPole-v1", function()
  for _, episode in ipairs(dofile "tests/reference/cartpole.lua") do
    it("follows Gymnasium: " .. episode.name, function()
      local env = rl.make("CartPole-v1", { autoreset = "next_step" })
      env:reset()
      local state = ffi.cast("double *", yutu.C.yt_envs_state(env.handle, 0))
      for k = 1, 4 do state[k - 1] = episode.start[k] end
      local actions, next_record, total = table.concat(episode.actions), 1, 0
      for t = 1, #actions do
        local action = actions:sub(t, t) == "L" and 1 or 2
        local observation, reward, terminated, truncated = env:step(action)
        total = total + reward:item()
        local last = t == #actions
        assert.equal(last and episode.terminated, terminated:item())
        assert.equal(last and episode.truncated, truncated:item())
        if t == episode.steps[next_record] then
          for k = 1, 4 do
            local recorded = episode.states[next_record][k]
            close(recorded, state[k - 1], 1e-13 * math.max(1, math.abs(recorded)), ("step %d, number %d"):format(t, k))
            assert.equal(tonumber(ffi.cast("float", state[k - 1])), observation:tolist()[k])
            state[k - 1] = recorded            -- a fall doubles a rounding error every nine steps
          end
          next_record = next_record + 1
        end
      end
      assert.equal(#episode.steps + 1, next_record)
      assert.equal(episode.total_reward, total)
    end)
  end

  it("tells its spaces, limits and threshold", function()
    local env = rl.make "CartPole-v1"
    assert.same({ 1, 500, 475, 2 }, { env.num_envs, env.max_episode_steps, env.reward_threshold, env.action_space.n })
    assert.equal("same_step", env.autoreset)
    local box = env.observation_space
    assert.equal(4, box.size)
    close(24 * 2 * math.pi / 360, box.high[3], 1e-7, "angle")
    assert.same({ math.huge, -math.huge }, { box.high[2], box.low[4] })
    assert.is_true(box:contains { 0, 100, 0.1, -100 })
    assert.is_false(box:contains { 5, 0, 0, 0 })
    assert.is_true(env.action_space:contains(2))
    assert.is_false(env.action_space:contains(0))
  end)
end)

describe("rl.make", function()
  it("gives environment i the same life whatever num_envs is", function()
    local few = rl.make("CartPole-v1", { num_envs = 2, seed = 11 })
    local many = rl.make("CartPole-v1", { num_envs = 5, seed = 11 })
    assert.same(few:reset():totable(), many:reset():slice(1, 1, 2):totable())
    for t = 1, 200 do
      local a, b = few:step(jumble(2, t)), many:step(jumble(5, t))
      assert.same(a:totable(), b:slice(1, 1, 2):totable())
    end
    assert.is_true(few:statistics().episodes > 5)
  end)

  it("gives every environment and every seed beginnings of their own", function()
    local seen = {}
    for seed = 1, 20 do
      for _, row in ipairs(rl.make("CartPole-v1", { num_envs = 4, seed = seed }):reset():totable()) do
        assert.is_nil(seen[row[1]])
        seen[row[1]] = true
      end
    end
  end)

  it("begins again with the same seed, and elsewhere without one", function()
    local env = rl.make("CartPole-v1", { num_envs = 3, seed = 2 })
    local first = env:reset():totable()
    assert.are_not.same(first, env:reset():totable())
    assert.same(first, env:reset(2):totable())
    assert.are_not.same(first, env:reset(3):totable())
  end)

  it("returns tensors that later steps leave alone", function()
    local env = rl.make("CartPole-v1", { num_envs = 2 })
    local before = env:reset()
    local copy = before:totable()
    local after, reward = env:step { 1, 2 }
    local copy_after = after:totable()
    env:step { 2, 2 }
    assert.same(copy, before:totable())
    assert.same(copy_after, after:totable())
    assert.same({ 1, 1 }, reward:tolist())
  end)

  it("writes into tensors of the caller's", function()
    local a, b = rl.make("CartPole-v1", { num_envs = 3 }), rl.make("CartPole-v1", { num_envs = 3 })
    local out = {
      observation = yutu.empty(3, 4), reward = yutu.empty(3), final_observation = yutu.empty(3, 4),
      terminated = yutu.empty({ 3 }, { dtype = "bool" }), truncated = yutu.empty({ 3 }, { dtype = "bool" }),
    }
    a:reset()
    b:reset(nil, out.observation)
    for t = 1, 60 do
      local actions = yutu.tensor(jumble(3, t), { dtype = "i64" })
      local observation, reward, terminated, truncated, info = a:step(actions)
      b:step(actions, out)
      assert.same(observation:totable(), out.observation:totable())
      assert.same(info.final_observation:totable(), out.final_observation:totable())
      assert.same(reward:tolist(), out.reward:tolist())
      assert.same(terminated:tolist(), out.terminated:tolist())
      assert.same(truncated:tolist(), out.truncated:tolist())
    end
  end)

  it("hands out the final observation, then begins anew in the same step", function()
    local env = rl.make("CartPole-v1", { num_envs = 4, seed = 6 })
    env:reset()
    local lengths, ended = { 0, 0, 0, 0 }, 0
    for t = 1, 150 do
      local observation, _, terminated, _, info = env:step(jumble(4, t))
      local now, final, episodes = observation:totable(), info.final_observation:totable(), 0
      for i, fell in ipairs(terminated:tolist()) do
        lengths[i] = lengths[i] + 1
        local out_of_bounds = math.abs(final[i][3]) > 0.20944 or math.abs(final[i][1]) > 2.4
        assert.equal(out_of_bounds, fell)
        if out_of_bounds then
          ended, episodes = ended + 1, episodes + 1
          assert.same({ env = i, ret = lengths[i], length = lengths[i] }, info.episodes[episodes])
          for k = 1, 4 do assert.is_true(math.abs(now[i][k]) <= 0.05) end
          lengths[i] = 0
        else assert.same(final[i], now[i]) end
      end
      assert.equal(episodes, #info.episodes)
    end
    assert.is_true(ended > 10)
    assert.equal(ended, env:statistics().episodes)
    assert.equal(600, env:statistics().steps)
  end)

  it("begins anew in the next step, if asked to", function()
    local env = rl.make("CartPole-v1", { autoreset = "next_step" })
    env:reset()
    local observation, terminated, _
    repeat observation, _, terminated = env:step(1) until terminated:item()
    assert.is_true(math.abs(observation:tolist()[3]) > 0.2)
    local begun, reward, ended, cut = env:step(1)
    assert.same({ 0, false, false }, { reward:item(), ended:item(), cut:item() })
    for _, x in ipairs(begun:tolist()) do assert.is_true(math.abs(x) <= 0.05) end
    _, reward = env:step(1)
    assert.equal(1, reward:item())
  end)

  it("goes on from a saved state bit for bit", function()
    local env = rl.make("CartPole-v1", { num_envs = 3, seed = 4 })
    env:reset()
    for t = 1, 40 do env:step(jumble(3, t)) end
    local state, other = env:state(), env:like {}
    assert.is_true(other:restore(state))
    for t = 41, 120 do assert.same(env:step(jumble(3, t)):totable(), other:step(jumble(3, t)):totable()) end
    assert.same(env:statistics(), other:statistics())
    local ok, why = rl.make("CartPole-v1", { num_envs = 2 }):restore(state)
    assert.is_nil(ok)
    assert.matches("of 3 CartPole%-v1, not of 2", why)
    ok, why = env:restore(yutu.zeros({ 10 }, { dtype = "u8" }))
    assert.is_nil(ok)
    assert.matches("no saved environments", why)
  end)

  it("refuses what it can't do, and says what it was given", function()
    assert.matches('no environment "Cartpole"; there is CartPole%-v1', message(rl.make, "Cartpole"))
    assert.matches("num_envs = 0", message(rl.make, "CartPole-v1", { num_envs = 0 }))
    assert.matches('no option "num_env"', message(rl.make, "CartPole-v1", { num_env = 3 }))
    assert.matches("autoreset", message(rl.make, "CartPole-v1", { autoreset = "never" }))
    local env = rl.make("CartPole-v1", { num_envs = 2 })
    assert.matches("never reset", message(env.step, env, { 1, 1 }))
    env:reset()
    assert.matches("action 3 of environment 2 is not in 1 to 2", message(env.step, env, { 1, 3 }))
    assert.matches("action 0 of environment 1 is not in 1 to 2", message(env.step, env, { 0, 1 }))
    assert.matches("a list of 3", message(env.step, env, { 1, 1, 1 }))
    assert.matches("1.5", message(env.step, env, { 1, 1.5 }))
    assert.matches("f32 of 2, i64 of 2", message(env.step, env, yutu.ones(2)))
    assert.same({ "CartPole-v1" }, rl.environments())
  end)
end)

describe("an environment written in Lua", function()
  -- Walks right with action 2, left with 1, from a random place in 0 .. 9: 10 is the goal, the limit is 15 steps.
  local Corridor = {}
  Corridor.__index = Corridor
  local function corridor()
    return setmetatable({
      observation_space = rl.Box { size = 2, low = -20, high = 20 }, action_space = rl.Discrete(2),
      max_episode_steps = 15, name = "Corridor",
    }, Corridor)
  end
  function Corridor:reset(seed)
    self.random = seed or self.random
    self.random = self.random * 48271 % 2147483647
    self.at = self.random % 10
    return { self.at, 1 }
  end
  function Corridor:step(action)
    self.at = self.at + (action == 2 and 1 or -1)
    return { self.at, 1 }, -1, self.at == 10, false
  end
  function Corridor:state() return { at = self.at, random = self.random } end
  function Corridor:restore(state) self.at, self.random = state.at, state.random end

  it("keeps the contract: ends, truncates, begins anew, counts", function()
    local env = rl.vector(corridor, 3, { seed = 5 })
    local places = env:reset():totable()
    local expected, ended, cut = { places[1][1], places[2][1], places[3][1] }, 0, 0
    local length = { 0, 0, 0 }
    for t = 1, 100 do
      local actions = { 2, t % 3 == 0 and 1 or 2, 1 }
      local observation, reward, terminated, truncated, info = env:step(actions)
      assert.same({ -1, -1, -1 }, reward:tolist())
      local now, final = observation:totable(), info.final_observation:totable()
      for i = 1, 3 do
        expected[i], length[i] = expected[i] + (actions[i] == 2 and 1 or -1), length[i] + 1
        assert.equal(expected[i], final[i][1])
        assert.equal(expected[i] == 10, terminated[i]:item())
        assert.equal(length[i] == 15, truncated[i]:item())
        if expected[i] == 10 or length[i] == 15 then
          if length[i] == 15 then cut = cut + 1 end
          ended, expected[i], length[i] = ended + 1, now[i][1], 0
          assert.is_true(now[i][1] >= 0 and now[i][1] <= 9)
        else assert.equal(expected[i], now[i][1]) end
      end
    end
    assert.equal(ended, env:statistics().episodes)
    assert.is_true(cut >= 6 and ended > cut + 10)
  end)

  it("begins alike whatever num_envs is, and goes on from a saved state", function()
    local few, many = rl.vector(corridor, 2, { seed = 3 }), rl.vector(corridor, 4, { seed = 3 })
    few:reset()
    many:reset()
    for t = 1, 50 do
      assert.same(few:step(jumble(2, t)):totable(), many:step(jumble(4, t)):slice(1, 1, 2):totable())
    end
    local other = few:like {}
    assert.is_true(other:restore(few:state()))
    for t = 51, 100 do assert.same(few:step(jumble(2, t)):totable(), other:step(jumble(2, t)):totable()) end
    assert.same(few:statistics(), other:statistics())
  end)

  it("begins anew in the next step, if asked to", function()
    local env = rl.vector(corridor, 1, { autoreset = "next_step" })
    env:reset()
    local observation, terminated, _
    repeat observation, _, terminated = env:step(2) until terminated:item()
    assert.equal(10, observation:tolist()[1])
    local begun, reward, ended = env:step(2)
    assert.is_true(begun:tolist()[1] < 10)
    assert.same({ 0, false }, { reward:item(), ended:item() })
  end)

  it("is told what it got wrong, and which one it is", function()
    local function broken(what, value)
      return function(i)
        local env = corridor()
        if i == 2 then env[what] = value end
        return env
      end
    end
    local function short() return { 1 } end
    assert.matches("environment 2: .*no reset", message(rl.vector, broken("step", "x"), 2))
    assert.matches("environment 2: its action_space", message(rl.vector, broken("action_space", {}), 2))
    local env = rl.vector(broken("reset", short), 2)
    assert.matches("environment 2: it returned 1 numbers as an observation, 2 numbers are", message(env.reset, env))
    env = rl.vector(broken("step", function() return { 1, 2 }, "much", false, false end), 2)
    env:reset()
    assert.matches('environment 2: its reward is "much"', message(env.step, env, { 1, 1 }))
    env = rl.vector(broken("step", function() return { 1, 2 }, 0, false end), 2)
    env:reset()
    assert.matches("environment 2: step must return", message(env.step, env, { 1, 1 }))
    assert.matches("action 3 of environment 1 is not in 1 to 2", message(env.step, env, { 3, 1 }))
  end)
end)

describe("gae", function()
  -- eq. 16 of Schulman et al. 2016 read forwards: the sum of (gamma lambda)^l delta, up to the end of the episode
  local function by_hand(c, gamma, lambda)
    local out = {}
    for t = 1, #c.reward do
      out[t] = {}
      for n = 1, #c.reward[1] do
        local sum, weight = 0, 1
        for l = t, #c.reward do
          local after = c.value[l + 1] and c.value[l + 1][n] or c.last_value[n]
          if c.terminated[l][n] == 1 then after = 0 elseif c.truncated[l][n] == 1 then after = c.final_value[l][n] end
          sum = sum + weight * (c.reward[l][n] + gamma * after - c.value[l][n])
          weight = weight * gamma * lambda
          if c.terminated[l][n] == 1 or c.truncated[l][n] == 1 then break end
        end
        out[t][n] = sum
      end
    end
    return out
  end

  it("values the future after truncation, and none after termination", function()
    local T, N, generator = 30, 4, yutu.Generator(3)
    local function normal(...) return yutu.randn({ ... }, { dtype = "f64", generator = generator }) end
    local c = { reward = normal(T, N), value = normal(T, N), last_value = normal(N), final_value = normal(T, N) }
    c.terminated = yutu.rand({ T, N }, { generator = generator }):lt(0.1)
    c.truncated = yutu.rand({ T, N }, { generator = generator }):lt(0.15)
    local found = c.reward:gae(c.value, c.last_value, c.terminated, c.truncated, c.final_value, 0.97, 0.9):totable()
    local tables = {}
    for name, x in pairs(c) do tables[name] = x:to "f64":totable() end
    local both = 0
    for t, row in ipairs(by_hand(tables, 0.97, 0.9)) do
      for n, expected in ipairs(row) do
        close(expected, found[t][n], 1e-12, ("step %d, environment %d"):format(t, n))
        both = both + tables.terminated[t][n] * tables.truncated[t][n]
      end
    end
    assert.is_true(both > 0)      -- termination wins where both are set
  end)
end)
