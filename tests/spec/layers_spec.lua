local yutu = require "yutu"
local recorded = require "recorded"
local reference = dofile "tests/reference/layers.lua"
local nn, F, utils = yutu.nn, yutu.nn.functional, yutu.nn.utils

local function refused(f, text)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.truthy(message:find(text, 1, true), message)
end

describe("layers", function()
  for _, case in ipairs(reference.cases) do
    it("computes " .. case.name .. " as PyTorch does", function()
      -- the recorded tensors become the layer's parameters themselves, so that their gradients can be compared
      recorded.check(case, function(...)
        local n = select("#", ...)
        local inputs, o = { ... }, select(n, ...)
        inputs[n] = nil
        if case.op == "linear" then
          local layer = nn.Linear(inputs[2]:size(2), inputs[2]:size(1), { bias = inputs[3] ~= nil })
          layer.weight, layer.bias = inputs[2], inputs[3]
          return layer(inputs[1])
        elseif case.op == "layer_norm" then
          local layer = nn.LayerNorm(o.normalized_shape, { eps = o.eps })
          layer.weight, layer.bias = inputs[2], inputs[3]
          return layer(inputs[1])
        end
        local act = ({ tanh = nn.Tanh, relu = nn.ReLU, sigmoid = nn.Sigmoid })[o.activation]
        local net = nn.Sequential(nn.Linear(4, 8), act(), nn.Linear(8, 3))
        net[1].weight, net[1].bias, net[3].weight, net[3].bias = unpack(inputs, 2, 5)
        if o.loss == "cross_entropy" then return F.cross_entropy(net(inputs[1]), inputs[6]) end
        return net(inputs[1])
      end)
    end)
  end
end)

describe("nn.Linear", function()
  it("keeps its weight by columns, through moves and clones", function()
    for _, layer in ipairs { nn.Linear(3, 4), nn.Linear(3, 4):double(), nn.Linear(3, 4):clone() } do
      assert.same({ 4, 3 }, layer.weight.shape)
      assert.same({ 1, 4 }, layer.weight:stride())
    end
  end)

  it("refuses sizes that are none, and options it does not know", function()
    refused(function() nn.Linear(0, 3) end, "nn.Linear: in_features is 0, a whole number of at least 1 is needed")
    refused(function() nn.Linear(3) end, "nn.Linear: out_features is nil")
    refused(function() nn.Linear(3, 2.5) end, "nn.Linear: out_features is 2.5")
    refused(function() nn.Linear(3, 2, { biased = true }) end,
      "nn.Linear: no option 'biased'; there are bias, dtype, device")
    refused(function() nn.Linear(3, 2, { bias = 0 }) end, "nn.Linear: bias is a number, a boolean is needed")
    refused(function() nn.Linear(3, 2, { dtype = "f31" }) end, "f31")
  end)

  it("takes a dtype", function()
    assert.equal("f64", nn.Linear(2, 2, { dtype = "f64" }).bias.dtype)
  end)
end)

describe("nn.LayerNorm", function()
  it("starts as the plain normalisation", function()
    local layer, x = nn.LayerNorm { 2, 3 }, yutu.randn(4, 2, 3)
    local y = layer(x)
    assert.is_true(y:mean({ 2, 3 }):abs():amax():item() < 1e-6)
    assert.is_true(y:var({ 2, 3 }, 0):sub(1):abs():amax():item() < 1e-3)
    assert.same({ 2, 3 }, layer.weight.shape)
    assert.equal(0, #nn.LayerNorm(3, { elementwise_affine = false }):parameters())
    assert.equal(1, #nn.LayerNorm(3, { bias = false }):parameters())
    assert.equal("LayerNorm((3), eps=1e-05, elementwise_affine=true)", tostring(nn.LayerNorm(3)))
  end)

  it("refuses an input of other sizes", function()
    refused(function() nn.LayerNorm { 2, 3 } (yutu.zeros(3, 2)) end, "nn.LayerNorm: input (3,2) does not end in (2,3)")
    refused(function() nn.LayerNorm(3)(yutu.zeros(4)) end, "does not end in (3) (in nn.LayerNorm)")
    refused(function() nn.LayerNorm() end, "nn.LayerNorm: normalized_shape is missing")
    refused(function() nn.LayerNorm(3, { affine = false }) end, "nn.LayerNorm: no option 'affine'")
  end)
end)

describe("nn.Dropout", function()
  it("drops and scales as PyTorch does", function()
    yutu.manual_seed(1)
    for _, row in ipairs(reference.dropout.training) do
      local y = nn.Dropout(row.p)(yutu.full({ 10000 }, 2))
      local kept, largest = y:ne(0):to("f32"):mean():item(), y:amax():item()
      -- 4 standard deviations of a share over 10000 draws: at most 0.02
      assert.near(row.kept, kept, 0.02)
      assert.near(2 * row.scale, largest, 1e-6)
    end
  end)

  it("does nothing in evaluation", function()
    local x = yutu.ones(9)
    assert.equal(x, nn.Dropout(0.5):eval()(x))
    assert.equal(x, F.dropout(x, { p = 0.5, training = false }))
    assert.equal(x, F.dropout(x, 0.5, false))
  end)

  it("gives the gradient what it gave the value", function()
    yutu.manual_seed(4)
    local x = yutu.ones({ 100 }, { requires_grad = true })
    local y = nn.Dropout(0.3)(x)
    y:sum():backward()
    assert.same(y:tolist(), x.grad:tolist())
    assert.is_true(y:ne(0):to("f32"):sum():item() < 100)
  end)

  it("repeats with the seed, and draws from a generator of its own", function()
    local function draw(layer) return layer(yutu.ones(50)):tolist() end
    yutu.manual_seed(7)
    local first = draw(nn.Dropout(0.5))
    local second = draw(nn.Dropout(0.5))
    yutu.manual_seed(7)
    assert.same(first, draw(nn.Dropout(0.5)))
    assert.are_not.same(first, second)
    local mine = draw(nn.Dropout(0.5, yutu.Generator(3)))
    assert.same(mine, draw(nn.Dropout(0.5, yutu.Generator(3))))
  end)

  it("takes a number, which two ops then read", function()
    for _ = 1, 200 do
      local y = yutu.dropout(3, 0.5):item()
      assert.is_true(y == 0 or y == 6, y)
      assert.equal(0, yutu.var(3, nil, 0):item())
    end
  end)

  it("refuses a p that is no probability", function()
    refused(function() nn.Dropout(1.5) end, "nn.Dropout: p = 1.5 is not within [0, 1]")
    refused(function() nn.Dropout { rate = 0.5 } end, "nn.Dropout: no option 'rate'; there is p")
    refused(function() F.dropout(yutu.ones(2), -1) end, "dropout: p = -1 is not within [0, 1]")
  end)
end)

describe("containers", function()
  it("run in order, under numbers or names", function()
    local x = yutu.tensor { { -1, 2 } }
    local net = nn.Sequential(nn.ReLU(), nn.Flatten(1))
    assert.same({ 0, 2 }, net(x):tolist())
    assert.equal(2, #net)
    assert.same({ 0, 2 }, nn.Sequential { nn.ReLU(), nn.Flatten(1) } (x):tolist())
    local named = nn.Sequential { { "act", nn.ReLU() }, { "flat", nn.Flatten(1) } }
    assert.same({ 0, 2 }, named(x):tolist())
    assert.equal("nn.ReLU", named.act.class)
    assert.equal(x, nn.Sequential()(x))
    assert.equal(net, net:append(nn.Identity()))
    assert.equal(3, #net)
  end)

  it("fuse a Linear with the activation behind it, without a difference", function()
    local x = yutu.randn(5, 4)
    for _, act in ipairs { nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.GELU() } do
      local fc = nn.Linear(4, 6)
      local apart, together = act(fc(x)), nn.Sequential(fc, act)(x)
      assert.is_true(apart:sub(together):abs():amax():item() < 1e-6, tostring(act))
    end
  end)

  it("see a layer replaced, whatever it was fused with", function()
    local x = yutu.randn(5, 4)
    local net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    net(x)
    net[2] = nn.Identity()
    assert.same(net[3](net[1](x)):tolist(), net(x):tolist())
    local Mine = nn.Tanh:extend "Mine"
    function Mine.forward(_, y) return y:mul(0) end
    net[2] = Mine()
    assert.same(net[3](yutu.zeros(5, 6)):tolist(), net(x):tolist())
  end)

  it("hold modules and nothing else", function()
    refused(function() nn.Sequential(nn.ReLU(), 3) end, "nn.Sequential: [2] is a number, a module is needed")
    refused(function() nn.Sequential(nn.ReLU) end, "nn.Sequential: [1] is the class nn.ReLU, a module is needed")
    refused(function() nn.ModuleList { {} } end, "nn.ModuleList: [1] is a table, a module is needed")
    refused(function() nn.ModuleDict { a = "b" } end, "nn.ModuleDict: [a] is a string, a module is needed")
    refused(function() nn.ModuleDict { train = nn.ReLU() } end, "'train' is a method of every module")
    refused(function() nn.ParameterList { 1 } end, "nn.ParameterList: [1] is a number")
  end)

  it("keep lists and tables of modules registered", function()
    local list = nn.ModuleList { nn.Linear(1, 1), nn.Linear(1, 2) }
    list:append(nn.Linear(1, 3))
    assert.equal(3, #list)
    assert.equal(6, #list:parameters())
    local dict = nn.ModuleDict { left = nn.Linear(1, 1), ahead = nn.ReLU() }
    local order = {}
    for name in dict:named_children() do order[#order + 1] = name end
    assert.same({ "ahead", "left" }, order)
    assert.equal("nn.Linear", dict.left.class)
    local params = nn.ParameterList { yutu.ones(2), yutu.ones(3) }
    assert.equal(5, params:num_parameters())
    assert.is_true(params[1].requires_grad)
  end)
end)

describe("layers that reshape", function()
  it("flatten and unflatten", function()
    local x = yutu.arange(24):reshape(2, 3, 4)
    assert.same({ 2, 12 }, nn.Flatten()(x).shape)
    assert.same({ 24 }, nn.Flatten(1)(x).shape)
    assert.same({ 6, 4 }, nn.Flatten { start_dim = 1, end_dim = 2 } (x).shape)
    assert.same({ 2, 3, 2, 2 }, nn.Unflatten(3, { 2, 2 })(x).shape)
    assert.equal(x, nn.Identity()(x))
    refused(function() nn.Unflatten(2) end, "nn.Unflatten: unflattened_size is missing")
    refused(function() nn.Flatten { from = 1 } end, "nn.Flatten: no option 'from'; there are start_dim, end_dim")
  end)
end)

describe("functions", function()
  it("normalize rows, and leaves rows of zeros", function()
    local y = F.normalize(yutu.tensor { { 3, 4 }, { 0, 0 } }):tolist()
    assert.near(0.6, y[1], 1e-6)
    assert.near(0.8, y[2], 1e-6)
    assert.same({ 0, 0 }, { y[3], y[4] })
    assert.near(3 / 7, F.normalize(yutu.tensor { { 3, 4 } }, { p = 1 }):tolist()[1], 1e-6)
  end)

  it("measure distances and angles between rows", function()
    local a, b = yutu.tensor { { 0, 0 }, { 1, 0 } }, yutu.tensor { { 3, 4 }, { 0, 2 } }
    local d = F.pairwise_distance(a, b, { eps = 0 }):tolist()
    assert.near(5, d[1], 1e-6)
    assert.near(math.sqrt(5), d[2], 1e-6)
    assert.near(0, F.cosine_similarity(a, b):tolist()[2], 1e-6)
  end)
end)

describe("gradient clipping", function()
  local clip = dofile("tests/reference/optimizers.lua").clip
  local function parameters()
    local out = {}
    for i, spec in ipairs(clip.grads) do
      out[i] = yutu.zeros(spec.shape, { dtype = "f64", requires_grad = true })
      out[i].grad = recorded.tensor(spec, "f64")
    end
    out[#out + 1] = yutu.zeros({ 2 }, { dtype = "f64", requires_grad = true })        -- no gradient: left alone
    return out
  end
  for _, case in ipairs(clip.cases) do
    it("does " .. case.name .. " as PyTorch does", function()
      local list = parameters()
      if case.op == "clip_grad_norm_" then
        local norm = utils.clip_grad_norm_(list, case.args.max_norm, { norm_type = case.args.norm_type })
        assert.near(case.total_norm, norm, 1e-11)
      else utils.clip_grad_value_(list, case.args.clip_value) end
      for i, expected in ipairs(case.grads) do assert.is_true(recorded.error(list[i].grad, expected) < 1e-11) end
      assert.is_nil(list[#list].grad)
    end)
  end

  it("takes one tensor too, and a norm of zero parameters is 0", function()
    local p = yutu.zeros({ 1 }, { requires_grad = true })
    p.grad = yutu.tensor { 4 }
    assert.equal(4, utils.clip_grad_norm_(p, 2))
    assert.near(2, p.grad:item(), 1e-5)
    assert.equal(0, utils.clip_grad_norm_({}, 1))
  end)

  it("can refuse a norm that is not finite, before it changes anything", function()
    local p, q = yutu.zeros({ 2 }, { requires_grad = true }), yutu.zeros({ 1 }, { requires_grad = true })
    p.grad, q.grad = yutu.tensor { 1, math.huge }, yutu.tensor { 3 }
    refused(function() utils.clip_grad_norm_({ p, q }, 1, { error_if_nonfinite = true }) end,
      "clip_grad_norm_: the norm of the gradients is inf")
    assert.equal(3, q.grad:item())
    assert.is_true(yutu.is_grad_enabled())
  end)

  it("refuses what is no list of tensors, and unknown options", function()
    refused(function() utils.clip_grad_norm_(nil, 1) end, "clip_grad_norm_: parameters is missing, a list is needed")
    refused(function() utils.clip_grad_norm_({ 1 }, 1) end, "clip_grad_norm_: parameters[1] is a number")
    refused(function() utils.clip_grad_norm_({}, "1") end, "clip_grad_norm_: max_norm is not a number")
    refused(function() utils.clip_grad_norm_({}, 1, { p = 2 }) end, "clip_grad_norm_: no option 'p'")
    refused(function() utils.clip_grad_norm_({}, 1, { norm_type = 0 }) end, "norm_type = 0 is not above 0")
  end)
end)

describe("parameters as a vector", function()
  it("go there and back", function()
    local net = nn.Linear(2, 3)
    local v = utils.parameters_to_vector(net:parameters())
    assert.same({ 9 }, v.shape)
    assert.same(net.weight:reshape({ -1 }):tolist()[2], v:tolist()[2])
    utils.vector_to_parameters(yutu.arange(9), net:parameters())
    assert.same({ 1, 2, 3, 4, 5, 6 }, net.weight:tolist())
    assert.same({ 7, 8, 9 }, net.bias:tolist())
    refused(function() utils.vector_to_parameters(yutu.zeros(8), net:parameters()) end,
      "vector_to_parameters: vector (8) for 9 elements")
  end)

  it("pass gradients through", function()
    local net = nn.Linear(2, 3)
    utils.parameters_to_vector(net:parameters()):square():sum():backward()
    assert.same(net.bias:mul(2):tolist(), net.bias.grad:tolist())
  end)
end)

describe("a small network", function()
  it("follows PyTorch's through ten steps of Adam", function()
    local small = dofile("tests/reference/training.lua").small_network
    for _, dtype in ipairs { "f64", "f32" } do
      local limit = dtype == "f64" and 1e-11 or 1e-5
      local net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)):to(dtype)
      yutu.no_grad(function()
        for i, p in ipairs(net:parameters()) do p:copy_(recorded.tensor(small.initial[i], dtype)) end
      end)
      local opt = yutu.optim.Adam(net:parameters(), { lr = small.lr })
      local x, labels = recorded.tensor(small.x, dtype), recorded.tensor(small.labels)
      for step = 1, small.steps do
        local loss = F.cross_entropy(net(x), labels)
        assert.near(small[dtype].losses[step], loss:item(), limit)
        opt:zero_grad()
        loss:backward()
        opt:step()
      end
      for i, p in ipairs(net:parameters()) do
        assert.is_true(recorded.error(p, small[dtype].parameters[i]) < limit)
      end
    end
  end)
end)
