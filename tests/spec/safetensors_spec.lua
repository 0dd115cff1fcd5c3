-- Safetensors: what is saved comes back to the bit; a file that lies is refused by name, whatever is wrong with it.
local ffi = require "ffi"
local yutu = require "yutu"
local safetensors = yutu.safetensors

local path
before_each(function() path = os.tmpname() end)
after_each(function() os.remove(path) end)

local function write(bytes)
  os.remove(path)                 -- a file cut to nothing and written anew is flushed to the disk; a new one is not
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
end
local function read_bytes()
  local f = assert(io.open(path, "rb"))
  local bytes = f:read "*a"
  f:close()
  return bytes
end
local function length(n)
  local bytes = {}
  for i = 1, 8 do
    bytes[i] = string.char(n % 256)
    n = math.floor(n / 256)
  end
  return table.concat(bytes)
end
local function file(json, data) return length(#json) .. json .. (data or "") end
local function load(bytes)
  write(bytes)
  return safetensors.load(path)
end
local function refused(pattern, bytes)
  local tensors, message = load(bytes)
  assert.is_nil(tensors, "taken: " .. pattern)
  assert.matches(pattern, message)
  assert.matches(path, message, 1, true)
end

describe("a safetensors file", function()
  it("keeps every dtype, shape and bit", function()
    yutu.manual_seed(1)
    local saved = {
      f64 = yutu.randn(3, 4, { dtype = "f64" }), f32 = yutu.randn(5), f16 = yutu.randn(2, 2):to "f16",
      bf16 = yutu.randn(7):to "bf16", i64 = yutu.tensor({ -2 ^ 53, 2 ^ 53, 0 }, { dtype = "i64" }),
      i32 = yutu.tensor({ -2 ^ 31, 2 ^ 31 - 1 }, { dtype = "i32" }), u8 = yutu.tensor({ 0, 255 }, { dtype = "u8" }),
      bool = yutu.tensor({ 1, 0, 1 }, { dtype = "bool" }), scalar = yutu.tensor(0.1, { dtype = "f64" }),
      empty = yutu.zeros(0, 3), transposed = yutu.randn(2, 3):t(), infinite = yutu.tensor { 1 / 0, -1 / 0 },
      deep = yutu.randn(1, 2, 1, 2, 1, 2, 1, 2), needs_grad = yutu.randn(2):requires_grad_(),
    }
    assert.is_true(safetensors.save(path, saved, { epoch = "3", ["Ünï"] = "\"quoted\"\n" }))
    local tensors, metadata = safetensors.load(path)
    for name, t in pairs(saved) do
      assert.equal(t.dtype, tensors[name].dtype)
      assert.same(t.shape, tensors[name].shape)
      assert.same(t:tolist(), tensors[name]:tolist())
      assert.is_false(tensors[name].requires_grad)
      saved[name] = nil
    end
    assert.same({ epoch = "3", ["Ünï"] = "\"quoted\"\n" }, metadata)
  end)

  it("is laid out as the format says, each tensor at a multiple of its width", function()
    assert.is_true(safetensors.save(path, { a = yutu.tensor({ 1 }, { dtype = "u8" }), b = yutu.tensor { 1, 2 } }))
    local json = '{"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' ..
      '"a":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}}'
    json = json .. (" "):rep(-#json % 8)
    assert.equal(file(json, "\0\0\128\63\0\0\0\64\1"), read_bytes())
  end)

  it("made by another program is read", function()
    local json = '{"__metadata__":{"format":"pt"},"w":{"shape":[1,2],"dtype":"F16","data_offsets":[0,4],"more":[]}}   '
    local tensors, metadata = assert(load(file(json, "\0\60\0\192")))
    assert.same({ 1, -2 }, tensors.w:tolist())
    assert.equal("pt", metadata.format)
    assert.same({}, (assert(load(file("{}")))))
  end)

  it("keeps the old file when the new one can't be written", function()
    assert.is_true(safetensors.save(path, { a = yutu.ones(2) }))
    local old = read_bytes()
    local saved, message = safetensors.save(path .. "/inside", { a = yutu.zeros(2) })
    assert.is_nil(saved)
    assert.matches("cannot be written: Not a directory", message)
    assert.equal(old, read_bytes())
    assert.is_nil((safetensors.save("/dev/full/x", { a = yutu.zeros(2) })))
  end)

  it("is always either the old or the new one while a save is killed at any moment", function()
    local script = os.tmpname()
    local f = assert(io.open(script, "w"))
    f:write([[
      local yutu = require "yutu"
      local k = 0
      while true do
        k = k + 1
        assert(yutu.safetensors.save(arg[1], { a = yutu.full({ 100000 }, k), b = yutu.full({ 1000 }, k) }))
      end
    ]])
    f:close()
    assert.is_true(safetensors.save(path, { a = yutu.full({ 100000 }, 0), b = yutu.full({ 1000 }, 0) }))
    local lua_path = package.path:gsub("'", "")
    for round = 1, 8 do
      os.execute(("LUA_PATH='%s' timeout -s KILL %.2f luajit %s %s >/dev/null 2>&1"):format(lua_path,
        0.1 + round * 0.03, script, path))
      local tensors = assert(safetensors.load(path))
      local k = tensors.b[1]:item()
      assert.equal(100000, tensors.a:eq(k):sum():item())
      assert.equal(1000, tensors.b:eq(k):sum():item())
    end
    os.execute(("rm -f %s %s.*.tmp"):format(script, path))
  end)

  it("refuses what it can't hold", function()
    local function error_of(...)
      local ok, message = pcall(safetensors.save, ...)
      assert.is_false(ok)
      return message
    end
    assert.matches("w is 3, a tensor is needed", error_of(path, { w = 3 }))
    assert.matches("a name is 1, a string is needed", error_of(path, { yutu.ones(1) }))
    assert.matches("tensors are nothing", error_of(path))
    assert.matches("metadata x is 3", error_of(path, {}, { x = 3 }))
    assert.matches("path is nothing", error_of(nil, {}))
    assert.matches("the name a%?b is not UTF%-8", error_of(path, { ["a\255b"] = yutu.ones(1) }):gsub("\255", "?"))
    assert.matches("the name __metadata__ is taken", error_of(path, { __metadata__ = yutu.ones(1) }))
    assert.matches("a name has a zero byte", error_of(path, { ["a\0b"] = yutu.ones(1) }))
  end)
end)

describe("a hostile safetensors file", function()
  local function w(rest) return '{"w":{' .. rest .. "}}" end
  it("is refused for a length that lies", function()
    refused("3 bytes long", "abc")
    refused("a header of 100 bytes in a file of 9", length(100) .. "{")
    refused("not a safetensors file", length(2 ^ 52) .. "{}")
    refused("not a safetensors file", ("\255"):rep(8) .. "{}")
    refused("not a safetensors file", length(0) .. "{}")
    refused("not a safetensors file", length(1e8 + 8) .. "{}")
  end)
  it("is refused for a header that is not JSON", function()
    refused("does not begin with {", file "[]")
    refused("not JSON", file '{"w":')
    refused("not JSON", file '{"w":{}}x')
    refused("not JSON", file ('{"w":' .. ("["):rep(100000) .. "}"))
    refused("not JSON: unable to decode byte 0xff", file '{"\255\254":{}}')
    refused("not JSON", file '{"a\0":{}}')
    refused("not JSON", file '{"a\\u0000":{}}')
    refused("not JSON.*duplicate", file '{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"w":{}}')
    refused("not JSON", file(w '"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,0]'))
  end)
  it("is refused for an entry that makes no sense, which it names", function()
    refused("tensor w is not described by an object", file '{"w":1}')
    refused("tensor w has the dtype F8_E4M3, which is none of ours",
      file(w '"dtype":"F8_E4M3","shape":[],"data_offsets":[0,1]'))
    refused("the dtype %(none%)", file(w '"shape":[],"data_offsets":[0,1]'))
    refused("tensor w has no shape", file(w '"dtype":"U8","data_offsets":[0,0]'))
    refused("a size is not a whole number", file(w '"dtype":"U8","shape":[-1],"data_offsets":[0,0]'))
    refused("a size is not a whole number", file(w '"dtype":"U8","shape":[1.5],"data_offsets":[0,0]'))
    refused("9 dims", file(w '"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]', "a"))
    refused("no pair of data_offsets", file(w '"dtype":"U8","shape":[1],"data_offsets":[0]', "a"))
    refused("no pair of data_offsets", file(w '"dtype":"U8","shape":[1],"data_offsets":[-1,0]', "a"))
    refused("__metadata__ is not an object", file '{"__metadata__":[]}')
    refused("__metadata__: n is not text", file '{"__metadata__":{"n":1}}')
  end)
  it("is refused for sizes and offsets that lie, before anything is allocated", function()
    local before = yutu.memory().peak
    refused("lies at bytes 0 to 9, and there are 1", file(w '"dtype":"U8","shape":[9],"data_offsets":[0,9]', "a"))
    refused("lies at bytes 1 to 0", file(w '"dtype":"U8","shape":[1],"data_offsets":[1,0]', "a"))
    refused("u8 %(2%) takes 2 bytes, its data_offsets hold 1",
      file(w '"dtype":"U8","shape":[2],"data_offsets":[0,1]', "a"))
    refused("tensor w: too large", file(w '"dtype":"F32","shape":[1000000,1000000,1000000],"data_offsets":[0,1]', "a"))
    refused("tensor w: too large", file(w '"dtype":"F64","shape":[0,1000000000000000000],"data_offsets":[0,0]'))
    refused("tensor w", file(w '"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]'))
    local two = '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},' ..
      '"b":{"dtype":"U8","shape":[2],"data_offsets":[%d,%d]}}'
    refused("tensors a and b overlap", file(two:format(1, 3), "abc"))
    refused("tensors a and b overlap", file(two:format(0, 2), "ab"))
    refused("bytes 2 to 3 belong to no tensor", file(two:format(3, 5), "abcde"))
    refused("bytes 4 to 5 belong to no tensor", file(two:format(2, 4), "abcde"))
    refused("bytes 0 to 1 belong to no tensor", file("{}", "a"))
    assert.is_true(yutu.memory().peak - before < 2 ^ 20)
  end)
  it("can't smuggle control characters into a message", function()
    local _, message = load(file '{"\\u001b[2J\\u0001":1}')
    assert.is_nil(message:find "[%z\1-\31]")
  end)

  it("is refused or read, never worse, however it is damaged", function()
    yutu.manual_seed(4)
    assert.is_true(safetensors.save(path, {
      ["layer.weight"] = yutu.randn(3, 2), ["layer.bias"] = yutu.randn(3), mask = yutu.ones(5, { dtype = "bool" }),
    }, { note = "a note" }))
    local whole, seed = read_bytes(), 2
    local function random()       -- Park & Miller 1988
      seed = seed * 16807 % 2147483647
      return seed / 2147483647
    end
    local header = ffi.cast("const uint32_t *", whole)[0] + 8
    local function pick(n) return math.floor(random() * n) + 1 end
    local taken, refusals = 0, 0
    for round = 1, 3000 do
      local bytes
      local at, kind = pick(header), round % 5
      if kind == 0 then bytes = whole:sub(1, pick(#whole) - 1)
      elseif kind == 1 then bytes = whole:sub(1, at - 1) .. string.char(pick(256) - 1) .. whole:sub(at + 1)
      elseif kind == 2 then bytes = whole:sub(1, at - 1) .. whole:sub(at + pick(8))
      elseif kind == 3 then bytes = whole:sub(1, at) .. whole:sub(at - pick(at) + 1)
      else
        bytes = whole:gsub("%d+", function(digits)
          if pick(4) == 1 then return ("%d"):format(pick(2 ^ 31) * pick(4)):sub(1, #digits) end
        end)
      end
      local tensors, message = load(bytes)
      if tensors then
        taken = taken + 1
        for _, t in pairs(tensors) do assert.is_true(t:numel() >= 0 and #t:tolist() == t:numel()) end
      else
        refusals = refusals + 1
        assert.matches(path, message, 1, true)
      end
    end
    assert.is_true(refusals > 2000 and taken > 10, ("%d refused, %d taken"):format(refusals, taken))
  end)

  it("costs no memory: every failed allocation is an error that leaves nothing behind", function()
    assert.is_true(safetensors.save(path, { a = yutu.ones(300), b = yutu.ones(7) }, { n = "x" }))
    assert(safetensors.load(path))
    yutu.collect()
    local failures = 0
    for n = 1, 40 do
      yutu.C.yt_memory_trim()
      yutu.C.yt_fail_allocation(n)
      local ok, tensors, message = pcall(safetensors.load, path)
      yutu.C.yt_fail_allocation(0)
      if not ok or not tensors then
        failures = failures + 1
        assert.matches("out of memory", ok and message or tensors)
      end
    end
    assert.is_true(failures >= 3, failures .. " failures")
    local live
    for _ = 1, 3 do
      for _ = 1, 50 do load(file(w '"dtype":"U8","shape":[2],"data_offsets":[0,1]', "a")) end
      yutu.collect()
      assert.is_true(live == nil or yutu.memory().live == live)
      live = yutu.memory().live
    end
  end)
end)
