--- Optimizer: what all optimizers share: groups of parameters, their options, the state of each, saving.
--
--   local Plain = Optimizer:extend("optim.Plain", { lr = 1e-3 }, { "step" })
--   function Plain:update(group, slots) ... one C call per slot ... end
--
-- A slot holds one parameter, s.p, and its state, made when its first gradient arrives. One call of a STEP row of the
-- op table updates both; nothing is allocated, and gradients are read where they lie.
local ffi = require "ffi"
local yutu = require "yutu"
local lib = require "yutu.ffi"

local C, ref, none = lib.C, lib.ref, lib.none
local istype, type, pcall, error = ffi.istype, type, pcall, error
local FIRST_FLOAT = lib.dtypes.f16

local Optimizer = { class = "optim.Optimizer", defaults = {}, state_names = {} }
Optimizer.__index = Optimizer

local function copy_of(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for key, inner in pairs(value) do out[key] = copy_of(inner) end
  return out
end

---- classes and objects ----------------------------------------------------------------------------
local function construct(class, params, options)
  local self = setmetatable({ param_groups = {}, slots = {}, seen = {} }, class)
  self:init(params, options)
  return self
end

--- A new class. defaults: its options, named as PyTorch's; state_names: what of a slot is saved.
function Optimizer:extend(name, defaults, state_names)
  local class = { class = name, defaults = defaults, state_names = state_names }
  class.__index, class.__tostring = class, self.__tostring
  return setmetatable(class, { __index = self, __call = construct })
end

function Optimizer:fail(format, ...) lib.raise(self.class .. ": " .. format:format(...)) end

local function is_group(value) return type(value) == "table" and value.params ~= nil end

--- params: a list of tensors, or of groups { params = list, lr = 0.1, ... }; options: the defaults of all groups.
function Optimizer:init(params, options)
  if istype(ref, params) then self:fail "a list of parameters is needed, not one tensor: { w }" end
  if type(params) == "table" and rawget(params, "_kinds") then
    self:fail "a list of parameters is needed, not a module: model:parameters()"
  end
  if type(params) ~= "table" or is_group(params) then
    self:fail "a list of parameters, or a list of groups, is needed"
  end
  if #params == 0 then self:fail "the list of parameters is empty" end
  if options ~= nil and type(options) ~= "table" then
    self:fail("options come in one table, as { lr = 0.1 }, not as %s", lib.describe(options))
  end
  local defaults = {}
  for name, value in pairs(self.defaults) do defaults[name] = value end
  for name, value in pairs(options or {}) do
    if self.defaults[name] == nil then self:unknown(name) end
    defaults[name] = value
  end
  self.group_defaults = defaults
  for _, group in ipairs(is_group(params[1]) and params or { { params = params } }) do self:add_param_group(group) end
end

function Optimizer:unknown(name)
  local known = {}
  for option in pairs(self.defaults) do known[#known + 1] = option end
  table.sort(known)
  self:fail("no option %s; there are %s", lib.describe(name), table.concat(known, ", "))
end

local function check_option(self, group, name, default)
  local value = group[name]
  if default == false and value == nil then return end
  if type(value) ~= type(default) and not (default == false and type(value) == "string") then
    self:fail("%s is %s, a %s is needed", name, lib.describe(value), type(default))
  end
  if type(default) == "number" and value ~= value then self:fail("%s is not a number", name) end
end

local function below_zero(self, group, name)
  if type(group[name]) == "number" and group[name] < 0 then self:fail("%s = %g is negative", name, group[name]) end
end

--- What every group must satisfy; a class adds its own.
function Optimizer:check(group)
  below_zero(self, group, "lr")
  below_zero(self, group, "eps")
  below_zero(self, group, "weight_decay")
  for i, beta in ipairs(group.betas or {}) do
    if type(beta) ~= "number" or not (beta >= 0 and beta < 1) then
      self:fail("betas[%d] = %s is not in [0, 1)", i, tostring(beta))
    end
  end
  if group.betas and #group.betas ~= 2 then self:fail("betas has %d numbers, 2 are needed", #group.betas) end
end

--- One more group of parameters, with options of its own.
function Optimizer:add_param_group(given)
  if not is_group(given) then self:fail "a group is a table with the list params, and options" end
  local group, slots = {}, {}
  for name, value in pairs(given) do
    if name ~= "params" and name ~= "initial_lr" and self.defaults[name] == nil then self:unknown(name) end
    group[name] = value
  end
  for name, value in pairs(self.group_defaults) do
    if group[name] == nil then group[name] = copy_of(value) end
  end
  for name, default in pairs(self.defaults) do check_option(self, group, name, default) end
  self:check(group)
  if type(given.params) ~= "table" then self:fail "params of a group is a list of tensors" end
  if #given.params == 0 then self:fail "a group has no parameters" end
  for i, p in ipairs(given.params) do
    if not istype(ref, p) then self:fail("parameter %d is %s, a tensor is needed", i, lib.describe(p)) end
    if not p.is_leaf then self:fail("parameter %d is the result of an op; only leaves can be optimized", i) end
    if p._t.dtype < FIRST_FLOAT then self:fail("parameter %d is %s; only floats can be optimized", i, p.dtype) end
    if self.seen[p._id] then self:fail("parameter %d appears twice", i) end
    self.seen[p._id] = true
    slots[i] = { p = p }
  end
  self.param_groups[#self.param_groups + 1], self.slots[#self.slots + 1] = group, slots
end

---- the state of a parameter -----------------------------------------------------------------------
--- Zeros in shape, dtype and memory layout of p, so that one pass runs over both.
function Optimizer.zeros_like(p)
  local q = p:detach()
  if q:dim() == 2 and not q:is_contiguous() and q:t():is_contiguous() then
    return lib.keep(yutu.zeros_like(q:t()):t())
  end
  return lib.keep(yutu.zeros_like(q))
end

--- Gives a slot its first state.
function Optimizer.prepare() end

local function prepare(self, s, group)
  s.step = 0
  self:prepare(s, group)
end

--- A tensor of the state as C sees it.
function Optimizer.pointer(x)
  local t = x._t
  if t.id ~= x._id then lib.raise "optim: the state of a parameter was released" end
  return t
end

--- The parameter of a slot and its gradient, both as C sees them, and one more step counted; nil if there is none.
function Optimizer:next_of(s, group)
  local p = lib.tensor(s.p, self.class, "a parameter")
  local g = C.yt_grad_borrow(p)
  if g == nil then return nil end
  if not s.step then prepare(self, s, group) end
  s.step = s.step + 1
  if not group.maximize then return p, g end
  s.uphill = lib.own(C.yt_neg(g))
  return p, s.uphill._t
end

---- steps ------------------------------------------------------------------------------------------
local function update_all(self)
  local groups, slots = self.param_groups, self.slots
  for i = 1, #groups do self:update(groups[i], slots[i]) end
end

--- One step down the gradients. closure: computes the loss anew and returns it, which is then returned here.
function Optimizer:step(closure)
  local loss = closure and yutu.enable_grad(closure)
  local recording = C.yt_set_grad_enabled(0)
  local ok, problem = pcall(update_all, self)
  C.yt_set_grad_enabled(recording)
  if not ok then error(problem, 0) end
  return loss
end

--- Forgets all gradients; with { set_to_none = false } they become zeros instead.
function Optimizer:zero_grad(options)
  local fill = options and options.set_to_none == false
  for i = 1, #self.slots do
    local slots = self.slots[i]
    for k = 1, #slots do
      local p = lib.tensor(slots[k].p, self.class, "a parameter")
      local g = C.yt_grad_borrow(p)
      if g ~= nil then
        if fill then C.yt_fill_(g, 0) else C.yt_set_grad(p, none) end
      end
    end
  end
end

---- saving -----------------------------------------------------------------------------------------
--- { state = { [k] = of the k-th parameter }, param_groups = options, with params = which k }; tensors are shared.
function Optimizer:state_dict()
  local out, k = { state = {}, param_groups = {} }, 0
  for i, group in ipairs(self.param_groups) do
    local saved = copy_of(group)
    saved.params = {}
    for j, s in ipairs(self.slots[i]) do
      k = k + 1
      saved.params[j] = k
      if s.step then
        local state = {}
        for _, name in ipairs(self.state_names) do state[name] = s[name] end
        out.state[k] = state
      end
    end
    out.param_groups[i] = saved
  end
  return out
end

local function same_shape(a, b)
  if a._t.ndim ~= b._t.ndim then return false end
  for d = 0, a._t.ndim - 1 do if a._t.size[d] ~= b._t.size[d] then return false end end
  return true
end

-- What a slot will hold once the saved state is in; nothing is changed yet.
local function loaded(self, p, state, k)
  local out = {}
  for _, name in ipairs(self.state_names) do
    local value = state[name]
    if istype(ref, value) then
      if not same_shape(value, p) then
        self:fail("load_state_dict: %s of parameter %d is (%s), the parameter (%s)", name, k,
          table.concat(value.shape, ","), table.concat(p.shape, ","))
      end
      value = self.zeros_like(p):copy_(value)
    end
    out[name] = value
  end
  if type(out.step) ~= "number" then self:fail("load_state_dict: parameter %d has no count of steps", k) end
  return out
end

--- Takes over options and state. Nothing is changed unless the groups and shapes fit.
function Optimizer:load_state_dict(saved)
  if type(saved) ~= "table" or type(saved.param_groups) ~= "table" or type(saved.state) ~= "table" then
    self:fail "load_state_dict: a table with state and param_groups is needed"
  end
  if #saved.param_groups ~= #self.param_groups then
    self:fail("load_state_dict: %d groups there, %d here", #saved.param_groups, #self.param_groups)
  end
  local groups, slots, k = {}, {}, 0
  local recording = C.yt_set_grad_enabled(0)
  local ok, problem = pcall(function()
    for i, group in ipairs(saved.param_groups) do
      local n = type(group.params) == "table" and #group.params or 0
      if n ~= #self.slots[i] then
        self:fail("load_state_dict: group %d has %d parameters there, %d here", i, n, #self.slots[i])
      end
      groups[i], slots[i] = copy_of(group), {}
      groups[i].params = self.param_groups[i].params
      for j, s in ipairs(self.slots[i]) do
        k = k + 1
        local state = saved.state[k]
        slots[i][j] = state and loaded(self, s.p, state, k) or {}
        slots[i][j].p = s.p
      end
    end
  end)
  C.yt_set_grad_enabled(recording)
  if not ok then error(problem, 0) end
  self.param_groups, self.slots = groups, slots
end

---- printing ---------------------------------------------------------------------------------------
function Optimizer:__tostring()
  local lines = { self.class:gsub("^optim%.", "") .. " (" }
  for i, group in ipairs(self.param_groups) do
    local names = {}
    for name in pairs(group) do if name ~= "params" then names[#names + 1] = name end end
    table.sort(names)
    lines[#lines + 1] = ("group %d: %d tensors"):format(i, #self.slots[i])
    for _, name in ipairs(names) do
      local value = group[name]
      value = type(value) == "table" and "{ " .. table.concat(value, ", ") .. " }" or tostring(value)
      lines[#lines + 1] = ("  %s = %s"):format(name, value)
    end
  end
  return table.concat(lines, "\n  ") .. "\n)"
end

return Optimizer
