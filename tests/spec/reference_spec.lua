--- Reductions, indexing and linear algebra against what PyTorch computed: values, places and gradients, in f64 and f32.
local yutu = require "yutu"
local recorded = require "recorded"
local linalg = yutu.linalg

-- PyTorch's name -> the same here: the inputs and the options as recorded
local function over(name)         -- x:name(dim, keepdim)
  return function(x, o) return x[name](x, o.dim, o.keepdim) end
end
local function spread(name)
  return function(x, o)
    local correction = o.unbiased == false and 0 or 1
    return x[name](x, o.dim, correction, o.keepdim)
  end
end
local function widths(n) return yutu.arange(n, { dtype = "f64" }) end       -- diag(1, 2, ...) of the records
local function symmetric(x) return (x + x:transpose(-1, -2)) / 2 end

local calls = {
  sum = over "sum", mean = over "mean", prod = over "prod", amax = over "amax", amin = over "amin", any = over "any",
  all = over "all", argmax = over "argmax", argmin = over "argmin", max = over "max", min = over "min",
  median = over "median", var = spread "var", std = spread "std",
  norm = function(x, o) return x:norm(o.p, o.dim, o.keepdim) end,
  logsumexp = function(x, o)
    if type(o.dim) ~= "table" then return x:logsumexp(o.dim, o.keepdim) end
    table.sort(o.dim, function(a, b) return a > b end)
    for _, d in ipairs(o.dim) do x = x:logsumexp(d) end
    return x
  end,
  cumsum = function(x, o) return x:cumsum(o.dim) end,
  cumprod = function(x, o) return x:cumprod(o.dim) end,

  gather = function(x, index, o) return x:gather(o.dim, index) end,
  index_select = function(x, index, o) return x:index_select(o.dim, index) end,
  masked_select = function(x, mask) return x:masked_select(mask) end,
  masked_fill = function(x, mask, o) return x:masked_fill(mask, o.value) end,
  where = function(condition, a, b) return condition:where(a, b) end,
  take_along_dim = function(x, index, o) return x:take_along(index, o.dim) end,
  scatter_add = function(x, index, src, o) return x:scatter_add(o.dim, index, src) end,
  scatter = function(x, index, src, o) return x:scatter(o.dim, index, src) end,
  index_add = function(x, index, src, o) return x:index_add(o.dim, index, src) end,
  index_copy = function(x, index, src, o) return x:index_copy(o.dim, index, src) end,
  flip = function(x, o)
    for _, d in ipairs(o.dims) do x = x:flip(d) end
    return x
  end,
  roll = function(x, o)
    if not o.dims then return x:reshape(-1):roll(o.shifts, 1):view(x.shape) end
    for i, d in ipairs(o.dims) do x = x:roll(o.shifts[i], d) end
    return x
  end,
  tril = function(x, o) return x:tril(o.diagonal) end,
  triu = function(x, o) return x:triu(o.diagonal) end,
  diagonal = function(x) return x:diagonal() end,
  repeat_interleave = function(x, o) return x:repeat_interleave(o.repeats, o.dim) end,
  cat = function(...)
    local n = select("#", ...) - 2                    -- then the options, and what the record is of
    return yutu.cat({ unpack({ ... }, 1, n) }, (select(n + 1, ...)).dim)
  end,
  stack = function(a, b, o) return yutu.stack({ a, b }, o.dim) end,
  sort = function(x, o) return x:sort(o.dim, o.descending) end,
  argsort = function(x, o) return x:argsort(o.dim, o.descending or false) end,
  topk = function(x, o) return x:topk(o.k, o.dim, o.largest) end,
  kthvalue = function(x, o) return x:kthvalue(o.k, o.dim) end,

  matmul = function(a, b) return a:matmul(b) end,
  solve = linalg.solve, inv = linalg.inv, det = linalg.det, lstsq = linalg.lstsq,
  slogdet = function(x) return (select(2, linalg.slogdet(x))) end,
  cholesky = function(x)
    return linalg.cholesky(x:matmul(x:transpose(-1, -2)) + yutu.eye(x:size(-1), { dtype = x.dtype }))
  end,
  qr = function(x, _, of)
    local q, r = linalg.qr(x)
    if of:match "^Q" then return (q * widths(q:size(-1))):matmul(q:transpose(-1, -2)) end
    return (r:transpose(-1, -2) * widths(r:size(-2))):matmul(r)
  end,
  svd = function(x, _, of)
    local u, s, v = linalg.svd(x)
    if of:match "singular" then return s end
    return (u * widths(s:size(-1))):matmul(v:transpose(-1, -2))
  end,
  eigh = function(x, _, of)
    local w, v = linalg.eigh(symmetric(x))
    if of:match "eigenvalues" then return w end
    return (v * widths(w:size(-1))):matmul(v:transpose(-1, -2))
  end,
  vector_norm = function(x, o) return linalg.vector_norm(x, o.ord, o.dim, o.keepdim) end,
  matrix_norm = function(x, o)
    local y = linalg.matrix_norm(x, o.ord)
    return o.keepdim and y:unsqueeze(-1):unsqueeze(-1) or y
  end,
}
-- what PyTorch has and Yutu does not
local not_offered = { logcumsumexp = true, cummax = true, cummin = true }

local function check(case, dtype, limit)
  local inputs = {}
  for i, spec in ipairs(case.inputs) do
    inputs[i] = recorded.tensor(spec, dtype)
    if case.grads and case.grads[i] then inputs[i]:requires_grad_() end
  end
  local n = #inputs
  inputs[n + 1], inputs[n + 2] = recorded.options(case.args, dtype), case.of
  local output, places = calls[case.op](unpack(inputs, 1, n + 2))
  local function compare(what, actual, expected, allowed)
    local numbers = { shape = expected.shape, data = {} }
    for i, v in ipairs(expected.data) do numbers.data[i] = v == true and 1 or v == false and 0 or v end
    local worst = recorded.error(actual, numbers)
    if worst <= allowed then return end
    error(("%s, %s: %s is off by %g, allowed are %g"):format(case.name, dtype, what, worst, allowed))
  end
  compare("output", output, case.output, limit)
  local index = case.index
  if index then
    compare("places", places, index, 0)
  end
  if case.grads then
    output:backward { gradient = recorded.tensor(case.grad_output, dtype) }
    for i, expected in ipairs(case.grads) do
      local nothing = expected and #expected.data == 0 and not inputs[i].grad      -- none for no elements will do
      if expected and not nothing then compare("gradient " .. i, inputs[i].grad, expected, limit) end
    end
  end
end

for _, file in ipairs { "reductions", "indexing", "linalg" } do
  describe(file, function()
    local cases = dofile("tests/reference/" .. file .. ".lua")
    for _, case in ipairs(cases) do
      if not not_offered[case.op] then
        it("is PyTorch's for " .. case.name, function()
          check(case, "f64", file == "linalg" and 1e-9 or 1e-11)
          local exact = case.inputs[1].dtype ~= "f64"
          if exact then check(case, "f32", 1e-6 + 4 * (case.f32_error or 0)) end
        end)
      end
    end
  end)
end
