--- Arrays in plain Lua, for references that a reader can check by eye.
-- A = plain(shape, flat data); A(i, j, ...) is an element, counted from 1; plain.make({ 2, 3 }, function(i, j) end).
local Plain = {}
Plain.__index = Plain

local function new(shape, data) return setmetatable({ shape = shape, data = data }, Plain) end

function Plain.__call(a, ...)
  local at = 0
  for d, size in ipairs(a.shape) do
    local i = select(d, ...)
    assert(i >= 1 and i <= size, "the reference reads outside")
    at = at * size + i - 1
  end
  return a.data[at + 1]
end

local function make(shape, f)
  local data, index = {}, {}
  local function fill(d)
    if d > #shape then
      data[#data + 1] = f(unpack(index, 1, #shape))
      return
    end
    for i = 1, shape[d] do
      index[d] = i
      fill(d + 1)
    end
  end
  fill(1)
  return new(shape, data)
end

--- Calls f(i, j, ...) for every position of a shape.
local function each(shape, f)
  make(shape, function(...)
    f(...)
    return 0
  end)
end
local function sum(n, f)
  local s = 0
  for i = 1, n do s = s + f(i) end
  return s
end

local module = { make = make, each = each, sum = sum }
return setmetatable(module, { __call = function(_, shape, data) return new(shape, data) end })
