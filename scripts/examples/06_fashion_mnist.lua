-- A network on real pictures: 60,000 photographs of clothes, 28 x 28 points each, in ten classes.
-- Some are learnt from (training), some choose the settings (validation), some are looked at once, at the end (test).
--   06_fashion_mnist.lua [EPOCHS]
local yutu = require "yutu"
local nn, optim, data = yutu.nn, yutu.optim, yutu.data
local epochs = tonumber(arg and arg[1]) or 5
yutu.manual_seed(6)

local all, test = data.fashion_mnist()
if not all then
  print(test)
  os.exit(1)
end
local train, validation = data.random_split(all, { 0.9, 0.1 })
local batches = data.loader(train, { batch_size = 64, shuffle = true })

local model = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
local opt = optim.Adam(model:parameters(), { lr = 1e-3 })
print(("%d pictures to learn from, %d to validate, %d to test; %d parameters"):format(
  train:size(), validation:size(), test:size(), model:num_parameters()))

-- The share that a model gets right, without learning from it.
local function accuracy(set)
  local right = 0
  yutu.no_grad(function()
    for x, y in data.loader(set, { batch_size = 1000 }) do right = right + model(x):argmax(2):eq(y):sum():item() end
  end)
  return right / set:size()
end

for epoch = 1, epochs do
  local began, sum, n = os.clock(), 0, 0
  for x, y in batches do
    local loss = nn.functional.cross_entropy(model(x), y)
    opt:zero_grad()
    loss:backward()
    opt:step()
    sum, n = sum + loss:item(), n + 1
  end
  print(("epoch %d  loss %.4f  training %.4f  validation %.4f  (%.1f s of processor time)"):format(
    epoch, sum / n, accuracy(train), accuracy(validation), os.clock() - began))
end

-- The test pictures, class by class: which are hard, and what are they taken for?
local confusion = yutu.zeros { 10, 10 }
yutu.no_grad(function()
  for x, y in data.loader(test, { batch_size = 1000 }) do
    local guess = model(x):argmax(2)
    confusion:view(100):index_add_(1, (y - 1) * 10 + guess, yutu.ones { y:numel() })
  end
end)
print(("\ntest accuracy %.4f\n\n%-14s right   most often mistaken for"):format(accuracy(test), "class"))
for c = 1, 10 do
  local row = confusion[c]:clone()
  local right, total = row[c]:item(), row:sum():item()
  row[c] = 0
  local worst = row:argmax():item()
  print(("%-14s %4.1f%%   %s (%d of %d)"):format(
    all.classes[c], 100 * right / total, all.classes[worst], row[worst]:item(), total))
end
print [[

Training accuracy goes on rising while validation stops: the network begins to learn the pictures by heart.
Next: 07_overfitting.lua, about that. Or try 20 epochs, or 1024 units instead of 256.]]
