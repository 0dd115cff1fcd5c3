local yutu = require "yutu"
local nn = yutu.nn

local function refused(f, text)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.truthy(message:find(text, 1, true), message)
end

local function names(iterator)
  local out = {}
  for name in iterator do out[#out + 1] = name end
  return out
end

local Block = nn.Module:extend "Block"
function Block:init(width)
  self.scale = self:parameter(width)
  self.fc = nn.Linear(width, width)
  self.seen = self:buffer(yutu.zeros(1))
  self.width = width
end
function Block:forward(x) return self.fc(x) * self.scale end

local Net = nn.Module:extend "Net"
function Net:init()
  self.encoder = Block(3)
  self.layers = nn.ModuleList { nn.Linear(3, 4), nn.Linear(4, 3) }
  self.head = nn.Sequential { { "fc", nn.Linear(3, 2, { bias = false }) }, { "act", nn.Tanh() } }
end
function Net:forward(x)
  x = self.encoder(x)
  for i = 1, #self.layers do x = self.layers[i](x) end
  return self.head(x)
end

local all = { "encoder.scale", "encoder.fc.weight", "encoder.fc.bias", "layers.0.weight", "layers.0.bias",
  "layers.1.weight", "layers.1.bias", "head.fc.weight" }

describe("a module", function()
  it("lists parameters under PyTorch's names, in the order of registration", function()
    local net = Net()
    assert.same(all, names(net:named_parameters()))
    assert.equal(#all, #net:parameters())
    assert.same({ "encoder.seen" }, names(net:named_buffers()))
    assert.equal(3 + 9 + 3 + 16 + 15 + 6, net:num_parameters())
    for name, p in net:named_parameters() do assert.is_true(p.requires_grad and p.is_leaf, name) end
  end)

  it("knows its children and all modules below", function()
    local net = Net()
    assert.same({ "encoder", "layers", "head" }, names(net:named_children()))
    assert.same({ net.encoder, net.layers, net.head }, net:children())
    assert.same({ "", "encoder", "encoder.fc", "layers", "layers.0", "layers.1", "head", "head.fc", "head.act" },
      names(net:named_modules()))
    assert.equal(9, #net:modules())
    local order = {}
    assert.equal(net, net:apply(function(m) order[#order + 1] = m.class end))
    assert.same({ "nn.Linear", "Block", "nn.Linear", "nn.Linear", "nn.ModuleList", "nn.Linear", "nn.Tanh",
      "nn.Sequential", "Net" }, order)
  end)

  it("takes any tensor that requires a gradient for a parameter, others for plain fields", function()
    local m = Block(2)
    m.extra = yutu.ones({ 2 }, { requires_grad = true })
    m.wrapped = nn.Parameter(yutu.ones(3))
    m.note = yutu.ones(2)
    assert.same({ "scale", "extra", "wrapped", "fc.weight", "fc.bias" }, names(m:named_parameters()))
    assert.same({ "seen" }, names(m:named_buffers()))
  end)

  it("registers a field that was something else at first, and forgets one that is gone", function()
    local m = nn.Module:extend "M" ()
    m.fc = false
    m.fc = nn.Linear(2, 2)
    assert.equal(2, #m:parameters())
    m.fc = nil
    assert.equal(0, #m:parameters())
    m.fc = nn.Linear(2, 3)
    assert.equal(9, m:num_parameters())
  end)

  it("counts a shared parameter once, and saves it under both names", function()
    local m = nn.Module:extend "Tied" ()
    m.a = nn.Linear(3, 3)
    m.b = nn.Linear(3, 3)
    m.b.weight = m.a.weight
    assert.same({ "a.weight", "a.bias", "b.bias" }, names(m:named_parameters()))
    assert.same({ "a.weight", "a.bias", "b.weight", "b.bias" }, getmetatable(m:state_dict()).order)
    m:double()
    assert.equal(m.a.weight, m.b.weight)
    m.c = m.a
    assert.equal(3, #m:parameters())
  end)

  it("survives a child that knows its parent", function()
    local m = nn.Module:extend "Parent" ()
    m.child = nn.Linear(1, 1)
    m.child.parent = m
    assert.equal(2, #m:parameters())
    assert.same({ "child.weight", "child.bias" }, getmetatable(m:state_dict()).order)
  end)

  it("freezes and thaws", function()
    local net = Net()
    net.encoder:requires_grad_(false)
    net(yutu.ones(2, 3)):sum():backward()
    assert.is_nil(net.encoder.fc.weight.grad)
    assert.truthy(net.layers[1].weight.grad)
    assert.equal(#all, #net:parameters())           -- frozen ones are still parameters
    net:requires_grad_(true)
    net(yutu.ones(2, 3)):sum():backward()
    assert.truthy(net.encoder.fc.weight.grad)
    net:zero_grad()
    for name, p in net:named_parameters() do assert.is_nil(p.grad, name) end
  end)

  it("switches modes all the way down", function()
    local net = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    assert.equal(net, net:eval())
    assert.is_false(net[2][1].training)
    assert.same({ 1, 1, 1 }, net(yutu.ones(3)):tolist())
    net:train()
    assert.is_true(net[2][1].training)
    net:train(false)
    assert.is_false(net[1].training)
  end)

  it("moves to another dtype, leaving integers alone", function()
    local net = Net()
    net.encoder.steps = net.encoder:buffer(yutu.zeros({ 1 }, { dtype = "i64" }))
    local before = net.layers[1].weight:tolist()
    assert.equal(net, net:double())
    for name, p in net:named_parameters() do
      assert.equal("f64", p.dtype, name)
      assert.is_true(p.requires_grad and p.is_leaf, name)
    end
    assert.equal("f64", net.encoder.seen.dtype)
    assert.equal("i64", net.encoder.steps.dtype)
    assert.same(before, net.layers[1].weight:tolist())
    assert.equal("f64", net(yutu.ones({ 2, 3 }, { dtype = "f64" })).dtype)
    local weight = net.layers[1].weight
    net:to "f64":to "cpu"
    assert.equal(weight, net.layers[1].weight)      -- nothing to do: the same tensors
  end)

  it("clones into tensors of its own, keeping what is shared shared", function()
    local net = Net()
    net.layers[2].bias = net.encoder.scale
    net.encoder.fc.weight.requires_grad = false
    local twin = net:clone()
    assert.same(net.layers[1].weight:tolist(), twin.layers[1].weight:tolist())
    assert.equal(twin.layers[2].bias, twin.encoder.scale)
    assert.is_false(twin.encoder.fc.weight.requires_grad)
    assert.is_true(twin.encoder.scale.requires_grad)
    yutu.no_grad(function() net.layers[1].weight:fill_(7) end)
    assert.is_true(twin.layers[1].weight:amax():item() < 7)
    assert.same(names(net:named_parameters()), names(twin:named_parameters()))
    twin.extra = nn.Linear(1, 1)
    assert.equal(3, #net:children())
    assert.equal("Net", twin.class)
  end)

  it("prints as a tree", function()
    assert.equal([[
Net(
  (encoder): Block(
    (fc): Linear(in_features=3, out_features=3, bias=true)
  )
  (layers): ModuleList(
    (1): Linear(in_features=3, out_features=4, bias=true)
    (2): Linear(in_features=4, out_features=3, bias=true)
  )
  (head): Sequential(
    (fc): Linear(in_features=3, out_features=2, bias=false)
    (act): Tanh()
  )
)]], tostring(Net()))
    assert.equal("Dropout(p=0.2)", tostring(nn.Dropout(0.2)))
  end)

  it("returns as many values as forward does", function()
    local Two = nn.Module:extend "Two"
    function Two.forward(_, x, n) return x, n end
    assert.same({ 1, 2 }, { Two()(1, 2) })
    assert.equal(2, select("#", Two()(1, 2)))
    assert.equal(1, select("#", nn.Identity()(1)))
  end)

  it("extends further", function()
    local Wide = Block:extend "Wide"
    function Wide:forward(x) return Block.forward(self, x) + 1 end
    local m = Wide(2)
    assert.equal("Wide", m.class)
    assert.same({ 1, 1 }, m(yutu.zeros(1, 2)):sub(m.fc.bias * m.scale):tolist())
  end)
end)

describe("a state dict", function()
  it("goes out and in", function()
    local a, b = Net(), Net()
    local state = a:state_dict()
    assert.same({ "encoder.scale", "encoder.seen", "encoder.fc.weight", "encoder.fc.bias", "layers.0.weight",
      "layers.0.bias", "layers.1.weight", "layers.1.bias", "head.fc.weight" }, getmetatable(state).order)
    assert.is_false(state["layers.0.weight"].requires_grad)
    assert.same({ 4, 3 }, state["layers.0.weight"].shape)
    local weight = b.layers[1].weight
    b:load_state_dict(state)
    assert.equal(weight, b.layers[1].weight)        -- the same tensors, with new values
    local x = yutu.randn(5, 3)
    assert.same(a(x):tolist(), b(x):tolist())
  end)

  it("converts dtypes on the way in", function()
    local a, b = nn.Linear(2, 3):double(), nn.Linear(2, 3)
    b:load_state_dict(a:state_dict())
    assert.equal("f32", b.weight.dtype)
    assert.same(a.weight:float():tolist(), b.weight:tolist())
  end)

  it("that does not fit changes nothing, and says all that is wrong", function()
    local net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    local before = net[1].bias:tolist()
    local state = { ["0.weight"] = yutu.zeros(3, 3), ["0.bias"] = yutu.ones(3), ["2.weight"] = "none",
      ["3.bias"] = yutu.zeros(1) }
    local ok, message = pcall(net.load_state_dict, net, state)
    assert.is_false(ok)
    for _, part in ipairs { "0.weight is (3,3) there and (3,2) here", "2.weight is a string", "missing 2.bias",
      "unexpected 3.bias" } do assert.truthy(message:find(part, 1, true), message) end
    assert.same(before, net[1].bias:tolist())
    refused(function() net:load_state_dict(nil) end, "load_state_dict: a table of tensors by name is needed, not a nil")
    refused(function() net:load_state_dict({}, { stric = false }) end, "load_state_dict: no option 'stric'")
  end)

  it("may be partial when not strict", function()
    local net = nn.Sequential(nn.Linear(2, 3))
    local missing, unexpected = net:load_state_dict({ ["0.bias"] = yutu.ones(3), other = yutu.ones(1) },
      { strict = false })
    assert.same({ "0.weight" }, missing)
    assert.same({ "other" }, unexpected)
    assert.same({ 1, 1, 1 }, net[1].bias:tolist())
    refused(function() net:load_state_dict({ ["0.bias"] = yutu.ones(4) }, { strict = false }) end,
      "0.bias is (4) there and (3) here")
  end)
end)

describe("errors inside a model", function()
  local x = yutu.ones(2, 3)
  local function message(f, ...)
    local ok, text = pcall(f, ...)
    assert.is_false(ok)
    return text
  end

  it("name the way to the module", function()
    local net = Net()
    net.layers[2] = nn.Linear(5, 3)
    assert.truthy(message(net, x):find("(in layers[2])", 1, true))
    net = Net()
    net.encoder.fc = nn.Linear(4, 4)
    assert.truthy(message(net, x):find("(in encoder.fc)", 1, true))
    net = Net()
    net.head.fc = nn.Linear(1, 2)
    assert.truthy(message(net, x):find("(in head.fc)", 1, true))
    assert.truthy(message(nn.Linear(4, 4), x):find("(in nn.Linear)", 1, true))
    local deep = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 4)))
    assert.truthy(message(deep, x):find("(in nn.Sequential[2][2])", 1, true))
  end)

  it("name both shapes, and point at the caller's line", function()
    local text = message(function() Net()(yutu.ones(2, 7)) end)
    assert.truthy(text:match "module_spec.lua:%d+: linear", text)
    assert.truthy(text:find("(2,7)", 1, true) and text:find("(3,3)", 1, true), text)
  end)

  it("name the module after a thousand calls too, when they are compiled", function()
    local net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 3))
    local function run(n)
      local y = x
      for i = 1, n do
        if i == n then net[3] = nn.Linear(4, 4) end
        y = net(x)
      end
      return y
    end
    assert.truthy(message(run, 1000):find("(in nn.Sequential[3])", 1, true))
  end)

  it("are not confused by calls that failed before", function()
    local net = Net()
    for _ = 1, 3 do pcall(net, yutu.ones(2, 9)) end
    assert.is_nil(message(yutu.matmul, x, x):find("(in ", 1, true))
  end)

  it("tell what is no tensor", function()
    assert.truthy(message(nn.Linear(3, 3), { 1, 2, 3 }):find("linear: x is a table, a tensor is needed", 1, true))
    assert.truthy(message(nn.Linear(3, 3)):find("linear: x is nothing, a tensor is needed", 1, true))
  end)

  it("tell a class without forward, and a field in a method's place", function()
    local Empty = nn.Module:extend "Empty"
    refused(function() Empty()(1) end, "Empty: no forward is defined")
    refused(function() Empty().train = nn.Linear(1, 1) end, "Empty: 'train' is a method of every module")
  end)

  it("runs as one call when it is all Linears, and then computes what its layers do", function()
    local Doubled = nn.Linear:extend "Doubled"                       -- not exactly a Linear, so not part of such a call
    function Doubled:forward(input) return nn.Linear.forward(self, input) * 2 end
    local given = yutu.randn(5, 4)
    for _, layers in ipairs {
      { nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Linear(6, 3), nn.Sigmoid() },
      { nn.Linear(4, 6, { bias = false }), nn.ReLU(), nn.ReLU(), nn.Linear(6, 2) },
      { nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2) },
      { nn.Linear(4, 4), nn.Tanh(), Doubled(4, 2) },
    } do
      local net = nn.Sequential(layers)
      local y, one_by_one = net(given), given
      for _, layer in ipairs(layers) do one_by_one = layer(one_by_one) end
      assert.is_true((y - one_by_one):abs():amax():item() < 1e-6)
      local unrecorded = yutu.no_grad(net, given)
      assert.is_false(unrecorded.requires_grad)
      assert.same(y:tolist(), unrecorded:tolist())
      assert.same({ 0, y:size(2) }, yutu.no_grad(net, yutu.zeros(0, 4)).shape)
      y:square():sum():backward()
      local gradients = {}
      for i, p in ipairs(net:parameters()) do gradients[i], p.grad = p.grad:clone(), nil end
      one_by_one:square():sum():backward()
      for i, p in ipairs(net:parameters()) do assert.is_true((p.grad - gradients[i]):abs():amax():item() < 1e-4) end
    end
    local net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    local before = net(given)
    net[2] = nn.Linear(4, 3)                                         -- a layer replaced is a layer used
    assert.same({ 5, 3 }, net(given).shape)
    net[1].weight = net[1]:parameter(yutu.zeros(4, 4))
    assert.is_true((net(given) - net(given * 3)):abs():amax():item() == 0)
    assert.same({ 5, 2 }, before.shape)
    refused(function() yutu.no_grad(net, yutu.zeros(5, 3)) end, "(in nn.Sequential[1])")
    refused(function() yutu.no_grad(net, 7) end, "linear")
    assert.equal("f64", yutu.no_grad(net, given:double()).dtype)
    net[2].weight:release()
    refused(function() net(given) end, "was released")
  end)
end)
