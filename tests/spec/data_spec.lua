-- Data sets, loaders, splits, the IDX reader, Fashion-MNIST.
local yutu = require "yutu"
local data = yutu.data

local function refused(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, pattern)
  assert.matches(pattern, message)
end
local function numbers(n) return yutu.arange(1, n, 1, { dtype = "f32" }) end
local function set_of(n) return data.TensorDataset(numbers(n):view(n, 1), yutu.arange(1, n, 1, { dtype = "i64" })) end

describe("a loader", function()
  it("hands out every example once, in order", function()
    local seen, sizes = {}, {}
    for x, y in data.loader(set_of(7), { batch_size = 3 }) do
      sizes[#sizes + 1] = x:size(1)
      assert.same(x:tolist(), y:tolist())
      for _, v in ipairs(y:tolist()) do seen[#seen + 1] = v end
    end
    assert.same({ 3, 3, 1 }, sizes)
    assert.same({ 1, 2, 3, 4, 5, 6, 7 }, seen)
  end)

  it("shuffles anew each time through, and repeats with its seed", function()
    local function order(loader)
      local seen = {}
      for _, y in loader do for _, v in ipairs(y:tolist()) do seen[#seen + 1] = v end end
      return seen
    end
    local loader = data.loader(set_of(50), { batch_size = 8, shuffle = true, generator = yutu.Generator(5) })
    local again = data.loader(set_of(50), { batch_size = 8, shuffle = true, generator = yutu.Generator(5) })
    local first, second = order(loader), order(loader)
    assert.not_same(first, second)
    assert.same(first, order(again))
    assert.same(second, order(again))
    table.sort(first)
    assert.same(numbers(50):tolist(), first)
  end)

  it("begins a new order after a break", function()
    local loader = data.loader(set_of(6), { batch_size = 2 })
    for _ in loader do if loader.at == 2 then break end end
    local batches = 0
    for _, y in loader do
      batches = batches + 1
      if batches == 1 then assert.same({ 1, 2 }, y:tolist()) end
    end
    assert.equal(3, batches)
  end)

  it("goes on with the next batch once its state is loaded", function()
    yutu.manual_seed(3)
    local loader, rest = data.loader(set_of(20), { batch_size = 4, shuffle = true }), {}
    local state
    for _, y in loader do
      if state then rest[#rest + 1] = y:tolist() end
      if loader.at == 2 then state = loader:state_dict() end
    end
    local twin, got = data.loader(set_of(20), { batch_size = 4, shuffle = true }), {}
    yutu.manual_seed(99)
    twin:load_state_dict(state)
    for _, y in twin do got[#got + 1] = y:tolist() end
    assert.equal(3, #got)
    assert.same(rest, got)
  end)

  it("gathers ahead in a thread, and gives the same batches", function()
    local function batches(set, prefetch)
      local out = {}
      local loader = data.loader(set, { batch_size = 8, shuffle = true, generator = yutu.Generator(5),
        prefetch = prefetch })
      for _ = 1, 3 do for x, y in loader do out[#out + 1] = { x:tolist(), y:tolist() } end end
      return out
    end
    local set = set_of(50)
    local odd = data.Subset(set, yutu.arange(1, 50, 2, { dtype = "i64" }))
    local half = data.Subset(odd, { 3, 9, 1, 20, 4, 7, 11, 25, 2, 6 })
    for _, ahead in ipairs { 1, 2, 64 } do
      assert.same(batches(set, 0), batches(set, ahead))
      assert.same(batches(half, 0), batches(half, ahead))
    end
    for _ = 1, 20 do              -- left in the middle, and collected
      for x in data.loader(set, { batch_size = 4, prefetch = 3 }) do if x then break end end
    end
    collectgarbage()
    local state
    local loader = data.loader(set, { batch_size = 8, shuffle = true, generator = yutu.Generator(9), prefetch = 2 })
    local rest, resumed, n = {}, {}, 0
    for _, y in loader do
      n = n + 1
      if n == 2 then state = loader:state_dict() end
      if n > 2 then rest[#rest + 1] = y:tolist() end
    end
    loader:load_state_dict(state)
    for _, y in loader do resumed[#resumed + 1] = y:tolist() end
    assert.same(rest, resumed)
    assert.has_error(function()
      for _ in data.loader(data.Map(set, function(x) return x end), { prefetch = 2 }) do error "not reached" end
    end)
    assert.has_error(function() data.loader(set, { prefetch = 1.5 }) end)
  end)

  it("leaves out a small last batch when asked to", function()
    local loader = data.loader(set_of(7), { batch_size = 3, drop_last = true })
    assert.equal(2, loader:size())
    local n = 0
    for x in loader do n = n + x:size(1) end
    assert.equal(6, n)
  end)

  it("transforms whole batches", function()
    for x, y in data.loader(set_of(4), { batch_size = 4, transform = function(x, y) return x * 2, y end }) do
      assert.same({ 2, 4, 6, 8 }, x:tolist())
      assert.same({ 1, 2, 3, 4 }, y:tolist())
    end
  end)

  it("takes any table with size and get, and stacks what it returns", function()
    local set = { size = function() return 3 end, get = function(_, i) return yutu.full({ 2 }, i), i, i / 2 end }
    for x, label, half in data.loader(set, { batch_size = 3 }) do
      assert.same({ 1, 1, 2, 2, 3, 3 }, x:tolist())
      assert.same({ 1, 2, 3 }, label:tolist())
      assert.equal("i64", label.dtype)
      assert.same({ 0.5, 1, 1.5 }, half:tolist())
      assert.equal("f32", half.dtype)
    end
  end)

  it("refuses what it can't go through, by name", function()
    refused("data.loader: the data set is empty", data.loader, data.TensorDataset(yutu.zeros(0, 3)))
    refused("batch_size = 0", data.loader, set_of(3), { batch_size = 0 })
    refused("batch_size is \"big\"", data.loader, set_of(3), { batch_size = "big" })
    refused("make no whole batch of 8", data.loader, set_of(3), { batch_size = 8, drop_last = true })
    refused("no option \"num_workers\"", data.loader, set_of(3), { num_workers = 2 })
    refused("is not a data set", data.loader, { 1, 2, 3 })
    refused("is not a data set", data.loader, yutu.zeros(3))
    refused("options are 3, not a table", data.loader, set_of(3), 3)
    local ragged = { size = function() return 2 end, get = function(_, i) if i == 1 then return 1, 2 end return 1 end }
    refused("get%(2%) returned 1 fields, the first example 2", data.loader(ragged, { batch_size = 2 }))
    local words = { size = function() return 2 end, get = function() return "cat" end }
    refused("field 1 of example 1 is \"cat\"", data.loader(words, { batch_size = 2 }))
    local nothing = { size = function() return 2 end, get = function() end }
    refused("returned 0 fields", data.loader(nothing, { batch_size = 2 }))
    refused("size%(%) returned 1.5", data.loader, { size = function() return 1.5 end, get = print })
  end)
end)

describe("a data set", function()
  it("of tensors gives the examples of both", function()
    local x, y = set_of(5):get(4)
    assert.same({ 4 }, x:tolist())
    assert.equal(4, y:item())
    assert.equal(5, set_of(5):size())
    refused("there is no example 6 of 5", set_of(5).get, set_of(5), 6)
    refused("argument 1 holds 5 examples, argument 2 4", data.TensorDataset, numbers(5), numbers(4))
    refused("argument 2 is a table", data.TensorDataset, numbers(5), {})
    refused("a tensor is needed", data.TensorDataset)
    refused("has no dims", data.TensorDataset, yutu.tensor(1))
  end)

  it("can be mapped, cut out of another, and joined", function()
    local doubled = data.map(set_of(4), function(x, y) return x * 2, y end)
    assert.same({ 6 }, (doubled:get(3)):tolist())
    local some = data.Subset(set_of(9), { 7, 2, 9 })
    local joined = data.ConcatDataset { some, doubled }
    assert.equal(7, joined:size())
    local seen = {}
    for x in data.loader(joined, { batch_size = 7 }) do seen = x:tolist() end
    assert.same({ 7, 2, 9, 2, 4, 6, 8 }, seen)
    refused("positions go from 0 to 2", data.Subset, set_of(4), { 0, 2 })
    refused("there is no example 8 of 7", joined.get, joined, 8)
    refused("a list of data sets", data.ConcatDataset, {})
  end)

  it("splits into disjoint parts that repeat with the seed", function()
    local function split(seed)
      return data.random_split(set_of(103), { 0.8, 0.1, 0.1 }, { generator = yutu.Generator(seed) })
    end
    local a, b, c = split(1)
    assert.same({ 83, 10, 10 }, { a:size(), b:size(), c:size() })
    local seen = {}
    for _, part in ipairs { a, b, c } do
      for _, y in data.loader(part, { batch_size = 50 }) do
        for _, v in ipairs(y:tolist()) do seen[#seen + 1] = v end
      end
    end
    table.sort(seen)
    assert.same(numbers(103):tolist(), seen)
    assert.same(a.positions:tolist(), (split(1)).positions:tolist())
    assert.not_same(a.positions:tolist(), (split(2)).positions:tolist())
    local d, e = data.random_split(set_of(10), { 7, 3 })
    assert.same({ 7, 3 }, { d:size(), e:size() })
    refused("add up to 0.9", data.random_split, set_of(10), { 0.5, 0.4 })
    refused("part 2 is %-0.5", data.random_split, set_of(10), { 1.5, -0.5 })
    refused("a list of parts", data.random_split, set_of(10), {})
  end)
end)

---- IDX --------------------------------------------------------------------------------------------
local function write(bytes)
  local path = os.tmpname()
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
  return path
end
local function read(bytes)
  local path = write(bytes)
  local x, message = data.idx.read(path)
  os.remove(path)
  return x, message
end
local function header(code, ...)
  local bytes = { "\0\0", string.char(code, select("#", ...)) }
  for _, n in ipairs { ... } do
    bytes[#bytes + 1] = string.char(math.floor(n / 2 ^ 24) % 256, math.floor(n / 2 ^ 16) % 256,
      math.floor(n / 256) % 256, n % 256)
  end
  return table.concat(bytes)
end

describe("the IDX reader", function()
  it("reads every type of element", function()
    for _, case in ipairs {
      { 0x08, "\1\255", "u8", { 1, 255 } }, { 0x09, "\1\255", "i32", { 1, -1 } },
      { 0x0b, "\1\2\255\254", "i32", { 258, -2 } }, { 0x0c, "\0\1\0\0\255\255\255\255", "i32", { 65536, -1 } },
      { 0x0d, "\63\128\0\0\192\32\0\0", "f32", { 1, -2.5 } },
      { 0x0e, "\63\240\0\0\0\0\0\0\192\4\0\0\0\0\0\0", "f64", { 1, -2.5 } },
    } do
      local x = assert(read(header(case[1], 2) .. case[2]))
      assert.equal(case[3], x.dtype)
      assert.same(case[4], x:tolist())
    end
    assert.same({ 2, 3 }, assert(read(header(8, 2, 3) .. "abcdef")).shape)
    assert.equal(7, assert(read(header(8) .. "\7")):item())
    assert.same({ 0, 5 }, assert(read(header(8, 0, 5))).shape)
  end)

  it("says what is wrong with a file, and allocates nothing for its lies", function()
    local before = yutu.memory().peak
    for _, case in ipairs {
      { "", "cut short" }, { "\0\0\8", "cut short" }, { "\0\0\8\1\0\0", "cut short" },
      { "\1\0\8\1\0\0\0\1a", "not an IDX file: it begins with 01 00 08 01" },
      { "\0\0\7\1\0\0\0\1a", "not an IDX file" }, { "\0\0\8\9" .. ("\0\0\0\1"):rep(9) .. "a", "9 dims" },
      { header(8, 4) .. "abc", "cut short" },
      { header(8, 2) .. "abc", "2 elements of %(2%) were promised and there are more" },
      { header(0x0e, 3) .. ("a"):rep(23), "cut short" },
      { header(8, 4294967295) .. "abc", "promises more than the file can hold: dim 1 is 4294967295" },
      { header(8, 1000000, 1000000, 1000000) .. "abc", "promises more than the file can hold" },
      { header(8, 4294967295, 4294967295, 4294967295, 4294967295, 4294967295) .. "abc", "promises more" },
      { header(8, 0, 4294967295, 4294967295), "too large" },
      { "\31\139\8\0rubbish that is no gzip stream", "IDX" },
    } do
      local x, message = read(case[1])
      assert.is_nil(x)
      assert.matches(case[2], message)
    end
    assert.is_true(yutu.memory().peak - before < 2 ^ 20)
    assert.matches("cannot be read: No such file", select(2, data.idx.read "/nowhere/at-all"))
    assert.matches("not a plain file", select(2, data.idx.read "/"))
  end)

  it("reads gzipped files and notices when they are damaged", function()
    local plain = write(header(8, 1000) .. ("abcde"):rep(200))
    os.execute("gzip -kf " .. plain)
    local f = assert(io.open(plain .. ".gz", "rb"))
    local packed = f:read "*a"
    f:close()
    os.remove(plain)
    os.remove(plain .. ".gz")
    assert.equal(1000, assert(read(packed)):numel())
    assert.matches("cut short", select(2, read(packed:sub(1, -12))))
    assert.is_nil((read(packed:sub(1, -9) .. "xxxx" .. packed:sub(-4))))    -- a checksum that is wrong
    local random = yutu.Generator(11)
    for _ = 1, 300 do
      local at = yutu.randint(1, #packed, { 1 }, { generator = random }):item()
      local byte = yutu.randint(0, 255, { 1 }, { generator = random }):item()
      local x, message = read(packed:sub(1, at - 1) .. string.char(byte) .. packed:sub(at + 1))
      assert.is_true(x ~= nil or type(message) == "string")
    end
  end)
end)

describe("Fashion-MNIST", function()
  it("has the images, labels and names of the paper", function()
    local train, test = assert(data.fashion_mnist { dtype = "u8" })
    assert.same({ 60000, 10000 }, { train:size(), test:size() })
    local x, y = train.tensors[1], train.tensors[2]
    assert.same({ 60000, 28, 28 }, x.shape)
    assert.equal("ankle boot", train.classes[y[1]:item()])
    for label = 1, 10 do assert.equal(6000, y:eq(label):sum():item()) end
    assert.is_true(math.abs(x:double():mean():item() / 255 - 0.2860) < 1e-4)  -- the mean that everyone normalises by
    assert.equal(0, x:amin():item())
    assert.equal(255, x:amax():item())
  end)
  it("is f32 in [0,1] unless asked otherwise", function()
    local _, test = assert(data.fashion_mnist())
    assert.equal("f32", test.tensors[1].dtype)
    assert.equal(1, test.tensors[1]:amax():item())
  end)
  it("says what to install when it is not there", function()
    local train, message = data.fashion_mnist { root = "/nowhere" }
    assert.is_nil(train)
    assert.matches("/nowhere/train%-images.*install dataset%-fashion%-mnist", message)
  end)
end)
