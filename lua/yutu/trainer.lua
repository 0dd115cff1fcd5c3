--- Trainer: the usual training loop, for when there is nothing of your own to put into it. It hides nothing: epoch()
-- below is the loop, and is as short as when you write it yourself.
--
--   local trainer = yutu.Trainer { model = model, loss = nn.CrossEntropyLoss(), optimizer = opt,
--     metrics = { accuracy = yutu.Trainer.accuracy } }
--   local history = assert(trainer:fit(train_loader, validation_loader, { epochs = 20, patience = 3 }))
--   print(trainer:evaluate(test_loader).accuracy)
--
-- A loader gives x, y; loss(output, y) a tensor of one element; a metric(output, y) its mean over the batch.
local yutu = require "yutu"
local lib = require "yutu.ffi"
local checkpoint = require "yutu.checkpoint"
local progress = require "yutu.progress"

local C, type = lib.C, type

local Trainer = { class = "Trainer" }
Trainer.__index = Trainer

local function fail(format, ...) lib.raise("Trainer: " .. format:format(...)) end

---- making one -------------------------------------------------------------------------------------
local known = {
  model = true, loss = true, optimizer = true, scheduler = true, schedule_every = true, metrics = true,
  clip_grad_norm = true, on_step = true, on_epoch = true,
}
local function callable(f)
  local meta = getmetatable(f)
  return type(f) == "function" or type(f) == "table" and meta and meta.__call ~= nil
end

--- Trainer { model, loss, optimizer, ... }
--   scheduler        (optional) stepped after each epoch; schedule_every = "step": after each batch
--   metrics          (optional) functions by name
--   clip_grad_norm   (optional) the largest norm of all gradients together
--   on_step          (optional) f(trainer, loss) after each batch; on_epoch: f(trainer, record); false stops
local function new(_, options)
  if type(options) ~= "table" then fail("options are %s, a table is needed", lib.describe(options)) end
  lib.options(options, "Trainer", known)
  local self = setmetatable({ metrics = {}, schedule_every = "epoch" }, Trainer)
  for name, value in pairs(options) do self[name] = value end
  if not callable(self.model) or type(self.model.parameters) ~= "function" then fail "model is not a module" end
  if not callable(self.loss) then fail("loss is %s, not a function", lib.describe(self.loss)) end
  if type(self.optimizer) ~= "table" or not self.optimizer.param_groups then fail "optimizer is not an optimizer" end
  if self.schedule_every ~= "epoch" and self.schedule_every ~= "step" then
    fail("schedule_every is %s; there are epoch and step", lib.describe(self.schedule_every))
  end
  self.names = {}                 -- of the metrics: a list, which compiled loops can walk
  for name, f in pairs(self.metrics) do
    if type(name) ~= "string" or not callable(f) then fail("metric %s is not a function by name", tostring(name)) end
    self.names[#self.names + 1] = name
  end
  table.sort(self.names)
  return self
end

--- The metric for labels: how many of the largest outputs are where the label says.
function Trainer.accuracy(output, y) return output:argmax(-1):eq(y):to("f32"):mean() end

---- means over batches -----------------------------------------------------------------------------
local function number(value) return type(value) == "number" and value or value:item() end

local function add(self, sums, loss, output, y)
  local n = output:size(1)
  sums.n = sums.n + n
  sums.loss = sums.loss + n * loss
  for i = 1, #self.names do
    local name = self.names[i]
    sums[name] = (sums[name] or 0) + n * number(self.metrics[name](output, y))
  end
end
local function means(sums, prefix, into)
  for name, sum in pairs(sums) do
    if name ~= "n" then into[prefix .. name] = sum / sums.n end
  end
  return into
end

--- Means of the loss and the metrics over all that a loader gives, in evaluation mode.
function Trainer:evaluate(loader)
  local was, sums = self.model.training, { n = 0, loss = 0 }
  self.model:eval()
  yutu.no_grad(function()
    for x, y in loader do
      local output = self.model(x)
      add(self, sums, self.loss(output, y):item(), output, y)
    end
  end)
  self.model:train(was)
  if sums.n == 0 then fail "evaluate: the loader gave no batch" end
  return means(sums, "", {})
end

---- one epoch --------------------------------------------------------------------------------------
-- The loop itself. "stopped" by a callback, "interrupted" by Ctrl-C, or nil: the epoch is complete.
local function epoch(self, loader, run)
  local model, optimizer, sums = self.model, self.optimizer, run.sums
  local clipped = self.clip_grad_norm and model:parameters()
  model:train()
  for x, y in loader do
    local output = model(x)
    local loss = self.loss(output, y)
    optimizer:zero_grad()
    loss:backward()
    if clipped then yutu.nn.utils.clip_grad_norm_(clipped, self.clip_grad_norm) end
    optimizer:step()
    if self.scheduler and self.schedule_every == "step" then self.scheduler:step() end

    local value = loss:item()
    run.batch = run.batch + 1
    add(self, sums, value, output, y)
    run.bar:update(run.batch, run.note)
    if C.yt_interrupted() == 1 then return "interrupted" end
    if self.on_step and self.on_step(self, value) == false then return "stopped" end
  end
  if sums.n == 0 then fail "fit: the loader gave no batch" end
end

---- what a run remembers ---------------------------------------------------------------------------
-- Everything that a checkpoint must hold: objects take over their own state, the rest is in `run`.
local function objects(self, loader)
  local out = { model = self.model, optimizer = self.optimizer, scheduler = self.scheduler }
  if type(loader) == "table" and loader.state_dict then out.loader = loader end
  return out
end
local function save(self, loader, run, o)
  if not o.checkpoint then return true end
  local tree = objects(self, loader)
  tree.run = {
    epoch = run.epoch, batch = run.batch, sums = run.sums, history = run.history, best = run.best, bad = run.bad,
    converged = run.converged,
  }
  return checkpoint.save(o.checkpoint, tree)
end
local function exists(path)
  local f = io.open(path, "rb")
  if f then f:close() end
  return f ~= nil
end
-- The run to go on with: the one in the checkpoint, if there is one. nil and a message if it can't be read.
local function resume(self, loader, o)
  local run = { epoch = 0, batch = 0, sums = { n = 0, loss = 0 }, history = {}, bad = 0 }
  if not o.checkpoint or not exists(o.checkpoint) then return run end
  local saved, problem = checkpoint.load(o.checkpoint, objects(self, loader))
  if not saved then return nil, problem end
  if type(saved.run) ~= "table" or not saved.run.epoch then return nil, o.checkpoint .. ": not of a Trainer" end
  return saved.run
end

---- best so far ------------------------------------------------------------------------------------
local function copy_of_weights(model)
  local copy = {}
  for name, t in pairs(model:state_dict()) do copy[name] = t:clone() end
  return copy
end
-- Compares the epoch's monitored value with the best one; true if training should stop.
local function judge(self, run, record, o)
  local value, best = record[o.monitor], run.best
  if value == nil then fail("fit: there is no %s to monitor", tostring(o.monitor)) end
  local better = value == value and (not best or o.mode == "min" and value < best.value - o.min_delta
    or o.mode == "max" and value > best.value + o.min_delta)
  record.best = better or false
  if better then
    run.best = { value = value, epoch = run.epoch, weights = o.keep_best and copy_of_weights(self.model) or nil }
    run.bad = 0
    return false
  end
  run.bad = run.bad + 1
  return o.patience ~= nil and run.bad >= o.patience
end

---- fit --------------------------------------------------------------------------------------------
local function describe(record, epochs)
  local names, parts = {}, { ("epoch %d/%d"):format(record.epoch, epochs) }
  for name in pairs(record) do
    if name ~= "epoch" and name ~= "best" and name ~= "seconds" and name ~= "lr" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = ("%s %.4f"):format(name, record[name]) end
  parts[#parts + 1] = ("%.1f s%s"):format(record.seconds, record.best and "  best" or "")
  return table.concat(parts, "  ")
end

local function batches_of(loader)
  return type(loader) == "table" and type(loader.size) == "function" and loader:size() or 0
end

-- The end of an epoch: its record, the schedule, the verdict. Returns why to stop, if so.
local function conclude(self, validation, run, o, seconds)
  run.epoch = run.epoch + 1
  local record = means(run.sums, "", { epoch = run.epoch, lr = self.optimizer.param_groups[1].lr, seconds = seconds })
  if validation then
    for name, value in pairs(self:evaluate(validation)) do record["val_" .. name] = value end
  end
  run.sums, run.batch = { n = 0, loss = 0 }, 0
  run.history[run.epoch] = record
  local reason = o.monitor and judge(self, run, record, o) and "no improvement" or nil
  if self.scheduler and self.schedule_every == "epoch" then
    self.scheduler:step(record[o.monitor or (validation and "val_loss" or "loss")])
  end
  if self.on_epoch and self.on_epoch(self, record) == false then reason = "stopped" end
  return record, reason
end

local function run_epochs(self, loader, validation, o, run)
  local reason = run.converged and "no improvement" or nil
  while run.epoch < o.epochs and not reason do
    local began = C.yt_clock()
    run.bar = progress(batches_of(loader), ("epoch %d/%d"):format(run.epoch + 1, o.epochs), run.batch)
    run.note = function() return ("loss %.4f"):format(run.sums.loss / run.sums.n) end
    reason = epoch(self, loader, run)
    if reason == "interrupted" then
      run.bar:finish "interrupted"
      if type(loader) == "table" and loader.state_dict then
        local saved, problem = save(self, loader, run, o)
        if not saved then return nil, problem end
      end
    elseif not reason then
      local record
      record, reason = conclude(self, validation, run, o, C.yt_clock() - began)
      run.bar:finish(describe(record, o.epochs))
      run.converged = reason == "no improvement" or nil
      local saved, problem = save(self, loader, run, o)
      if not saved then return nil, problem end
    end
  end
  if run.best and run.best.weights and reason ~= "interrupted" then self.model:load_state_dict(run.best.weights) end
  run.history.stopped = reason
  run.history.best = run.best and { epoch = run.best.epoch, value = run.best.value } or nil
  return run.history
end

local known_fit = {
  epochs = true, patience = true, min_delta = true, monitor = true, mode = true, keep_best = true, checkpoint = true,
  interrupt = true,
}
local function read_options(options, validation)
  local o = {}
  for name, value in pairs(lib.options(options or {}, "Trainer:fit", known_fit)) do o[name] = value end
  o.epochs, o.min_delta = o.epochs or 1, o.min_delta or 0
  if type(o.epochs) ~= "number" or o.epochs < 1 or o.epochs % 1 ~= 0 then
    fail("fit: epochs is %s, a whole number of at least 1 is needed", lib.describe(o.epochs))
  end
  if o.patience ~= nil and (type(o.patience) ~= "number" or o.patience < 1) then
    fail("fit: patience is %s, a number of at least 1 is needed", lib.describe(o.patience))
  end
  if (o.patience or o.keep_best) and not validation and not o.monitor then
    fail "fit: patience and keep_best need a validation loader, or a monitor"
  end
  o.monitor = o.monitor or (validation and "val_loss") or nil
  o.mode = o.mode or "min"
  if o.mode ~= "min" and o.mode ~= "max" then fail("fit: mode is %s; there are min and max", lib.describe(o.mode)) end
  if o.keep_best == nil then o.keep_best = o.patience ~= nil end
  return o
end

-- A host's own handling of Ctrl-C is none of our business.
local function watch(o)
  local hosted = rawget(_G, "love") ~= nil or rawget(_G, "vim") ~= nil
  return o.interrupt ~= false and not (hosted and o.interrupt == nil) and C.yt_watch_interrupt(1) == 1
end

--- fit(train_loader, validation_loader, options) -> history: a record per epoch { epoch, loss, val_loss, lr, seconds,
-- best, and the metrics }, and why it stopped before its last epoch: history.stopped = "no improvement",
-- "interrupted" (Ctrl-C) or "stopped" (by a callback).
--   epochs       (1) in all, those of a resumed run included
--   patience     stop after so many epochs without improvement by min_delta (0) of monitor ("val_loss"; mode "min")
--   keep_best    end with the weights of the best epoch (true with patience)
--   checkpoint   a path: saved after every epoch and on Ctrl-C; if the file is there, fit goes on from it bit for bit
--   interrupt    false: leave Ctrl-C alone (so by itself inside LÖVE and Neovim); true: watch it there too
-- nil and a message if the checkpoint can't be read or written.
function Trainer:fit(loader, validation, options)
  if not callable(loader) then fail("fit: the loader is %s, data.loader makes one", lib.describe(loader)) end
  if validation ~= nil and not callable(validation) then
    fail("fit: the validation loader is %s; nil if there is none", lib.describe(validation))
  end
  local o = read_options(options, validation)
  local run, problem = resume(self, loader, o)
  if not run then return nil, problem end
  local watched = watch(o)
  local ok, history, message = pcall(run_epochs, self, loader, validation, o, run)
  if watched then C.yt_watch_interrupt(0) end
  if not ok then error(history, 0) end
  return history, message
end

return setmetatable(Trainer, { __call = new })
