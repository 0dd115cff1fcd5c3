--- spaces.lua: what an observation or an action can be.
--
--   Discrete(n)                  one of 1 .. n
--   Box { size =, low =, high = }   size numbers, each within its bounds; a bound is one number for all, or a list
local lib = require "yutu.ffi"

local spaces = {}

local Discrete = { kind = "discrete" }
Discrete.__index = Discrete
function Discrete.__tostring(space) return ("Discrete(%d)"):format(space.n) end

function Discrete.contains(space, x) return type(x) == "number" and x % 1 == 0 and x >= 1 and x <= space.n end

function spaces.Discrete(n)
  if type(n) ~= "number" or n % 1 ~= 0 or n < 1 then
    lib.raise(("rl.Discrete: n is %s, a whole number of at least 1 is needed"):format(tostring(n)))
  end
  return setmetatable({ n = n }, Discrete)
end

local Box = { kind = "box" }
Box.__index = Box
function Box.__tostring(space) return ("Box(%d)"):format(space.size) end

function Box.contains(space, x)
  if type(x) ~= "table" or #x ~= space.size then return false end
  for i = 1, space.size do
    if type(x[i]) ~= "number" or not (x[i] >= space.low[i] and x[i] <= space.high[i]) then return false end
  end
  return true
end

local function bounds(name, given, size)
  if type(given) == "number" then
    local all = {}
    for i = 1, size do all[i] = given end
    return all
  end
  if type(given) ~= "table" or #given ~= size then
    lib.raise(("rl.Box: %s must be a number, or a list of %d"):format(name, size))
  end
  return given
end

local known = { size = true, low = true, high = true }

function spaces.Box(options)
  if type(options) ~= "table" then lib.raise "rl.Box: a table is needed: rl.Box { size = 4, low = -1, high = 1 }" end
  local o = lib.options(options, "rl.Box", known)
  if type(o.size) ~= "number" or o.size % 1 ~= 0 or o.size < 1 then
    lib.raise(("rl.Box: size is %s, a whole number of at least 1 is needed"):format(tostring(o.size)))
  end
  return setmetatable({
    size = o.size, low = bounds("low", o.low or -math.huge, o.size), high = bounds("high", o.high or math.huge, o.size),
  }, Box)
end

return spaces
