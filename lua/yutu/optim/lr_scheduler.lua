--- yutu.optim.lr_scheduler: learning rates that change with time; names, arguments and numbers are PyTorch's.
--
--   local schedule = lr_scheduler.CosineAnnealingLR(opt, 100)               -- in order,
--   local schedule = lr_scheduler.StepLR(opt, { step_size = 10, gamma = 0.5 })  -- or by name
--   for epoch = 1, 100 do ...; schedule:step() end
--
-- A schedule only multiplies or replaces group.lr, so that several can be chained and the user may change it between.
-- self.last_epoch counts the steps taken; making the schedule sets the rate of step 0.
local lib = require "yutu.ffi"

local cos, pi, floor, min, max = math.cos, math.pi, math.floor, math.min, math.max

local Scheduler = { class = "Scheduler", names = {}, defaults = {} }
Scheduler.__index = Scheduler

---- arguments --------------------------------------------------------------------------------------
local required = {}               -- stands for a default where there is none
local optional = {}               -- for a default of nil

function Scheduler:fail(format, ...) lib.raise(("lr_scheduler.%s: "):format(self.class) .. format:format(...)) end

local function is_named(value) return type(value) == "table" and value[1] == nil end

local function read_arguments(self, ...)
  local given, n = { ... }, select("#", ...)
  local named = is_named(given[n]) and table.remove(given, n) or {}
  for i, value in pairs(given) do
    local name = self.names[i] or self:fail("%d arguments given, it takes %d", n, #self.names)
    self[name] = value
  end
  for name, value in pairs(named) do
    if self.defaults[name] == nil then
      self:fail("no option %s; there are %s", lib.describe(name), table.concat(self.names, ", "))
    end
    self[name] = value
  end
  for _, name in ipairs(self.names) do
    local default, value = self.defaults[name], rawget(self, name)
    if value == nil then
      if default == required then self:fail("%s is missing", name) end
      if default ~= optional then self[name] = default end
    elseif self.kinds[name] and type(value) ~= self.kinds[name] then
      self:fail("%s is %s, a %s is needed", name, lib.describe(value), self.kinds[name])
    end
  end
end

-- One value per group, from a number or a list.
local function per_group(self, name)
  local value, n, out = self[name], #self.optimizer.param_groups, {}
  if type(value) == "table" then
    if #value ~= n then self:fail("%s has %d values for %d groups", name, #value, n) end
    return value
  end
  for i = 1, n do out[i] = value end
  return out
end

---- what all have in common ------------------------------------------------------------------------
local function set_rates(self, rate)
  for i, group in ipairs(self.optimizer.param_groups) do
    group.lr = rate(self, self.last_epoch, group.lr, self.base_lrs[i], i)
  end
end

local function construct(class, optimizer, ...)
  local self = setmetatable({ optimizer = optimizer, last_epoch = 0, base_lrs = {} }, class)
  if type(optimizer) ~= "table" or not optimizer.param_groups then
    self:fail("the first argument is %s, an optimizer is needed", lib.describe(optimizer))
  end
  read_arguments(self, ...)
  self:init()
  for i, group in ipairs(optimizer.param_groups) do
    group.initial_lr = group.initial_lr or group.lr
    self.base_lrs[i] = group.initial_lr
  end
  self:begin()
  return self
end

-- new("StepLR", { "step_size", required, "number" }, { "gamma", 0.1 }): name, default, and type where the default
-- does not tell it; false: any.
local function new(name, ...)
  local class = { class = name, names = {}, defaults = {}, kinds = {} }
  for i, argument in ipairs { ... } do
    local key, default, kind = unpack(argument)
    class.names[i], class.defaults[key] = key, default
    class.kinds[key] = kind == nil and type(default) ~= "table" and type(default) or kind
  end
  class.__index = class
  return setmetatable(class, { __index = Scheduler, __call = construct })
end

function Scheduler.init() end
function Scheduler:begin() set_rates(self, self.rate) end

--- rate(k, lr, base, i): of group i after k steps, from the rate now and the one it began with.
-- closed(k, lr, base, i), where there is one: the same without the rate now.

--- One step: once an epoch or once a batch, as the schedule was meant.
function Scheduler:step()
  self.last_epoch = self.last_epoch + 1
  set_rates(self, self.rate)
end

--- Begins anew from its first rate.
function Scheduler:restart()
  self.last_epoch = 0
  set_rates(self, self.closed or self.rate)
end

--- The rates of the groups now.
function Scheduler:get_last_lr()
  local out = {}
  for i, group in ipairs(self.optimizer.param_groups) do out[i] = group.lr end
  return out
end

--- All its numbers; functions are the program's, and are not saved. Save the optimizer with it: the rates are there.
function Scheduler:state_dict()
  local out = {}
  for name, value in pairs(self) do
    local kind = type(value)
    if kind == "number" or kind == "string" or kind == "boolean" then out[name] = value
    elseif kind == "table" and type(value[1]) == "number" then out[name] = { unpack(value) } end
  end
  if self.schedulers then
    out.schedulers = {}
    for i, s in ipairs(self.schedulers) do out.schedulers[i] = s:state_dict() end
  end
  return out
end
function Scheduler:load_state_dict(state)
  if type(state) ~= "table" or type(state.last_epoch) ~= "number" then
    self:fail "load_state_dict: what its state_dict() returned is needed"
  end
  if #(state.schedulers or {}) ~= #(self.schedulers or {}) then
    self:fail("load_state_dict: %d schedules there, %d here", #(state.schedulers or {}), #(self.schedulers or {}))
  end
  for name, value in pairs(state) do
    if name ~= "schedulers" then self[name] = type(value) == "table" and { unpack(value) } or value end
  end
  for i, s in ipairs(self.schedulers or {}) do s:load_state_dict(state.schedulers[i]) end
end

local lr_scheduler = {}

---- by functions of the user's ---------------------------------------------------------------------
local function functions_of(self)
  local list = per_group(self, "lr_lambda")
  for i, f in ipairs(list) do
    if type(f) ~= "function" then self:fail("lr_lambda of group %d is a %s, a function is needed", i, type(f)) end
  end
  self.lambdas = list
end

--- lr = base lr_lambda(k)
local LambdaLR = new("LambdaLR", { "lr_lambda", required })
LambdaLR.init = functions_of
function LambdaLR:rate(k, _, base, i) return base * self.lambdas[i](k) end
lr_scheduler.LambdaLR = LambdaLR

--- lr *= lr_lambda(k)
local MultiplicativeLR = new("MultiplicativeLR", { "lr_lambda", required })
MultiplicativeLR.init = functions_of
function MultiplicativeLR:rate(k, lr, _, i) return k > 0 and lr * self.lambdas[i](k) or lr end
lr_scheduler.MultiplicativeLR = MultiplicativeLR

---- in steps ---------------------------------------------------------------------------------------
--- lr *= gamma every step_size steps
local StepLR = new("StepLR", { "step_size", required, "number" }, { "gamma", 0.1 })
function StepLR:init()
  if self.step_size < 1 then self:fail("step_size = %g is below 1", self.step_size) end
end
function StepLR:rate(k, lr) return k > 0 and k % self.step_size == 0 and lr * self.gamma or lr end
function StepLR:closed(k, _, base) return base * self.gamma ^ floor(k / self.step_size) end
lr_scheduler.StepLR = StepLR

--- lr *= gamma at each of the milestones
local MultiStepLR = new("MultiStepLR", { "milestones", required, "table" }, { "gamma", 0.1 })
function MultiStepLR:rate(k, lr)
  for _, m in ipairs(self.milestones) do if m == k then lr = lr * self.gamma end end
  return lr
end
function MultiStepLR:closed(k, _, base)
  for _, m in ipairs(self.milestones) do if m <= k then base = base * self.gamma end end
  return base
end
lr_scheduler.MultiStepLR = MultiStepLR

--- lr = base factor for total_iters steps, then base
local ConstantLR = new("ConstantLR", { "factor", 1 / 3 }, { "total_iters", 5 })
function ConstantLR:init()
  if not (self.factor > 0 and self.factor <= 1) then self:fail("factor = %g is not in (0, 1]", self.factor) end
end
function ConstantLR:rate(k, lr)
  if k == 0 then return lr * self.factor end
  return k == self.total_iters and lr / self.factor or lr
end
function ConstantLR:closed(k, _, base) return k >= self.total_iters and base or base * self.factor end
lr_scheduler.ConstantLR = ConstantLR

---- smooth -----------------------------------------------------------------------------------------
--- lr from base start_factor to base end_factor, in a line over total_iters steps
local LinearLR = new("LinearLR", { "start_factor", 1 / 3 }, { "end_factor", 1 }, { "total_iters", 5 })
function LinearLR:init()
  if not (self.start_factor > 0 and self.start_factor <= 1) then
    self:fail("start_factor = %g is not in (0, 1]", self.start_factor)
  end
  if not (self.end_factor >= 0 and self.end_factor <= 1) then
    self:fail("end_factor = %g is not in [0, 1]", self.end_factor)
  end
end
function LinearLR:rate(k, lr)
  local from, rise, n = self.start_factor, self.end_factor - self.start_factor, self.total_iters
  if k == 0 then return lr * from end
  return k > n and lr or lr * (1 + rise / (n * from + (k - 1) * rise))
end
function LinearLR:closed(k, _, base)
  local part = min(k, self.total_iters) / self.total_iters
  return base * (self.start_factor + (self.end_factor - self.start_factor) * part)
end
lr_scheduler.LinearLR = LinearLR

--- lr = base gamma^k
local ExponentialLR = new("ExponentialLR", { "gamma", required, "number" })
function ExponentialLR:rate(k, lr) return k > 0 and lr * self.gamma or lr end
function ExponentialLR:closed(k, _, base) return base * self.gamma ^ k end
lr_scheduler.ExponentialLR = ExponentialLR

--- lr = base (1 - k / total_iters)^power
local PolynomialLR = new("PolynomialLR", { "total_iters", 5 }, { "power", 1 })
function PolynomialLR:rate(k, lr)
  local n = self.total_iters
  return (k == 0 or k > n) and lr or lr * ((1 - k / n) / (1 - (k - 1) / n)) ^ self.power
end
function PolynomialLR:closed(k, _, base)
  return base * (1 - min(k, self.total_iters) / self.total_iters) ^ self.power
end
lr_scheduler.PolynomialLR = PolynomialLR

--- lr from base to eta_min along half a cosine of T_max steps, and back up
local CosineAnnealingLR = new("CosineAnnealingLR", { "T_max", required, "number" }, { "eta_min", 0 })
function CosineAnnealingLR:init()
  if self.T_max <= 0 then self:fail("T_max = %g is not above 0", self.T_max) end
end
function CosineAnnealingLR:rate(k, lr, base)
  local n, lowest = self.T_max, self.eta_min
  if k == 0 then return lr end
  if (k - 1 - n) % (2 * n) == 0 then return lr + (base - lowest) * (1 - cos(pi / n)) / 2 end
  return (1 + cos(pi * k / n)) / (1 + cos(pi * (k - 1) / n)) * (lr - lowest) + lowest
end
function CosineAnnealingLR:closed(k, _, base)
  return self.eta_min + (base - self.eta_min) * (1 + cos(pi * k / self.T_max)) / 2
end
lr_scheduler.CosineAnnealingLR = CosineAnnealingLR

--- the same, back at base after T_0 steps, then after T_0 T_mult more, ...
-- source   Loshchilov & Hutter 2017, arXiv:1608.03983
local WarmRestarts = new("CosineAnnealingWarmRestarts", { "T_0", required, "number" }, { "T_mult", 1 },
  { "eta_min", 0 })
function WarmRestarts:init()
  if self.T_0 < 1 or self.T_0 % 1 ~= 0 then self:fail("T_0 = %g is not a whole number of at least 1", self.T_0) end
  if self.T_mult < 1 or self.T_mult % 1 ~= 0 then
    self:fail("T_mult = %g is not a whole number of at least 1", self.T_mult)
  end
end
function WarmRestarts:rate(k, _, base)
  local length = self.T_0
  if self.T_mult == 1 then k = k % length
  else
    while k >= length do k, length = k - length, length * self.T_mult end
  end
  return self.eta_min + (base - self.eta_min) * (1 + cos(pi * k / length)) / 2
end
lr_scheduler.CosineAnnealingWarmRestarts = WarmRestarts

---- cycles, which move the momentum too ------------------------------------------------------------
local function set_momentum(group, value)
  if group.betas then group.betas[1] = value else group.momentum = value end
end
local function has_momentum(self)
  for _, group in ipairs(self.optimizer.param_groups) do
    if not group.betas and not group.momentum then
      self:fail "the optimizer has no momentum to cycle; set cycle_momentum = false"
    end
  end
end

--- lr between base_lr and max_lr and back, again and again, momentum the other way round
-- source   Smith 2017, arXiv:1506.01186
local CyclicLR = new("CyclicLR", { "base_lr", required }, { "max_lr", required }, { "step_size_up", 2000 },
  { "step_size_down", optional, "number" }, { "mode", "triangular" }, { "gamma", 1 }, { "cycle_momentum", true },
  { "base_momentum", 0.8 }, { "max_momentum", 0.9 })
local heights = {                 -- of a cycle, at step k of all
  triangular = function() return 1 end,
  triangular2 = function(_, cycle) return 0.5 ^ (cycle - 1) end,
  exp_range = function(gamma, _, k) return gamma ^ k end,
}
function CyclicLR:init()
  self.base_rates, self.max_rates = per_group(self, "base_lr"), per_group(self, "max_lr")
  self.height = heights[self.mode] or self:fail("mode is %s; there are triangular, triangular2, exp_range",
    lib.describe(self.mode))
  if self.cycle_momentum then has_momentum(self) end
  self.total = self.step_size_up + (self.step_size_down or self.step_size_up)
end
function CyclicLR:rate(k, _, _, i)
  local cycle, up = floor(1 + k / self.total), self.step_size_up / self.total
  local x = 1 + k / self.total - cycle
  local part = (x <= up and x / up or (x - 1) / (up - 1)) * self.height(self.gamma, cycle, k)
  if self.cycle_momentum then
    set_momentum(self.optimizer.param_groups[i], self.max_momentum - (self.max_momentum - self.base_momentum) * part)
  end
  return self.base_rates[i] + (self.max_rates[i] - self.base_rates[i]) * part
end
lr_scheduler.CyclicLR = CyclicLR

--- lr up to max_lr over the first pct_start of all steps, then down to next to nothing
-- source   Smith & Topin 2018, arXiv:1708.07120
local OneCycleLR = new("OneCycleLR", { "max_lr", required }, { "total_steps", optional, "number" },
  { "epochs", optional, "number" }, { "steps_per_epoch", optional, "number" }, { "pct_start", 0.3 },
  { "anneal_strategy", "cos" }, { "cycle_momentum", true }, { "base_momentum", 0.85 }, { "max_momentum", 0.95 },
  { "div_factor", 25 }, { "final_div_factor", 1e4 }, { "three_phase", false })
local blends = {                  -- from a to b, x from 0 to 1
  cos = function(a, b, x) return b + (a - b) / 2 * (cos(pi * x) + 1) end,
  linear = function(a, b, x) return a + (b - a) * x end,
}
function OneCycleLR:init()
  if not self.total_steps and not (self.epochs and self.steps_per_epoch) then
    self:fail "total_steps is needed, or epochs and steps_per_epoch"
  end
  local n, warm = self.total_steps or self.epochs * self.steps_per_epoch, self.pct_start
  if not (n >= 1 and n % 1 == 0) then self:fail("total_steps = %g is not a whole number of at least 1", n) end
  if not (warm >= 0 and warm <= 1) then self:fail("pct_start = %g is not in [0, 1]", warm) end
  self.total_steps = n
  self.blend = blends[self.anneal_strategy] or self:fail("anneal_strategy is %s; there are cos and linear",
    lib.describe(self.anneal_strategy))
  if self.cycle_momentum then has_momentum(self) end
  for i, most in ipairs(per_group(self, "max_lr")) do
    local group = self.optimizer.param_groups[i]
    group.initial_lr, group.max_lr = most / self.div_factor, most
    group.min_lr = group.initial_lr / self.final_div_factor
  end
end
-- Phases: where each ends, between which rates, and between which momenta it moves.
local function phases(self)
  local n, warm, low, high = self.total_steps, self.pct_start, self.base_momentum, self.max_momentum
  if self.three_phase then
    return { { warm * n - 1, "initial_lr", "max_lr", high, low },
      { 2 * warm * n - 2, "max_lr", "initial_lr", low, high }, { n - 1, "initial_lr", "min_lr", high, high } }
  end
  return { { warm * n - 1, "initial_lr", "max_lr", high, low }, { n - 1, "max_lr", "min_lr", low, high } }
end
function OneCycleLR:rate(k, _, _, i)
  local group, all, start = self.optimizer.param_groups[i], phases(self), 0
  if k > self.total_steps then self:fail("step %d of %d: the cycle is over", k, self.total_steps) end
  for p, phase in ipairs(all) do
    if k <= phase[1] or p == #all then
      local x = (k - start) / (phase[1] - start)
      if self.cycle_momentum then set_momentum(group, self.blend(phase[4], phase[5], x)) end
      return self.blend(group[phase[2]], group[phase[3]], x)
    end
    start = phase[1]
  end
end
lr_scheduler.OneCycleLR = OneCycleLR

---- made of others ---------------------------------------------------------------------------------
local function check_list(self)
  if #self.schedulers == 0 then self:fail "a list of schedules is needed" end
  for i, s in ipairs(self.schedulers) do
    if s.optimizer ~= self.optimizer then self:fail("schedule %d belongs to another optimizer", i) end
  end
end

--- The first schedule up to the first of the milestones, then the second, ...
local SequentialLR = new("SequentialLR", { "schedulers", required, "table" }, { "milestones", required, "table" })
function SequentialLR:init()
  check_list(self)
  if #self.milestones ~= #self.schedulers - 1 then
    self:fail("%d schedules need a list of %d milestones", #self.schedulers, #self.schedulers - 1)
  end
end
function SequentialLR:begin()     -- making them has set the rates several times: begin again with the first alone
  for _, group in ipairs(self.optimizer.param_groups) do group.lr = group.initial_lr end
  self.schedulers[1]:restart()
end
function SequentialLR:step()
  self.last_epoch = self.last_epoch + 1
  for i = #self.milestones, 1, -1 do
    if self.last_epoch == self.milestones[i] then return self.schedulers[i + 1]:restart() end
    if self.last_epoch > self.milestones[i] then return self.schedulers[i + 1]:step() end
  end
  self.schedulers[1]:step()
end
function SequentialLR:restart()
  self.last_epoch = 0
  self:begin()
end
lr_scheduler.SequentialLR = SequentialLR

--- All schedules of the list at once, each multiplying what those before it have left.
local ChainedScheduler = new("ChainedScheduler", { "schedulers", required, "table" })
ChainedScheduler.init = check_list
function ChainedScheduler.begin() end
function ChainedScheduler:step()
  self.last_epoch = self.last_epoch + 1
  for _, s in ipairs(self.schedulers) do s:step() end
end
-- PyTorch's takes the list alone; the optimizer may be given too, as for the others.
local chained = getmetatable(ChainedScheduler).__call
getmetatable(ChainedScheduler).__call = function(class, optimizer, list)
  if list == nil and type(optimizer) == "table" and type(optimizer[1]) == "table" then
    return chained(class, optimizer[1].optimizer, optimizer)
  end
  return chained(class, optimizer, list)
end
lr_scheduler.ChainedScheduler = ChainedScheduler

---- by what is achieved ----------------------------------------------------------------------------
--- lr *= factor once the metric given to step() has not improved for patience steps.
local Plateau = new("ReduceLROnPlateau", { "mode", "min" }, { "factor", 0.1 }, { "patience", 10 },
  { "threshold", 1e-4 }, { "threshold_mode", "rel" }, { "cooldown", 0 }, { "min_lr", 0, false }, { "eps", 1e-8 })
function Plateau:init()
  if self.factor >= 1 then self:fail("factor = %g is not below 1", self.factor) end
  if self.mode ~= "min" and self.mode ~= "max" then self:fail("mode is %q, not min or max", self.mode) end
  if self.threshold_mode ~= "rel" and self.threshold_mode ~= "abs" then
    self:fail("threshold_mode is %q, not rel or abs", self.threshold_mode)
  end
  self.min_lrs = per_group(self, "min_lr")
  self.best = self.mode == "min" and math.huge or -math.huge
  self.bad_steps, self.cooling = 0, 0
end
function Plateau.begin() end
local function improves(self, value)
  local by = self.threshold_mode == "rel" and self.best * self.threshold or self.threshold
  if self.mode == "min" then return value < self.best - (self.best == math.huge and 0 or by) end
  return value > self.best + (self.best == -math.huge and 0 or by)
end
function Plateau:step(metric)
  local value = type(metric) == "cdata" and metric:item() or metric
  if type(value) ~= "number" then self:fail("step: the metric is %s, a number is needed", lib.describe(metric)) end
  self.last_epoch = self.last_epoch + 1
  if improves(self, value) then self.best, self.bad_steps = value, 0
  else self.bad_steps = self.bad_steps + 1 end
  if self.cooling > 0 then self.cooling, self.bad_steps = self.cooling - 1, 0 end
  if self.bad_steps <= self.patience then return end
  for i, group in ipairs(self.optimizer.param_groups) do
    local lower = max(group.lr * self.factor, self.min_lrs[i])
    if group.lr - lower > self.eps then group.lr = lower end
  end
  self.cooling, self.bad_steps = self.cooldown, 0
end
lr_scheduler.ReduceLROnPlateau = Plateau

return lr_scheduler
