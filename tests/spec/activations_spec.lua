local yutu = require "yutu"
local recorded = require "recorded"
local nn, F = yutu.nn, yutu.nn.functional

local function refused(f, text)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.truthy(message:find(text, 1, true), message)
end

local functions = { Sigmoid = "sigmoid", Tanh = "tanh", ReLU = "relu", ReLU6 = "relu6", LeakyReLU = "leaky_relu",
  ELU = "elu", CELU = "celu", SELU = "selu", SiLU = "silu", GELU = "gelu", Mish = "mish", Softplus = "softplus",
  Softsign = "softsign", LogSigmoid = "logsigmoid", Hardsigmoid = "hardsigmoid", Hardswish = "hardswish",
  Tanhshrink = "tanhshrink", Softmax = "softmax", LogSoftmax = "log_softmax", Softmin = "softmin" }

describe("activations", function()
  local seen = {}
  for _, case in ipairs(dofile "tests/reference/activations.lua") do
    seen[case.op] = true
    it("computes " .. case.name .. " as PyTorch does", function()
      if case.op == "PReLU" then
        recorded.check(case, function(x, weight)
          local layer = nn.PReLU(weight:numel())
          layer.weight = weight
          return layer(x)
        end)
      else recorded.check(case, function(x, options) return nn[case.op](options)(x) end) end
    end)
    if functions[case.op] then
      it("computes " .. case.name .. " as a function too", function()
        recorded.check(case, function(x, options)
          local value = options.dim or options.alpha or options.negative_slope or options.approximate or options.beta
          return F[functions[case.op]](x, value, options.threshold)
        end)
      end)
    end
  end

  it("all have a recorded case, but for GLU", function()
    local missing = {}
    for _, name in ipairs { "Sigmoid", "Tanh", "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "SiLU",
      "GELU", "Mish", "Softplus", "Softsign", "LogSigmoid", "Hardtanh", "Hardsigmoid", "Hardswish", "Tanhshrink",
      "Softshrink", "Hardshrink", "Threshold", "Softmax", "LogSoftmax", "Softmin" } do
      if not seen[name] then missing[#missing + 1] = name end
    end
    assert.same({}, missing)
  end)

  it("GLU is the first half times the sigmoid of the second", function()
    local x = yutu.tensor({ { 1, 2, 0, 4 }, { -1, 3, 2, -2 } }, { dtype = "f64" })
    local expected = { 1 * 0.5, 2 / (1 + math.exp(-4)), -1 / (1 + math.exp(-2)), 3 / (1 + math.exp(2)) }
    for i, v in ipairs(nn.GLU()(x):tolist()) do assert.near(expected[i], v, 1e-12) end
    refused(function() nn.GLU()(yutu.zeros(2, 3)) end, "glu: dim -1 of (2,3) has no two halves")
  end)

  it("takes options by place or by name", function()
    local x = yutu.tensor { -2, 2 }
    assert.same(nn.LeakyReLU(0.5)(x):tolist(), nn.LeakyReLU { negative_slope = 0.5 }(x):tolist())
    assert.same({ -1, 2 }, nn.LeakyReLU(0.5)(x):tolist())
    assert.same({ -0.5, 1.5 }, nn.Hardtanh(-0.5, 1.5)(x):tolist())
    assert.equal(nn.SiLU, nn.Swish)
  end)

  it("keeps NaN", function()
    for _, layer in ipairs { nn.ReLU(), nn.Hardtanh(), nn.ReLU6(), nn.GELU(), nn.Softplus(), nn.SELU(), nn.SiLU() } do
      local y = layer(yutu.tensor { 0 / 0, 1 }):tolist()
      assert.is_true(y[1] ~= y[1], tostring(layer))
      assert.is_true(y[2] == y[2])
    end
  end)

  it("refuses unknown options, wrong types and what has no default", function()
    refused(function() nn.LeakyReLU { slope = 0.1 } end, "nn.LeakyReLU: no option 'slope'; there is negative_slope")
    refused(function() nn.ReLU(0.1) end, "nn.ReLU: more than 0 options given")
    refused(function() nn.ELU "big" end, "nn.ELU: alpha is a string, a number is needed")
    refused(function() nn.Softmax() end, "nn.Softmax: dim is not a number")
    refused(function() nn.Threshold(1) end, "nn.Threshold: value is not a number")
    refused(function() nn.GELU "erf" (yutu.zeros(2)) end, "gelu: no approximation 'erf'; there are none, tanh")
    refused(function() nn.Hardtanh(1, -1)(yutu.zeros(2)) end, "hardtanh: min_val 1 is not below max_val -1")
    refused(function() nn.PReLU(3)(yutu.zeros(2, 4)) end, "prelu: 3 weights for input (2,4)")
    refused(function() nn.PReLU(0) end, "nn.PReLU: num_parameters is 0")
  end)

  it("refuses what is no tensor, naming the layer", function()
    refused(function() nn.Tanh()({ 1, 2 }) end, "(in nn.Tanh)")
    refused(function() nn.Softmin(1)(nil) end, "softmin: input is missing, a tensor is needed (in nn.Softmin)")
  end)

  it("samples categories by Gumbel's noise", function()
    yutu.manual_seed(3)
    local logits = yutu.tensor({ math.log(0.7), math.log(0.2), math.log(0.1) }):unsqueeze(1):expand(20000, 3)
    local sample = F.gumbel_softmax(logits, { hard = true })
    local share = sample:mean(1):tolist()           -- 3 standard deviations of the share: 0.01
    assert.near(0.7, share[1], 0.01)
    assert.near(0.2, share[2], 0.01)
    assert.equal(20000, sample:sum():item())
    assert.equal(0, sample:mul(sample:sub(1)):abs():amax():item())
    local soft = F.gumbel_softmax(logits, { tau = 0.5 })
    assert.near(1, soft:sum(2):amin():item(), 1e-5)
  end)

  it("passes gradients through a hard Gumbel sample as through the soft one", function()
    local function gradient(hard)
      yutu.manual_seed(5)
      local logits = yutu.tensor({ { 0.3, -0.2, 1 } }, { requires_grad = true, dtype = "f64" })
      F.gumbel_softmax(logits, { hard = hard }):mul(yutu.tensor({ 1, 2, 4 }, { dtype = "f64" })):sum():backward()
      return logits.grad:tolist()
    end
    local hard, soft = gradient(true), gradient(false)
    for i = 1, 3 do assert.near(soft[i], hard[i], 1e-12) end
    assert.is_true(math.abs(soft[1]) > 1e-3)
  end)
end)
