--- What a program pays before its first line: require "yutu" in fresh processes, and the size of the library.
local race = require "support.race"
local library = require "yutu.library"

local ROUNDS = 31
-- The clock is read by the FFI, which a program that loads yutu needs anyway.
local program = [[
local ffi = require "ffi"
ffi.cdef "typedef struct { long s, ns; } moment; int clock_gettime(int, moment *);"
local m = ffi.new "moment"
local function now() ffi.C.clock_gettime(1, m) return tonumber(m.s) + tonumber(m.ns) / 1e9 end
local from = now()
local yutu = require "yutu"
local loaded = now()
assert((yutu.ones(2) + 1):sum():item() == 4)
print(loaded - from, now() - from)
]]
local script = os.tmpname()
local f = assert(io.open(script, "w"))
f:write(program)
f:close()

local function fresh_process()
  local p = io.popen("luajit " .. script)
  local loaded, added = p:read("*n", "*n")
  p:close()
  race.check("a fresh process adds", loaded and added)
  return loaded, added
end
fresh_process()                   -- files are in the system's cache now
local loaded, added = {}, {}
for round = 1, ROUNDS do loaded[round], added[round] = fresh_process() end
os.remove(script)

local function size(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:seek "end"
  file:close()
  return bytes
end
local stripped = os.tmpname()
race.check("strip", os.execute(("strip -o %s %s"):format(stripped, library.path)) == 0)
local whole, small = size(library.path), size(stripped)
os.remove(stripped)

race.heading "loading"
local t = race.median(loaded)
race.fact('require "yutu"', race.seconds(t), "under 20 ms", t < 0.02)
race.fact("... and a first sum", race.seconds(race.median(added)))
race.fact("the library", ("%.2f MB"):format(whole / 1e6), "under 3 MB", whole < 3e6)
race.fact("... stripped", ("%.2f MB"):format(small / 1e6))
os.exit(race.missed, true)
