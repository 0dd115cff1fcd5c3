--- yutu.rl: environments and agents that learn in them.
--
--   local rl = require "yutu.rl"
--   local env = rl.make("CartPole-v1", { num_envs = 8, seed = 1 })
--   local agent = rl.PPO(env)
--   agent:train { total_steps = 200000 }
--   print(agent:evaluate { episodes = 100 }.mean)
--   agent:save "cartpole.yutu"
--
-- The contract of an environment, Gymnasium's in Lua's terms, N of one kind stepped together:
--
--   env.num_envs, env.observation_space, env.action_space, env.autoreset   ("same_step" or "next_step")
--   env:reset(seed?)         -> observation (N, ...), info
--   env:step(actions)        -> observation, reward (N) f32, terminated (N) bool, truncated (N) bool, info
--   env:step(actions, out)   -> nothing: the same, written into the tensors of out
--   env:like { num_envs = }  -> another one of its kind
--   env:statistics()         -> { steps, episodes, mean_return, mean_length }, the means over the last 128 episodes
--   env:state(), env:restore(state)   all that its future depends on, for a checkpoint
--
-- Discrete actions count from 1. An episode ends by its rules (terminated) or by the time limit (truncated), and the
-- two are never merged: after truncation there is a future, worth what info.final_observation is worth. Where an
-- episode began anew within the step ("same_step"), observation is the new one's first, info.final_observation the old
-- one's last. info.episodes lists those that ended in this step: { env =, ret =, length = }.
local lib = require "yutu.ffi"

local rl = {}

local parts = {                   -- loaded when first asked for
  make = function() return require("yutu.rl.env").make end,
  environments = function() return require("yutu.rl.env").environments end,
  vector = function() return require "yutu.rl.vector" end,
  PPO = function() return require("yutu.rl.ppo").new end,
  Discrete = function() return require("yutu.rl.spaces").Discrete end,
  Box = function() return require("yutu.rl.spaces").Box end,
}
setmetatable(rl, { __index = function(_, name)
  local part = parts[name]
  if not part then return nil end
  rl[name] = part()
  return rl[name]
end })

local algorithms = { PPO = "yutu.rl.ppo" }       -- by the name that their files carry

local load_options = { env = true }

--- The agent that agent:save wrote, exactly as it was.
--   options   env   the environment to go on in. By default one of rl.make's is made again; without one of its own the
--                   agent can still act, and learn from what it is told
--   errors    nil, message: no such file, or none of an agent
function rl.load(path, options)
  if type(path) ~= "string" then lib.raise "rl.load: path is not a string" end
  local o = lib.options(options or {}, "rl.load", load_options)
  local saved, message = require("yutu.checkpoint").load(path)
  if not saved then return nil, message end
  local algorithm = algorithms[saved.algorithm]
  if not algorithm or type(saved.env) ~= "table" then return nil, path .. ": it holds no agent" end
  algorithm = require(algorithm)
  if o.env then return algorithm.restore(saved, o) end
  local ok, agent, why = pcall(algorithm.restore, saved, o)
  if not ok then return nil, ("%s: this agent can't be restored: %s"):format(path, agent) end
  return agent, why and path .. ": " .. why
end

return rl
