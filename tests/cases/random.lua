--- Rows that draw random numbers, and the two fills that do not. draw(x, generator) fills x (N), or makes N numbers of
-- it; check(values) holds what they must be like: margins are five standard errors of that many draws.
local yutu = require "yutu"
local sqrt, exp, pi, abs = math.sqrt, math.exp, math.pi, math.abs
local N = 60000

local function mean(values)
  local s = 0
  for i = 1, #values do s = s + values[i] end
  return s / #values
end
local function near(what, got, want, deviation)
  local margin = 5 * deviation / sqrt(N)
  local inside = abs(got - want) <= margin              -- false of NaN
  if not inside then error(("%s is %.5f, should be %.5f +- %.5f"):format(what, got, want, margin)) end
end
-- mean, and mean of squares about the mean m; variance v, fourth central moment q
local function moments(values, m, v, q)
  near("the mean", mean(values), m, sqrt(v))
  local squares = {}
  for i = 1, #values do squares[i] = (values[i] - m) ^ 2 end
  near("the variance", mean(squares), v, sqrt(q - v * v))
end
local function share(values, f, p) -- how many are so
  local n = 0
  for i = 1, #values do if f(values[i]) then n = n + 1 end end
  near("the share", n / #values, p, sqrt(p * (1 - p)))
end
local function within(values, low, high)
  for i = 1, #values do assert(values[i] >= low and values[i] < high, values[i] .. " is outside") end
end

local function E(...) return yutu.zeros(...) end
local function i64(...) return yutu.zeros({ ... }, { dtype = "i64" }) end

return {
  N = N,
  fill = {
    draw = function(x) return x:fill_(2.5) end, constant = true,
    check = function(v) for i = 1, #v do assert(v[i] == 2.5) end end,
    refuse = { { "fill_: value is nothing, a number is needed", function() E(2):fill_() end } },
  },
  arange = {
    draw = function(x) return x:arange_(2, .5) end, constant = true,
    check = function(v) for i = 1, #v do assert(v[i] == 2 + .5 * (i - 1)) end end,
    refuse = { { "arange_: step is \"x\", a number", function() E(2):arange_(1, "x") end } },
  },
  uniform = {
    draw = function(x, g) return x:uniform_(-1, 3, g) end,
    check = function(v)
      within(v, -1, 3)
      moments(v, 1, 16 / 12, 256 / 80)
      share(v, function(u) return u < 0 end, .25)
    end,
    refuse = { { "uniform_: i64 cannot hold it, a float dtype is needed", function() i64(2):uniform_() end },
      { "uniform_: generator is 3; yutu.Generator", function() E(2):uniform_(0, 1, 3) end } },
  },
  normal = {
    draw = function(x, g) return x:normal_(2, 3, g) end,
    check = function(v)
      moments(v, 2, 9, 3 * 81)
      share(v, function(u) return u < 2 - 3 end, .15865525)
      share(v, function(u) return u > 2 + 6 end, .02275013)
    end,
    refuse = { { "normal_: std = %-1 must not be negative", function() E(2):normal_(0, -1) end } },
  },
  exponential = {
    draw = function(x, g) return x:exponential_(2, g) end,
    check = function(v)
      within(v, 0, math.huge)
      moments(v, .5, .25, 9 / 16)
      share(v, function(u) return u > 1 end, exp(-2))
    end,
    refuse = { { "exponential_: lambd = 0 must be over 0", function() E(2):exponential_(0) end } },
  },
  gumbel = {
    draw = function(x, g) return x:gumbel_(g) end,
    check = function(v)
      moments(v, .5772156649, pi * pi / 6, 5.4 * pi ^ 4 / 36)
      share(v, function(u) return u < 0 end, exp(-1))
    end,
    refuse = { { "gumbel_: i64 cannot hold it", function() i64(2):gumbel_() end } },
  },
  gamma = {
    draw = function(x, g) return x:gamma_(2.5, g) end,
    check = function(v)
      within(v, 0, math.huge)
      moments(v, 2.5, 2.5, 3 * 2.5 ^ 2 + 6 * 2.5)
    end,
    also = function()              -- below 1 another way is taken
      local v = E(N, { dtype = "f64" }):gamma_(.5, yutu.Generator(3)):tolist()
      moments(v, .5, .5, 3 * .25 + 3)
    end,
    refuse = { { "gamma_: concentration = 0 must be over 0", function() E(2):gamma_(0) end } },
  },
  bernoulli = {
    draw = function(x, g) return x:bernoulli_(.3, g) end,
    check = function(v) share(v, function(u) return assert(u == 0 or u == 1) and u == 1 end, .3) end,
    refuse = { { "bernoulli_: p = 1.5 is not within", function() E(2):bernoulli_(1.5) end } },
  },
  random = {
    draw = function(x, g) return x:random_(-2, 3, g) end,
    check = function(v)
      within(v, -2, 4)
      for k = -2, 3 do share(v, function(u) return u == k end, 1 / 6) end
    end,
    refuse = { { "random_: nothing from 3 ", function() E(2):random_(3, 2) end } },
  },
  permutation = {
    dtype = "i64",
    draw = function(x, g) return x:permutation_(g) end,
    check = function(v)
      local seen, fixed, climbs = {}, 0, 0
      for i = 1, #v do
        assert(v[i] >= 1 and v[i] <= #v and not seen[v[i]], "not a permutation")
        seen[v[i]] = true
        if v[i] == i then fixed = fixed + 1 end
        if i > 1 and v[i] > v[i - 1] then climbs = climbs + 1 end
      end
      assert(fixed < 12, fixed .. " stayed")          -- Poisson, mean 1: 12 or more once in a thousand million
      near("climbs", climbs / (#v - 1), .5, sqrt(1 / 12))
    end,
    refuse = { { "permutation_: %(2,2%) is not a list", function() i64(2, 2):permutation_() end } },
  },

  bernoulli_p = {
    draw = function(x, g) return x:fill_(.3):bernoulli_p(g) end,
    check = function(v) share(v, function(u) return assert(u == 0 or u == 1) and u == 1 end, .3) end,
    refuse = { { "bernoulli_p: p is nothing", function() yutu.bernoulli_p() end } },
  },
  categorical = {
    draw = function(x, g)
      local logits = yutu.tensor({ 1, 2, 5 }, { dtype = "f64" }):log()
      return logits:expand(x:numel(), 3):categorical(g)
    end,
    check = function(v)
      for k, p in ipairs { 1 / 8, 2 / 8, 5 / 8 } do share(v, function(u) return u == k end, p) end
    end,
    refuse = { { "categorical: nothing to choose from in %(2,0%)", function() E(2, 0):categorical() end } },
  },
  dropout_mask = {
    draw = function(x, g) return x:dropout_mask(.2, g) end,
    check = function(v) share(v, function(u) return assert(u == 0 or abs(u - 1.25) < 1e-6) and u == 0 end, .2) end,
    refuse = { { "dropout: p = 1.5 is not within", function() E(2):dropout_mask(1.5) end },
      { "dropout: i64; a float dtype", function() i64(2):dropout_mask(.5) end } },
  },
  dropout = {
    order = 2,
    draw = function(x, g) return (x + 1 - x:detach()):dropout(.2, g) end,
    check = function(v) share(v, function(u) return assert(u == 0 or abs(u - 1.25) < 1e-6) and u == 0 end, .2) end,
    refuse = { { "dropout: p = 1.5 is not within", function() E(2):dropout(1.5) end } },
  },
}
