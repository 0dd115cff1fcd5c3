--- Data sets and what can be made of them. See yutu.data for the contract: size(), get(i), and perhaps batch(index).
local ffi = require "ffi"
local yutu = require "yutu"
local lib = require "yutu.ffi"

local istype, ref = ffi.istype, lib.ref

local function class(name)
  local c = { class = name }
  c.__index = c
  c.__len = function(self) return self:size() end       -- for a LuaJIT built with Lua 5.2's metamethods
  return setmetatable(c, { __call = function(self, ...)
    local object = setmetatable({}, self)
    object:init(...)
    return object
  end })
end

local function fail(name, format, ...) lib.raise(("data.%s: "):format(name) .. format:format(...)) end

local function is_dataset(value)
  return type(value) == "table" and type(value.size) == "function" and type(value.get) == "function"
end
local function check(name, value)
  if is_dataset(value) then return value end
  fail(name, "%s is not a data set: a table with size() and get(i) is needed", lib.describe(value))
end
local function check_position(name, i, n)
  if type(i) ~= "number" or i % 1 ~= 0 or i < 1 or i > n then
    fail(name, "get: there is no example %s of %d", tostring(i), n)
  end
  return i
end

--- How many examples. The methods of user's tables are asked, so that the answer is checked once, here.
local function size_of(name, set)
  local n = check(name, set):size()
  if type(n) ~= "number" or n % 1 ~= 0 or n < 0 then fail(name, "size() returned %s", lib.describe(n)) end
  return n
end

---- batches ----------------------------------------------------------------------------------------
-- Many values of one field as one tensor: stacked tensors, or numbers as f32, or whole numbers as i64.
local function collate(name, values, field)
  local first = values[1]
  if istype(ref, first) then
    for i, v in ipairs(values) do
      if not istype(ref, v) then
        fail(name, "field %d of example %d is %s, others are tensors", field, i, lib.describe(v))
      end
    end
    return yutu.stack(values, 1)
  end
  local whole = true
  for i, v in ipairs(values) do
    if type(v) ~= "number" then
      fail(name, "field %d of example %d is %s; a tensor or a number is needed", field, i, lib.describe(v))
    end
    whole = whole and v % 1 == 0
  end
  return yutu.tensor(values, { dtype = whole and "i64" or "f32" })
end

-- The fields of the examples at these positions (i64, from 1), gathered one by one.
local function gather(name, set, index)
  local columns, fields, n = {}, nil, index:numel()
  for k, i in ipairs(index:tolist()) do
    local example = { set:get(i) }
    fields = fields or #example
    if #example ~= fields or fields == 0 then
      fail(name, "get(%d) returned %d fields, the first example %d", i, #example, fields)
    end
    for f = 1, fields do
      columns[f] = columns[f] or {}
      columns[f][k] = example[f]
    end
  end
  if n == 0 then fail(name, "an empty batch") end
  for f = 1, fields do columns[f] = collate(name, columns[f], f) end
  return unpack(columns, 1, fields)
end

--- The fields of many examples, each as one tensor whose first dim counts them. index: i64 positions, from 1.
local function batch(name, set, index)
  if type(set.batch) == "function" then return set:batch(index) end
  return gather(name, set, index)
end

---- TensorDataset ----------------------------------------------------------------------------------
--- TensorDataset(x, y, ...): example i is x[i], y[i], ...
local TensorDataset = class "TensorDataset"
function TensorDataset:init(...)
  self.tensors = { ... }
  self.n = 0
  if #self.tensors == 0 then fail("TensorDataset", "a tensor is needed") end
  for i, t in ipairs(self.tensors) do
    if not istype(ref, t) then fail("TensorDataset", "argument %d is %s, a tensor is needed", i, lib.describe(t)) end
    if t:dim() == 0 then fail("TensorDataset", "argument %d has no dims, so it holds no examples", i) end
    if i == 1 then self.n = t:size(1)
    elseif t:size(1) ~= self.n then
      fail("TensorDataset", "argument 1 holds %d examples, argument %d %d", self.n, i, t:size(1))
    end
  end
end
function TensorDataset:size() return self.n end
function TensorDataset:get(i)
  check_position("TensorDataset", i, self.n)
  local out = {}
  for f, t in ipairs(self.tensors) do out[f] = t:select(1, i) end
  return unpack(out)
end
function TensorDataset:batch(index)
  local t = self.tensors
  local a = t[1]:index_select(1, index)
  if not t[2] then return a end
  local b = t[2]:index_select(1, index)
  if not t[3] then return a, b end
  local out = { a, b }
  for f = 3, #t do out[f] = t[f]:index_select(1, index) end
  return unpack(out)
end

---- Map --------------------------------------------------------------------------------------------
--- Map(set, f): the examples f(x, y, ...). f sees one example at a time; a loader's transform sees whole batches.
local Map = class "Map"
function Map:init(set, f)
  self.set, self.f = check("map", set), f
  if type(f) ~= "function" then fail("map", "%s is not a function", lib.describe(f)) end
end
function Map:size() return self.set:size() end
function Map:get(i) return self.f(self.set:get(i)) end

---- Subset -----------------------------------------------------------------------------------------
--- Subset(set, positions): some examples of another set, in the order of a list or an i64 tensor.
local Subset = class "Subset"
function Subset:init(set, positions)
  self.set = check("Subset", set)
  local n = size_of("Subset", set)
  if type(positions) == "table" then
    positions = #positions > 0 and yutu.tensor(positions, { dtype = "i64" }) or yutu.zeros({ 0 }, { dtype = "i64" })
  end
  if not istype(ref, positions) or positions:dim() ~= 1 or positions.dtype ~= "i64" then
    fail("Subset", "positions are a list, or an i64 tensor of one dim")
  end
  if positions:numel() > 0 and (positions:amin():item() < 1 or positions:amax():item() > n) then
    fail("Subset", "positions go from %d to %d, the set has %d examples", positions:amin():item(),
      positions:amax():item(), n)
  end
  self.positions = positions
end
function Subset:size() return self.positions:numel() end
function Subset:get(i)
  check_position("Subset", i, self:size())
  return self.set:get(self.positions[i]:item())
end
function Subset:batch(index) return batch("Subset", self.set, self.positions:index_select(1, index)) end

---- ConcatDataset ----------------------------------------------------------------------------------
--- ConcatDataset { a, b, ... }: the examples of one set after those of another.
local ConcatDataset = class "ConcatDataset"
function ConcatDataset:init(sets)
  if type(sets) ~= "table" or #sets == 0 then fail("ConcatDataset", "a list of data sets is needed") end
  self.sets, self.ends = sets, {}
  local n = 0
  for i, set in ipairs(sets) do
    n = n + size_of("ConcatDataset", set)
    self.ends[i] = n
  end
end
function ConcatDataset:size() return self.ends[#self.ends] end
function ConcatDataset:get(i)
  check_position("ConcatDataset", i, self:size())
  local s = 1
  while i > self.ends[s] do s = s + 1 end
  return self.sets[s]:get(i - (self.ends[s - 1] or 0))
end

---- splitting --------------------------------------------------------------------------------------
-- Lengths that add up to n, from fractions: what rounding leaves goes to the first ones, one each, as in PyTorch.
local function lengths_of(parts, n)
  local sum, whole = 0, true
  for i, part in ipairs(parts) do
    if type(part) ~= "number" or part < 0 then fail("random_split", "part %d is %s", i, lib.describe(part)) end
    sum, whole = sum + part, whole and part % 1 == 0
  end
  if whole and sum == n then return parts end
  if math.abs(sum - 1) > 1e-6 then
    fail("random_split", "the parts add up to %g, and should to 1 or to the %d examples", sum, n)
  end
  local out, left = {}, n
  for i, part in ipairs(parts) do
    out[i] = math.floor(n * part)
    left = left - out[i]
  end
  for k = 0, left - 1 do out[k % #out + 1] = out[k % #out + 1] + 1 end
  return out
end

--- random_split(set, { 0.8, 0.1, 0.1 }, { generator = g }): disjoint subsets, by fractions or by numbers of examples.
local function random_split(set, parts, options)
  local n = size_of("random_split", set)
  if type(parts) ~= "table" or #parts == 0 then fail("random_split", "a list of parts is needed, as { 0.8, 0.2 }") end
  for name in pairs(options or {}) do
    if name ~= "generator" then fail("random_split", "no option %s; there is generator", lib.describe(name)) end
  end
  local order, first, out = yutu.randperm(n, { generator = options and options.generator }), 1, {}
  for i, length in ipairs(lengths_of(parts, n)) do
    local positions = length > 0 and order:slice(1, first, first + length - 1) or yutu.zeros({ 0 }, { dtype = "i64" })
    out[i] = Subset(set, positions:clone())
    first = first + length
  end
  return unpack(out)
end

return {
  TensorDataset = TensorDataset, Map = Map, map = Map, Subset = Subset, ConcatDataset = ConcatDataset,
  random_split = random_split, is_dataset = is_dataset, batch = batch, size_of = size_of,
}
