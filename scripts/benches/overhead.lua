--- What an op costs beside its work, on 16 floats from Lua: left to the collector, inside a scope, in C alone; and a
-- node of the tape, recorded and walked back.
local yutu = require "yutu"
local race = require "support.race"
local torch = require "support.torch"
local C = yutu.C

yutu.manual_seed(1)
local x, y = yutu.rand(16), yutu.rand(16)
race.check("add", race.close_to((x + y):sum():item(), x:sum():item() + y:sum():item(), 1e-5))

local function adds(n)
  for _ = 1, n do local _ = x + y end
end
local function scoped(n)          -- a hundred ops, then their tensors are gone
  for _ = 1, n, 100 do yutu.scope(adds, 100) end
end
local function in_c(n)
  local a, b = x._t, y._t
  for _ = 1, n do C.yt_release(C.yt_add(a, b)) end
end

local w = yutu.ones({ 16 }, { requires_grad = true })
local function chain()            -- a hundred nodes; y = 1 keeps the numbers small
  local z, one = w, yutu.ones(16)
  for _ = 1, 100 do z = z * one end
  z:sum():backward()
end
local function nodes(n)
  for _ = 1, n do chain() end
end
chain()
race.check("the gradient of the chain", race.close_to(w.grad:sum():item(), 16, 1e-6))
w.grad = nil

race.heading "an op on 16 floats"
local peer, name = torch.contestant({ 1 }, "small_add")
local t = race.run {
  garbage = race.repeated(adds), scope = race.repeated(scoped), c = race.repeated(in_c), torch = peer,
}
race.row("from Lua, left to the collector", t.garbage, name(), t.torch)
race.row("from Lua, in a scope", t.scope, name(), t.torch)
race.row("in C, released at once", t.c, name(), t.torch)

local tape, tape_name = torch.contestant({ 1 }, "tape")
t = race.run { ours = race.repeated(nodes), torch = tape }
race.row("a node recorded and walked back", t.ours / 100, tape_name(), t.torch)
os.exit(race.missed, true)
