--- Module: what every layer, loss and network is. A subclass writes init and forward, the rest comes from here.
--
--   local Block = nn.Module:extend "Block"
--   function Block:init(width)
--     self.fc = nn.Linear(width, width)              -- a statement each: Lua assigns a, b = x, y from the right
--     self.act = nn.ReLU()
--   end
--   function Block:forward(x) return x + self.act(self.fc(x)) end
--   local y = Block(16)(x)
--
-- Invariant: `_fields` lists every field in the order of first assignment and `_kinds` says what it then was ("module",
-- "parameter", "buffer", or false for the rest); what it holds now decides whether it counts.
-- Names are PyTorch's, so that its files load: lists count from 0 in them ("layers.0.weight" is layers[1].weight), and
-- only there.
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"

local is_tensor, type, rawset, getmetatable, setmetatable = check.is_tensor, type, rawset, getmetatable, setmetatable

local marks = setmetatable({}, { __mode = "k" })      -- tensor -> "parameter" or "buffer", frozen ones too
local Module = { class = "nn.Module" }
Module.__index = Module

local function is_module(value) return type(value) == "table" and rawget(value, "_kinds") ~= nil end
Module.is_module = is_module

local function kind_of(value)
  if is_module(value) then return "module" end
  return is_tensor(value) and (marks[value] or value.requires_grad and "parameter") or false
end

---- classes and objects ----------------------------------------------------------------------------
local function construct(class, ...)
  local self = setmetatable({ _fields = {}, _kinds = {}, training = true }, class)
  self:init(...)
  return self
end

-- Up to six arguments and three results, without varargs. Not a tail call: an error looks for this frame (lib.where).
-- Nor do layers and losses make tail calls: LuaJIT gives up a trace with more than 15; hence their return (f(x)).
local function call(self, a, b, c, d, e, f)
  local x, y, z = self:forward(a, b, c, d, e, f)
  if z ~= nil then return x, y, z end
  if y ~= nil then return x, y end
  return x
end

-- Runs at the first assignment of each field.
local function assign(self, key, value)
  local kind, kinds = kind_of(value), self._kinds
  if kind and Module[key] ~= nil then
    lib.raise(("%s: '%s' is a method of every module, choose another name"):format(self.class, key))
  end
  if kinds[key] == nil then
    self._fields[#self._fields + 1] = key
    kinds[key] = kind
  elseif kind then kinds[key] = kind end
  rawset(self, key, value)
end
Module.__newindex = assign

--- A new class. Its name is what prints and what errors show.
function Module:extend(name)
  local class = { class = name, __call = call, __newindex = self.__newindex, __tostring = self.__tostring }
  class.__index = class
  return setmetatable(class, { __index = self, __call = construct })
end

function Module.init() end

function Module:forward() lib.raise(self.class .. ": no forward is defined") end

--- Marks a tensor to be trained, saved and moved: self.weight = self:parameter(3, 4), zeros of f32, or of a tensor.
function Module:parameter(first, ...)
  local tensor, sizes = first, { first, ... }
  if not is_tensor(first) then tensor = yutu.zeros(sizes) end
  if tensor.is_leaf == false then tensor = tensor:detach() end
  tensor:requires_grad_(true)
  marks[tensor] = "parameter"
  return tensor
end

--- Marks a tensor to be saved and moved, not trained.
function Module:buffer(tensor)
  check.tensor(self.class .. ": buffer", "it", tensor)
  marks[tensor] = "buffer"
  return tensor
end

---- the tree ---------------------------------------------------------------------------------------
local function join(path, key)
  local name = type(key) == "number" and tostring(key - 1) or tostring(key)
  return path == "" and name or path .. "." .. name
end

-- visit(path, module) for this module and all below, parents first: once each, or once for every path to it.
local function walk(self, path, seen, every, visit)
  if seen[self] then return end
  seen[self] = true
  visit(path, self)
  for _, key in ipairs(self._fields) do
    local value = self[key]
    if is_module(value) then walk(value, join(path, key), seen, every, visit) end
  end
  if every then seen[self] = nil end
end

-- visit(path, tensor, kind, module, key) for the parameters and buffers of this module and all below.
local function walk_tensors(self, every, visit)
  walk(self, "", {}, every, function(path, module)
    for _, key in ipairs(module._fields) do
      local value = module[key]
      if is_tensor(value) then
        local kind = module._kinds[key] or kind_of(value)
        if kind then visit(join(path, key), value, kind, module, key) end
      end
    end
  end)
end

local function pairs_of(names, values)
  local i = 0
  return function()
    i = i + 1
    return names[i], values[i]
  end
end

local function tensors(self, wanted)
  local names, values, seen = {}, {}, {}
  walk_tensors(self, false, function(path, tensor, kind)
    if kind == wanted and not seen[tensor._id] then
      seen[tensor._id] = true
      names[#names + 1], values[#values + 1] = path, tensor
    end
  end)
  return names, values
end

--- The list of all tensors to train, shared ones once.
function Module:parameters()
  local _, values = tensors(self, "parameter")
  return values
end

--- for name, tensor in model:named_parameters() do ... end, in the order of registration
function Module:named_parameters() return pairs_of(tensors(self, "parameter")) end

function Module:buffers()
  local _, values = tensors(self, "buffer")
  return values
end
function Module:named_buffers() return pairs_of(tensors(self, "buffer")) end

--- The modules directly inside, as a list.
function Module:children()
  local out = {}
  for _, key in ipairs(self._fields) do if is_module(self[key]) then out[#out + 1] = self[key] end end
  return out
end

function Module:named_children()
  local names, values = {}, {}
  for _, key in ipairs(self._fields) do
    if is_module(self[key]) then names[#names + 1], values[#values + 1] = join("", key), self[key] end
  end
  return pairs_of(names, values)
end

--- This module and all below, as a list, parents first.
function Module:modules()
  local out = {}
  walk(self, "", {}, false, function(_, module) out[#out + 1] = module end)
  return out
end

function Module:named_modules()
  local names, values = {}, {}
  walk(self, "", {}, false, function(path, module) names[#names + 1], values[#values + 1] = path, module end)
  return pairs_of(names, values)
end

--- f(module) for all below, then for this one; returns it.
function Module:apply(f)
  for _, child in ipairs(self:children()) do child:apply(f) end
  f(self)
  return self
end

function Module:num_parameters()
  local n = 0
  for _, p in ipairs(self:parameters()) do n = n + p:numel() end
  return n
end

---- modes ------------------------------------------------------------------------------------------
function Module:train(on)
  on = on ~= false
  walk(self, "", {}, false, function(_, module) rawset(module, "training", on) end)
  return self
end
function Module:eval() return self:train(false) end

--- Freezes (false) or thaws all parameters.
function Module:requires_grad_(on)
  for _, p in ipairs(self:parameters()) do
    marks[p] = "parameter"
    p:requires_grad_(on ~= false)
  end
  return self
end

function Module:zero_grad()
  for _, p in ipairs(self:parameters()) do p.grad = nil end
end

---- replacing all tensors --------------------------------------------------------------------------
-- f(tensor) in the layout of the tensor: a matrix stored by columns (nn.Linear's weight) stays so.
local function keep_layout(tensor, f)
  if tensor:dim() == 2 and not tensor:is_contiguous() and tensor:t():is_contiguous() then return f(tensor:t()):t() end
  return f(tensor)
end

-- What stands for `tensor` once it has passed through f; sharing is kept.
local function replace(tensor, kind, f, done)
  local new = done[tensor._id]
  if not new then
    new = keep_layout(tensor:detach(), f)
    if kind == "parameter" then new:requires_grad_(tensor.requires_grad) end
    marks[new], done[tensor._id] = kind, new
  end
  return new
end

local floats = { f16 = true, bf16 = true, f32 = true, f64 = true }

--- Moves to a dtype (floating tensors only) or a device. The parameters become new tensors: make the optimizer after.
function Module:to(target)
  local done, is_dtype = {}, floats[target]
  if type(target) ~= "string" then lib.raise(self.class .. ": to: a dtype or a device by name is needed") end
  if lib.dtypes[target] and not is_dtype then
    lib.raise(("%s: to: parameters cannot be %s, which has no gradient"):format(self.class, target))
  end
  local function move(tensor) return tensor:to(target) end
  walk_tensors(self, false, function(_, tensor, kind, module, key)
    local settled = is_dtype and (tensor.dtype == target or not check.is_float(tensor)) or tensor.device == target
    if not settled then rawset(module, key, replace(tensor, kind, move, done)) end
  end)
  return self
end
function Module:float() return self:to "f32" end
function Module:double() return self:to "f64" end

local function copy_of(tensor) return tensor:clone() end
local function clone(module, modules, done)
  if modules[module] then return modules[module] end
  local twin = setmetatable({}, getmetatable(module))
  modules[module] = twin
  for key, value in pairs(module) do
    if is_module(value) then value = clone(value, modules, done)
    elseif is_tensor(value) then
      local kind = module._kinds[key] or kind_of(value)
      if kind then value = replace(value, kind, copy_of, done) end
    end
    rawset(twin, key, value)
  end
  local fields, kinds = {}, {}
  for i, key in ipairs(module._fields) do fields[i], kinds[key] = key, module._kinds[key] end
  rawset(twin, "_fields", fields)
  rawset(twin, "_kinds", kinds)
  return twin
end

--- A module of the same values with tensors of its own (a target network); other tables in its fields are shared.
function Module:clone() return clone(self, {}, {}) end

---- saving -----------------------------------------------------------------------------------------
--- name -> tensor of all parameters and buffers, detached, sharing the module's memory. The names in order are
-- getmetatable(state).order.
function Module:state_dict()
  local order = {}
  local state = setmetatable({}, { order = order })
  walk_tensors(self, true, function(path, tensor)
    order[#order + 1], state[path] = path, tensor:detach()
  end)
  return state
end

local loading = check.options("load_state_dict", { "strict", true })

--- Copies a state_dict's values in. Nothing is changed unless all of it fits.
--   strict   false: names may be missing or unexpected; both lists are returned
--   errors   missing and unexpected names, values that are no tensors, shapes that differ
function Module:load_state_dict(state, options)
  local strict = check.read(loading, options).strict
  if type(state) ~= "table" then
    lib.raise(("load_state_dict: a table of tensors by name is needed, not a %s"):format(type(state)))
  end
  local missing, unexpected, wrong, own = {}, {}, {}, {}
  walk_tensors(self, true, function(path, tensor)
    local value = state[path]
    own[path] = tensor
    if value == nil then missing[#missing + 1] = path
    elseif not is_tensor(value) then wrong[#wrong + 1] = ("%s is a %s"):format(path, type(value))
    elseif check.shape(value) ~= check.shape(tensor) then
      wrong[#wrong + 1] = ("%s is %s there and %s here"):format(path, check.shape(value), check.shape(tensor))
    end
  end)
  for name in pairs(state) do if not own[name] then unexpected[#unexpected + 1] = tostring(name) end end
  table.sort(unexpected)
  if strict and #missing > 0 then table.insert(wrong, "missing " .. table.concat(missing, ", ")) end
  if strict and #unexpected > 0 then table.insert(wrong, "unexpected " .. table.concat(unexpected, ", ")) end
  if #wrong > 0 then lib.raise("load_state_dict: " .. table.concat(wrong, "; ")) end
  yutu.no_grad(function()
    for name, tensor in pairs(own) do if state[name] then tensor:copy_(state[name]) end end
  end)
  return missing, unexpected
end

---- printing ---------------------------------------------------------------------------------------
--- What stands between the brackets when it prints: the options named in class.shown.
function Module:describe()
  local out = {}
  for i, name in ipairs(self.shown or {}) do out[i] = ("%s=%s"):format(name, tostring(self[name])) end
  return table.concat(out, ", ")
end

function Module:__tostring()
  local lines = {}
  for _, key in ipairs(self._fields) do
    if is_module(self[key]) then
      lines[#lines + 1] = ("  (%s): %s\n"):format(key, (tostring(self[key]):gsub("\n", "\n  ")))
    end
  end
  local name = self.class:gsub("^nn%.", "")
  if #lines == 0 then return ("%s(%s)"):format(name, self:describe()) end
  return ("%s(\n%s)"):format(name, table.concat(lines))
end

---- errors -----------------------------------------------------------------------------------------
-- "encoder.layers[2].attention": how to reach the module from the root, as one would write it.
local function path_to(root, target, seen)
  if root == target then return "" end
  seen[root] = true
  for _, key in ipairs(root._fields) do
    local value = root[key]
    local rest = is_module(value) and not seen[value] and path_to(value, target, seen)
    if rest then
      local name = type(key) == "number" and ("[%d]"):format(key) or key
      return name .. ((rest == "" or rest:sub(1, 1) == "[") and rest or "." .. rest)
    end
  end
end

--- Where in a model the running code is, nil if in none: read from the stack, so that a call costs nothing.
function lib.where()
  local root, innermost, level = nil, nil, 2
  local info = debug.getinfo(level, "f")
  while info do
    if info.func == call then
      local _, self = debug.getlocal(level, 1)
      if is_module(self) then innermost, root = innermost or self, self end
    end
    level = level + 1
    info = debug.getinfo(level, "f")
  end
  if not root then return nil end
  local path = path_to(root, innermost, {}) or innermost.class
  if path == "" then return root.class end
  return path:sub(1, 1) == "[" and root.class .. path or path
end

return Module
