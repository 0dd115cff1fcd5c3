-- Optimizers: PyTorch's numbers, options that are checked, state that can be saved, and closures.
local yutu = require "yutu"
local optim = yutu.optim
local reference = dofile "tests/reference/optimizers.lua"

local function tensor_of(record, dtype)
  return yutu.tensor(record.data, { shape = record.shape, dtype = dtype or record.dtype })
end
local function parameters(dtype)
  local out = {}
  for i, record in ipairs(reference.initial) do out[i] = tensor_of(record, dtype):requires_grad_() end
  return out
end
local function give_gradients(params, row)
  for i, p in ipairs(params) do p.grad = yutu.tensor(row[i], { shape = p.shape, dtype = p.dtype }) end
end
local function distance(got, want)
  local worst = 0
  assert.equal(#want, #got)
  for i, v in ipairs(want) do worst = math.max(worst, math.abs(got[i] - v) / math.max(1, math.abs(v))) end
  return worst
end

-- NAdam as in Dozat 2016, algorithm 8, in plain numbers. The recorded PyTorch 1.13 multiplies the product of the mu by
-- mu(t) twice where the paper, and later versions of PyTorch, do so once: its record is no reference.
local function plain_nadam(args)
  local lr, eps, decay = args.lr or 2e-3, args.eps or 1e-8, args.weight_decay or 0
  local beta1, beta2 = unpack(args.betas or { 0.9, 0.999 })
  local fade, after = args.momentum_decay or 4e-3, {}
  for i, record in ipairs(reference.initial) do
    local p, m, v, product = { unpack(record.data) }, {}, {}, 1
    for t, row in ipairs(reference.gradients) do
      local mu, mu_next = beta1 * (1 - 0.96 ^ (t * fade) / 2), beta1 * (1 - 0.96 ^ ((t + 1) * fade) / 2)
      product = product * mu
      for k = 1, #p do
        local g = row[i][k] + decay * p[k]
        m[k] = beta1 * (m[k] or 0) + (1 - beta1) * g
        v[k] = beta2 * (v[k] or 0) + (1 - beta2) * g * g
        local mean = mu_next * m[k] / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
        p[k] = p[k] - lr * mean / (math.sqrt(v[k] / (1 - beta2 ^ t)) + eps)
      end
      for n, step in ipairs(reference.steps) do
        after[n] = after[n] or {}
        if step == t then after[n][i] = { unpack(p) } end
      end
    end
  end
  return after
end

describe("an optimizer", function()
  for _, case in ipairs(reference.cases) do
    if case.op == "NAdam" then case.after = plain_nadam(case.args) end
    it("walks as PyTorch's does: " .. case.name, function()
      for dtype, limit in pairs { f64 = 1e-11, f32 = 1e-5 } do
        local params = parameters(dtype)
        local opt = optim[case.op](params, case.args)
        local check = 1
        for step, row in ipairs(reference.gradients) do
          give_gradients(params, row)
          opt:step()
          if step == reference.steps[check] then
            for i, p in ipairs(params) do
              assert.is_true(distance(p:tolist(), case.after[check][i]) <= limit,
                ("%s, %s, parameter %d after %d steps"):format(case.name, dtype, i, step))
            end
            check = check + 1
          end
        end
        assert.equal(#reference.steps + 1, check)
      end
    end)

    it("goes on from a saved state to the bit: " .. case.name, function()
      local params, twins = parameters "f32", parameters "f32"
      local opt, twin = optim[case.op](params, case.args), optim[case.op](twins, { lr = 7 })
      for step = 1, 5 do
        give_gradients(params, reference.gradients[step])
        opt:step()
      end
      yutu.no_grad(function() for i, p in ipairs(params) do twins[i]:copy_(p) end end)
      twin:load_state_dict(opt:state_dict())
      for step = 6, 12 do
        give_gradients(params, reference.gradients[step])
        give_gradients(twins, reference.gradients[step])
        opt:step()
        twin:step()
      end
      for i, p in ipairs(params) do assert.same(p:tolist(), twins[i]:tolist()) end
    end)
  end
end)

describe("L-BFGS", function()
  local objectives = {
    rosenbrock = function(x)
      local a, b = x[1], x[2]
      return (1 - a):square() + 100 * (b - a:square()):square()
    end,
    quadratic = function(x)
      local i = yutu.arange(1, #x, 1, { dtype = "f64" })
      return (i * (x - i):square()):sum()
    end,
  }
  for _, case in ipairs(reference.lbfgs) do
    it("finds its way as PyTorch's does: " .. case.name, function()
      local x = yutu.tensor(case.start, { dtype = "f64" }):requires_grad_()
      local opt = optim.LBFGS({ x }, case.args)
      local f, evaluations = objectives[case.objective], 0
      local function closure()
        evaluations = evaluations + 1
        opt:zero_grad()
        local loss = f(x)
        loss:backward()
        return loss
      end
      for call, want in ipairs(case.after) do
        local returned = opt:step(closure):item()
        assert.equal(want.evaluations, evaluations, "evaluations after call " .. call)
        assert.is_true(distance({ returned }, { want.returned }) <= 1e-7, "what call " .. call .. " returned")
        assert.is_true(distance(x:tolist(), want.x) <= 1e-7, "where call " .. call .. " ended")
        assert.is_true(distance({ f(x):item() }, { want.loss }) <= 1e-7)
      end
    end)
  end

  it("goes on from a saved state to the bit", function()
    local function new()
      local x = yutu.tensor({ -1.25, 1 }, { dtype = "f64" }):requires_grad_()
      local opt = optim.LBFGS({ x }, { max_iter = 3, line_search_fn = "strong_wolfe" })
      return x, opt, function()
        opt:zero_grad()
        local loss = objectives.rosenbrock(x)
        loss:backward()
        return loss
      end
    end
    local x, opt, closure = new()
    local y, twin, twin_closure = new()
    opt:step(closure)
    yutu.no_grad(function() y:copy_(x) end)
    twin:load_state_dict(opt:state_dict())
    opt:step(closure)
    twin:step(twin_closure)
    assert.same(x:tolist(), y:tolist())
  end)

  it("needs a closure that returns the loss", function()
    local x = yutu.zeros(2):requires_grad_()
    local opt = optim.LBFGS { x }
    assert.has_error(function() opt:step() end)
    local ok, message = pcall(opt.step, opt, function() end)
    assert.is_false(ok)
    assert.matches("closure returns nothing", message)
  end)
end)

describe("a step", function()
  it("runs a closure with gradients on and returns its loss", function()
    local w = yutu.tensor({ 3 }, { requires_grad = true })
    local opt = optim.SGD({ w }, { lr = 0.5 })
    local loss = yutu.no_grad(function()
      return opt:step(function()
        opt:zero_grad()
        local l = (w * w):sum()
        l:backward()
        return l
      end)
    end)
    assert.equal(9, loss:item())
    assert.same({ 0 }, w:tolist())
  end)

  it("leaves parameters without a gradient alone, and does not count it", function()
    local a, b = yutu.ones(2):requires_grad_(), yutu.ones(2):requires_grad_()
    local opt = optim.Adam({ a, b }, { lr = 0.1 })
    a.grad = yutu.ones(2)
    opt:step()
    assert.same({ 1, 1 }, b:tolist())
    assert.is_nil(opt:state_dict().state[2])
    assert.equal(1, opt:state_dict().state[1].step)
  end)

  it("uses the options of each group", function()
    local a, b = yutu.ones(1):requires_grad_(), yutu.ones(1):requires_grad_()
    local opt = optim.SGD({ { params = { a } }, { params = { b }, lr = 0.5 } }, { lr = 0.25 })
    a.grad, b.grad = yutu.ones(1), yutu.ones(1)
    opt:step()
    assert.same({ 0.75 }, a:tolist())
    assert.same({ 0.5 }, b:tolist())
    opt.param_groups[1].lr = 0.75
    opt:step()
    assert.same({ 0 }, a:tolist())
  end)

  it("keeps its state when it happens inside a scope", function()
    local w = yutu.ones(4):requires_grad_()
    local opt = optim.Adam({ w }, { lr = 0.1 })
    for _ = 1, 20 do
      yutu.scope(function()
        opt:zero_grad();
        (w * w):sum():backward()
        opt:step()
      end)
    end
    local twin = yutu.ones(4):requires_grad_()
    local twin_opt = optim.Adam({ twin }, { lr = 0.1 })
    for _ = 1, 20 do
      twin_opt:zero_grad();
      (twin * twin):sum():backward()
      twin_opt:step()
    end
    assert.same(twin:tolist(), w:tolist())
  end)

  it("updates a weight that lies transposed in memory", function()
    local w, plain = yutu.ones(3, 2):t():requires_grad_(), yutu.ones(2, 3):requires_grad_()
    local grad = yutu.arange(1, 6, 1, { dtype = "f32" }):view(2, 3)
    for _, p in ipairs { w, plain } do
      local opt = optim.Adam({ p }, { lr = 0.1 })
      for _ = 1, 3 do
        p.grad = grad
        opt:step()
      end
    end
    assert.same(plain:tolist(), w:tolist())
  end)
end)

describe("zero_grad", function()
  it("forgets gradients, or fills them with zeros", function()
    local w = yutu.ones(2):requires_grad_()
    local opt = optim.SGD { w }
    w.grad = yutu.ones(2)
    opt:zero_grad { set_to_none = false }
    assert.same({ 0, 0 }, w.grad:tolist())
    opt:zero_grad()
    assert.is_nil(w.grad)
  end)
end)

describe("a refusal", function()
  local function refused(pattern, f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok, pattern)
    assert.matches(pattern, message)
  end
  local w = yutu.ones(2):requires_grad_()
  it("names the option that does not exist", function()
    refused("optim.Adam: no option \"learning_rate\"; there are amsgrad, betas", optim.Adam, { w },
      { learning_rate = 1 })
    refused("no option \"momentum\"", optim.Adam, { { params = { w }, momentum = 1 } })
  end)
  it("names values out of range", function()
    refused("lr = %-1 is negative", optim.SGD, { w }, { lr = -1 })
    refused("lr is \"fast\"", optim.SGD, { w }, { lr = "fast" })
    refused("betas%[2%] = 1", optim.Adam, { w }, { betas = { 0.9, 1 } })
    refused("nesterov needs", optim.SGD, { w }, { nesterov = true })
    refused("alpha = 2", optim.RMSprop, { w }, { alpha = 2 })
  end)
  it("names parameters that cannot be optimized", function()
    refused("empty", optim.SGD, {})
    refused("a list of parameters is needed", optim.SGD, w)
    refused("a list of parameters", optim.SGD, nil)
    refused("parameter 2 is a table", optim.SGD, { w, {} })
    refused("parameter 1 is the result of an op", optim.SGD, { w * 2 })
    refused("parameter 1 is i64", optim.SGD, { yutu.zeros(2, { dtype = "i64" }) })
    refused("parameter 2 appears twice", optim.SGD, { w, w })
  end)
  it("leaves the optimizer as it was when a state does not fit", function()
    local a, b = yutu.ones(2):requires_grad_(), yutu.ones(3):requires_grad_()
    local of_a, of_b = optim.Adam({ a }, { lr = 0.5 }), optim.Adam({ b }, { lr = 0.25 })
    a.grad = yutu.ones(2)
    of_a:step()
    refused("exp_avg of parameter 1 is %(2%), the parameter %(3%)", of_b.load_state_dict, of_b, of_a:state_dict())
    assert.equal(0.25, of_b.param_groups[1].lr)
    refused("load_state_dict", of_b.load_state_dict, of_b, {})
  end)
end)
