--- print.lua: a tensor as text: aligned columns in brackets, its dtype and shape in the last line.
-- Beyond 1000 elements only the 3 at each edge of a dim are shown. Numbers are whole, fixed with 4 decimals, or, when
-- very large, very small or far apart, in scientific notation.
local lib = require "yutu.ffi"
local Tensor = lib.Tensor

local THRESHOLD, EDGE, WIDTH = 1000, 3, 100

---- numbers ------------------------------------------------------------------------------------------
local function is_finite(v) return v == v and math.abs(v) ~= math.huge end
local function special(v) return v ~= v and "nan" or v > 0 and "inf" or "-inf" end

-- A function number -> text that suits all the values.
local function formatter(values, is_float)
  if not is_float then return function(v) return type(v) == "boolean" and tostring(v) or ("%.0f"):format(v) end end
  local least, most, whole = math.huge, 0, true
  for _, v in ipairs(values) do
    if is_finite(v) and v ~= 0 then
      least, most = math.min(least, math.abs(v)), math.max(most, math.abs(v))
      whole = whole and v % 1 == 0
    end
  end
  local pattern = "%.4f"
  if whole then pattern = most >= 1e8 and "%.4e" or "%.0f."
  elseif most / least > 1000 or most > 1e8 or least < 1e-4 then pattern = "%.4e" end
  return function(v) return is_finite(v) and pattern:format(v) or special(v) end
end

---- layout -------------------------------------------------------------------------------------------
-- The shown positions of a dim; 0 stands for "...".
local function positions(n, summarised)
  local out = {}
  for i = 1, n do
    if not summarised or n <= 2 * EDGE or i <= EDGE or i > n - EDGE then out[#out + 1] = i
    elseif i == EDGE + 1 then out[#out + 1] = 0 end
  end
  return out
end
-- Only what will be shown is read, so that a tensor of a gigabyte prints at once.
local function edges(x, d)
  local n = x:size(d)
  if n <= 2 * EDGE then return x end
  return Tensor.cat({ x:slice(d, 1, EDGE), x:slice(d, n - EDGE + 1, n) }, d)
end

local function draw(values, sizes, shown, format)
  local width = 0
  local texts = {}
  for i, v in ipairs(values) do
    texts[i] = format(v)
    width = math.max(width, #texts[i])
  end
  local at = 0
  local function row(n, indent)
    local out, column = {}, indent
    for _, i in ipairs(shown[n]) do
      local text = "..."
      if i ~= 0 then
        at = at + 1
        text = (" "):rep(width - #texts[at]) .. texts[at]
      end
      if column + #text + 2 > WIDTH and #out > 0 then
        out[#out] = out[#out] .. ",\n" .. (" "):rep(indent)
        column = indent
      elseif #out > 0 then out[#out] = out[#out] .. ", " end
      out[#out + 1] = text
      column = column + #text + 2
    end
    return "[" .. table.concat(out) .. "]"
  end
  local function block(d, indent)
    if d == #sizes then return row(d, indent + 1) end
    local parts = {}
    for k, i in ipairs(shown[d]) do parts[k] = i == 0 and "..." or block(d + 1, indent + 1) end
    local between = "," .. ("\n"):rep(#sizes - d) .. (" "):rep(indent + 1)
    return "[" .. table.concat(parts, between) .. "]"
  end
  return #sizes == 0 and texts[1] or block(1, 0)
end

local function show(x)
  if x._t.id ~= x._id then return "a tensor that was released" end
  local sizes, t = x.shape, x._t
  local last = ("%s (%s)"):format(x.dtype, table.concat(sizes, ","))
  if x.device ~= "cpu" then last = last .. " on " .. x.device end
  if x.requires_grad then last = last .. (x.is_leaf and ", requires_grad" or ", has a gradient") end
  if t.numel == 0 then return "[]\n" .. last end
  local summarised = t.numel > THRESHOLD
  local part, shown = x:detach(), {}
  for d = 1, #sizes do
    shown[d] = positions(sizes[d], summarised)
    if summarised then part = edges(part, d) end
  end
  local values = part:tolist()
  local separator = #sizes == 0 and "  " or "\n"
  return draw(values, sizes, shown, formatter(values, x:is_floating_point())) .. separator .. last
end

return show
