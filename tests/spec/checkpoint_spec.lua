-- Checkpoints: one file from which a run goes on bit for bit.
local ffi = require "ffi"
local yutu = require "yutu"
local nn, optim, data, checkpoint = yutu.nn, yutu.optim, yutu.data, yutu.checkpoint

local path
before_each(function() path = os.tmpname() end)
after_each(function() os.remove(path) end)

-- A small run: a network with dropout, a shuffling loader, an optimizer, a schedule.
local function new_run(seed)
  yutu.manual_seed(seed)
  local run = {}
  run.model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.25), nn.Linear(16, 3))
  run.optimizer = optim.AdamW(run.model:parameters(), { lr = 0.01, amsgrad = true })
  run.schedule = optim.lr_scheduler.CosineAnnealingLR(run.optimizer, 20)
  local x = yutu.randn(36, 4, { generator = yutu.Generator(8) })
  run.batches = data.loader(data.TensorDataset(x, x:argmax(2):clamp(1, 3)), { batch_size = 5, shuffle = true })
  return run
end
-- Takes steps and returns their losses; saves the run after `save_at` of them.
local function train(run, steps, save_at)
  local losses = {}
  while true do
    for x, y in run.batches do
      local loss = nn.functional.cross_entropy(run.model(x), y)
      run.optimizer:zero_grad()
      loss:backward()
      run.optimizer:step()
      run.schedule:step()
      losses[#losses + 1] = loss:item()
      if #losses == save_at then assert(checkpoint.save(path, run)) end
      if #losses == steps then return losses end
    end
  end
end
local function bits_of(model)
  local out = {}
  for name, p in model:named_parameters() do out[name] = p:tobytes() end
  return out
end

describe("a checkpoint", function()
  it("resumes bit for bit: weights, moments, schedule, dropout, shuffling in the middle of an epoch", function()
    local straight = new_run(1)
    local losses = train(straight, 25, 10)

    local resumed = new_run(77)                   -- another start altogether
    train(resumed, 3)
    assert(checkpoint.load(path, resumed))
    local again = train(resumed, 15)
    for i = 1, 15 do assert.equal(losses[10 + i], again[i], "loss of step " .. 10 + i) end
    assert.same(bits_of(straight.model), bits_of(resumed.model))
    assert.equal(straight.optimizer.param_groups[1].lr, resumed.optimizer.param_groups[1].lr)
  end)

  it("keeps numbers, strings, booleans, tensors, generators and the tables around them", function()
    local generator = yutu.Generator(1, 7)
    generator.seed = 18446744073709551614ULL
    local tree = {
      third = 1 / 3, tiny = 5e-324, minus_zero = -0.0, big = 2 ^ 53, huge = math.huge, yes = true, no = false,
      text = "two\nlines, a zero \0, \200 and % \"", [""] = "no name", ["a/b#"] = { ["#1"] = 1, [1] = 2, [-3] = 4 },
      list = { 10, { 20 }, "30" }, nothing = {}, long = -9223372036854775807LL, unsigned = 18446744073709551615ULL,
      tensor = yutu.randn(2, 3, { dtype = "f64" }), generator = generator,
    }
    assert.is_true(checkpoint.save(path, tree))
    local got = assert(checkpoint.load(path))
    assert.equal(-math.huge, 1 / got.minus_zero)
    assert.equal(tree.tensor:tobytes(), got.tensor:tobytes())
    assert.is_true(got.generator.seed == generator.seed and got.generator.stream == 7ULL)
    assert.is_true(got.long == tree.long and got.unsigned == tree.unsigned)
    assert.is_true(ffi.istype("uint64_t", got.unsigned))
    for _, t in ipairs { tree, got } do t.tensor, t.generator, t.long, t.unsigned = nil, nil, nil, nil end
    assert.same(tree, got)
    assert.is_true(checkpoint.save(path, { nan = 0 / 0 }))
    got = assert(checkpoint.load(path))
    assert.is_true(got.nan ~= got.nan)
  end)

  it("restores tensors, generators and nested objects in place", function()
    local w, g = yutu.ones(2, 2), yutu.Generator(5)
    yutu.rand(3, { generator = g })
    local want = yutu.Generator(5)
    yutu.rand(3, { generator = want })
    assert.is_true(checkpoint.save(path, { inner = { w = w, g = g } }))
    w:zero_()
    yutu.rand(10, { generator = g })
    assert(checkpoint.load(path, { inner = { w = w, g = g } }))
    assert.same({ 1, 1, 1, 1 }, w:tolist())
    assert.same(yutu.rand(4, { generator = want }):tolist(), yutu.rand(4, { generator = g }):tolist())
  end)

  it("says what is missing, or does not fit", function()
    local model = nn.Linear(2, 2)
    assert.is_true(checkpoint.save(path, { model = model, w = yutu.ones(2) }))
    local tree, message = checkpoint.load(path, { model = model, optimizer = optim.SGD(model:parameters()) })
    assert.is_nil(tree)
    assert.matches("there is no optimizer in it", message)
    local ok, problem = pcall(checkpoint.load, path, { w = yutu.ones(3) })
    assert.is_false(ok)
    assert.matches("w is %(2%) there and %(3%) here", problem)
    ok, problem = pcall(checkpoint.load, path, { model = nn.Linear(3, 2) })
    assert.is_false(ok)
    assert.matches("weight", problem)
  end)

  it("refuses what can't be saved, by its path", function()
    local function refused(pattern, tree)
      local ok, message = pcall(checkpoint.save, path, tree)
      assert.is_false(ok)
      assert.matches(pattern, message)
    end
    refused("a/f is a function", { a = { f = print } })
    refused("has the key true", { [true] = 1 })
    refused("a has the key 1.5", { a = { [1.5] = 1 } })
    local loop = {}
    loop.again = { loop = loop }
    refused("again/loop is a table inside itself", loop)
    refused("save: nothing, a table is needed", nil)
  end)

  it("is refused when it is no checkpoint, or a damaged one", function()
    local function load_of(tensors, notes)
      assert.is_true(yutu.safetensors.save(path, tensors, notes))
      return checkpoint.load(path)
    end
    local fine = { ["yutu.checkpoint"] = "1", ["yutu.generator"] = "generator 1ULL 2ULL 3ULL" }
    local function with(key, text)
      local notes = { [key] = text }
      for k, v in pairs(fine) do notes[k] = notes[k] or v end
      return notes
    end
    assert.same({}, (assert(load_of({}, fine))))
    for _, case in ipairs {
      { {}, {}, "not a checkpoint" }, { {}, with("yutu.checkpoint", "99"), "its yutu.checkpoint is 99" },
      { {}, with("yutu.generator", "4"), "random stream is missing" }, { {}, with("/a", "wat"), "is no value" },
      { {}, with("/", "1"), "does not fit" }, { {}, with("//", "1"), "does not fit" },
      { { a = yutu.ones(1) }, with("/a", "1"), "does not fit" },
      { { a = yutu.ones(1) }, with("/a/b", "1"), "does not fit" }, { { [""] = yutu.ones(1) }, fine, "does not fit" },
    } do
      local tree, message = load_of(case[1], case[2])
      assert.is_nil(tree)
      assert.matches(case[3], message)
    end
    assert.is_nil((checkpoint.load "/nowhere/at-all"))
  end)
end)
