-- A game that trains in love.update while two threads train too, each a Lua state of its own. With the same seed all
-- three must end with the same bits. Quits by itself; the exit status is 0 when every promise was kept.
local tally = require "tally"
local yutu = require "yutu"
local check = tally.check

local STEPS_PER_FRAME, WORKERS, PATIENCE = 5, 2, 60      -- the last in seconds
local learner, first, loss
local steps, frames, results, threads = 0, 0, {}, {}

local function names_this_file()
  local ok, message = pcall(function() return yutu.zeros(3, 4):matmul(yutu.zeros(3, 4)) end)
  return not ok and message:find("main%.lua:%d+: matmul: %(3,4%) x %(3,4%): inner sizes 4 and 3 differ"), message
end

function love.load()
  for i = 1, WORKERS do
    threads[i] = love.thread.newThread "worker.lua"
    threads[i]:start(1)
  end
  learner = require "learn"(1)
end

function love.threaderror(_, message) check(false, "no thread fails: %s", message) end

local function finish()
  check(#results == WORKERS, "%d of %d threads finished", #results, WORKERS)
  check(steps == learner.steps, "%d steps in the frames", steps)
  check(first > 0.1 and loss < learner.good, "the loss falls from %g to %g", first, loss)
  check(learner.digest() == os.getenv "expected", "the game ends with plain luajit's weights: %s", learner.digest())
  for i, r in ipairs(results) do
    check(r.loss == loss and r.digest == learner.digest(), "thread %d ends with the game's bits: %s", i, r.digest)
    local weights = yutu.import(r.weights)
    check(weights:eq(learner.model[3].weight):all():item() == true, "the weights of thread %d arrive", i)
  end
  local ok, message = names_this_file()
  check(ok, "an error points at the game's own line: %s", message)
  io.stdout:write(tally.report())
  love.event.quit(tally.failed == 0 and 0 or 1)
end

function love.update()
  frames = frames + 1
  for _ = 1, STEPS_PER_FRAME do
    if steps < learner.steps then
      loss = learner.step()
      first, steps = first or loss, steps + 1
    end
  end
  local result = love.thread.getChannel("done"):pop()
  if result then results[#results + 1] = result end
  local over = love.timer.getTime() > PATIENCE
  if over or tally.failed > 0 or steps == learner.steps and #results == WORKERS then finish() end
end

function love.draw()
  love.graphics.print(("step %d, loss %.4f"):format(steps, loss or 0), 20, 20)
end
