--- Two threads must never wait for each other for long. 200 fresh processes each run a region of some 200 us many
-- times, first in a hot loop, then once a frame with 15 ms between, as a game would. No region may take ten times the
-- median. The same on one thread shows which stalls are the machine's: there is nothing to wait for.
--   luajit stalls.lua [PROCESSES]
local yutu = require "yutu"
local race = require "support.race"
local ffi = require "ffi"
local clock = yutu.C.yt_clock

local HOT, FRAMES, LIMIT = 300, 20, 10

-- Prints median and worst seconds of a region, and how many were over the limit.
local function report(times)
  local median, worst, over = race.median(times), 0, 0
  for _, t in ipairs(times) do
    worst = math.max(worst, t)
    if t > LIMIT * median then over = over + 1 end
  end
  print(median, worst, over)
end

if arg[1] == "--child" then
  ffi.cdef "int usleep(unsigned microseconds);"
  local threads = tonumber(arg[2])
  yutu.set_num_threads(threads)
  local x = yutu.rand(2 ^ 20)
  local function region()
    local from = clock()
    x:tanh_()
    return clock() - from
  end
  for _ = 1, 20 do region() end   -- threads are started and traces compiled
  local hot, frames = {}, {}
  for i = 1, HOT do hot[i] = region() end
  for i = 1, FRAMES do
    ffi.C.usleep(15000)
    frames[i] = region()
  end
  report(hot)
  report(frames)
  os.exit(0, true)
end

local PROCESSES = tonumber(arg[1]) or 200
local function new_count() return { medians = {}, worst = 0, over = 0 } end
local counts = { { new_count(), new_count() }, { new_count(), new_count() } }     -- by threads, then hot and frames
for _ = 1, PROCESSES do
  for threads = 1, 2 do
    local p = io.popen(("luajit %s --child %d"):format(arg[0], threads))
    for kind = 1, 2 do
      local median, worst, over = p:read("*n", "*n", "*n")
      race.check("a process reports", median and worst and over)
      local c = counts[threads][kind]
      c.medians[#c.medians + 1] = median
      c.worst, c.over = math.max(c.worst, worst / median), c.over + over
    end
    p:close()
  end
end

race.heading(("regions of two threads in %d fresh processes; a stall: over %d times the process's median"):format(
  PROCESSES, LIMIT))
for kind, name in ipairs { "hot loop", "frames of 15 ms" } do
  local one, two = counts[1][kind], counts[2][kind]
  local total = PROCESSES * (kind == 1 and HOT or FRAMES)
  race.fact(name .. ": a region", race.seconds(race.median(two.medians)))
  race.fact(("... stalls in %d"):format(total), two.over, "0", two.over == 0)
  race.fact("... the worst", ("%.1f x"):format(two.worst), "under 10 x")
  race.fact("... on one thread: stalls, the worst", ("%d, %.1f x"):format(one.over, one.worst))
end
os.exit(race.missed, true)
