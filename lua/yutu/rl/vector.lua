--- vector.lua: environments written in Lua, N of one kind stepped together with the contract of the C ones.
--
--   rl.vector(make, num_envs, options)     make(i) -> the i-th environment, a table:
--     observation_space, action_space      rl.Box, rl.Discrete
--     reset(self, seed)  -> observation    a list of numbers or a tensor; seed: a whole number, or nil to go on
--     step(self, action) -> observation, reward, terminated, truncated
--     max_episode_steps                    (optional) truncates after so many, whatever step says
--     state(self) -> data; restore(self, data)   (optional, both) for checkpoints: tables, numbers, strings, tensors
--   options   seed = 1, autoreset = "same_step" or "next_step"
--
-- Environment i is seeded with a number made of seed and i alone, so it begins alike whatever num_envs is.
local ffi = require "ffi"
local yutu = require "yutu"
local lib = require "yutu.ffi"

local istype, ref, type = ffi.istype, lib.ref, type

local Vector = {}
Vector.__index = Vector

local STREAM = 0x656e76 * 2 ^ 28  -- as src/rl/vector.c
local RECENT = 128

local function complain(i, format, ...) lib.raise(("rl.vector: environment %d: "):format(i) .. format:format(...)) end

local function seed_of(seed, i)
  return yutu.randint(1, 2 ^ 31 - 1, { 1 }, { generator = yutu.Generator(seed, STREAM + i - 1) }):item()
end

local function checked(env, i)
  if type(env) ~= "table" then complain(i, "make returned %s, a table is needed", lib.describe(env)) end
  if type(env.reset) ~= "function" or type(env.step) ~= "function" then complain(i, "it has no reset or no step") end
  local o, a = env.observation_space, env.action_space
  if type(o) ~= "table" or o.kind ~= "box" then complain(i, "its observation_space is no rl.Box") end
  if type(a) ~= "table" or a.kind ~= "discrete" then complain(i, "its action_space is no rl.Discrete") end
  return env
end

local known = { seed = true, autoreset = true }

local function new(make, num_envs, options)
  if type(make) ~= "function" then
    lib.raise(("rl.vector: make is %s, a function is needed"):format(lib.describe(make)))
  end
  if type(num_envs) ~= "number" or num_envs % 1 ~= 0 or num_envs < 1 then
    lib.raise(("rl.vector: num_envs is %s, a whole number of at least 1 is needed"):format(tostring(num_envs)))
  end
  local o = lib.options(options or {}, "rl.vector", known)
  local autoreset = o.autoreset or "same_step"
  if autoreset ~= "same_step" and autoreset ~= "next_step" then
    lib.raise(("rl.vector: autoreset is %s; there are same_step and next_step"):format(lib.describe(autoreset)))
  end
  local envs = {}
  for i = 1, num_envs do
    envs[i] = checked(make(i), i)
    local size, n = envs[i].observation_space.size, envs[i].action_space.n
    if size ~= envs[1].observation_space.size or n ~= envs[1].action_space.n then
      complain(i, "its spaces differ from those of environment 1")
    end
  end
  local self = {
    envs = envs, make = make, num_envs = num_envs, autoreset = autoreset,
    seed = lib.int(o.seed or 1, "rl.vector", "seed"),
    observation_space = envs[1].observation_space, action_space = envs[1].action_space,
    name = envs[1].name or "Lua", next_seed = {}, over = {}, returns = {}, lengths = {},
    steps = 0, episodes = 0, recent = {}, recent_lengths = {},
  }
  for i = 1, num_envs do
    self.next_seed[i], self.over[i], self.returns[i], self.lengths[i] = seed_of(self.seed, i), false, 0, 0
  end
  return setmetatable(self, Vector)
end

-- Writes an observation, a list or a tensor, into row i of p.
local function write(self, i, observation, p)
  local size, at = self.observation_space.size, (i - 1) * self.observation_space.size
  if istype(ref, observation) then observation = observation:tolist() end
  if type(observation) ~= "table" or #observation ~= size then
    complain(i, "it returned %s as an observation, %d numbers are needed",
      type(observation) == "table" and #observation .. " numbers" or lib.describe(observation), size)
  end
  for k = 1, size do
    local x = observation[k]
    if type(x) ~= "number" then complain(i, "number %d of its observation is %s", k, lib.describe(x)) end
    p[at + k - 1] = x
  end
end

local function begin(self, i, p)
  local seed = self.next_seed[i]
  self.next_seed[i] = nil
  self.over[i], self.returns[i], self.lengths[i] = false, 0, 0
  write(self, i, self.envs[i]:reset(seed), p)
end

function Vector:reset(seed, out)
  if seed ~= nil then
    lib.int(seed, "reset", "seed")
    for i = 1, self.num_envs do self.next_seed[i] = seed_of(seed, i) end
    self.steps, self.episodes, self.recent, self.recent_lengths = 0, 0, {}, {}
  end
  local observation = out or yutu.empty { self.num_envs, self.observation_space.size }
  for i = 1, self.num_envs do begin(self, i, observation.data) end
  return observation, {}
end

-- One step of environment i; true if its episode ended.
local function step_one(self, i, action, out)
  local observation, final = out.observation.data, out.final_observation.data
  if self.over[i] then            -- next-step mode
    begin(self, i, observation)
    out.reward.data[i - 1], out.terminated.data[i - 1], out.truncated.data[i - 1] = 0, 0, 0
    local size = self.observation_space.size
    for k = (i - 1) * size, i * size - 1 do final[k] = observation[k] end
    return false
  end
  local seen, reward, terminated, truncated = self.envs[i]:step(action)
  if type(reward) ~= "number" then complain(i, "its reward is %s, a number is needed", lib.describe(reward)) end
  if type(terminated) ~= "boolean" or type(truncated) ~= "boolean" then
    complain(i, "step must return observation, reward, terminated, truncated, the last two true or false")
  end
  local length = self.lengths[i] + 1
  local limit = self.envs[i].max_episode_steps
  if limit and length >= limit then truncated = true end
  self.lengths[i], self.returns[i] = length, self.returns[i] + reward
  out.reward.data[i - 1] = reward
  out.terminated.data[i - 1], out.truncated.data[i - 1] = terminated and 1 or 0, truncated and 1 or 0
  write(self, i, seen, final)
  if not (terminated or truncated) then
    write(self, i, seen, observation)
    return false
  end
  local k = self.episodes % RECENT + 1
  self.recent[k], self.recent_lengths[k], self.episodes = self.returns[i], length, self.episodes + 1
  if self.autoreset == "same_step" then begin(self, i, observation)
  else
    write(self, i, seen, observation)
    self.over[i] = true
  end
  return true
end

local function action_list(self, actions)
  local n, most = self.num_envs, self.action_space.n
  if istype(ref, actions) then actions = actions:tolist() end
  if type(actions) == "number" and n == 1 then actions = { actions } end
  if type(actions) ~= "table" or #actions ~= n then
    lib.raise(("step: actions are %s, a tensor or a list of %d is needed"):format(type(actions) == "table" and
      "a list of " .. #actions or lib.describe(actions), n))
  end
  for i = 1, n do
    local a = lib.int(actions[i], "step", "action")
    if a < 1 or a > most then
      lib.raise(("step: action %d of environment %d is not in 1 to %d"):format(a, i, most))
    end
  end
  return actions
end

function Vector:step(actions, given)
  actions = action_list(self, actions)
  local n, size = self.num_envs, self.observation_space.size
  local out = given or {
    observation = yutu.empty { n, size }, final_observation = yutu.empty { n, size }, reward = yutu.empty { n },
    terminated = yutu.empty({ n }, { dtype = "bool" }), truncated = yutu.empty({ n }, { dtype = "bool" }),
  }
  local episodes = {}
  for i = 1, n do
    local at = self.episodes % RECENT + 1
    if step_one(self, i, actions[i], out) then
      episodes[#episodes + 1] = { env = i, ret = self.recent[at], length = self.recent_lengths[at] }
    end
  end
  self.steps = self.steps + n
  if given then return end
  local info = { final_observation = out.final_observation, episodes = episodes }
  return out.observation, out.reward, out.terminated, out.truncated, info
end

local known_like = { num_envs = true, seed = true, autoreset = true }
function Vector:like(options)
  local o = lib.options(options or {}, "like", known_like)
  return new(self.make, o.num_envs or self.num_envs,
    { seed = o.seed or self.seed, autoreset = o.autoreset or self.autoreset })
end

function Vector:statistics()
  local n, returns, lengths = #self.recent, 0, 0
  for i = 1, n do returns, lengths = returns + self.recent[i], lengths + self.recent_lengths[i] end
  return { steps = self.steps, episodes = self.episodes, mean_return = n > 0 and returns / n or nil,
    mean_length = n > 0 and lengths / n or nil }
end

local kept = { "next_seed", "over", "returns", "lengths", "steps", "episodes", "recent", "recent_lengths" }

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for k, v in pairs(value) do out[k] = v end
  return out
end

--- All that the future depends on; nil if the environments have no state function.
function Vector:state()
  local state = { envs = {} }
  for i, env in ipairs(self.envs) do
    if not env.state then return nil end
    state.envs[i] = env:state()
  end
  for _, name in ipairs(kept) do state[name] = copy(self[name]) end
  state.next_seed = {}            -- as a list without holes: 0 is none
  for i = 1, self.num_envs do state.next_seed[i] = self.next_seed[i] or 0 end
  return state
end

function Vector:restore(state)
  if type(state) ~= "table" or type(state.envs) ~= "table" or #state.envs ~= self.num_envs then
    return nil, ("restore: these are not %d saved environments"):format(self.num_envs)
  end
  for i, env in ipairs(self.envs) do
    if not env.restore then return nil, ("restore: environment %d has no function restore"):format(i) end
    env:restore(state.envs[i])
  end
  for _, name in ipairs(kept) do self[name] = copy(state[name]) end
  for i = 1, self.num_envs do if self.next_seed[i] == 0 then self.next_seed[i] = nil end end
  return true
end

return new
