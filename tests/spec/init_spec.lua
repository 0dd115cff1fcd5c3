local yutu = require "yutu"
local reference = dofile "tests/reference/init.lua"
local nn, init = yutu.nn, yutu.nn.init

local function refused(f, text)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.truthy(message:find(text, 1, true), message)
end

-- The moments of a draw: n elements estimate a mean to std / sqrt(n), a deviation to about std / sqrt(2 n).
local function moments(t)
  t = t:to "f64"
  return t:mean():item(), t:std():item(), t:amin():item(), t:amax():item(), t:numel()
end

describe("initialisers", function()
  before_each(function() yutu.manual_seed(11) end)

  it("know PyTorch's gains", function()
    for _, row in ipairs(reference.gains) do
      assert.near(row.gain, init.calculate_gain(row.nonlinearity, row.param), 1e-12)
    end
    refused(function() init.calculate_gain "swish" end, "init.calculate_gain: no nonlinearity 'swish'")
  end)

  for _, row in ipairs(reference.draws) do
    local options = {}
    for name, value in pairs(row.args) do options[#options + 1] = name .. "=" .. tostring(value) end
    it(("%s (%s) %s draws from PyTorch's distribution"):format(row.init, table.concat(row.shape, ","),
      table.concat(options, " ")), function()
      -- many small tensors are as good as a large one
      local parts, count = {}, math.ceil(20000 / (row.fan_in * row.fan_out))
      for i = 1, count do parts[i] = init[row.init](yutu.empty(row.shape), row.args):reshape { -1 } end
      local mean, std, least, most, n = moments(yutu.cat(parts, 1))
      local expected = row.std or row.high / math.sqrt(3)
      assert.near(0, mean, 5 * expected / math.sqrt(n))
      assert.near(1, std / expected, 5 / math.sqrt(2 * n))
      if row.distribution == "uniform" then
        assert.is_true(least >= row.low - 1e-7 and most <= row.high + 1e-7)
        assert.is_true(most > 0.99 * row.high and least < 0.99 * row.low)
      end
    end)
  end

  it("nn.Linear starts as PyTorch's does", function()
    for _, row in ipairs(reference.linear_defaults) do
      local parts = { weight = {}, bias = {} }
      for i = 1, 200 do
        local layer = nn.Linear(row.in_features, row.out_features)
        parts.weight[i], parts.bias[i] = layer.weight:detach():reshape { -1 }, layer.bias:detach()
        if row.in_features > 100 and i == 3 then break end
      end
      for name, list in pairs(parts) do
        local mean, _, least, most, n = moments(yutu.cat(list, 1))
        local high = row[name][2]
        assert.is_true(least >= -high - 1e-7 and most <= high + 1e-7)
        assert.is_true(most > 0.95 * high and least < -0.95 * high)
        assert.near(0, mean, 5 * high / math.sqrt(3 * n))
      end
    end
  end)

  it("orthogonal_ gives orthonormal rows or columns times gain", function()
    for _, shape in ipairs { { 5, 3 }, { 3, 5 }, { 4, 4 }, { 3, 2, 4 } } do
      local t = init.orthogonal_(yutu.empty(shape, { dtype = "f64" }), { gain = 2 }):reshape { shape[1], -1 }
      local product = t:size(1) <= t:size(2) and t:matmul(t:t()) or t:t():matmul(t)
      local off = product:sub(yutu.eye(product:size(1)):to("f64"):mul(4)):abs():amax():item()
      assert.is_true(off < 1e-12, off)
    end
  end)

  it("orthogonal_ prefers no direction", function()
    local total = yutu.zeros({ 3, 3 }, { dtype = "f64" })
    for _ = 1, 2000 do total = total:add(init.orthogonal_(yutu.empty({ 3, 3 }, { dtype = "f64" }))) end
    -- an element has mean 0 and variance 1/3: the mean of 2000 stays within 5 * sqrt(1/3/2000)
    assert.is_true(total:div(2000):abs():amax():item() < 5 * math.sqrt(1 / 3 / 2000))
  end)

  it("trunc_normal_ stays within its ends, with the density between them", function()
    local t = init.trunc_normal_(yutu.empty(40000), 0, 1, -1, 2)
    local mean, std, least, most = moments(t)
    assert.is_true(least >= -1 and most <= 2)
    assert.near(0.2296, mean, 0.02)                 -- from the density and distribution function at the ends
    assert.near(0.7209, std, 0.02)                  -- likewise
    refused(function() init.trunc_normal_(yutu.empty(3), 0, 1, 2, -2) end, "a = 2 is not below b = -2")
  end)

  it("sparse_ zeroes a share of each column", function()
    local t = init.sparse_(yutu.empty(10, 6), 0.25, { std = 1 })
    for _, zeros in ipairs(t:eq(0):to("f32"):sum(1):tolist()) do assert.equal(3, zeros) end
    refused(function() init.sparse_(yutu.empty(3, 3), 2) end, "init.sparse_: sparsity = 2 is not within [0, 1]")
  end)

  it("fills with constants and the identity", function()
    assert.same({ 7, 7 }, init.constant_(yutu.empty(2), 7):tolist())
    assert.same({ 1, 1 }, init.ones_(yutu.empty(2)):tolist())
    assert.same({ 0, 0 }, init.zeros_(yutu.empty(2)):tolist())
    assert.same({ 1, 0, 0, 0, 1, 0 }, init.eye_(yutu.empty(2, 3)):tolist())
  end)

  it("leaves a parameter a leaf that requires a gradient", function()
    local layer = nn.Linear(3, 4)
    local weight = init.kaiming_normal_(layer.weight, { nonlinearity = "relu" })
    assert.equal(layer.weight, weight)
    assert.is_true(weight.requires_grad and weight.is_leaf)
    layer(yutu.ones(2, 3)):sum():backward()
    assert.same({ 4, 3 }, weight.grad.shape)
  end)

  it("draws the same from the same seed or generator", function()
    local function draw()
      return init.uniform_(yutu.empty(4), -1, 1, { generator = yutu.Generator(5) }):tolist()
    end
    assert.same(draw(), draw())
    yutu.manual_seed(2)
    local a = init.xavier_normal_(yutu.empty(3, 3)):tolist()
    yutu.manual_seed(2)
    assert.same(a, init.xavier_normal_(yutu.empty(3, 3)):tolist())
  end)

  it("fills a weight stored by columns with the same numbers as one stored by rows", function()
    local function fill(t) return init.uniform_(t, 0, 1, { generator = yutu.Generator(9) }):tolist() end
    assert.same(fill(yutu.empty(3, 4)), fill(yutu.empty(4, 3):t()))
  end)

  it("refuses what has no fan, unknown options and what is no tensor", function()
    refused(function() init.xavier_uniform_(yutu.empty(3)) end, "init.xavier_uniform_: (3) has no two dims or more")
    refused(function() init.kaiming_uniform_(yutu.empty(3, 3), { mode = "fan" }) end, "no mode 'fan'")
    refused(function() init.kaiming_uniform_(yutu.empty(3, 3), { slope = 1 }) end, "no option 'slope'")
    refused(function() init.eye_(yutu.empty(2, 2, 2)) end, "init.eye_: (2,2,2) has no two dims")
    refused(function() init.zeros_ { 1, 2 } end, "is a table, a tensor is needed")
  end)
end)
