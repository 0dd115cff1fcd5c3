--- What each elementwise row computes, on numbers.
-- A case is a function, or { f, fixed =, sample =, extra = }: fixed are inputs without a derivative; sample(k, v, i)
-- changes v, the i-th value drawn for input k; extra holds points that a sample does not meet, { { args, result } }.
local exp, log, abs, sqrt, floor = math.exp, math.log, math.abs, math.sqrt, math.floor
local min, max, pi, huge = math.min, math.max, math.pi, math.huge
local nan = 0 / 0

local function trunc(v) return v < 0 and math.ceil(v) or floor(v) end
local function round(v)           -- halves to even
  local r = floor(v + .5)
  return r - v == .5 and r % 2 == 1 and r - 1 or r
end
local function sign(v) return v > 0 and 1 or v < 0 and -1 or 0 end
local function log1p(v)
  local u = 1 + v
  return u == 1 and v or log(u) * v / (u - 1)
end
local function expm1(v)
  if abs(v) > 1e-2 then return exp(v) - 1 end
  local term, total = v, v
  for n = 2, 12 do
    term = term * v / n
    total = total + term
  end
  return total
end
local function sigmoid(v) return v >= 0 and 1 / (1 + exp(-v)) or exp(v) / (1 + exp(v)) end
local function softplus(v) return max(v, 0) + log1p(exp(-abs(v))) end
local function tanh(v)
  local e = expm1(-2 * abs(v))
  return -sign(v) * e / (e + 2)
end

-- erf x = 2 / sqrt(pi) e^(-x^2) sum of 2^n x^(2n + 1) / (2n + 1)!!   (Abramowitz & Stegun 7.1.6)
local function erf(x)
  local term, total = x, x
  for n = 1, 200 do
    term = term * 2 * x * x / (2 * n + 1)
    total = total + term
  end
  return 2 / sqrt(pi) * exp(-x * x) * total
end
local function erfinv(y)          -- Newton
  local x = 0
  for _ = 1, 60 do x = x - (erf(x) - y) * sqrt(pi) / 2 * exp(x * x) end
  return x
end
-- Stirling's series after moving x beyond 20 (A&S 6.1.41, 6.3.18)
local function lgamma(x)
  local shift = 0
  while x < 20 do shift, x = shift + log(x), x + 1 end
  return (x - .5) * log(x) - x + .5 * log(2 * pi) + 1 / (12 * x) - 1 / (360 * x ^ 3) + 1 / (1260 * x ^ 5)
    - 1 / (1680 * x ^ 7) - shift
end
local function digamma(x)
  local shift = 0
  while x < 20 do shift, x = shift + 1 / x, x + 1 end
  return log(x) - 1 / (2 * x) - 1 / (12 * x ^ 2) + 1 / (120 * x ^ 4) - 1 / (252 * x ^ 6) + 1 / (240 * x ^ 8) - shift
end

local function first_signed(k, v, i) return k == 1 and i % 2 == 0 and -v or v end
local function halves(_, v) return floor(2 * v) / 2 end             -- so that some are equal
local function zero_or_one(_, _, i) return floor(i / 2) % 2 end
local function both(_, _, i) return (i + floor(i / 3)) % 2 end

local function truth(f) return function(...) return f(...) and 1 or 0 end end

return {
  add = function(a, b) return a + b end,
  sub = function(a, b) return a - b end,
  mul = function(a, b) return a * b end,
  div = { function(a, b) return a / b end, sample = first_signed,
    extra = { { { 1, 0 }, huge }, { { -1, 0 }, -huge } } },
  floordiv = { function(a, b) return floor(a / b) end, sample = first_signed,
    extra = { { { -7, 2 }, -4 }, { { 7, -2 }, -4 }, { { 7, 2 }, 3 } } },
  remainder = { function(a, b) return a - b * floor(a / b) end, sample = first_signed,
    extra = { { { -7, 2 }, 1 }, { { 7, -2 }, -1 } } },
  fmod = { function(a, b) return a - b * trunc(a / b) end, sample = first_signed,
    extra = { { { -7, 2 }, -1 }, { { 7, -2 }, 1 } } },
  pow = { function(a, b) return a ^ b end,
    extra = { { { -2, 3 }, -8 }, { { -2, 2 }, 4 }, { { 0, 0 }, 1 }, { { -2, .5 }, nan }, { { 0, -1 }, huge } } },
  maximum = { function(a, b) return max(a, b) end, extra = { { { nan, 1 }, nan }, { { 1, nan }, nan } } },
  minimum = { function(a, b) return min(a, b) end, extra = { { { nan, 1 }, nan }, { { 1, nan }, nan } } },
  atan2 = { math.atan2, sample = first_signed, extra = { { { 0, -1 }, pi }, { { -1, 0 }, -pi / 2 } } },
  hypot = { function(a, b) return sqrt(a * a + b * b) end, extra = { { { 3e150, 4e150 }, 5e150 } } },
  logaddexp = { function(a, b) return max(a, b) + log1p(exp(-abs(a - b))) end,
    extra = { { { 1000, 1000 }, 1000 + log(2) }, { { -huge, 1 }, 1 } } },
  xlogy = { function(a, b) return a == 0 and 0 or a * log(b) end, extra = { { { 0, 0 }, 0 } } },
  lerp = function(a, b, w) return a + w * (b - a) end,
  addcmul = function(x, a, b) return x + a * b end,
  copy = { function(_, b) return b end, fixed = { true } },
  where = { function(c, a, b) return c ~= 0 and a or b end, fixed = { true },
    sample = function(k, v, i) return k == 1 and i % 2 or v end },
  clamp = { function(x, lo, hi) return min(max(x, lo), hi) end,
    sample = function(k, v) return k == 1 and v or k == 2 and -abs(v) or abs(v) end,
    extra = { { { 5, -huge, huge }, 5 }, { { nan, 0, 1 }, nan } } },

  neg = function(x) return -x end,
  abs = { abs, sample = first_signed },
  sign = { sign, sample = first_signed, extra = { { { 0 }, 0 } } },
  square = function(x) return x * x end,
  sqrt = { sqrt, extra = { { { -1 }, nan }, { { 0 }, 0 } } },
  rsqrt = function(x) return 1 / sqrt(x) end,
  reciprocal = { function(x) return 1 / x end, sample = first_signed },
  floor = floor,
  ceil = math.ceil,
  round = { round, extra = { { { .5 }, 0 }, { { 1.5 }, 2 }, { { -2.5 }, -2 } } },
  trunc = trunc,
  frac = { function(x) return x - trunc(x) end, sample = first_signed },

  exp = { exp, extra = { { { 1000 }, huge }, { { -1000 }, 0 }, { { -huge }, 0 }, { { nan }, nan } } },
  exp2 = function(x) return 2 ^ x end,
  expm1 = { expm1, extra = { { { 1e-10 }, 1.00000000005e-10 } } },
  log = { log, extra = { { { 0 }, -huge }, { { -1 }, nan } } },
  log2 = function(x) return log(x) / log(2) end,
  log10 = math.log10,
  log1p = { log1p, extra = { { { -1 }, -huge }, { { 1e-10 }, 9.9999999995e-11 } } },
  sin = { math.sin, extra = { { { 1e5 }, math.sin(1e5) } } },
  cos = { math.cos, extra = { { { 1e5 }, math.cos(1e5) } } },
  tan = math.tan, asin = math.asin, acos = math.acos, atan = math.atan,
  sinh = math.sinh, cosh = math.cosh,
  asinh = function(x) return sign(x) * log(abs(x) + sqrt(x * x + 1)) end,
  acosh = function(x) return log(x + sqrt(x * x - 1)) end,
  atanh = function(x) return .5 * (log1p(x) - log1p(-x)) end,
  erf = { erf, extra = { { { 10 }, 1 }, { { -10 }, -1 } } },
  erfc = { function(x) return 1 - erf(x) end, extra = { { { 5 }, 1.5374597944280348e-12 } } },
  erfinv = { erfinv, extra = { { { 1 }, huge }, { { -1 }, -huge } } },
  digamma = digamma,
  lgamma = lgamma,

  relu = { function(x) return max(x, 0) end, extra = { { { nan }, nan } } },
  tanh = { tanh, extra = { { { 1000 }, 1 }, { { -1000 }, -1 } } },
  sigmoid = { sigmoid, extra = { { { 1000 }, 1 }, { { -1000 }, 0 } } },
  logsigmoid = { function(x) return -softplus(-x) end, extra = { { { -1000 }, -1000 } } },
  silu = function(x) return x * sigmoid(x) end,
  gelu = function(x) return .5 * x * (1 + erf(x / sqrt(2))) end,
  gelu_tanh = function(x) return .5 * x * (1 + tanh(sqrt(2 / pi) * (x + .044715 * x ^ 3))) end,
  mish = function(x) return x * tanh(softplus(x)) end,
  softsign = { function(x) return x / (1 + abs(x)) end, sample = first_signed },
  tanhshrink = function(x) return x - tanh(x) end,
  hardswish = { function(x) return x * min(max(x + 3, 0), 6) / 6 end, extra = { { { 5 }, 5 }, { { -5 }, 0 } } },
  hardsigmoid = { function(x) return min(max(x / 6 + .5, 0), 1) end, extra = { { { 5 }, 1 }, { { -5 }, 0 } } },
  selu = function(x) return 1.0507009873554805 * (x > 0 and x or 1.6732632423543772 * expm1(x)) end,
  elu = { function(x, alpha) return x > 0 and x or alpha * expm1(x) end, sample = first_signed },
  celu = { function(x, alpha) return x > 0 and x or alpha * expm1(x / alpha) end, sample = first_signed },
  leaky_relu = { function(x, slope) return x > 0 and x or slope * x end, sample = first_signed },
  softplus = { function(x, beta, threshold) return x * beta > threshold and x or softplus(x * beta) / beta end,
    sample = first_signed, fixed = { [3] = true } },
  hardshrink = { function(x, lambd) return abs(x) > lambd and x or 0 end, sample = first_signed,
    fixed = { [2] = true } },
  softshrink = { function(x, lambd) return x > lambd and x - lambd or x < -lambd and x + lambd or 0 end,
    sample = first_signed },
  threshold = { function(x, threshold, value) return x > threshold and x or value end, fixed = { [2] = true } },

  squared_error = function(a, b) return (a - b) ^ 2 end,
  smooth_l1 = { function(a, b, beta) return abs(a - b) < beta and .5 * (a - b) ^ 2 / beta or abs(a - b) - .5 * beta end,
    sample = first_signed, fixed = { [3] = true } },
  huber = { function(a, b, delta)
    return abs(a - b) < delta and .5 * (a - b) ^ 2 or delta * (abs(a - b) - .5 * delta)
  end, sample = first_signed, fixed = { [3] = true } },
  bce = { function(a, b) return -(b * max(log(a), -100) + (1 - b) * max(log(1 - a), -100)) end,
    extra = { { { 0, 1 }, 100 }, { { 1, 1 }, 0 } } },
  bce_with_logits = { function(a, b, p) return (1 - b) * a + (1 + (p - 1) * b) * softplus(-a) end,
    extra = { { { 1000, 1, 1 }, 0 }, { { -1000, 1, 1 }, 1000 } } },

  eq = { truth(function(a, b) return a == b end), sample = halves, extra = { { { nan, nan }, 0 } } },
  ne = { truth(function(a, b) return a ~= b end), sample = halves, extra = { { { nan, nan }, 1 } } },
  lt = { truth(function(a, b) return a < b end), sample = halves, extra = { { { nan, 1 }, 0 } } },
  le = { truth(function(a, b) return a <= b end), sample = halves },
  gt = { truth(function(a, b) return a > b end), sample = halves },
  ge = { truth(function(a, b) return a >= b end), sample = halves },
  logical_and = { truth(function(a, b) return a ~= 0 and b ~= 0 end),
    sample = function(k, ...) return (k == 1 and zero_or_one or both)(k, ...) end },
  logical_or = { truth(function(a, b) return a ~= 0 or b ~= 0 end),
    sample = function(k, ...) return (k == 1 and zero_or_one or both)(k, ...) end },
  logical_xor = { truth(function(a, b) return (a ~= 0) ~= (b ~= 0) end),
    sample = function(k, ...) return (k == 1 and zero_or_one or both)(k, ...) end },
  logical_not = { truth(function(x) return x == 0 end), sample = zero_or_one },
  isnan = { truth(function(x) return x ~= x end), extra = { { { nan }, 1 }, { { huge }, 0 } } },
  isinf = { truth(function(x) return abs(x) == huge end),
    extra = { { { -huge }, 1 }, { { huge }, 1 }, { { nan }, 0 } } },
  isfinite = { truth(function(x) return abs(x) < huge end), extra = { { { nan }, 0 }, { { huge }, 0 } } },
}
