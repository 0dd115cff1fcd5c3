-- The Trainer: the loop it runs is the plain one; it stops, keeps the best, resumes to the bit, and heeds Ctrl-C.
local yutu = require "yutu"
local nn, optim, data, Trainer, progress = yutu.nn, yutu.optim, yutu.data, yutu.Trainer, yutu.progress

local path
before_each(function()
  path = os.tmpname()
  os.remove(path)
end)
after_each(function() os.remove(path) end)

-- Three clouds of points, told apart by a small network.
local function points(n, seed)
  local g = yutu.Generator(seed)
  local y = yutu.randint(1, 3, { n }, { generator = g })
  local centers = yutu.tensor { { -2, 0 }, { 2, 0 }, { 0, 3 } }
  return data.TensorDataset(centers:index_select(1, y) + yutu.randn(n, 2, { generator = g }), y)
end
local function new(options)
  yutu.manual_seed(5)
  local model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 3))
  local settings = {
    model = model, loss = nn.CrossEntropyLoss(), optimizer = optim.Adam(model:parameters(), { lr = 0.02 }),
    metrics = { accuracy = Trainer.accuracy },
  }
  for name, value in pairs(options or {}) do settings[name] = value end
  return Trainer(settings)
end
local function loaders()
  return data.loader(points(200, 1), { batch_size = 20, shuffle = true }),
    data.loader(points(100, 2), { batch_size = 50 })
end
local function bits_of(model)
  local out = {}
  for name, p in model:named_parameters() do out[name] = p:tobytes() end
  return out
end

describe("a Trainer", function()
  it("learns, and reports it", function()
    local trainer = new()
    local train, validate = loaders()
    local history = assert(trainer:fit(train, validate, { epochs = 8 }))
    assert.equal(8, #history)
    assert.is_true(history[8].loss < history[1].loss)
    assert.is_true(history[8].val_accuracy > 0.93, history[8].val_accuracy)   -- 0.96 or 0.97 with seeds 1 to 10
    assert.equal(history[8].val_accuracy, trainer:evaluate(validate).accuracy)
    assert.is_nil(history.stopped)
  end)

  it("does what the plain loop does, to the bit", function()
    local trainer, plain = new(), new()
    yutu.manual_seed(1)
    assert(trainer:fit((loaders()), nil, { epochs = 2 }))
    yutu.manual_seed(1)
    local model, opt, train = plain.model, plain.optimizer, (loaders())
    for _ = 1, 2 do
      for x, y in train do
        local loss = nn.functional.cross_entropy(model(x), y)
        opt:zero_grad()
        loss:backward()
        opt:step()
      end
    end
    assert.same(bits_of(model), bits_of(trainer.model))
  end)

  it("resumes a finished epoch's checkpoint to the bit", function()
    local straight, first, second = new(), new(), new()
    yutu.manual_seed(2)
    local train, validate = loaders()
    local all = assert(straight:fit(train, validate, { epochs = 4, checkpoint = path }))
    os.remove(path)
    yutu.manual_seed(2)
    train, validate = loaders()
    assert(first:fit(train, validate, { epochs = 2, checkpoint = path }))
    yutu.manual_seed(1000)
    train, validate = loaders()
    local rest = assert(second:fit(train, validate, { epochs = 4, checkpoint = path }))
    assert.equal(4, #rest)
    for e = 1, 4 do
      assert.equal(all[e].loss, rest[e].loss)
      assert.equal(all[e].val_loss, rest[e].val_loss)
    end
    assert.same(bits_of(straight.model), bits_of(second.model))
  end)

  it("stops on Ctrl-C after the batch, saves, and resumes in the middle of the epoch to the bit", function()
    local ffi = require "ffi"
    pcall(ffi.cdef, "int raise(int);")
    local straight = new()
    yutu.manual_seed(2)
    local all = assert(straight:fit((loaders()), nil, { epochs = 3 }))
    local steps = 0
    local first = new { on_step = function() steps = steps + 1 if steps == 13 then ffi.C.raise(2) end end }
    yutu.manual_seed(2)
    local history = assert(first:fit((loaders()), nil, { epochs = 3, checkpoint = path }))
    assert.equal("interrupted", history.stopped)
    assert.equal(13, steps)
    assert.equal(1, #history)
    local second = new()
    yutu.manual_seed(1000)
    history = assert(second:fit((loaders()), nil, { epochs = 3, checkpoint = path }))
    for e = 1, 3 do assert.equal(all[e].loss, history[e].loss) end
    assert.same(bits_of(straight.model), bits_of(second.model))
  end)

  it("gives Ctrl-C back when it is done, even after an error", function()
    local trainer = new { loss = function() error "no loss today" end }
    assert.is_false((pcall(trainer.fit, trainer, (loaders()))))
    assert.equal(1, yutu.C.yt_watch_interrupt(1))       -- it is free, so that it can be taken
    assert.equal(1, yutu.C.yt_watch_interrupt(0))
    assert.equal(0, yutu.C.yt_watch_interrupt(0))
  end)

  it("stops when validation no longer improves, and ends with the best weights", function()
    local losses, best_weights = { 5, 3, 4, 3, 4, 1 }, nil
    local trainer = new()
    trainer.evaluate = function(self)
      local value = table.remove(losses, 1)
      if value == 3 and not best_weights then best_weights = bits_of(self.model) end
      return { loss = value }
    end
    local history = assert(trainer:fit((loaders()), (loaders()), { epochs = 6, patience = 3 }))
    assert.equal("no improvement", history.stopped)
    assert.equal(5, #history)
    assert.same({ epoch = 2, value = 3 }, history.best)
    assert.same(best_weights, bits_of(trainer.model))
  end)

  it("stays stopped when a converged run is resumed", function()
    local trainer = new()
    trainer.evaluate = function() return { loss = 1 } end
    local options = { epochs = 9, patience = 2, checkpoint = path }
    assert.equal(3, #assert(trainer:fit((loaders()), (loaders()), options)))
    local weights, again = bits_of(trainer.model), new()
    local history = assert(again:fit((loaders()), (loaders()), options))
    assert.equal(3, #history)
    assert.equal("no improvement", history.stopped)
    assert.same(weights, bits_of(again.model))
  end)

  it("steps schedules by epoch, by batch, and by the metric", function()
    local trainer = new()
    trainer.scheduler = optim.lr_scheduler.StepLR(trainer.optimizer, 1, 0.5)
    local history = assert(trainer:fit((loaders()), nil, { epochs = 3 }))
    assert.same({ 0.02, 0.01, 0.005 }, { history[1].lr, history[2].lr, history[3].lr })
    trainer = new { schedule_every = "step" }
    trainer.scheduler = optim.lr_scheduler.OneCycleLR(trainer.optimizer, { max_lr = 0.1, total_steps = 20 })
    assert(trainer:fit((loaders()), nil, { epochs = 2 }))
    assert.equal(20, trainer.scheduler.last_epoch)
    trainer = new()
    trainer.scheduler = optim.lr_scheduler.ReduceLROnPlateau(trainer.optimizer, { patience = 0, factor = 0.5 })
    trainer.evaluate = function() return { loss = 1 } end
    history = assert(trainer:fit((loaders()), (loaders()), { epochs = 3 }))
    assert.equal(0.01, history[3].lr)
  end)

  it("can be stopped by its callbacks, and clips gradients", function()
    local trainer = new { on_epoch = function(_, record) return record.epoch < 2 end, clip_grad_norm = 1e-3 }
    trainer.optimizer = optim.SGD(trainer.model:parameters(), { lr = 1 })
    local before = trainer.model[1].weight:detach():clone()
    local history = assert(trainer:fit((loaders()), nil, { epochs = 5 }))
    assert.equal("stopped", history.stopped)
    assert.equal(2, #history)
    local moved = (trainer.model[1].weight - before):norm():item()
    assert.is_true(moved > 0 and moved < 20 * 1e-3 * 1.001, moved)
  end)

  it("says what is wrong with what it is given", function()
    local function refused(pattern, f, ...)
      local ok, message = pcall(f, ...)
      assert.is_false(ok, pattern)
      assert.matches(pattern, message)
    end
    local trainer = new()
    refused("model is not a module", Trainer, { loss = print })
    refused("no option \"epoch\"", Trainer, { epoch = 3 })
    refused("loss is nothing", Trainer, { model = trainer.model })
    refused("optimizer is not", Trainer, { model = trainer.model, loss = print, optimizer = 3 })
    refused("the loader is 3", trainer.fit, trainer, 3)
    refused("epochs is 0", trainer.fit, trainer, (loaders()), nil, { epochs = 0 })
    refused("need a validation loader", trainer.fit, trainer, (loaders()), nil, { patience = 2 })
    refused("no option \"epoch\"", trainer.fit, trainer, (loaders()), nil, { epoch = 2 })
    refused("there is no val_f1 to monitor", trainer.fit, trainer, (loaders()), nil, { monitor = "val_f1" })
    refused("gave no batch", trainer.fit, trainer, function() end)
    local f = assert(io.open(path, "w"))
    f:write "not a checkpoint at all"
    f:close()
    local history, message = trainer:fit((loaders()), nil, { checkpoint = path })
    assert.is_nil(history)
    assert.matches("not a safetensors file", message)
    history, message = trainer:fit((loaders()), nil, { checkpoint = "/nowhere/run" })
    assert.is_nil(history)
    assert.matches("cannot be written", message)
  end)
end)

describe("progress", function()
  it("shows how far, how fast and how long still", function()
    assert.equal("epoch 1 [==========          ]  50%  50/s  0:10 left  loss 1",
      progress.line("epoch 1", 500, 1000, 10, 0, "loss 1"))
    assert.equal("x [                    ]   0%", progress.line("x", 0, 10, 0, 0))
    assert.equal("x [===============     ]  75%  2.5/s  0:10 left", progress.line("x", 75, 100, 10, 50))
    assert.equal("1:02:05", progress.clock(3725))
    assert.equal("0:07", progress.clock(6.6))
  end)
  it("writes nothing where there is no terminal", function()
    local out = io.popen("LUA_PATH='" .. package.path .. "' luajit -e '" ..
      "local bar = require \"yutu\".progress(10, \"x\")" ..
      " for i = 1, 10 do bar:update(i) end bar:finish \"done\"' 2>&1")
    assert.equal("", out:read "*a")
    out:close()
  end)
end)
