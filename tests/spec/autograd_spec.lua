--- Gradients as Lua sees them. The gradients of the ops themselves are ops_spec's.
local yutu = require "yutu"
local check = require "check"
local gradients = require "gradcheck"

local function leaf(values) return yutu.tensor(values, { dtype = "f64" }):requires_grad_() end
local function has(x, values) check.close(x:tolist(), values, 1e-12, "gradient") end

describe("backward", function()
  it("adds to .grad of the leaves, until it is taken away", function()
    local w = leaf { 1, 2 };
    (w * w):sum():backward()
    has(w.grad, { 2, 4 });
    (w * 3):sum():backward()
    has(w.grad, { 5, 7 })
    w.grad = nil
    assert.is_nil(w.grad)
    w.grad = yutu.tensor({ 1, 1 }, { dtype = "f64" })
    w:sum():backward()
    has(w.grad, { 2, 2 })
  end)
  it("takes the gradient of what has more than one element", function()
    local w = leaf { 1, 2 };
    (w * w):backward { gradient = yutu.tensor({ 1, 10 }, { dtype = "f64" }) }
    has(w.grad, { 2, 40 })
    check.refuses("backward: from %(2%) a gradient of that shape must be given", function() (w * w):backward() end)
    check.refuses("backward: gradient %(3%) for %(2%)", function() (w * w):backward { gradient = yutu.ones(3) } end)
  end)
  it("runs again where the graph is retained, and says so where it is not", function()
    local w = leaf { 3 }
    local y = w * w
    y:backward { retain_graph = true }
    y:backward()
    has(w.grad, { 12 })
    check.refuses("backward: mul was differentiated before", function() y:backward() end)
  end)
  it("makes a gradient that has one itself, if asked", function()
    local w = leaf { 2 };
    (w ^ 3):backward { create_graph = true }
    local g = w.grad
    has(g, { 12 })
    has(yutu.grad(g, w), { 12 })
  end)
  it("refuses what nothing was asked of", function()
    check.refuses("backward: nothing that made this tensor needs a gradient", function() yutu.ones(1):backward() end)
    local whole = yutu.zeros(1, { dtype = "i64" })
    check.refuses("requires_grad: i64 has no gradient", function() whole:requires_grad_() end)
    check.refuses("requires_grad: this tensor is a result", function() (leaf { 1 } * 2):requires_grad_(false) end)
    check.refuses("backward: no option \"retain\"", function() (leaf { 1 } * 2):backward { retain = true } end)
    check.refuses("grad: f32 %(1%) for f64 %(1%)", function() leaf { 1 }.grad = yutu.ones(1) end)
  end)
end)

describe("grad", function()
  it("returns gradients and leaves .grad alone", function()
    local a, b, c = leaf { 2 }, leaf { 3 }, leaf { 4 }
    local d = yutu.grad(a * b, { a, b, c })
    has(d[1], { 3 })
    has(d[2], { 2 })
    assert.is_nil(d[3])
    assert.is_nil(a.grad)
    has(yutu.grad(a * a, a), { 4 })
  end)
  it("goes to any order", function()
    local w = leaf { .3 }
    local d = w:tanh()
    for _ = 1, 2 do d = yutu.grad(d, w, { create_graph = true }) end
    d = yutu.grad(d, w)
    local t = math.tanh(.3)
    has(d, { -2 * (1 - t * t) * (1 - 3 * t * t) })
  end)
  it("reaches tensors in the middle of a graph", function()
    local w = leaf { 3 }
    local h = w * w
    has(yutu.grad(h * h, h), { 18 })
  end)
  it("takes the gradient of the result", function()
    local w = leaf { 1, 2 }
    has(yutu.grad(w * w, w, { grad_outputs = yutu.tensor({ 1, 10 }, { dtype = "f64" }) }), { 2, 40 })
  end)
end)

describe("recording", function()
  it("is off inside no_grad, and what f returns comes back", function()
    local w = leaf { 1 }
    local y, two = yutu.no_grad(function(x) return x * 2, 2 end, w)
    assert.is_false(y.requires_grad)
    assert.equal(2, two)
    assert.is_true(yutu.is_grad_enabled())
    yutu.no_grad(function()
      assert.is_false(yutu.is_grad_enabled())
      assert.is_true(yutu.enable_grad(function() return (w * 2).requires_grad end))
      w:add_(1)
    end)
    has(w:detach(), { 2 })
  end)
  it("is restored after an error, which passes on", function()
    local ok, message = pcall(yutu.no_grad, function() error("mine", 0) end)
    assert.is_false(ok)
    assert.equal("mine", message)
    assert.is_true(yutu.is_grad_enabled())
  end)
  it("stops at detach", function()
    local w = leaf { 3 };
    (w * w:detach()):backward()
    has(w.grad, { 3 })
    assert.is_false(w:detach().requires_grad)
  end)
  it("freezes and thaws", function()
    local w = leaf { 1 }
    w.requires_grad = false
    assert.is_false((w * 2).requires_grad)
    w:requires_grad_()
    assert.is_true((w * 2).requires_grad)
  end)
end)

describe("writing in place", function()
  it("is noticed when a gradient needed what was there, and named", function()
    local w = leaf { 1 }
    local y = w:tanh()
    yutu.no_grad(function() y:add_(1) end)
    check.refuses("backward: tanh saved its result, but add_ has changed it since", function() y:backward() end)
    local a, b = leaf { 2 }, yutu.tensor({ 3 }, { dtype = "f64" })
    local z = a * b
    b:add_(1)
    check.refuses("backward: mul saved b, but add_ has changed it since", function() z:backward() end)
  end)
  it("is followed where the gradient does not need it", function()
    local w = leaf { 1, 2 }
    local y = w * 2
    y:add_(5):mul_(3)
    y:sum():backward()
    has(w.grad, { 6, 6 })
  end)
  it("is refused on a leaf that needs a gradient", function()
    check.refuses("add_: a leaf that needs a gradient cannot be changed in place", function() leaf({ 1 }):add_(1) end)
  end)
end)

describe("hooks", function()
  it("see a gradient and may replace it", function()
    local w, seen = leaf { 1, 2 }, nil
    local h = w * 3
    h:register_hook(function(g) seen = g:tolist() end)
    h:register_hook(function(g) return g * 10 end)
    w:register_hook(function(g) return g + 1 end);
    (h * 2):sum():backward()
    assert.same({ 2, 2 }, seen)
    has(w.grad, { 61, 61 })
  end)
  it("can be taken away", function()
    local w = leaf { 1 }
    local hook = w:register_hook(function(g) return g * 100 end);
    (w * 2):backward()
    hook.remove()
    w.grad = nil;
    (w * 2):backward()
    has(w.grad, { 2 })
  end)
  it("pass their errors on and leave nothing behind", function()
    local w = leaf { 1 }
    w:register_hook(function() error("in the hook", 0) end)
    local ok, message = pcall(function() (w * 2):backward() end)
    assert.is_false(ok)
    assert.equal("in the hook", message)
    assert.is_true(yutu.is_grad_enabled())
    local v = leaf { 1 };
    (v * 2):backward()
    has(v.grad, { 2 })
  end)
  it("are for tensors that have a gradient", function()
    check.refuses("register_hook: this tensor needs no gradient", function() yutu.ones(1):register_hook(print) end)
  end)
end)

describe("an op written in Lua", function()
  local cube = yutu.Function {
    name = "cube",
    forward = function(ctx, x, factor)
      ctx.x, ctx.factor = x, factor
      return x ^ 3 * factor
    end,
    backward = function(ctx, g) return g * ctx.x ^ 2 * (3 * ctx.factor) end,
  }
  it("has the gradient it was given, of any order that its backward has", function()
    local x = yutu.tensor({ .5, -1, 2 }, { dtype = "f64" })
    gradients.check(function(v) return cube(v, 2) end, { x }, { order = 2 })
  end)
  it("stands among other ops", function()
    local w = leaf { 2 };
    (cube(w * 2, 1) + w):sum():backward()
    has(w.grad, { 3 * 16 * 2 + 1 })
  end)
  it("takes several tensors, and gives several results", function()
    local pair = yutu.Function {
      forward = function(ctx, a, b)
        ctx.a, ctx.b = a, b
        return a * b, (a + b):sum()
      end,
      backward = function(ctx, gp, gs) return gp * ctx.b + gs, gp * ctx.a + gs end,
    }
    local a, b = yutu.tensor({ 1, 2 }, { dtype = "f64" }), yutu.tensor({ 3, 4 }, { dtype = "f64" })
    gradients.check(function(x, y)
      local p, s = pair(x, y)
      return p * s
    end, { a, b }, { order = 2 })
  end)
  it("is not recorded where nothing needs it", function()
    assert.is_false(cube(yutu.ones(1), 1).requires_grad)
  end)
  it("passes errors of its backward on", function()
    local broken = yutu.Function { forward = function(_, x) return x * 2 end, backward = function() error("no", 0) end }
    local ok, message = pcall(function() broken(leaf { 1 }):backward() end)
    assert.is_false(ok)
    assert.equal("no", message)
  end)
  it("says what is wrong with its definition and its gradient", function()
    check.refuses("Function: no function backward", function() yutu.Function { forward = print } end)
    local wrong = yutu.Function { name = "wrong", forward = function(_, x) return x * 2 end,
      backward = function() return "x" end }
    check.refuses("wrong: the gradient of input 1 is \"x\"", function() wrong(leaf { 1 }):backward() end)
    local shape = yutu.Function { forward = function(_, x) return x * 2 end,
      backward = function() return yutu.ones(3) end }
    check.refuses("%(3%)", function() shape(leaf { 1, 2 }):sum():backward() end)
  end)
  it("is forgotten with its graph", function()
    local watch = setmetatable({}, { __mode = "v" })
    do
      local y = yutu.Function { forward = function(ctx, x)
        watch[1] = ctx
        return x * 2
      end, backward = function(_, g) return g * 2 end }(leaf { 1 })
      y:backward()
    end
    for _ = 1, 3 do yutu.collect() end
    assert.is_nil(watch[1])
  end)
end)
