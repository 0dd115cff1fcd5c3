--- env.lua: the environments written in C, N of one kind stepped together (src/rl/vector.c).
--
--   rl.make(name, options)
--     num_envs    1   how many
--     seed        1   environment i has the stream (seed, i) of its own: what it does depends on these and its actions
--     autoreset   "same_step"   an ended episode begins anew within the step that ends it; "next_step": within the next
--                 one, which ignores its action and gives reward 0
--
-- Tensors that reset and step return are new ones, never views of what the environment writes next.
local ffi = require "ffi"
local yutu = require "yutu"
local lib = require "yutu.ffi"
local spaces = require "yutu.rl.spaces"

local C, to_tensor, istype, ref, type = lib.C, lib.tensor, ffi.istype, lib.ref, type
local dtypes = lib.dtypes

local Env = {}
Env.__index = Env

local modes = { same_step = C.YT_SAME_STEP, next_step = C.YT_NEXT_STEP }
local known = { num_envs = true, seed = true, autoreset = true }

--- The names that rl.make knows.
local function environments()
  local names, i = {}, 0
  while C.yt_env_name(i) ~= nil do
    i = i + 1
    names[i] = ffi.string(C.yt_env_name(i - 1))
  end
  return names
end

local function list(p, n)
  local out = {}
  for i = 1, n do out[i] = tonumber(p[i - 1]) end
  return out
end

local function make(name, options)
  if type(name) ~= "string" then lib.raise(("rl.make: name is %s, a string is needed"):format(lib.describe(name))) end
  local o = lib.options(options or {}, "rl.make", known)
  local num_envs, seed = lib.int(o.num_envs or 1, "rl.make", "num_envs"), lib.int(o.seed or 1, "rl.make", "seed")
  if num_envs < 1 or num_envs > 2 ^ 20 then
    lib.raise(("rl.make: num_envs = %d is not in 1 to 2^20"):format(num_envs))
  end
  if seed < 0 then lib.raise(("rl.make: seed = %d is below 0"):format(seed)) end
  local autoreset = o.autoreset or "same_step"
  local mode = modes[autoreset]
  if not mode then
    lib.raise(("rl.make: autoreset is %s; there are same_step and next_step"):format(lib.describe(autoreset)))
  end
  local handle = C.yt_envs_new(name, num_envs, seed, mode)
  if handle == nil then lib.fail() end
  handle = ffi.gc(handle, C.yt_envs_free)
  local size = handle.observation_size
  return setmetatable({
    handle = handle, name = name, num_envs = num_envs, seed = seed, autoreset = autoreset,
    reward_threshold = handle.reward_threshold, max_episode_steps = handle.max_episode_steps,
    observation_space = spaces.Box {
      size = size, low = list(handle.observation_low, size), high = list(handle.observation_high, size),
    },
    action_space = spaces.Discrete(handle.num_actions),
    given = yutu.zeros({ num_envs }, { dtype = "i64" }),   -- where actions from a table are put
  }, Env)
end

-- The memory of a tensor that C writes into, or reads from: dense, of that dtype and so many elements.
local function memory(x, dtype, n, what)
  if not istype(ref, x) then lib.raise(("step: %s is %s, a tensor is needed"):format(what, lib.describe(x))) end
  local t = to_tensor(x, "step", what)
  if t.dtype ~= dtype or t.numel ~= n or t.dense == 0 then
    lib.raise(("step: %s is %s of %d, %s of %d without gaps is needed"):format(what, lib.dtype_names[t.dtype],
      tonumber(t.numel), lib.dtype_names[dtype], n))
  end
  return t.data
end

-- Actions as i64: a tensor, a list, or a number where there is one environment.
local function actions_of(env, actions)
  if istype(ref, actions) then return actions end
  local n = env.num_envs
  if type(actions) == "number" and n == 1 then actions = { actions } end
  if type(actions) ~= "table" or #actions ~= n then
    lib.raise(("step: actions are %s, a tensor or a list of %d is needed"):format(type(actions) == "table" and
      "a list of " .. #actions or lib.describe(actions), n))
  end
  local p = env.given.data
  for i = 1, n do p[i - 1] = lib.int(actions[i], "step", "action") end
  return env.given
end

local seed_buffer = ffi.new "uint64_t[1]"

--- Begins new episodes everywhere. With a seed, the random streams and the statistics begin anew too; without one they
-- run on (at first: from the seed given to rl.make).
function Env:reset(seed, out)
  if seed ~= nil then
    if lib.int(seed, "reset", "seed") < 0 then lib.raise(("reset: seed = %d is below 0"):format(seed)) end
    seed_buffer[0] = seed
  end
  local n, size = self.num_envs, self.observation_space.size
  local observation = out or yutu.empty { n, size }
  C.yt_envs_reset(self.handle, seed and seed_buffer or nil, memory(observation, dtypes.f32, n * size, "observation"))
  return observation, {}
end

-- out: observation, reward, terminated, truncated, final_observation
local function step(env, actions, out)
  local n, size = env.num_envs, env.observation_space.size
  local failed = C.yt_envs_step(env.handle,
    memory(actions_of(env, actions), dtypes.i64, n, "actions"), 1,
    memory(out.observation, dtypes.f32, n * size, "observation"),
    memory(out.reward, dtypes.f32, n, "reward"),
    memory(out.terminated, dtypes.bool, n, "terminated"),
    memory(out.truncated, dtypes.bool, n, "truncated"),
    memory(out.final_observation, dtypes.f32, n * size, "final_observation"))
  if failed ~= 0 then lib.fail() end
end

function Env:step(actions, out)
  if out then return step(self, actions, out) end
  local n, size = self.num_envs, self.observation_space.size
  out = {
    observation = yutu.empty { n, size }, final_observation = yutu.empty { n, size }, reward = yutu.empty { n },
    terminated = yutu.empty({ n }, { dtype = "bool" }), truncated = yutu.empty({ n }, { dtype = "bool" }),
  }
  step(self, actions, out)
  local terminated, truncated, episodes = out.terminated.data, out.truncated.data, {}
  for i = 0, n - 1 do
    if terminated[i] ~= 0 or truncated[i] ~= 0 then
      local h = self.handle
      episodes[#episodes + 1] = { env = i + 1, ret = h.ended_return[i], length = tonumber(h.ended_length[i]) }
    end
  end
  local info = { final_observation = out.final_observation, episodes = episodes }
  return out.observation, out.reward, out.terminated, out.truncated, info
end

local known_like = { num_envs = true, seed = true, autoreset = true }
function Env:like(options)
  local o = lib.options(options or {}, "like", known_like)
  return make(self.name, {
    num_envs = o.num_envs or self.num_envs, seed = o.seed or self.seed, autoreset = o.autoreset or self.autoreset,
  })
end

function Env:statistics()
  local h = self.handle
  local steps, episodes = tonumber(h.steps), tonumber(h.episodes)
  local n = math.min(episodes, C.YT_RECENT)
  local returns, lengths = 0, 0
  for i = 0, n - 1 do returns, lengths = returns + h.recent_return[i], lengths + tonumber(h.recent_length[i]) end
  return { steps = steps, episodes = episodes, mean_return = n > 0 and returns / n or nil,
    mean_length = n > 0 and lengths / n or nil }
end

function Env:state()
  local n = tonumber(C.yt_envs_save(self.handle, nil))
  local bytes = yutu.empty({ n }, { dtype = "u8" })
  C.yt_envs_save(self.handle, bytes.data)
  return bytes
end

--- Takes over what state() of an environment of the same name, number and mode returned.   errors: nil, message
function Env:restore(bytes)
  if not istype(ref, bytes) or bytes.dtype ~= "u8" then return nil, "restore: these are no saved environments" end
  bytes = bytes:contiguous()
  if C.yt_envs_load(self.handle, bytes.data, bytes:numel()) ~= 0 then return nil, lib.message() end
  return true
end

return { make = make, environments = environments }
