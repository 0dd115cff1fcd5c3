--- Modules that hold modules: Sequential runs them one after the other, the others only keep them registered.
local ffi = require "ffi"
local lib = require "yutu.ffi"
local activations = require "yutu.nn.activations"
local check = require "yutu.nn.check"
local Linear = require "yutu.nn.linear"
local Module = require "yutu.nn.module"

local C, to_tensor, to_maybe = lib.C, lib.tensor, lib.maybe
local getmetatable, is_module = getmetatable, Module.is_module

-- Fills a container from (a, b, ...), { a, b, ... } or { { "name", a }, ... }.
local function fill(self, ...)
  local first = ...
  local list = type(first) == "table" and not first.class and first or { ... }
  for i, item in ipairs(list) do
    local named = type(item) == "table" and type(item[1]) == "string"
    if named then self[item[1]] = item[2] else self[i] = item end
  end
end

-- A class whose fields are all modules; another value is refused where it is assigned.
local function container(name)
  local class = Module:extend(name)
  function class.__newindex(self, key, value)
    if value ~= nil and not is_module(value) then
      local what = type(value) == "table" and value.class and "the class " .. value.class or "a " .. type(value)
      lib.raise(("%s: [%s] is %s, a module is needed"):format(name, tostring(key), what))
    end
    Module.__newindex(self, key, value)
  end
  return class
end

-- the next free place of a list
local function append(self, module)
  self[#self + 1] = module
  return self
end

--- One layer after the other: nn.Sequential(a, b), or with names nn.Sequential { { "fc", a }, { "act", b } }.
-- model[1], or model.fc, is the layer. A Linear and the activation behind it run as one.
local Sequential = container "nn.Sequential"
Sequential.append = append

-- exactly these classes: what extends one may compute something else
local fused = { [activations.ReLU] = "relu", [activations.Tanh] = "tanh", [activations.Sigmoid] = "sigmoid" }

Sequential.init = fill

-- A network of nothing but Linears and such activations is one C call: calls are most of what a small one costs.
local MOST = 32                   -- Linears in a call
local weights, biases = ffi.new("yt_tensor *[?]", MOST), ffi.new("yt_tensor *[?]", MOST)
local acts = ffi.new("int32_t[?]", MOST)

-- Lists the Linears and what follows each; returns how many, 0 if there is anything else.
local function list_linears(self)
  local keys, n = self._fields, 0
  for i = 1, #keys do
    local layer = self[keys[i]]
    local class = getmetatable(layer)
    if class == Linear and n < MOST and layer.forward == Linear.forward then
      weights[n] = to_tensor(layer.weight, "linear", "weight")
      biases[n] = to_maybe(layer.bias, "linear", "bias")
      acts[n], n = 0, n + 1
    elseif fused[class] and n > 0 and acts[n - 1] == 0 then acts[n - 1] = lib.acts[fused[class]]
    else return 0 end
  end
  return n
end

local function one_by_one(self, x)
  local keys = self._fields
  local i, n = 1, #keys
  while i <= n do
    local layer, following, act = self[keys[i]], self[keys[i + 1]], nil
    if getmetatable(layer) == Linear and following then act = fused[getmetatable(following)] end
    x = layer(x, act)
    i = i + (act and 2 or 1)
  end
  return x
end

function Sequential:forward(x)
  local n = list_linears(self)
  if n > 1 and check.is_tensor(x) then
    local y = C.yt_mlp(to_tensor(x, "linear", "x"), weights, biases, acts, n)
    if y ~= nil then return (lib.own(y)) end
  end
  return (one_by_one(self, x))    -- and if that call failed, the layer at fault is named here
end

--- A list of modules: list[1], #list, ipairs(list).
local ModuleList = container "nn.ModuleList"
ModuleList.append, ModuleList.init = append, fill

--- Modules by name: nn.ModuleDict { { "left", a }, { "right", b } } keeps that order, { left = a, right = b } sorts.
local ModuleDict = container "nn.ModuleDict"

function ModuleDict:init(given)
  given = given or {}
  check.list("nn.ModuleDict", "it", given)
  if #given > 0 then return fill(self, given) end
  local names = {}
  for name in pairs(given) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do self[name] = given[name] end
end

--- A list of parameters.
local ParameterList = Module:extend "nn.ParameterList"
ParameterList.append = append

function ParameterList:init(list)
  list = list or {}
  check.list("nn.ParameterList", "it", list)
  for i, tensor in ipairs(list) do
    check.tensor("nn.ParameterList", ("[%d]"):format(i), tensor)
    self[i] = self:parameter(tensor)
  end
end

return { Sequential = Sequential, ModuleList = ModuleList, ModuleDict = ModuleDict, ParameterList = ParameterList }
