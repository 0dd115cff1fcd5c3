--- A caller's mistake points at the caller's line and says what was wrong; nothing of it stays behind.
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "check"

local function line() return debug.getinfo(2, "l").currentline end
local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "there was no error")
  return message
end

describe("an error", function()
  local a, b = yutu.zeros(3, 4), yutu.zeros(3, 4)
  it("points at the line that made the mistake, however deep the library was", function()
    local here
    for _, mistake in ipairs {
      function() here = line() local _ = a:matmul(b) end,
      function() here = line() local _ = a:foo() end,
      function() here = line() local _ = a + "x" end,
      function() here = line() local _ = a[{ 1, 2, 3 }] end,
      function() here = line() local _ = a:max(5) end,
      function() here = line() local _ = a:split(0) end,
      function() here = line() local _ = yutu.linalg.inv(a) end,
      function() here = line() local _ = yutu.zeros("x") end,
      function() here = line() local _ = a:sum():backward() end,
      function() here = line() local _ = yutu.grad(a:sum(), { a }) end,
    } do
      local message = message_of(mistake)
      local at = "errors_spec%.lua:" .. here .. ": "
      assert(message:find(at), ("%s is not at line %d"):format(message, here))
    end
  end)
  it("names the op, both shapes and what differs", function()
    check.refuses("matmul: %(3,4%) x %(3,4%): inner sizes 4 and 3 differ", function() a:matmul(b) end)
    check.refuses("add: %(3,4%) and %(5%) do not broadcast", function() return a + yutu.zeros(5) end)
  end)
  it("counts dims from 1, as the caller does", function()
    check.refuses("sum: dim 3 of %(3,4%)", function() a:sum(3) end)
    check.refuses("sum: dim %-3 of %(3,4%)", function() a:sum(-3) end)
    check.refuses("sum: dim is 0; it counts from 1, or from the end with %-1", function() a:sum(0) end)
    check.refuses("sum: dim %-2 given twice", function() a:sum { 1, -2 } end)
    check.refuses("sum: dim 3 of a tensor with 2", function() a:sum { 1, 3 } end)
  end)
  it("tells an unknown option from a known one", function()
    check.refuses("sum: no option \"keepdims\"", function() a:sum { keepdims = true } end)
    check.refuses("argsort: no option \"reverse\"", function() a:argsort(1, { reverse = true }) end)
    check.refuses("max: no option \"dims\"", function() a:max { dims = 1 } end)
  end)
  it("names the parameter that is no whole number, no number, or missing", function()
    for _, bad in ipairs { 1.5, 0 / 0, math.huge, 1e300 } do
      check.refuses("unfold: size is .*, a whole number is needed", function() a:unfold(1, bad) end)
    end
    check.refuses("unfold: size is \"2\", a whole number", function() a:unfold(1, "2") end)
    check.refuses("unfold: size is nothing", function() a:unfold(1) end)
    check.refuses("layer_norm: eps is a boolean, a number is needed", function()
      a:layer_norm(nil, nil, 1, true)
    end)
    check.refuses("add: b is nothing, a tensor is needed", function() a:add() end)
    check.refuses("add: b is a table, a tensor is needed", function() a:add {} end)
    check.refuses("normal_: generator is 7; yutu.Generator%(seed%) makes one", function() a:normal_(0, 1, 7) end)
  end)
  it("ends with the module it happened in", function()
    local was = lib.where
    lib.where = function() return "encoder.layers[2].attention" end
    local message = message_of(function() return a:matmul(b) end)
    lib.where = was
    assert.is_truthy(message:find("inner sizes 4 and 3 differ (in encoder.layers[2].attention)", 1, true))
  end)
  it("leaves the library as it was", function()
    for _ = 1, 100 do message_of(function() return a:matmul(b) end) end
    assert.same({ 3, 3 }, a:matmul(b:t()).shape)
    assert.is_true(yutu.is_grad_enabled())
  end)
end)

describe("checking for numbers that are not finite", function()
  it("names the op that made the first one", function()
    yutu.checknumerics()
    local x = yutu.tensor { 0, 1 }
    local message = message_of(function() return (x + 1):log():neg() + x:log() end)
    yutu.checknumerics(false)
    assert.is_truthy(message:find "log: made a number that is not finite, in %(2%)")
    assert.equal(-math.huge, x:log()[1]:item())
  end)
end)

describe("the module", function()
  it("sets no globals and says which version it is", function()
    assert.equal("0.1.0", yutu.version)
    assert.is_nil(rawget(_G, "yutu"))
    assert.is_nil(rawget(_G, "ffi"))
  end)
  it("survives being loaded again", function()
    local kept = {}
    for name in pairs(package.loaded) do
      if name == "yutu" or name:match "^yutu%." then
        kept[name] = package.loaded[name]
        package.loaded[name] = nil
      end
    end
    local again = require "yutu"
    local x = again.ones(2) + yutu.ones(2)
    assert.same({ 2, 2 }, x:tolist())
    assert.equal(2, #again.cat { x })
    for name, module in pairs(kept) do package.loaded[name] = module end
  end)
  it("says what it tried when there is no library", function()
    local command = "env YUTU_LIBRARY=/nowhere/libyutu.so "
      .. "luajit -e 'package.path=[[%s]] local ok, e = pcall(require, [[yutu]]) io.write(e)'"
    local p = io.popen(command:format(package.path))
    local message = p:read "*a"
    p:close()
    assert.is_truthy(message:find("its library could not be loaded; tried\n  /nowhere/libyutu.so: ", 1, true))
    assert.is_truthy(message:find("YUTU_LIBRARY", 1, true))
  end)
  it("loads in less than 20 ms, without nn, optim or data", function()
    local script = "package.path=[[%s]] local t = os.clock() require [[yutu]] local s = os.clock() - t"
      .. " io.write(s, [[ ]], tostring(package.loaded[ [[yutu.nn]] ]))"
    local best = math.huge
    for _ = 1, 5 do
      local p = io.popen(("luajit -e '%s'"):format(script:format(package.path)))
      local seconds, nn = p:read "*a":match "(%S+) (%S+)"
      p:close()
      assert.equal("nil", nn)
      best = math.min(best, tonumber(seconds))
    end
    assert.is_true(best < .02, ("%.1f ms"):format(best * 1000))
  end)
end)
