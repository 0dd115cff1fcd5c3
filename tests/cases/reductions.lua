--- Reductions: what a list of numbers becomes (FOLD, SEEK), or the list of running results (SCAN).
local function fold(first, f)
  return function(v)
    local r = first
    for i = 1, #v do r = f(r, v[i]) end
    return r
  end
end
local function scan(first, f)
  return function(v)
    local r, out = first, {}
    for i = 1, #v do
      r = f(r, v[i])
      out[i] = r
    end
    return out
  end
end
local function seek(better)
  return function(v)
    local best = 1
    for i = 2, #v do if better(v[i], v[best]) then best = i end end
    return best
  end
end

return {
  sum = fold(0, function(r, v) return r + v end),
  sumsq = fold(0, function(r, v) return r + v * v end),
  prod = fold(1, function(r, v) return r * v end),
  amax = fold(-math.huge, math.max),
  amin = fold(math.huge, math.min),
  any = fold(0, function(r, v) return (r ~= 0 or v ~= 0) and 1 or 0 end),
  all = fold(1, function(r, v) return (r ~= 0 and v ~= 0) and 1 or 0 end),
  argmax = seek(function(a, b) return a > b end),
  argmin = seek(function(a, b) return a < b end),
  cumsum = scan(0, function(r, v) return r + v end),
  cumprod = scan(1, function(r, v) return r * v end),
}
