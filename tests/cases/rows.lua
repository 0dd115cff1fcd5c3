--- Products, statistics, what works along a row, and advantages. For the form of a case see layout.lua.
local yutu = require "yutu"
local plain = require "plain"
local make, sum = plain.make, plain.sum
local exp, log, sqrt, abs, max = math.exp, math.log, math.sqrt, math.abs, math.max
local function E(...) return yutu.zeros(...) end
local function labels() return yutu.tensor({ 2, 5, 1 }, { dtype = "i64" }) end
local LABEL = { 2, 5, 1 }

---- statistics of all elements, or along the last dim of a matrix ----
local function rows(x, f)         -- one number per row
  return make({ x.shape[1] }, function(i) return f(function(j) return x(i, j) end, x.shape[2]) end)
end
local function whole(x, f) return plain({}, { f(function(i) return x.data[i] end, #x.data) }) end
local function mean(v, n) return sum(n, v) / n end
local function var(correction)
  return function(v, n)
    local m = mean(v, n)
    return sum(n, function(i) return (v(i) - m) ^ 2 end) / (n - correction)
  end
end
local function norm(p)
  return function(v, n)
    if p == 0 then return sum(n, function(i) return v(i) ~= 0 and 1 or 0 end) end
    if p == math.huge then
      local most = 0
      for i = 1, n do most = max(most, abs(v(i))) end
      return most
    end
    return sum(n, function(i) return abs(v(i)) ^ p end) ^ (1 / p)
  end
end
local function logsumexp(v, n) return log(sum(n, function(i) return exp(v(i)) end)) end
local function standardized(x, eps)                    -- (x - mean) / sqrt(var + eps) of each row
  return make(x.shape, function(i, j)
    local function v(k) return x(i, k) end
    return (x(i, j) - mean(v, x.shape[2])) / sqrt(var(0)(v, x.shape[2]) + eps)
  end)
end
local function softmax(x)
  return make(x.shape, function(i, j)
    return exp(x(i, j)) / sum(x.shape[2], function(k) return exp(x(i, k)) end)
  end)
end

---- products ----
local function product(a, b)
  return make({ a.shape[1], b.shape[2] }, function(i, j)
    return sum(a.shape[2], function(k) return a(i, k) * b(k, j) end)
  end)
end
local function linear(act)
  return function(x, w, b)
    return make({ x.shape[1], w.shape[1] }, function(i, o)
      return act(sum(x.shape[2], function(k) return x(i, k) * w(o, k) end) + (b and b(o) or 0))
    end)
  end
end
local function same(v) return v end

---- cross entropy ----
local function cross_entropy(weight, ignore, smoothing)
  return function(x, w)
    local p, n = softmax(x), x.shape[2]
    return make({ x.shape[1] }, function(i)
      if LABEL[i] == ignore then return 0 end
      local function loss(c) return -log(p(i, c)) * (weight and w(c) or 1) end
      return (1 - smoothing) * loss(LABEL[i]) + smoothing / n * sum(n, loss)
    end)
  end
end

---- advantages, step by step: Schulman et al. 2016, eq. 16 ----
local T, N = 5, 2
local ENDED = { 0, 0, 0, 0, 1, 0, 0, 0, 0, 0 }
local CUT = { 0, 0, 1, 0, 0, 0, 0, 1, 0, 0 }
local function flags(values) return yutu.tensor(values, { shape = { T, N }, dtype = "u8" }) end
local function gae(gamma, lambda)
  return function(reward, value, last, final)
    local ended, cut = plain({ T, N }, ENDED), plain({ T, N }, CUT)
    local out = make({ T, N }, function() return 0 end)
    for n = 1, N do
      local running = 0
      for t = T, 1, -1 do
        local next_value = t < T and value(t + 1, n) or last(n)
        if ended(t, n) ~= 0 then next_value = 0 elseif cut(t, n) ~= 0 then next_value = final(t, n) end
        local delta = reward(t, n) + gamma * next_value - value(t, n)
        if ended(t, n) ~= 0 or cut(t, n) ~= 0 then running = 0 end
        running = delta + gamma * lambda * running
        out.data[(t - 1) * N + n] = running
      end
    end
    return out
  end
end

return {
  mean = {
    { { 3, 4 }, call = function(x) return x:mean() end, want = function(x) return whole(x, mean) end },
    { { 3, 4 }, call = function(x) return x:mean(2) end, want = function(x) return rows(x, mean) end },
    { { 3, 4 }, call = function(x) return x:mean({ 1, -1 }, true) end,
      want = function(x) return plain({ 1, 1 }, whole(x, mean).data) end },
    empty = function() return E(0, 3):mean(2), { 0 } end,
    scalar = function() return yutu.tensor(3):mean(), 3 end,
    refuse = { { "mean: dim 3 of", function() E(2, 3):mean(3) end } },
  },
  var = {
    { { 3, 4 }, call = function(x) return x:var() end, want = function(x) return whole(x, var(1)) end },
    { { 3, 4 }, call = function(x) return x:var(2, 0) end, want = function(x) return rows(x, var(0)) end },
    { { 3, 4 }, call = function(x) return x:var(2, { keepdim = true }) end,
      want = function(x) return plain({ 3, 1 }, rows(x, var(1)).data) end },
    empty = function() return E(0, 3):var(2), { 0 } end,
    refuse = { { "var: dim 3 of", function() E(2, 3):var(3) end } },
  },
  std = {
    { { 3, 4 }, call = function(x) return x:std(2) end,
      want = function(x) return rows(x, function(v, n) return sqrt(var(1)(v, n)) end) end },
    empty = function() return E(0, 3):std(2), { 0 } end,
    refuse = { { "dim 3 of", function() E(2, 3):std(3) end } },
  },
  norm = {
    { { 3, 4 }, call = function(x) return x:norm() end, want = function(x) return whole(x, norm(2)) end },
    { { 3, 4 }, call = function(x) return x:norm(1, 2) end, want = function(x) return rows(x, norm(1)) end },
    { { 3, 4 }, call = function(x) return x:norm(3, 2) end, want = function(x) return rows(x, norm(3)) end },
    { { 3, 4 }, call = function(x) return x:norm(math.huge, 2) end,
      want = function(x) return rows(x, norm(math.huge)) end },
    { { 3, 4 }, call = function(x) return x:norm(0, 2) end, want = function(x) return rows(x, norm(0)) end, order = 0 },
    empty = function() return E(0, 3):norm(2, 2), { 0 } end,
    scalar = function() return yutu.tensor(-3):norm(), 3 end,
    refuse = { { "dim 3 of", function() E(2, 3):norm(2, 3) end } },
  },
  cosine_similarity = {
    { { 3, 4 }, { 3, 4 }, call = function(a, b) return a:cosine_similarity(b) end, want = function(a, b)
      return make({ 3 }, function(i)
        local function dot(p, q) return sum(4, function(k) return p(i, k) * q(i, k) end) end
        return dot(a, b) / sqrt(dot(a, a) * dot(b, b))
      end)
    end },
    empty = function() return E(0, 3):cosine_similarity(E(0, 3)), { 0 } end,
    refuse = { { "%(2,3%) and %(2,4%) do not broadcast", function() E(2, 3):cosine_similarity(E(2, 4)) end } },
  },
  logsumexp = {
    { { 3, 4 }, call = function(x) return x:logsumexp(2) end, want = function(x) return rows(x, logsumexp) end },
    { { 4, 3 }, call = function(x) return (x * 100):logsumexp(1, true) end, lo = .5, hi = 1, want = function(x)
      return make({ 1, 3 }, function(_, j)
        return logsumexp(function(i) return 100 * x(i, j) - 50 end, 4) + 50
      end)
    end, order = 1, half = .1 },
    empty = function() return E(0, 3):logsumexp(2), { 0 } end,
    scalar = function() return yutu.tensor(3):logsumexp(1), 3 end,
    refuse = { { "logsumexp: dim 3 of %(2,3%)", function() E(2, 3):logsumexp(3) end } },
  },

  matmul = {
    { { 3, 4 }, { 4, 5 }, call = function(a, b) return a:matmul(b) end, want = product },
    { { 37, 29 }, { 29, 45 }, call = function(a, b) return a:matmul(b) end, want = product, order = 0 },
    { { 4 }, { 4, 5 }, call = function(a, b) return a:matmul(b) end, want = function(a, b)
      return plain({ 5 }, product(plain({ 1, 4 }, a.data), b).data)
    end },
    { { 3, 4 }, { 4 }, call = function(a, b) return a:matmul(b) end, want = function(a, b)
      return plain({ 3 }, product(a, plain({ 4, 1 }, b.data)).data)
    end },
    { { 4 }, { 4 }, call = function(a, b) return a:matmul(b) end, want = function(a, b)
      return plain({}, { sum(4, function(k) return a(k) * b(k) end) })
    end },
    { { 2, 1, 3, 4 }, { 5, 4, 2 }, call = function(a, b) return a:matmul(b) end, want = function(a, b)
      return make({ 2, 5, 3, 2 }, function(p, q, i, j)
        return sum(4, function(k) return a(p, 1, i, k) * b(q, k, j) end)
      end)
    end },
    empty = function() return E(2, 0):matmul(E(0, 3)), { 2, 3 } end,
    refuse = { { "matmul: %(3,4%) x %(3,4%): inner sizes 4 and 3 differ", function() E(3, 4):matmul(E(3, 4)) end },
      { "matmul: %(2,3,4%) x %(5,4,3%): batch sizes 2 and 5 differ", function() E(2, 3, 4):matmul(E(5, 4, 3)) end },
      { "matmul: %(%) x %(3,4%)", function() yutu.tensor(1):matmul(E(3, 4)) end } },
  },
  linear = {
    { { 3, 4 }, { 5, 4 }, { 5 }, call = function(x, w, b) return x:linear(w, b) end, want = linear(same) },
    { { 3, 4 }, { 5, 4 }, call = function(x, w) return x:linear(w) end, want = linear(same) },
    { { 3, 4 }, { 5, 4 }, { 5 }, call = function(x, w, b) return x:linear(w, b, "tanh") end, want = linear(function(v)
      return 1 - 2 / (exp(2 * v) + 1)
    end) },
    { { 3, 4 }, { 5, 4 }, { 5 }, call = function(x, w, b) return x:linear(w, { bias = b, act = "sigmoid" }) end,
      want = linear(function(v) return 1 / (1 + exp(-v)) end) },
    { { 3, 4 }, { 5, 4 }, { 5 }, call = function(x, w, b) return x:linear(w, b, "relu") end,
      want = linear(function(v) return max(v, 0) end) },
    { { 2, 3, 4 }, { 5, 4 }, call = function(x, w) return x:linear(w) end, want = function(x, w)
      return make({ 2, 3, 5 }, function(n, i, o) return sum(4, function(k) return x(n, i, k) * w(o, k) end) end)
    end },
    empty = function() return E(0, 4):linear(E(5, 4), E(5)), { 0, 5 } end,
    refuse = { { "linear: x %(3,4%), weight %(5,3%): the last size of x must be 3",
      function() E(3, 4):linear(E(5, 3)) end },
      { "linear: bias %(4%), weight %(5,4%)", function() E(3, 4):linear(E(5, 4), E(4)) end },
      { "linear: act is \"gelu\"; relu, tanh or sigmoid", function() E(3, 4):linear(E(5, 4), nil, "gelu") end } },
  },
  outer = {
    { { 3 }, { 4 }, call = function(a, b) return a:outer(b) end,
      want = function(a, b) return make({ 3, 4 }, function(i, j) return a(i) * b(j) end) end },
    empty = function() return E(0):outer(E(3)), { 0, 3 } end,
    refuse = { { "outer: %(2,2%)", function() E(2, 2):outer(E(3)) end } },
  },
  dot = {
    { { 4 }, { 4 }, call = function(a, b) return a:dot(b) end,
      want = function(a, b) return plain({}, { sum(4, function(k) return a(k) * b(k) end) }) end },
    empty = function() return E(0):dot(E(0)), {} end,
    refuse = { { "%(3%) and %(4%)", function() E(3):dot(E(4)) end } },
  },

  softmax = {
    { { 3, 5 }, call = function(x) return x:softmax(2) end, want = softmax },
    { { 5, 3 }, call = function(x) return x:softmax(1) end, want = function(x)
      local turned = softmax(make({ 3, 5 }, function(i, j) return x(j, i) end))
      return make({ 5, 3 }, function(i, j) return turned(j, i) end)
    end },
    empty = function() return E(0, 3):softmax(2), { 0, 3 } end,
    scalar = function() return yutu.tensor(3):softmax(1), 1 end,
    refuse = { { "softmax: dim 3 of %(2,3%)", function() E(2, 3):softmax(3) end },
      { "softmax: dim is nothing", function() E(2, 3):softmax() end } },
  },
  log_softmax = {
    { { 3, 5 }, call = function(x) return x:log_softmax(-1) end, want = function(x)
      local p = softmax(x)
      return make(x.shape, function(i, j) return log(p(i, j)) end)
    end },
    empty = function() return E(0, 3):log_softmax(2), { 0, 3 } end,
    scalar = function() return yutu.tensor(3):log_softmax(1), 0 end,
    refuse = { { "log_softmax: dim 3 of %(2,3%)", function() E(2, 3):log_softmax(3) end } },
  },
  softmax_dx = {
    { { 3, 5 }, { 3, 5 }, call = function(g, y) return g:softmax_dx(y, 2) end, want = function(g, y)
      return make(g.shape, function(i, j)
        return y(i, j) * (g(i, j) - sum(5, function(k) return g(i, k) * y(i, k) end))
      end)
    end },
    empty = function() return E(0, 3):softmax_dx(E(0, 3), 2), { 0, 3 } end,
    refuse = { { "softmax_dx: dim 3 of %(2,3%)", function() E(2, 3):softmax_dx(E(2, 3), 3) end } },
  },
  log_softmax_dx = {
    { { 3, 5 }, { 3, 5 }, call = function(g, y) return g:log_softmax_dx(y, 2) end, want = function(g, y)
      return make(g.shape, function(i, j) return g(i, j) - exp(y(i, j)) * sum(5, function(k) return g(i, k) end) end)
    end },
    empty = function() return E(0, 3):log_softmax_dx(E(0, 3), 2), { 0, 3 } end,
    refuse = { { "log_softmax_dx: dim 3 of %(2,3%)", function() E(2, 3):log_softmax_dx(E(2, 3), 3) end } },
  },
  layer_norm = {
    { { 3, 5 }, { 5 }, { 5 }, call = function(x, w, b) return x:layer_norm(w, b) end, want = function(x, w, b)
      local s = standardized(x, 1e-5)
      return make(x.shape, function(i, j) return s(i, j) * w(j) + b(j) end)
    end },
    { { 3, 5 }, call = function(x) return x:layer_norm { eps = .1 } end,
      want = function(x) return standardized(x, .1) end },
    { { 2, 2, 3 }, call = function(x) return x:layer_norm(nil, nil, 2, .1) end, want = function(x)
      return plain({ 2, 2, 3 }, standardized(plain({ 2, 6 }, x.data), .1).data)
    end },
    empty = function() return E(0, 3):layer_norm(E(3), E(3)), { 0, 3 } end,
    refuse = { { "layer_norm: x %(2,3%), weight %(2%)", function() E(2, 3):layer_norm(E(2)) end },
      { "layer_norm: the last 3 dims of %(2,3%)", function() E(2, 3):layer_norm(nil, nil, 3) end } },
  },
  layer_norm_dx = {
    { { 3, 5 }, { 3, 5 }, { 5 }, call = function(g, x, w) return g:layer_norm_dx(x, w, 1, .1) end,
      want = function(g, x, w)
        local s = standardized(x, .1)
        return make(x.shape, function(i, j)
          local function h(k) return g(i, k) * w(k) end
          local m, ms = mean(h, 5), mean(function(k) return h(k) * s(i, k) end, 5)
          return (h(j) - m - s(i, j) * ms) / sqrt(var(0)(function(k) return x(i, k) end, 5) + .1)
        end)
      end },
    empty = function() return E(0, 3):layer_norm_dx(E(0, 3)), { 0, 3 } end,
    refuse = { { "layer_norm_dx: x is nothing", function() E(2, 3):layer_norm_dx() end } },
  },
  layer_norm_dw = {
    { { 3, 5 }, { 3, 5 }, call = function(g, x) return g:layer_norm_dw(x, 1, .1) end, want = function(g, x)
      local s = standardized(x, .1)
      return make({ 5 }, function(j) return sum(3, function(i) return g(i, j) * s(i, j) end) end)
    end },
    empty = function() return E(3, 0):layer_norm_dw(E(3, 0)), { 0 } end,
    refuse = { { "layer_norm_dw: x is nothing", function() E(2, 3):layer_norm_dw() end } },
  },
  cross_entropy_rows = {
    { { 3, 5 }, call = function(x) return x:cross_entropy_rows(labels()) end, want = cross_entropy(false, nil, 0) },
    { { 3, 5 }, { 5 }, lo = .5, call = function(x, w) return x:cross_entropy_rows(labels(), w, 5, .2) end,
      want = cross_entropy(true, 5, .2), fixed = { [2] = true } },
    empty = function() return E(0, 3):cross_entropy_rows(yutu.empty(0, { dtype = "i64" })), { 0 } end,
    refuse = { { "cross_entropy: label 5 is not in 1 to 4", function() E(3, 4):cross_entropy_rows(labels()) end },
      { "cross_entropy: input %(2,4%), labels %(3%)", function() E(2, 4):cross_entropy_rows(labels()) end },
      { "cross_entropy: labels are i64, not f32", function() E(3, 4):cross_entropy_rows(E(3)) end },
      { "cross_entropy: weight %(4%) for 5 classes", function() E(3, 5):cross_entropy_rows(labels(), E(4)) end } },
  },
  cross_entropy_dx = {
    { { 3 }, { 3, 5 }, call = function(g, x)
      return g:cross_entropy_dx(x, labels(), nil, 1, .2)
    end, want = function(g, x)
      local p = softmax(x)
      return make(x.shape, function(i, c)
        if LABEL[i] == 1 then return 0 end
        return g(i) * (p(i, c) - (LABEL[i] == c and .8 or 0) - .2 / 5)
      end)
    end },
    empty = function() return E(0):cross_entropy_dx(E(0, 3), yutu.empty(0, { dtype = "i64" })), { 0, 3 } end,
    refuse = { { "cross_entropy_dx: x is nothing", function() E(2):cross_entropy_dx() end } },
  },

  gae = {
    { { T, N }, { T, N }, { N }, { T, N }, call = function(reward, value, last, final)
      return reward:gae(value, last, flags(ENDED), flags(CUT), final, .9, .8)
    end, want = gae(.9, .8) },
    { { T, N }, { T, N }, { N }, { T, N }, call = function(reward, value, last, final)
      return reward:gae(value, last, flags(ENDED), flags(CUT), final)
    end, want = gae(.99, .95) },
    empty = function() return E(0, 3):gae(E(0, 3), E(3), E(0, 3), E(0, 3), E(0, 3)), { 0, 3 } end,
    refuse = { { "gae: reward %(2,3%), last_value %(2%)", function()
      E(2, 3):gae(E(2, 3), E(2), E(2, 3), E(2, 3), E(2, 3))
    end }, { "gae: gamma = 1.5, lambda = 0.95: both within", function()
      E(2, 3):gae(E(2, 3), E(3), E(2, 3), E(2, 3), E(2, 3), 1.5)
    end } },
  },
}
