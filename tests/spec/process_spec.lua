--- The library in its process: after a fork, and with each instruction set that the processor has.
local ffi = require "ffi"
local yutu = require "yutu"
package.path = package.path .. ";tests/hosts/?.lua"
local learn = require "learn"

ffi.cdef "int fork(void); int waitpid(int pid, int *status, int options); void _exit(int status);"

local STEPS = 10

local function losses()           -- of the first steps; large enough to be split among threads
  local learner, list = learn(1), {}
  for i = 1, STEPS do list[i] = learner.step() end
  return list
end

-- The exit status of a child that runs f: 0 if it returned true.
local function status_of(f)
  local pid = ffi.C.fork()
  if pid == 0 then
    local ok, good = pcall(f)
    ffi.C._exit(ok and good and 0 or 1)
  end
  local status = ffi.new "int[1]"
  assert.equal(pid, ffi.C.waitpid(pid, status, 0))
  return status[0]
end

describe("a forked child", function()
  local threads = yutu.get_num_threads()
  teardown(function() yutu.set_num_threads(threads) end)

  it("goes on training and gets its parent's numbers, to the bit", function()
    local expected = losses()
    assert.is_true(expected[STEPS] < expected[1])
    for n = 1, 3 do
      yutu.set_num_threads(n)
      assert.same(expected, losses())                     -- now the parent has its workers
      assert.equal(0, status_of(function()
        for i, loss in ipairs(losses()) do if loss ~= expected[i] then return false end end
        return true
      end), n .. " threads")
      assert.same(expected, losses())
    end
  end)

  it("has what the parent had, and what it writes is its own", function()
    local x = yutu.ones(1000)
    assert.equal(0, status_of(function()
      x:fill_(5)
      return x:sum():item() == 5000
    end))
    assert.equal(1000, x:sum():item())
  end)
end)

describe("each instruction set", function()
  local script = [[print(require "yutu".instruction_set())
    local learner = require "learn"(1)
    for _ = 1, %d do print(("%%.9g"):format(learner.step())) end]]

  -- What a process of its own says and gets when YUTU_ISA has that name.
  local function asked_for(name)
    local command = "YUTU_ISA=%s LUA_PATH='%s' luajit -e '%s' 2>&1"
    local f = assert(io.popen(command:format(name, package.path, script:format(STEPS))))
    local isa, list = f:read "*l", {}
    for line in f:lines() do list[#list + 1] = assert(tonumber(line), line) end
    f:close()
    return isa, list
  end

  it("is taken when YUTU_ISA names it, up to the processor's best, and trains alike", function()
    local expected = losses()
    local best = asked_for ""
    local capped = false          -- the processor has no better
    for _, name in ipairs { "sse2", "avx2", "avx512" } do
      local isa, list = asked_for(name)
      assert.equal(capped and best or name, isa)
      assert.equal(STEPS, #list)
      for i, loss in ipairs(list) do
        assert.is_true(math.abs(loss - expected[i]) < 1e-5 * expected[i], ("%s, step %d: %.9g"):format(name, i, loss))
      end
      capped = capped or name == best
    end
  end)
end)
