-- Neovim trains in its main loop, by a timer and vim.schedule, and in two threads, each a Lua state of its own. With
-- the same seed all must end with the same bits. $hosts has learn.lua and tally.lua. Ends with :cquit or :qall.
package.path = package.path .. (";%s/?.lua"):format(os.getenv "hosts")
local tally = require "tally"
local yutu = require "yutu"                               -- through 'runtimepath'
local check, loop = tally.check, vim.loop

local STEPS_PER_TICK, WORKERS, PATIENCE = 5, 2, 60000     -- the last in ms
local first, loss
local steps, results, threads = 0, {}, {}
local learner = require "learn"(1)
local expected = os.getenv "expected"

local function in_thread(path, seed, done)
  package.path = path
  local worker = require "learn"(seed)
  local last
  for _ = 1, worker.steps do last = worker.step() end
  done:send(worker.digest(), last, worker.model[3].weight:export())
end

local function finish()
  check(#results == WORKERS, "%d of %d threads finished", #results, WORKERS)
  check(steps == learner.steps, "%d steps in the main loop", steps)
  check(first > 0.1 and loss < learner.good, "the loss falls from %g to %g", first, loss)
  check(learner.digest() == expected, "the main loop ends with plain luajit's weights: %s", learner.digest())
  for i, r in ipairs(results) do
    check(r.loss == loss and r.digest == learner.digest(), "thread %d ends with the main loop's bits: %s", i, r.digest)
    local weights = yutu.import(r.weights)
    check(weights:eq(learner.model[3].weight):all():item() == true, "the weights of thread %d arrive", i)
  end
  local ok, message = pcall(function() return yutu.zeros(3, 4):matmul(yutu.zeros(3, 4)) end)
  check(not ok and message:find "main%.lua:%d+: matmul: ", "an error points at this file: %s", message)
  for _, thread in ipairs(threads) do thread:join() end
  io.stdout:write(tally.report())
  vim.cmd(tally.failed == 0 and "qall!" or "cquit!")
end

-- A thread finds modules by package.path alone: give it one that has the folder of yutu.
local lua = vim.fn.fnamemodify(vim.api.nvim_get_runtime_file("lua/yutu/init.lua", false)[1], ":h:h")
local path = ("%s/?.lua;%s/?/init.lua;%s/?.lua"):format(lua, lua, os.getenv "hosts")
for i = 1, WORKERS do
  local done
  done = loop.new_async(vim.schedule_wrap(function(digest, last, weights)
    results[#results + 1] = { digest = digest, loss = last, weights = weights }
    done:close()
  end))
  threads[i] = loop.new_thread(in_thread, path, 1, done)
end

local started, timer = loop.now(), loop.new_timer()
timer:start(0, 1, vim.schedule_wrap(function()
  if timer:is_closing() then return end
  for _ = 1, STEPS_PER_TICK do
    if steps < learner.steps then
      loss = learner.step()
      first, steps = first or loss, steps + 1
    end
  end
  if steps == learner.steps and #results == WORKERS or loop.now() - started > PATIENCE then
    timer:close()
    finish()
  end
end))
