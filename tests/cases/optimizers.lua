--- One step of each optimizer in plain Lua, written from its paper. A case holds the numbers of the row in order, and
-- step(state, numbers): state.p, state.g and the rest are numbers, changed in place.
local sqrt, abs, max = math.sqrt, math.abs, math.max

local function decayed(s, n) return s.g + n.weight_decay * s.p end
local function moments(s, n, d)
  s.m = n.beta1 * s.m + (1 - n.beta1) * d
  s.v = n.beta2 * s.v + (1 - n.beta2) * d * d
end

return {
  sgd = {                         -- Sutskever et al. 2013, as PyTorch writes it
    { lr = .1, momentum = .9, dampening = .3, nesterov = 0, weight_decay = .01, first = 0 },
    { lr = .1, momentum = .9, dampening = 0, nesterov = 1, weight_decay = 0, first = 0 },
    { lr = .1, momentum = .9, dampening = .3, nesterov = 0, weight_decay = .01, first = 1 },
    step = function(s, n)
      local d = decayed(s, n)
      if n.first == 1 then s.buf = d else s.buf = n.momentum * s.buf + (1 - n.dampening) * d end
      if n.nesterov == 1 then d = d + n.momentum * s.buf else d = s.buf end
      s.p = s.p - n.lr * d
    end,
  },
  sgd_plain = {
    { lr = .1, weight_decay = .01 },
    step = function(s, n) s.p = s.p - n.lr * decayed(s, n) end,
  },
  adam = {                        -- algorithm 1, with t = 3
    { step = 1e-2 / (1 - .9 ^ 3), scale = 1 / sqrt(1 - .999 ^ 3), beta1 = .9, beta2 = .999, eps = 1e-8,
      weight_decay = .1, decay = 1 },
    { step = 1e-2 / (1 - .9 ^ 3), scale = 1 / sqrt(1 - .999 ^ 3), beta1 = .9, beta2 = .999, eps = 1e-8,
      weight_decay = 0, decay = .99 },
    step = function(s, n)
      local d = decayed(s, n)
      s.p = s.p * n.decay
      moments(s, n, d)
      local m_hat, v_hat = s.m / (1 - n.beta1 ^ 3), s.v / (1 - n.beta2 ^ 3)
      s.p = s.p - 1e-2 * m_hat / (sqrt(v_hat) + n.eps)
    end,
  },
  amsgrad = {
    { step = 1e-2, scale = 1.5, beta1 = .9, beta2 = .999, eps = 1e-8, weight_decay = .1, decay = .99 },
    step = function(s, n)
      local d = decayed(s, n)
      s.p = s.p * n.decay
      moments(s, n, d)
      s.top = max(s.top, s.v)
      s.p = s.p - n.step * s.m / (sqrt(s.top) * n.scale + n.eps)
    end,
  },
  adamax = {                      -- algorithm 2
    { step = 1e-2, beta1 = .9, beta2 = .999, eps = 1e-8, weight_decay = .1 },
    step = function(s, n)
      local d = decayed(s, n)
      s.m = n.beta1 * s.m + (1 - n.beta1) * d
      s.u = max(n.beta2 * s.u, abs(d) + n.eps)
      s.p = s.p - n.step * s.m / s.u
    end,
  },
  nadam = {
    { c1 = .01, c2 = .02, scale = 1.5, beta1 = .9, beta2 = .999, eps = 1e-8, weight_decay = .1 },
    step = function(s, n)
      local d = decayed(s, n)
      moments(s, n, d)
      s.p = s.p - (n.c1 * d + n.c2 * s.m) / (sqrt(s.v) * n.scale + n.eps)
    end,
  },
  radam = {
    { step = 1e-2, adapt = .7, beta1 = .9, beta2 = .999, eps = 1e-8, weight_decay = .1 },
    { step = 1e-2, adapt = 0, beta1 = .9, beta2 = .999, eps = 1e-8, weight_decay = .1 },
    step = function(s, n)
      moments(s, n, decayed(s, n))
      s.p = s.p - n.step * s.m * (n.adapt == 0 and 1 or n.adapt / (sqrt(s.v) + n.eps))
    end,
  },
  rmsprop = {
    { lr = .01, alpha = .9, eps = 1e-8, weight_decay = .1 },
    step = function(s, n)
      local d = decayed(s, n)
      s.v = n.alpha * s.v + (1 - n.alpha) * d * d
      s.p = s.p - n.lr * d / (sqrt(s.v) + n.eps)
    end,
  },
  rmsprop_full = {
    { lr = .01, alpha = .9, eps = 1e-8, weight_decay = .1, momentum = .8, centered = 1 },
    { lr = .01, alpha = .9, eps = 1e-8, weight_decay = .1, momentum = .8, centered = 0 },
    step = function(s, n)
      local d = decayed(s, n)
      s.v = n.alpha * s.v + (1 - n.alpha) * d * d
      s.mean = n.alpha * s.mean + (1 - n.alpha) * d
      local variance = n.centered == 1 and s.v - s.mean ^ 2 or s.v
      s.buf = n.momentum * s.buf + d / (sqrt(variance) + n.eps)
      s.p = s.p - n.lr * s.buf
    end,
  },
  adagrad = {
    { lr = .01, eps = 1e-10, weight_decay = .1 },
    step = function(s, n)
      local d = decayed(s, n)
      s.s = s.s + d * d
      s.p = s.p - n.lr * d / (sqrt(s.s) + n.eps)
    end,
  },
  adadelta = {                    -- algorithm 1; RMS[x] = sqrt(E[x^2] + eps)
    { lr = 1, rho = .9, eps = 1e-6, weight_decay = .1 },
    step = function(s, n)
      local d = decayed(s, n)
      s.v = n.rho * s.v + (1 - n.rho) * d * d
      local change = sqrt(s.u + n.eps) / sqrt(s.v + n.eps) * d
      s.u = n.rho * s.u + (1 - n.rho) * change * change
      s.p = s.p - n.lr * change
    end,
  },
  lion = {                        -- algorithm 2, decoupled decay
    { lr = .01, beta1 = .9, beta2 = .99, weight_decay = .1 },
    step = function(s, n)
      local c = n.beta1 * s.m + (1 - n.beta1) * s.g
      local sign = c > 0 and 1 or c < 0 and -1 or 0
      s.p = s.p - n.lr * (sign + n.weight_decay * s.p)
      s.m = n.beta2 * s.m + (1 - n.beta2) * s.g
    end,
  },
}
