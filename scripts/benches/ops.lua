--- Elementwise ops and Adam on a million (2^20) floats, softmax and layer norm on 4096 x 256, from Lua: beside loops in
-- C with vector intrinsics that write into given memory (floor_ops.c), and beside PyTorch. Each op runs in a scope, so
-- that the next one gets its memory again; add is also left to the collector, which lets a few results gather.
local ffi = require "ffi"
local yutu = require "yutu"
local race = require "support.race"
local torch = require "support.torch"
local floor = require "support.floor" "ops"

local scope = yutu.scope
local N, ROWS = 2 ^ 20, 4096
yutu.manual_seed(1)

local x, z = yutu.randn(N), yutu.randn(N)
local rows, w, b = x:reshape(ROWS, 256), yutu.randn(256), yutu.randn(256)
local y = yutu.empty(N)           -- the floor's results
local zeros = { yutu.zeros(N), yutu.zeros(N), yutu.zeros(N) }
local p = yutu.zeros(N, { requires_grad = true })
p.grad = x
local adam = yutu.optim.Adam({ p }, { lr = 1e-3 })

local ops = {
  { "add", function() return x + z end },
  { "mul", function() return x * z end },
  { "exp", function() return x:exp() end },
  { "tanh", function() return x:tanh() end },
  { "gelu", function() return x:gelu_tanh() end },
  { "softmax", function() return rows:softmax(2) end },
  { "layer_norm", function() return rows:layer_norm(w, b) end },
  { "adam", function() adam:step() return p:detach() end, zeros[1] },
}
local labels = {
  add = "add, 1M", mul = "mul, 1M", exp = "exp, 1M", tanh = "tanh, 1M", gelu = "GELU (tanh form), 4096 x 256",
  softmax = "softmax, 4096 x 256", layer_norm = "layer norm, 4096 x 256", adam = "Adam step, 1M",
}

local function dropped(run) run() end          -- what a scope's function returns would be kept

local input = ffi.new("const float *[4]", x.data, z.data, w.data, b.data)
local output = ffi.new("float *[4]", y.data, zeros[1].data, zeros[2].data, zeros[3].data)
local function floor_work(name, threads)
  return function(n) floor.floor_op(name, input, output, N, threads, n) end
end

local function largest_difference(a, c)
  local p1, p2, worst = a.data, c.data, 0
  for i = 0, N - 1, 7 do worst = math.max(worst, math.abs(p1[i] - p2[i]) / (1 + math.abs(p2[i]))) end
  return worst
end
-- both begin at the same state, so the first step of Adam is comparable too
for _, op in ipairs(ops) do
  local name, run, result = op[1], op[2], op[3] or y
  floor.floor_op(name, input, output, N, 1, 1)
  race.check(name .. " differs from the floor", largest_difference(run(), result) < 2e-5)
end

for threads = 1, 2 do
  yutu.set_num_threads(threads)
  race.heading(threads == 1 and "one thread" or "two threads")
  for _, op in ipairs(ops) do
    local name, run = op[1], op[2]
    local peer, peer_name = torch.contestant({ threads }, "op " .. name)
    local t = race.run {
      ours = race.repeated(function(n) for _ = 1, n do scope(dropped, run) end end),
      floor = race.repeated(floor_work(name, threads)), torch = peer,
      garbage = name == "add" and race.repeated(function(n) for _ = 1, n do run() end end) or nil,
    }
    race.row(labels[name], t.ours, "C floor", t.floor, 0.83)
    race.row("", t.ours, peer_name(), t.torch)
    if t.garbage then race.row("... left to the collector", t.garbage, peer_name(), t.torch) end
  end
end
os.exit(race.missed, true)
