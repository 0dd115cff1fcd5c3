--- race.lua: measuring side by side, and the lines that are printed.
--
-- A contestant is a function that does its work for some milliseconds and returns seconds per piece of work.
-- Contestants take turns, round after round, so that a slow moment of the machine hits all of them alike. The
-- lowest tenth of the rounds counts: neighbours and interruptions only ever add time.
local yutu = require "yutu"
local clock = yutu.C.yt_clock

local race = { missed = 0 }

--- A contestant that calls work(n), which does its work n times.   seconds: how long a sample lasts (0.006)
function race.repeated(work, seconds)
  local n
  seconds = seconds or 0.006
  return function()
    if not n then                 -- how often fits, and the traces are compiled on the way
      n = 1
      while true do
        local from = clock()
        work(n)
        local took = clock() - from
        if took > seconds / 2 then break end
        n = math.max(2 * n, math.floor(n * seconds / math.max(took, 1e-7)))
      end
    end
    work(math.ceil(n / 16))       -- wakes threads and refills caches after the others' turn
    local from = clock()
    work(n)
    return (clock() - from) / n
  end
end

local function quantile(list, q)
  local sorted = { unpack(list) }
  table.sort(sorted)
  return sorted[math.ceil(#sorted * q)]
end
function race.median(list) return quantile(list, 1 / 2) end
function race.typical(list) return quantile(list, 1 / 10) end

--- contestants: { name = contestant }.   returns { name = typical seconds }
-- Many short samples: on a busy machine most of them fit between two interruptions.
function race.run(contestants, rounds)
  local names, times, typical = {}, {}, {}
  for name in pairs(contestants) do
    names[#names + 1], times[name] = name, {}
  end
  table.sort(names)
  for round = 1, rounds or 40 do
    for _, name in ipairs(names) do times[name][round] = contestants[name]() end
  end
  for name, list in pairs(times) do typical[name] = race.typical(list) end
  return typical
end

function race.seconds(t)
  if t < 1e-6 then return ("%.0f ns"):format(t * 1e9) end
  if t < 1e-3 then return ("%.3g us"):format(t * 1e6) end
  return t < 1 and ("%.3g ms"):format(t * 1e3) or ("%.3g s"):format(t)
end

function race.heading(text) print("\n" .. text) end

--- One line: what was measured, ours, the peer's, how many times as fast ours is, and the ratio that is wanted.
--   peer       its seconds, or nil if it is not there      name   what it is called
--   rate       (optional) f(seconds) -> text that is shown instead of the time
function race.row(what, ours, name, peer, wanted, rate)
  local show = rate or race.seconds
  local line = ("%-40s %12s   "):format(what, show(ours))
  if not peer then
    print(("%s%s is not here"):format(line, name))
    return
  end
  local ratio = peer / ours
  line = ("%s%-34s %7.2fx"):format(line, ("%s %s"):format(name, show(peer)), ratio)
  if wanted then
    -- a floor of 30x is missed at 29.8x, one of 0.97x at 0.969x
    local missed = ratio < wanted
    if missed then race.missed = race.missed + 1 end
    line = ("%s   wanted %gx%s"):format(line, wanted, missed and "   MISSED" or "")
  end
  print(line)
end

--- A line without a peer.   met: true, false, or nil where nothing is wanted
function race.fact(what, value, wanted, met)
  if met == false then race.missed = race.missed + 1 end
  local verdict = met == false and "   MISSED" or ""
  print(("%-40s %12s%s%s"):format(what, value, wanted and "   wanted " .. wanted or "", verdict))
end

--- A result must be right before its speed counts.
function race.check(what, ok)
  if not ok then error("wrong result, so that no speed counts: " .. what, 0) end
end

function race.close_to(a, b, tolerance) return math.abs(a - b) <= tolerance * (1 + math.abs(b)) end

--- GF/s, for products of so many floating-point operations.
function race.gigaflops(operations)
  return function(t) return ("%.4g GF/s"):format(operations / t / 1e9) end
end

return race
