--- PPO: proximal policy optimization, for discrete actions.
--
--   source    Schulman et al. 2017, arXiv:1707.06347, algorithm 1 and eqs. 7 and 9; advantages: arXiv:1506.02438
--   settings  CleanRL's ppo.py (Huang et al. 2022, "The 37 implementation details of PPO"), whose update is recorded
--             in tests/reference/ppo.lua. One thing differs on purpose: where the time limit ended an episode, the
--             advantage counts on the value of the last observation; only where the rules did there is no future.
--
-- N environments take T steps with the policy (collect); every step gets an advantage, how much better it went than the
-- critic thought (begin_update); then the policy makes what went well likelier, a minibatch at a time, for some epochs,
-- and stops pushing a probability once it has changed by clip_coef (minibatch). And again.
--
-- Everything the future depends on is in the fields that state() lists, so a run can stop and go on between any two
-- minibatches: that is how a save resumes bit for bit, and how learning is sliced into a host's frames.
local ffi = require "ffi"
local yutu = require "yutu"
local lib = require "yutu.ffi"

local nn, optim = yutu.nn, yutu.optim
local C, istype, ref, type, scope = lib.C, ffi.istype, lib.ref, type, yutu.scope

local defaults = {
  learning_rate = 2.5e-4,         -- Adam's step size
  anneal_lr = true,               -- it falls linearly to 0 over the total_steps of train; in a host's loop it stays
  num_steps = 128,                -- T: steps of each environment between two updates
  num_minibatches = 4,            -- an epoch's N T samples are cut into so many
  update_epochs = 4,              -- how often each sample is used
  gamma = 0.99,                   -- a reward one step later is worth so much of one now
  gae_lambda = 0.95,              -- 0: advantages trust the critic alone, 1: the rewards alone
  norm_adv = true,                -- advantages of a minibatch are given mean 0 and deviation 1
  clip_coef = 0.2,                -- how far the probability of an action may move, relative to when it was taken
  clip_vloss = true,              -- the critic's values are held back in the same way
  ent_coef = 0.01,                -- weight of the entropy in the loss: rewards staying undecided
  vf_coef = 0.5,                  -- weight of the critic's loss
  max_grad_norm = 0.5,            -- gradients are scaled down to this norm, of all parameters together
  target_kl = 0,                  -- epochs end early once the policy has moved so far (approximate KL); 0: never
  adam_eps = 1e-5,                -- Adam's eps; PyTorch's default is 1e-8
  hidden = { 64, 64 },            -- widths of the tanh layers of actor and critic
  seed = 1,                       -- of the weights, the actions and the order of samples
}

local PPO = {}
PPO.__index = PPO

---- what an agent is made of --------------------------------------------------------------------------
local function read_settings(options)
  local s = {}
  for name, value in pairs(defaults) do s[name] = value end
  for name, value in pairs(options or {}) do
    if defaults[name] == nil then lib.raise(("PPO: no setting %s"):format(lib.describe(name))) end
    if type(value) ~= type(defaults[name]) then
      lib.raise(("PPO: %s is %s, a %s is needed"):format(name, lib.describe(value), type(defaults[name])))
    end
    s[name] = value
  end
  for _, name in ipairs { "num_steps", "num_minibatches", "update_epochs" } do
    if s[name] < 1 or s[name] % 1 ~= 0 then
      lib.raise(("PPO: %s is %g, a whole number of at least 1 is needed"):format(name, s[name]))
    end
  end
  return s
end

local function check_env(env)
  local o, a = type(env) == "table" and env.observation_space, type(env) == "table" and env.action_space
  if not o or not a then lib.raise "PPO: an environment has an observation_space and an action_space" end
  if o.kind ~= "box" then lib.raise("PPO: observations are " .. tostring(o) .. ", an rl.Box is needed") end
  if a.kind ~= "discrete" then lib.raise("PPO: actions are " .. tostring(a) .. ", an rl.Discrete is needed") end
  if env.autoreset == "next_step" then
    lib.raise "PPO: an environment with autoreset = \"same_step\" is needed: the step that only resets teaches nothing"
  end
end

-- A tanh network. Its last layer begins small (gain), so that the first policy is undecided.
local function network(inputs, hidden, outputs, gain, generator)
  local layers = {}
  local function add(width, scale)
    local layer = nn.Linear(inputs, width)
    nn.init.orthogonal_(layer.weight, { gain = scale, generator = generator })
    nn.init.zeros_(layer.bias)
    layers[#layers + 1], inputs = layer, width
  end
  for _, width in ipairs(hidden) do
    add(width, math.sqrt(2))
    layers[#layers + 1] = nn.Tanh()
  end
  add(outputs, gain)
  return nn.Sequential(layers)
end

-- Where T steps of N environments are kept; the environments write into its rows. Row T + 1: what the last step led to.
local function new_rollout(T, N, size, actions)
  local r = {
    observation = yutu.zeros(T + 1, N, size), logits = yutu.zeros(T, N, actions),
    action = yutu.ones({ T, N }, { dtype = "i64" }), reward = yutu.zeros(T, N),
    terminated = yutu.zeros({ T, N }, { dtype = "bool" }), truncated = yutu.zeros({ T, N }, { dtype = "bool" }),
    final_observation = yutu.zeros(T, N, size),
  }
  local rows = {}
  for t = 1, T do
    rows[t] = {
      observation = r.observation[t], logits = r.logits[t], action = r.action[t],
      result = {
        observation = r.observation[t + 1], reward = r.reward[t], terminated = r.terminated[t],
        truncated = r.truncated[t], final_observation = r.final_observation[t],
      },
    }
  end
  return r, rows
end

-- The samples that minibatches are drawn from, and the order in which: apart from the rollout, which fills again.
local function new_batch(size, features, minibatches)
  local b = {
    observation = yutu.zeros(size, features), action = yutu.ones({ size, 1 }, { dtype = "i64" }),
    logprob = yutu.zeros(size, 1), advantage = yutu.zeros(size, 1), returns = yutu.zeros(size, 1),
    value = yutu.zeros(size, 1), order = yutu.arange(1, size, 1, { dtype = "i64" }),
  }
  local indices, m = {}, size / minibatches
  for k = 1, minibatches do indices[k] = b.order:slice(1, (k - 1) * m + 1, k * m) end
  return b, indices
end

--- An agent for env: one of rl.make or rl.vector, or for a host's own loop a table with observation_space,
-- action_space and num_envs (1).   options: see the settings above
function PPO.new(env, options)
  check_env(env)
  local s = read_settings(options)
  local T, N, features, actions = s.num_steps, env.num_envs or 1, env.observation_space.size, env.action_space.n
  if T * N % s.num_minibatches ~= 0 then
    lib.raise(("PPO: %d x %d samples (num_envs x num_steps) do not make %d equal minibatches"):format(N, T,
      s.num_minibatches))
  end
  local self = setmetatable({
    env = env, settings = s, num_envs = N, generator = yutu.Generator(s.seed, 1),
    t = 0,                        -- steps in the rollout so far
    begun = false,                -- the environments were reset
    iteration = 0,                -- updates made
    epoch = 0, next_minibatch = 1,  -- of the running update; epoch 0: none runs
    minibatch_seconds = 0,        -- what one takes, a running mean
    report = {},                  -- figures of the last update
  }, PPO)
  self.actor = network(features, s.hidden, actions, 0.01, self.generator)
  self.critic = network(features, s.hidden, 1, 1, self.generator)
  self.parameters = self.actor:parameters()
  for _, p in ipairs(self.critic:parameters()) do self.parameters[#self.parameters + 1] = p end
  self.optimizer = optim.Adam(self.parameters, { lr = s.learning_rate, eps = s.adam_eps })
  self.rollout, self.rows = new_rollout(T, N, features, actions)
  self.batch, self.indices = new_batch(T * N, features, s.num_minibatches)
  return self
end

---- collecting ----------------------------------------------------------------------------------------
-- Samples actions for row's observation into row.
local function choose(self, row)
  local logits = self.actor(row.observation)
  row.logits:copy_(logits)
  row.action:copy_(logits:categorical(self.generator))
end

-- After the last row comes the first: it begins with what that one led to.
local function start_rollout(self)
  if self.t < self.settings.num_steps then return end
  self.rows[1].observation:copy_(self.rows[self.t].result.observation)
  self.t = 0
end

local function collect_rows(self)
  local env, rows = self.env, self.rows
  for t = self.t + 1, self.settings.num_steps do
    choose(self, rows[t])
    env:step(rows[t].action, rows[t].result)
    self.t = t
  end
end

--- Fills the rollout.
function PPO:collect()
  if not self.begun then
    self.env:reset(nil, self.rows[1].observation)
    self.begun = true
  end
  start_rollout(self)
  yutu.no_grad(scope, collect_rows, self)
end

---- learning ------------------------------------------------------------------------------------------
local function fill_batch(self)
  local s, r, b, T = self.settings, self.rollout, self.batch, self.settings.num_steps
  local values = self.critic(r.observation):squeeze(3)                   -- (T + 1, N)
  local value = values:slice(1, 1, T)
  local final_value = value       -- is read only where an episode was truncated
  if r.truncated:any():item() then final_value = self.critic(r.final_observation):squeeze(3) end
  local advantage = r.reward:gae(value, values[T + 1], r.terminated, r.truncated, final_value, s.gamma, s.gae_lambda)
  b.observation:copy_(r.observation:slice(1, 1, T):reshape(b.observation.shape))
  b.action:copy_(r.action:reshape(-1, 1))
  b.logprob:copy_(r.logits:log_softmax(3):gather(3, r.action:unsqueeze(3)):reshape(-1, 1))
  b.advantage:copy_(advantage:reshape(-1, 1))
  b.value:copy_(value:reshape(-1, 1))
  b.returns:copy_(b.advantage + b.value)
end

--- Turns a full rollout into samples to learn from; the rollout is free again.
function PPO:begin_update()
  yutu.no_grad(scope, fill_batch, self)
  start_rollout(self)
  self.epoch, self.next_minibatch = 1, 1
  self.batch.order:permutation_(self.generator)
end

-- One gradient step on the samples that index (M) names; every tensor has M rows. wanted: figures for the report too.
local function minibatch(self, index, wanted)
  local s, b = self.settings, self.batch
  local clip = s.clip_coef
  local observation, action = b.observation:index_select(1, index), b.action:index_select(1, index)
  local advantage, returns = b.advantage:index_select(1, index), b.returns:index_select(1, index)
  if s.norm_adv then advantage = (advantage - advantage:mean()) / (advantage:std() + 1e-8) end

  local logprobs = self.actor(observation):log_softmax(2)
  local entropy = -(logprobs:exp() * logprobs):sum() / index:numel()     -- per sample
  local log_ratio = logprobs:gather(2, action) - b.logprob:index_select(1, index)
  local ratio = log_ratio:exp()   -- of the action's probability now to that when it was taken
  local policy_loss = -(advantage * ratio):minimum(advantage * ratio:clamp(1 - clip, 1 + clip)):mean()

  local value, old_value = self.critic(observation), b.value:index_select(1, index)
  local squared_error = value:squared_error(returns)
  if s.clip_vloss then
    local clipped = old_value + (value - old_value):clamp(-clip, clip)
    squared_error = squared_error:maximum(clipped:squared_error(returns))
  end
  local value_loss = 0.5 * squared_error:mean()

  local loss = policy_loss - s.ent_coef * entropy + s.vf_coef * value_loss
  self.optimizer:zero_grad()
  loss:backward()
  local norm = nn.utils.clip_grad_norm_(self.parameters, s.max_grad_norm)
  self.optimizer:step()
  if not wanted then return end
  self.report = {
    policy_loss = policy_loss:item(), value_loss = value_loss:item(), entropy = entropy:item(),
    approx_kl = (ratio - 1 - log_ratio):mean():item(),                   -- http://joschu.net/blog/kl-approx.html, k3
    clip_fraction = (ratio - 1):abs():gt(clip):float():mean():item(), gradient_norm = norm,
    explained_variance = 1 - (b.returns - b.value):var():item() / b.returns:var():item(),
  }
end

--- One gradient step on the samples that index names, with its figures as the new report.
function PPO:learn_from(index) scope(minibatch, self, index, true) end

--- The next minibatch of the running update; true while there are more.
function PPO:advance()
  local s = self.settings
  local last = self.next_minibatch == s.num_minibatches
  scope(minibatch, self, self.indices[self.next_minibatch], last and (self.epoch == s.update_epochs or s.target_kl > 0))
  if not last then
    self.next_minibatch = self.next_minibatch + 1
    return true
  end
  if self.epoch == s.update_epochs or s.target_kl > 0 and self.report.approx_kl > s.target_kl then
    self.epoch, self.iteration = 0, self.iteration + 1
    return false
  end
  self.epoch, self.next_minibatch = self.epoch + 1, 1
  self.batch.order:permutation_(self.generator)
  return true
end

function PPO:set_learning_rate(lr) self.optimizer.param_groups[1].lr = lr end

local train_options = { total_steps = true, callback = true }

--- Trains until total_steps have been made in all, those before a save or an earlier call included.
--   callback   (optional) f(progress) after every update; false stops. progress: steps, total_steps (in whole updates),
--              iteration, learning_rate, seconds and steps_per_second of this call, mean_return and episodes of the
--              environments, and the figures of agent.report
--   returns    the last progress; nil if there was nothing left to do
function PPO:train(options)
  if type(options) ~= "table" then lib.raise "train: a table is needed: agent:train { total_steps = 500000 }" end
  local o, s, env = lib.options(options, "train", train_options), self.settings, self.env
  if not env.step then lib.raise "train: this agent has no environment; in a host's loop use act, observe and learn" end
  local per_update = s.num_steps * self.num_envs
  local total = lib.real(o.total_steps, "train", "total_steps")
  local iterations = math.floor(total / per_update)
  if iterations < 1 then
    lib.raise(("train: total_steps = %g is less than one update's %d"):format(total, per_update))
  end
  local progress
  local began, before = C.yt_clock(), self.iteration
  while self.epoch > 0 do self:advance() end           -- of an update that a save interrupted
  while self.iteration < iterations do
    local lr = s.learning_rate * (s.anneal_lr and 1 - self.iteration / iterations or 1)
    self:set_learning_rate(lr)
    self:collect()
    self:begin_update()
    repeat until not self:advance()
    progress = env:statistics()
    local seconds = C.yt_clock() - began
    progress.steps, progress.total_steps = self.iteration * per_update, iterations * per_update
    progress.iteration = self.iteration
    progress.learning_rate, progress.seconds = lr, seconds
    progress.steps_per_second = (self.iteration - before) * per_update / seconds
    for name, value in pairs(self.report) do progress[name] = value end
    if o.callback and o.callback(progress) == false then break end
  end
  return progress
end

---- in a host's own loop ------------------------------------------------------------------------------
-- value: what the host has for n elements: a tensor, a list, or one number or boolean where n is 1.
local function put(into, value, what)
  local n = into:numel()
  if istype(ref, value) then
    if value:numel() ~= n then lib.raise(("%s: %d elements given, %d are needed"):format(what, value:numel(), n)) end
    into:copy_(value:reshape(into.shape))
    return
  end
  if type(value) ~= "table" then value = { value } end
  if type(value[1]) == "table" then value = yutu.tensor(value):tolist() end
  if #value ~= n then lib.raise(("%s: %d elements given, %d are needed"):format(what, #value, n)) end
  local p = into.data
  for i = 1, n do
    local x = value[i]
    if type(x) == "boolean" then x = x and 1 or 0 end
    p[i - 1] = lib.real(x, what, "element " .. i)
  end
end

local function likeliest(self, observation) return self.actor(observation):argmax(2) end

local act_options = { deterministic = true }
local no_options = {}

--- The action for an observation.
--   observation   (num_envs, size), or a list of size numbers where there is one environment
--   options       deterministic = true takes the likeliest action, for any number of rows, and remembers nothing
--   returns       a new tensor (N) i64 for a tensor, else a number, or a list where there are several environments
-- The action is drawn from the policy and remembered: observe says what came of it.
function PPO:act(observation, options)
  local deterministic = lib.options(options or no_options, "act", act_options).deterministic
  local size, is_list = self.env.observation_space.size, not istype(ref, observation)
  local action
  if deterministic then
    local x = observation
    if is_list then
      x = yutu.zeros(self.num_envs, size)
      put(x, observation, "act")
    elseif x:numel() % size ~= 0 then lib.raise(("act: observations of %d numbers are needed"):format(size)) end
    action = yutu.no_grad(scope, likeliest, self, x:reshape(-1, size))
  else
    -- A full rollout waits for learn: then there is nowhere to remember the step, and the policy only acts.
    local full = self.t == self.settings.num_steps
    local row = full and self.spare or self.rows[self.t + 1]
    if not row then
      local _, rows = new_rollout(1, self.num_envs, size, self.env.action_space.n)
      self.spare, row = rows[1], rows[1]
    end
    put(row.observation, observation, "act")
    yutu.no_grad(scope, choose, self, row)
    self.acted = not full
    action = row.action
    if not is_list then return action:clone() end
  end
  if not is_list then return action end
  return action:numel() == 1 and action:item() or action:tolist()
end

local observe_options = { reward = true, terminated = true, truncated = true, observation = true }

--- What came of the last act: { reward =, observation =, terminated = false, truncated = false }, for each environment;
-- the observation is what the act led to, before any new beginning.
--   returns   true; false if learning lags behind and the step was not kept
function PPO:observe(step)
  lib.options(step, "observe", observe_options)
  if not self.acted then return false end
  local result = self.rows[self.t + 1].result
  put(result.reward, step.reward, "observe: reward")
  for _, flag in ipairs { "terminated", "truncated" } do
    if step[flag] == nil then result[flag]:fill_(0) else put(result[flag], step[flag], "observe: " .. flag) end
  end
  put(result.final_observation, step.observation, "observe: observation")
  result.observation:copy_(result.final_observation)
  self.t, self.acted, self.begun = self.t + 1, false, true
  return true
end

local learn_options = { budget_ms = true }

--- Learns from what was observed, as far as the time allows: minibatch after minibatch while the next one is expected
-- to end within budget_ms, but one at least, so that a small budget learns too. Until num_steps were observed, nothing.
--   returns   how many minibatches were done
function PPO:learn(options)
  local o = lib.options(options or {}, "learn", learn_options)
  local budget = lib.real(o.budget_ms or math.huge, "learn", "budget_ms") / 1000
  local began, done = C.yt_clock(), 0
  local now = began
  if self.epoch == 0 then
    if self.t < self.settings.num_steps then return 0 end
    self:begin_update()
    now = C.yt_clock()
  end
  repeat
    local more = self:advance()
    local after = C.yt_clock()
    self.minibatch_seconds = self.minibatch_seconds + (after - now - self.minibatch_seconds) * 0.1
    now, done = after, done + 1
  until not more or now - began + self.minibatch_seconds > budget
  return done
end

---- how good it is --------------------------------------------------------------------------------------
-- One episode in each environment of env; their returns.
local function play(self, env, seed, deterministic, generator)
  local n = env.num_envs
  local observation = env:reset(seed)
  local alive, total = yutu.ones(n), yutu.zeros(n)
  local function step()
    local logits = self.actor(observation)
    local action = deterministic and logits:argmax(2) or logits:categorical(generator)
    local reward, terminated, truncated
    observation, reward, terminated, truncated = env:step(action)
    total:add_(reward * alive)
    alive:mul_(terminated:logical_or(truncated):logical_not())
    return observation, alive:any():item()
  end
  local playing
  repeat observation, playing = scope(step) until not playing
  return total:tolist()
end

local evaluate_options = { episodes = true, seed = true, deterministic = true }

--- Plays whole episodes in new environments of the same kind; learns nothing and leaves the agent's own as they are.
--   options   episodes = 100; seed = 1; deterministic = true: the likeliest action, false: drawn from the policy
--   returns   { mean =, std =, returns = list }
function PPO:evaluate(options)
  local o = lib.options(options or {}, "evaluate", evaluate_options)
  local episodes, seed = lib.int(o.episodes or 100, "evaluate", "episodes"), lib.int(o.seed or 1, "evaluate", "seed")
  if episodes < 1 then lib.raise(("evaluate: episodes = %d, at least 1 is needed"):format(episodes)) end
  if not self.env.like then lib.raise "evaluate: this agent has no environment that another could be made like" end
  local generator = yutu.Generator(seed, 2)
  local returns, sum, squares = {}, 0, 0
  while #returns < episodes do
    local env = self.env:like { num_envs = math.min(episodes - #returns, 100), autoreset = "same_step" }
    for _, value in ipairs(yutu.no_grad(play, self, env, seed + #returns, o.deterministic ~= false, generator)) do
      returns[#returns + 1] = value
    end
  end
  for _, value in ipairs(returns) do sum = sum + value end
  for _, value in ipairs(returns) do squares = squares + (value - sum / episodes) ^ 2 end
  return { mean = sum / episodes, std = math.sqrt(squares / math.max(episodes - 1, 1)), returns = returns }
end

---- saving --------------------------------------------------------------------------------------------
local counters = { "t", "begun", "iteration", "epoch", "next_minibatch" }

-- All that the future depends on, as tables, numbers and tensors.
local function state_of(self)
  local env = self.env
  local space = env.observation_space
  local saved = {
    algorithm = "PPO", settings = self.settings, actor = self.actor:state_dict(), critic = self.critic:state_dict(),
    optimizer = self.optimizer:state_dict(), generator = self.generator:get_state(),
    observation = self.rows[1].observation, report = self.report,
    env = {
      name = env.name, made = env.handle ~= nil, num_envs = self.num_envs, autoreset = env.autoreset, seed = env.seed,
      size = space.size, n = env.action_space.n, low = yutu.tensor(space.low, { dtype = "f64" }),
      high = yutu.tensor(space.high, { dtype = "f64" }), state = env.state and env:state(),
    },
  }
  for _, name in ipairs(counters) do saved[name] = self[name] end
  if self.t > 0 then saved.rollout = self.rollout end  -- between two updates there is nothing in them
  if self.epoch > 0 then saved.batch = self.batch end
  return saved
end

--- Writes the agent, and all it takes to go on exactly, into one file; until that is whole the old one stays.
--   returns   true; nil, message
function PPO:save(path)
  if type(path) ~= "string" then lib.raise "save: path is not a string" end
  return yutu.checkpoint.save(path, state_of(self))
end

local function environment_of(saved)
  local rl = require "yutu.rl"
  if saved.made then
    return rl.make(saved.name, { num_envs = saved.num_envs, autoreset = saved.autoreset, seed = saved.seed })
  end
  return {                        -- one of Lua's, or the host's: the agent can act and be taught without it
    num_envs = saved.num_envs, action_space = rl.Discrete(saved.n),
    observation_space = rl.Box { size = saved.size, low = saved.low:tolist(), high = saved.high:tolist() },
  }
end

local function copy_all(into, from) for name, tensor in pairs(into) do tensor:copy_(from[name]) end end

-- Refuses an environment of the caller's that does not fit the saved one.
local function check_fits(env, saved)
  check_env(env)
  local n, size, actions = env.num_envs or 1, env.observation_space.size, env.action_space.n
  if n ~= saved.num_envs or size ~= saved.size or actions ~= saved.n then
    lib.raise(("rl.load: the agent is one for %d environments of %d numbers and %d actions, not for %d of %d and %d")
      :format(saved.num_envs, saved.size, saved.n, n, size, actions))
  end
end

--- The agent of a state that save wrote. options.env: the environment to go on in.   errors: nil, message
function PPO.restore(saved, options)
  local env = options.env
  if env then check_fits(env, saved.env) else env = environment_of(saved.env) end
  local self = PPO.new(env, saved.settings)
  self.actor:load_state_dict(saved.actor)
  self.critic:load_state_dict(saved.critic)
  self.optimizer:load_state_dict(saved.optimizer)
  self.generator:set_state(saved.generator)
  self.report = saved.report
  for _, name in ipairs(counters) do self[name] = saved[name] end
  yutu.no_grad(function()
    if saved.rollout then copy_all(self.rollout, saved.rollout)
    else self.rows[1].observation:copy_(saved.observation) end
    if saved.batch then copy_all(self.batch, saved.batch) end
  end)
  if saved.env.state and env.restore then
    local ok, message = env:restore(saved.env.state)
    if not ok then return nil, message end
  elseif env.step then self.begun, self.t = false, 0 end   -- the environment begins anew, with what the agent knows
  return self
end

return PPO
