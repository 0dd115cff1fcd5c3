-- The loop of 06 again, by yutu.Trainer: progress, metrics, early stopping, the best model kept, and a checkpoint from
-- which a run that was stopped (Ctrl-C, a power cut) goes on, bit for bit.
--   08_trainer.lua [EPOCHS] [CHECKPOINT]
local yutu = require "yutu"
local nn, optim, data = yutu.nn, yutu.optim, yutu.data
local epochs, path = tonumber(arg and arg[1]) or 6, arg and arg[2] or os.tmpname()
yutu.manual_seed(8)

local all, test = data.fashion_mnist()
if not all then
  print(test)
  os.exit(1)
end
local train, validation = data.random_split(all, { 0.9, 0.1 })

local function trainer_of()       -- everything that a run needs, made anew
  yutu.manual_seed(8)
  local model = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 10))
  local opt = optim.Adam(model:parameters(), { lr = 1e-3 })
  return yutu.Trainer {
    model = model, loss = nn.CrossEntropyLoss(), optimizer = opt,
    scheduler = optim.lr_scheduler.StepLR(opt, 2, { gamma = 0.5 }),
    metrics = { accuracy = yutu.Trainer.accuracy },
  }
end
local function loaders()
  return data.loader(train, { batch_size = 64, shuffle = true }), data.loader(validation, { batch_size = 1000 })
end

if not (arg and arg[2]) then os.remove(path) end
print(("checkpoint: %s\n\nhalf of the epochs, then the run is left:"):format(path))
local fit, validate = loaders()
assert(trainer_of():fit(fit, validate, { epochs = math.ceil(epochs / 2), checkpoint = path }))

print "\na new trainer picks it up where it was:"
local trainer = trainer_of()
fit, validate = loaders()
local history = assert(trainer:fit(fit, validate, { epochs = epochs, checkpoint = path, patience = 3 }))

print(("\nbest validation loss %.4f, in epoch %d; on the test pictures that model gets %.2f%% right"):format(
  history.best.value, history.best.epoch,
  100 * trainer:evaluate(data.loader(test, { batch_size = 1000 })).accuracy))
if not (arg and arg[2]) then os.remove(path) end
print [[

Nothing is hidden: Trainer's loop is the one of 06_fashion_mnist.lua (lua/yutu/trainer.lua, function epoch).
Next: ppo_cartpole.lua, where nobody says what is right, only how well it went.]]
