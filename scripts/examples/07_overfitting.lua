-- Overfitting made visible, and what helps. 1,000 pictures are few enough to learn by heart: the training loss goes to
-- zero while the validation loss turns and rises. Dropout, weight decay and early stopping each hold that back.
--   07_overfitting.lua [EPOCHS]
local yutu = require "yutu"
local nn, optim, data = yutu.nn, yutu.optim, yutu.data
local F = nn.functional
local epochs = tonumber(arg and arg[1]) or 60

local all, test = data.fashion_mnist()
if not all then
  print(test)
  os.exit(1)
end
yutu.manual_seed(7)
local few, validation = data.random_split(all, { 1000, 2000, 57000 })

local function measure(model, set)                                   -- mean loss, share right
  model:eval()
  local loss, right = 0, 0
  yutu.no_grad(function()
    for x, y in data.loader(set, { batch_size = 1000 }) do
      local scores = model(x)
      loss = loss + F.cross_entropy(scores, y, { reduction = "sum" }):item()
      right = right + scores:argmax(2):eq(y):sum():item()
    end
  end)
  model:train()
  return loss / set:size(), right / set:size()
end

-- Trains one model; returns what is left of it at the end and at its best moment.
local function run(settings)
  yutu.manual_seed(8)
  local model = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(settings.dropout or 0),
    nn.Linear(256, 10))
  local opt = optim.AdamW(model:parameters(), { lr = 1e-3, weight_decay = settings.weight_decay or 0 })
  local best, best_epoch, train_loss, loss, right, curve = math.huge, 0, nil, nil, nil, {}
  local at_best
  for epoch = 1, epochs do
    for x, y in data.loader(few, { batch_size = 64, shuffle = true }) do
      local l = F.cross_entropy(model(x), y)
      opt:zero_grad()
      l:backward()
      opt:step()
    end
    train_loss = measure(model, few)
    loss, right = measure(model, validation)
    curve[epoch] = loss
    if loss < best then best, best_epoch, at_best = loss, epoch, right end
    if settings.patience and epoch - best_epoch >= settings.patience then break end
  end
  if settings.patience then loss, right = best, at_best end          -- early stopping goes back to the best
  return { train = train_loss, loss = loss, right = right, best_epoch = best_epoch, epochs = #curve, curve = curve }
end

local function picture(curve)                                        -- the validation loss, epoch by epoch
  local low, high, marks = math.huge, -math.huge, { "_", ".", "-", "=", "^" }
  for _, v in ipairs(curve) do low, high = math.min(low, v), math.max(high, v) end
  local line = {}
  for i, v in ipairs(curve) do line[i] = marks[1 + math.floor((v - low) / (high - low + 1e-9) * 4.999)] end
  return table.concat(line)
end

print(("%d pictures to learn from, %d to validate, %d epochs\n"):format(few:size(), validation:size(), epochs))
print "                       training  validation  accuracy  best at  validation loss over the epochs"
for _, way in ipairs {
  { "nothing", {} },
  { "dropout 0.5", { dropout = 0.5 } },
  { "weight decay 1", { weight_decay = 1 } },
  { "early stopping", { patience = 5 } },
  { "dropout + stopping", { dropout = 0.5, patience = 10 } },
} do
  local r = run(way[2])
  print(("%-22s %8.4f    %8.4f    %5.1f%%  %7d  %s"):format(
    way[1], r.train, r.loss, 100 * r.right, r.best_epoch, picture(r.curve)))
end
print [[

The training loss says how well the pictures are remembered, the validation loss how well the network does on others.
The gap between the two is overfitting. More data closes it best; these three help when there is none.
Next: 08_trainer.lua. Or give it 5,000 pictures instead of 1,000.]]
