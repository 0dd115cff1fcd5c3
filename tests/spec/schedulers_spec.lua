-- Learning-rate schedules: PyTorch's numbers, saving, and arguments that are checked.
local yutu = require "yutu"
local optim = yutu.optim
local lr_scheduler = optim.lr_scheduler
local reference = dofile "tests/reference/schedulers.lua"

local function optimizer(options)
  return optim.SGD({ yutu.zeros(1):requires_grad_() }, options or { lr = 0.1, momentum = 0.9 })
end

-- What the record's `note` says in words.
local made_of_functions = {
  LambdaLR = function(opt)
    return lr_scheduler.LambdaLR(opt, function(k) return math.min(1, (k + 1) / 8) end)
  end,
  MultiplicativeLR = function(opt)
    return lr_scheduler.MultiplicativeLR(opt, function(k) return 1 - 1 / (k + 4) end)
  end,
  SequentialLR = function(opt)
    local warm = lr_scheduler.LinearLR(opt, { start_factor = 0.1, total_iters = 5 })
    return lr_scheduler.SequentialLR(opt, { warm, lr_scheduler.CosineAnnealingLR(opt, 25) }, { 5 })
  end,
  ChainedScheduler = function(opt)
    return lr_scheduler.ChainedScheduler {
      lr_scheduler.ConstantLR(opt, { factor = 0.5, total_iters = 4 }), lr_scheduler.ExponentialLR(opt, 0.9),
    }
  end,
}
local function make(case, opt)
  local by_hand = made_of_functions[case.op]
  return by_hand and by_hand(opt) or lr_scheduler[case.op](opt, case.args)
end
local function near(got, want, what)
  local close = math.abs(got - want) <= 1e-12 * math.max(1, math.abs(want))
  assert.is_true(close, ("%s: %.17g, not %.17g"):format(what, got, want))
end
local function walk(case, metrics)
  it("gives PyTorch's rates: " .. case.name, function()
    local opt = optimizer()
    local schedule = make(case, opt)
    local group = opt.param_groups[1]
    for k, want in ipairs(case.lr) do
      near(group.lr, want, "lr after " .. k - 1 .. " steps")
      if case.momentum then near(group.momentum, case.momentum[k], "momentum after " .. k - 1 .. " steps") end
      if k < #case.lr then schedule:step(metrics and metrics[k]) end
    end
    assert.equal(31, #case.lr)
    near(schedule:get_last_lr()[1], case.lr[31], "get_last_lr")
  end)

  it("goes on from a saved state: " .. case.name, function()
    local opt, twin = optimizer(), optimizer()
    local schedule, other = make(case, opt), make(case, twin)
    for k = 1, 9 do schedule:step(metrics and metrics[k]) end
    twin:load_state_dict(opt:state_dict())
    other:load_state_dict(schedule:state_dict())
    for k = 10, 30 do
      schedule:step(metrics and metrics[k])
      other:step(metrics and metrics[k])
      assert.equal(opt.param_groups[1].lr, twin.param_groups[1].lr)
      assert.equal(opt.param_groups[1].momentum, twin.param_groups[1].momentum)
    end
  end)
end

describe("a schedule", function()
  for _, case in ipairs(reference.cases) do walk(case) end
  for _, case in ipairs(reference.plateau) do walk(case, reference.metrics) end

  it("takes its arguments in PyTorch's order, or by name", function()
    local a, b = optimizer(), optimizer()
    local in_order, by_name = lr_scheduler.StepLR(a, 3, 0.5), lr_scheduler.StepLR(b, { step_size = 3, gamma = 0.5 })
    local mixed = lr_scheduler.StepLR(optimizer(), 3, { gamma = 0.5 })
    for _ = 1, 7 do
      in_order:step()
      by_name:step()
      mixed:step()
    end
    near(a.param_groups[1].lr, 0.025, "lr")
    assert.equal(a.param_groups[1].lr, b.param_groups[1].lr)
    assert.equal(a.param_groups[1].lr, mixed.optimizer.param_groups[1].lr)
  end)

  it("moves beta1 where the optimizer has betas, and leaves the class's default alone", function()
    local opt = optim.Adam({ yutu.zeros(1):requires_grad_() }, { lr = 0.1 })
    local schedule = lr_scheduler.OneCycleLR(opt, { max_lr = 0.5, total_steps = 10 })
    assert.equal(0.95, opt.param_groups[1].betas[1])
    for _ = 1, 2 do schedule:step() end
    near(opt.param_groups[1].betas[1], 0.85, "beta1 at the top")
    assert.equal(0.9, optim.Adam({ yutu.zeros(1):requires_grad_() }).param_groups[1].betas[1])
  end)

  it("moves each group from its own rate", function()
    local opt = optim.SGD({ { params = { yutu.zeros(1):requires_grad_() }, lr = 1 },
      { params = { yutu.zeros(1):requires_grad_() } } }, { lr = 0.1 })
    lr_scheduler.ExponentialLR(opt, 0.5):step()
    near(opt.param_groups[1].lr, 0.5, "group 1")
    near(opt.param_groups[2].lr, 0.05, "group 2")
  end)

  it("refuses what makes no sense, by name", function()
    local function refused(pattern, f, ...)
      local ok, message = pcall(f, ...)
      assert.is_false(ok, pattern)
      assert.matches(pattern, message)
    end
    local opt = optimizer()
    refused("lr_scheduler.StepLR: step_size is missing", lr_scheduler.StepLR, opt)
    refused("no option \"steps\"; there are step_size, gamma", lr_scheduler.StepLR, opt, { steps = 2 })
    refused("an optimizer is needed", lr_scheduler.StepLR, {}, 2)
    refused("3 arguments given, it takes 2", lr_scheduler.StepLR, opt, 2, 0.5, 7)
    refused("gamma is \"half\"", lr_scheduler.ExponentialLR, opt, { gamma = "half" })
    refused("factor = 1 is not below 1", lr_scheduler.ReduceLROnPlateau, opt, { factor = 1 })
    refused("mode is \"up\"", lr_scheduler.ReduceLROnPlateau, opt, { mode = "up" })
    refused("no momentum to cycle", lr_scheduler.CyclicLR,
      optim.Adagrad { yutu.zeros(1):requires_grad_() }, { base_lr = 0.1, max_lr = 1 })
    refused("total_steps is needed", lr_scheduler.OneCycleLR, opt, 1)
    refused("need a list of 1 milestones", lr_scheduler.SequentialLR, opt,
      { lr_scheduler.StepLR(opt, 2), lr_scheduler.StepLR(opt, 3) }, { 1, 2 })
    refused("belongs to another optimizer", lr_scheduler.ChainedScheduler, opt, { lr_scheduler.StepLR(optimizer(), 2) })
    refused("the metric is nothing", lr_scheduler.ReduceLROnPlateau(opt).step, lr_scheduler.ReduceLROnPlateau(opt))
  end)
end)
