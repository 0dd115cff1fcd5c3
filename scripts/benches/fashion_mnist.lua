--- Fashion-MNIST, 784-256-10, batches of 64, Adam: seconds an epoch beside PyTorch, and the accuracy that both reach.
local yutu = require "yutu"
local race = require "support.race"
local torch = require "support.torch"
local nn, optim, data = yutu.nn, yutu.optim, yutu.data
local clock = yutu.C.yt_clock

local EPOCHS, SEEDS = 3, 3
local train, test = assert(data.fashion_mnist())

-- Trains from scratch.   returns seconds per epoch, accuracy on the test images
local function fit(seed, epochs)
  yutu.manual_seed(seed)
  local model = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
  local optimizer = optim.Adam(model:parameters(), { lr = 1e-3 })
  local batches = data.loader(train, { batch_size = 64, shuffle = true })
  local from = clock()
  for _ = 1, epochs do
    for x, y in batches do
      optimizer:zero_grad()
      nn.functional.cross_entropy(model(x), y):backward()
      optimizer:step()
    end
  end
  local seconds = (clock() - from) / epochs
  local accuracy = yutu.no_grad(function()
    local x, y = test:batch(yutu.arange(1, test:size(), 1, { dtype = "i64" }))
    return model(x):argmax(2):eq(y):float():mean():item()
  end)
  return seconds, accuracy
end

-- Ours and the peer's processes take turns, a seed each.
local function compare(threads)
  yutu.set_num_threads(threads)
  local ours, accuracy, peers = {}, 0, {}
  for seed = 1, SEEDS do
    local right
    ours[seed], right = fit(seed, EPOCHS)
    accuracy = accuracy + right / SEEDS
    if torch.available then
      torch.each({ threads }, function(ask, name)
        local answer = ask(("fashion %d %d"):format(seed, EPOCHS))
        local peer = peers[name] or { accuracy = 0 }
        peers[name], peer[seed], peer.accuracy = peer, answer[1], peer.accuracy + answer[2] / SEEDS
      end)
    end
  end
  local best, best_name
  for name, peer in pairs(peers) do
    if not best or race.typical(peer) < race.typical(best) then best, best_name = peer, name end
  end
  race.check(("accuracy %.4f after %d epochs"):format(accuracy, EPOCHS), accuracy > 0.84)
  race.row(threads == 1 and "one thread" or "two threads", race.typical(ours),
    best_name and ("PyTorch (%s)"):format(best_name) or "PyTorch", best and race.typical(best), 1.5)
  if best then
    race.fact(("accuracy after %d epochs, %d seeds"):format(EPOCHS, SEEDS), ("%.2f %%"):format(100 * accuracy),
      ("at least %.2f %% (PyTorch %.2f %% - 0.5)"):format(100 * best.accuracy - 0.5, 100 * best.accuracy),
      accuracy >= best.accuracy - 0.005)
  end
end

race.heading "Fashion-MNIST 784-256-10, batch 64, Adam, seconds an epoch"
compare(1)
compare(2)
os.exit(race.missed, true)
