--- progress: one line at the bottom of the terminal: how far, how fast, how long still.
--
--   local bar = progress(#items, "reading")
--   for i = 1, #items do ...; bar:update(i, "loss 0.31") end
--   bar:finish "done"                    -- what stays on the screen; without it the line goes away
--
-- It writes to standard error, at most ten times a second, and nothing at all where that is no terminal.
local lib = require "yutu.ffi"

local C, floor, max, min = lib.C, math.floor, math.max, math.min

local Progress = {}
Progress.__index = Progress

local INTERVAL, WIDTH = 0.1, 20    -- seconds between drawings; cells of the bar

--- 3725 -> "1:02:05"
local function clock(seconds)
  local s = floor(seconds + 0.5)
  if s >= 3600 then return ("%d:%02d:%02d"):format(s / 3600, s / 60 % 60, s % 60) end
  return ("%d:%02d"):format(s / 60, s % 60)
end

local function rate(per_second)
  return per_second >= 10 and ("%.0f/s"):format(per_second) or ("%.1f/s"):format(per_second)
end

--- The text for `done` of `total` after so many seconds, of which `before` were done when the clock started.
local function line(label, done, total, seconds, before, note)
  local part, speed = done / total, (done - before) / max(seconds, 1e-9)
  local filled = floor(part * WIDTH + 0.5)
  local text = ("%s [%s%s] %3d%%"):format(label, ("="):rep(filled), (" "):rep(WIDTH - filled), floor(100 * part))
  if done > before then
    text = ("%s  %s  %s left"):format(text, rate(speed), clock((total - done) / speed))
  end
  return note and note ~= "" and text .. "  " .. note or text
end

function Progress:draw(text) io.stderr:write("\r", text:sub(1, self.columns - 1), "\27[K") end

--- `done` of the total is done now. note: text or a function that makes it, called only when it is drawn.
function Progress:update(done, note)
  if self.columns == 0 then return end
  local now = C.yt_clock()
  if now - self.drawn < INTERVAL then return end
  self.drawn = now
  if type(note) == "function" then note = note() end
  self:draw(line(self.label, min(done, self.total), self.total, now - self.began, self.before, note))
end

--- The end: `text` stays, or the line goes away.
function Progress:finish(text)
  if self.columns == 0 then return end
  io.stderr:write("\r", text or "", "\27[K", text and "\n" or "")
end

--- progress(total, label, before): before of the total were done earlier and don't count for the rate.
return setmetatable({ line = line, clock = clock }, { __call = function(_, total, label, before)
  if type(total) ~= "number" or total < 0 then lib.raise("progress: total is " .. lib.describe(total)) end
  local now = C.yt_clock()
  return setmetatable({
    total = max(total, 1), label = label or "", before = before or 0, began = now, drawn = now,
    columns = C.yt_terminal(),
  }, Progress)
end })
