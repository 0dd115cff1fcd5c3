--- What the layers and losses ask of their arguments. Every complaint names who complains, and what it was given.
local ffi = require "ffi"
local lib = require "yutu.ffi"

local ref, istype, type = ffi.typeof "yt_ref", ffi.istype, type
local FIRST_FLOAT = 4             -- of the dtypes in order of promotion: f16, bf16, f32, f64 are floats

local check = {}

function check.is_tensor(value) return istype(ref, value) end

--- "(3,4)" of a tensor, else its type.
function check.shape(value)
  if not istype(ref, value) then return type(value) == "number" and tostring(value) or "a " .. type(value) end
  return "(" .. table.concat(value.shape, ",") .. ")"
end

function check.tensor(owner, name, value)
  if istype(ref, value) then return end
  lib.raise(("%s: %s is %s, a tensor is needed"):format(owner, name, value == nil and "missing" or "a " .. type(value)))
end

function check.is_float(tensor) return tensor._t.dtype >= FIRST_FLOAT end

-- Without a loop: a loop of its own would cut the trace of the caller's in two.
local function same_sizes(p, q)
  local n, a, b = p.ndim, p.size, q.size
  return n == q.ndim and (n < 1 or a[0] == b[0]) and (n < 2 or a[1] == b[1]) and (n < 3 or a[2] == b[2])
    and (n < 4 or a[3] == b[3]) and (n < 5 or a[4] == b[4]) and (n < 6 or a[5] == b[5]) and (n < 7 or a[6] == b[6])
    and (n < 8 or a[7] == b[7])
end

--- a and b must be tensors of one shape; b may be a number. Broadcasting here hides mistakes: (N,1) against (N) would
-- compare every prediction with every target.
function check.same_shape(owner, a_name, a, b_name, b)
  if not istype(ref, a) then check.tensor(owner, a_name, a) end
  if type(b) == "number" then return end
  if not istype(ref, b) then check.tensor(owner, b_name, b) end
  if not same_sizes(a._t, b._t) then
    lib.raise(("%s: %s %s and %s %s differ in shape"):format(owner, a_name, check.shape(a), b_name, check.shape(b)))
  end
end

function check.count(owner, name, value)
  if type(value) == "number" and value >= 1 and value % 1 == 0 then return end
  lib.raise(("%s: %s is %s, a whole number of at least 1 is needed"):format(owner, name, tostring(value)))
end

--- lo <= value <= hi; no NaN passes.
function check.within(owner, name, value, lo, hi)
  if value >= lo and value <= hi then return end
  lib.raise(("%s: %s = %g is not within [%g, %g]"):format(owner, name, value, lo, hi))
end

function check.number(owner, name, value)
  if type(value) == "number" then return end
  lib.raise(("%s: %s is %s, a number is needed"):format(owner, name, value == nil and "missing" or "a " .. type(value)))
end

function check.whole(owner, name, value)
  if type(value) == "number" and value % 1 == 0 then return end
  lib.raise(("%s: %s is %s, a whole number is needed"):format(owner, name, tostring(value)))
end

function check.list(owner, name, value)
  if type(value) == "table" then return end
  lib.raise(("%s: %s is %s, a list is needed"):format(owner, name, value == nil and "missing" or "a " .. type(value)))
end

--- The sizes of x must end with those of the list.
function check.last_sizes(owner, x, sizes)
  if not istype(ref, x) then check.tensor(owner, "input", x) end
  local t, n = x._t, #sizes
  local fits = t.ndim >= n
  for i = 1, n do fits = fits and t.size[t.ndim - n + i - 1] == sizes[i] end
  if not fits then
    lib.raise(("%s: input %s does not end in (%s)"):format(owner, check.shape(x), table.concat(sizes, ",")))
  end
end

---- options ----------------------------------------------------------------------------------------
--- Declares options in PyTorch's order: check.options("nn.Softplus", { "beta", 1 }, { "threshold", 20 }).
-- An option without a default may be left out, or be given any value.
function check.options(owner, ...)
  local spec = { owner = owner, names = {}, defaults = {}, known = {} }
  for i, option in ipairs { ... } do
    spec.names[i], spec.defaults[option[1]], spec.known[option[1]] = option[1], option[2], true
  end
  return spec
end

local function refuse(spec, name)
  local names = table.concat(spec.names, ", ")
  lib.raise(("%s: no option '%s'; there %s"):format(spec.owner, tostring(name), names == "" and "are none" or
    (#spec.names == 1 and "is " or "are ") .. names))
end

--- A table of all options: from one table of names, or from up to three values in order.
function check.read(spec, a, b, c)
  local given = a
  if type(a) ~= "table" then
    local names = spec.names
    if (a ~= nil and not names[1]) or (b ~= nil and not names[2]) or (c ~= nil and not names[3]) then
      lib.raise(("%s: more than %d option%s given"):format(spec.owner, #names, #names == 1 and "" or "s"))
    end
    given = {}
    if a ~= nil then given[names[1]] = a end
    if b ~= nil then given[names[2]] = b end
    if c ~= nil then given[names[3]] = c end
  elseif b ~= nil then lib.raise(spec.owner .. ": options come in one table") end
  for name in pairs(given) do if not spec.known[name] then refuse(spec, name) end end
  local out = {}
  for _, name in ipairs(spec.names) do
    local value, default = given[name], spec.defaults[name]
    if value == nil then value = default
    elseif default ~= nil and type(value) ~= type(default) then
      lib.raise(("%s: %s is a %s, a %s is needed"):format(spec.owner, name, type(value), type(default)))
    end
    out[name] = value
  end
  return out
end

return check
