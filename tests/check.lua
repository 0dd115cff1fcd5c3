--- Comparing and making tensors in specs.
local yutu = require "yutu"
local abs, max = math.abs, math.max

---- comparing ------------------------------------------------------------------------------------------
local function equal(a, b, tolerance)
  return a == b or a ~= a and b ~= b or abs(a - b) <= tolerance * max(1, abs(b))
end
local function close(got, want, tolerance, what)
  assert(#got == #want, ("%s: %d elements, should be %d"):format(what, #got, #want))
  for i = 1, #got do
    if not equal(got[i], want[i], tolerance) then
      error(("%s: element %d is %.17g, should be %.17g"):format(what, i, got[i], want[i]), 2)
    end
  end
end
local function values(x) return x:to("f64"):tolist() end
local function shape_is(x, shape, what)
  local got, want = table.concat(x.shape, ","), table.concat(shape, ",")
  assert(got == want, ("%s: shape (%s), should be (%s)"):format(what, got, want))
end
local function refuses(pattern, f)
  local ok, message = pcall(f)
  assert(not ok, "was not refused: " .. pattern)
  assert(tostring(message):find(pattern), ("expected %s, got: %s"):format(pattern, tostring(message)))
end

---- making ------------------------------------------------------------------------------------------------
-- The same sequence in every run (Park and Miller 1988), whatever else draws numbers.
local function stream(seed)
  local state = seed
  return function()
    state = state * 16807 % 2147483647
    return state / 2147483647
  end
end
local function tensor(data, shape, dtype) return yutu.tensor(data, { shape = shape, dtype = dtype }) end
--- The same elements, but laid out with the first dim running fastest and a gap after each.
local function scattered(x)
  local n = x:dim()
  if n == 0 then return x end
  local order = {}
  for d = 1, n do order[d] = n + 1 - d end
  local wide = yutu.stack({ x:permute(order), x:permute(order) }, n + 1)
  return wide:select(n + 1, 1):permute(order)
end
local function map(list, f)
  local out = {}
  for i = 1, #list do out[i] = f(list[i], i) end
  return out
end

return {
  equal = equal, close = close, values = values, shape_is = shape_is, refuses = refuses, stream = stream,
  tensor = tensor, scattered = scattered, map = map,
}
