--- Gradients against central differences, in f64.
local yutu = require "yutu"
local abs, max = math.abs, math.max
local STEP = 1e-5

local function values(x) return x:tolist() end
local function tensor(data, shape) return yutu.tensor(data, { shape = shape, dtype = "f64" }) end

-- one number of y in which every element has a weight of its own
local weights = {}
local function weighted(y)
  local n = y:numel()
  for i = #weights + 1, n do weights[i] = math.sin(i * 1.7) + 1.2 end
  return (y * tensor({ unpack(weights, 1, n) }, y.shape)):sum()
end

local function differences(f, x, i)
  local at, out = values(x[i]), {}
  for j = 1, #at do
    local side = {}
    for s = -1, 1, 2 do
      local moved, list = { unpack(x) }, { unpack(at) }
      list[j] = at[j] + s * STEP
      moved[i] = tensor(list, x[i].shape)
      side[s] = weighted(f(unpack(moved))):item()
    end
    out[j] = (side[1] - side[-1]) / (2 * STEP)
  end
  return out
end

local check

-- The first gradient as a function of its own, to be checked in turn.
local function gradient_of(f, fixed)
  return function(...)
    local track, asked = {}, {}
    for i, v in ipairs { ... } do
      track[i] = (v.requires_grad or fixed[i]) and v or v:clone():requires_grad_()
      if not fixed[i] then asked[#asked + 1] = track[i] end
    end
    local total
    for _, g in pairs(yutu.grad(weighted(f(unpack(track))), asked, { create_graph = true })) do
      if g.requires_grad then
        local part = weighted(g:square())
        total = total and total + part or part
      end
    end
    return total or asked[1] * 0
  end
end

local function compare(got, want, tolerance, what)
  for j = 1, #want do
    local have = got and got[j] or 0
    local near = abs(have - want[j]) <= tolerance * max(1, abs(want[j]))          -- false of NaN
    if not near then
      error(("%s: [%d] is %.10g, should be %.10g"):format(what, j, have, want[j]))
    end
  end
end

--- f: tensors -> tensor, at the points x (f64). options: order (1 or 2), fixed (inputs left out), tolerance.
function check(f, x, options)
  local fixed = options.fixed or {}
  local leaves, asked, which = {}, {}, {}
  for i, v in ipairs(x) do
    leaves[i] = tensor(values(v), v.shape)
    if not fixed[i] then
      leaves[i]:requires_grad_()
      asked[#asked + 1], which[#which + 1] = leaves[i], i
    end
  end
  local fused = yutu.grad(weighted(f(unpack(leaves))), asked)
  local composed = yutu.grad(weighted(f(unpack(leaves))), asked, { create_graph = true })
  for k, i in ipairs(which) do
    local what = ("%sgradient of input %d"):format(options.twice and "second " or "", i)
    local got = fused[k] and values(fused[k])
    compare(got, differences(f, x, i), options.tolerance or 1e-6, what)
    if got then compare(values(composed[k]), got, 1e-9, what .. ", fused and composed") end
  end
  if options.order == 2 then
    check(gradient_of(f, fixed), x, { order = 1, fixed = fixed, tolerance = 4e-5, twice = true })
  end
end

return { check = check }
