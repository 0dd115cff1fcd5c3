--- create.lua: tensors from nothing, from numbers, tables, strings and memory.
--
-- Sizes are arguments of their own or one table; a last table names options: dtype (default "f32"), device,
-- requires_grad, and generator where random numbers are drawn.
local ffi = require "ffi"
local lib = require "yutu.ffi"
local Tensor = require "yutu.tensor"

local C, ref, istype = lib.C, lib.ref, ffi.istype
local raise, describe = lib.raise, lib.describe

local create = {}
local buffer = ffi.new "yt_shape"
local NONE = {}

local known = { dtype = true, device = true, requires_grad = true }
local known_random = { dtype = true, device = true, requires_grad = true, generator = true }

local function allocate(op, shape, options, dtype, tried)
  local t = C.yt_empty(lib.dtype(options.dtype or dtype or "f32", op), shape, lib.device(options.device, op))
  if t ~= nil then return lib.own(t) end
  lib.failed(tried, op)
  return allocate(op, shape, options, dtype, true)
end
local function finish(x, options)
  if options.requires_grad then x.requires_grad = true end
  return x
end

local function is_options(v) return type(v) == "table" and type(next(v)) == "string" end
-- sizes..., options?  ->  the shape (in buffer), options
-- `...` is read before anything is called: LuaJIT of 2022 picks a wrong one in a trace that leaves a pairs loop.
local function sizes_and_options(op, names, ...)
  local given, n, options = { ... }, select("#", ...), NONE
  local first, last = given[1], given[n]
  if n > 1 and type(last) == "table" or is_options(last) then
    options, given[n], n = lib.options(last, op, names), nil, n - 1
  end
  if n == 0 then buffer.ndim = 0
  elseif n == 1 and type(first) == "table" then lib.shape(buffer, op, "size", first)
  elseif n > 8 then raise(("%s: %d sizes given, a tensor has at most 8 dims"):format(op, n))
  else lib.shape(buffer, op, "size", given) end
  return buffer, options
end

function create.empty(...)
  local shape, options = sizes_and_options("empty", known, ...)
  return finish(allocate("empty", shape, options), options)
end
function create.zeros(...)
  local shape, options = sizes_and_options("zeros", known, ...)
  return finish(allocate("zeros", shape, options):fill_(0), options)
end
function create.ones(...)
  local shape, options = sizes_and_options("ones", known, ...)
  return finish(allocate("ones", shape, options):fill_(1), options)
end
--- yutu.full(shape, value, options?)
function create.full(shape, value, options)
  if type(shape) == "number" then shape = { shape } end
  if type(shape) ~= "table" then raise(("full: shape is %s"):format(describe(shape))) end
  options = options and lib.options(options, "full", known) or NONE
  local dtype = type(value) == "boolean" and "bool" or nil
  if dtype then value = value and 1 or 0 end
  return finish(allocate("full", lib.shape(buffer, "full", "size", shape), options, dtype):fill_(value), options)
end

--- A list of n elements, not set: what other files build on.
function lib.new_list(n, dtype) return allocate("empty", lib.shape(buffer, "empty", "size", n), NONE, dtype) end

---- random -----------------------------------------------------------------------------------------
--- Uniform in [0, 1).
function create.rand(...)
  local shape, options = sizes_and_options("rand", known_random, ...)
  return finish(allocate("rand", shape, options):uniform_(0, 1, options.generator), options)
end
--- Normal, mean 0, standard deviation 1.
function create.randn(...)
  local shape, options = sizes_and_options("randn", known_random, ...)
  return finish(allocate("randn", shape, options):normal_(0, 1, options.generator), options)
end
--- Whole numbers from lo to hi, both included: i64.
function create.randint(lo, hi, shape, options)
  if type(shape) == "number" then shape = { shape } end
  if type(shape) ~= "table" then raise(("randint: shape is %s; randint(lo, hi, shape)"):format(describe(shape))) end
  options = options and lib.options(options, "randint", known_random) or NONE
  local x = allocate("randint", lib.shape(buffer, "randint", "size", shape), options, "i64")
  return finish(x:random_(lo, hi, options.generator), options)
end
--- 1 .. n in a random order: i64.
function create.randperm(n, options)
  n = lib.int(n, "randperm", "n")
  options = options and lib.options(options, "randperm", known_random) or NONE
  return allocate("randperm", lib.shape(buffer, "randperm", "n", n), options, "i64"):permutation_(options.generator)
end
--- 1 with the probability that each element of p says, else 0.
function create.bernoulli(p, generator) return Tensor.bernoulli_p(p, generator) end

--- A stream of random numbers of its own: equal seed and stream give equal numbers, on every device.
function create.Generator(seed, stream)
  seed, stream = lib.int(seed or 0, "Generator", "seed"), lib.int(stream or 0, "Generator", "stream")
  return ffi.new("yt_generator", seed, stream, 0)
end
local Generator = {}
function Generator.manual_seed(g, seed)
  g.seed, g.stream, g.offset = lib.int(seed, "manual_seed", "seed"), 0, 0
  return g
end
function Generator.get_state(g)
  return { seed = tonumber(g.seed), stream = tonumber(g.stream), offset = tonumber(g.offset) }
end
function Generator.set_state(g, state)
  if type(state) ~= "table" then raise(("set_state: %s, what get_state returned is needed"):format(describe(state))) end
  for _, name in ipairs { "seed", "stream", "offset" } do lib.real(state[name], "set_state", name) end
  g.seed, g.stream, g.offset = state.seed, state.stream, state.offset
  return g
end
if not lib.generator_class then   -- one metatable per C type and state
  lib.generator_class = Generator
  ffi.metatype("yt_generator", {
    __index = Generator,
    __tostring = function(g)
      local s = Generator.get_state(g)
      return ("generator seed %.0f, stream %.0f, offset %.0f"):format(s.seed, s.stream, s.offset)
    end,
  })
end
--- The stream that random ops of this thread use when none is given.
function create.default_generator() return C.yt_default_generator() end
function create.manual_seed(seed) C.yt_seed(lib.int(seed, "manual_seed", "seed")) end
create.seed = create.manual_seed

---- like another -----------------------------------------------------------------------------------
local function like(op, x, options, names)
  if not istype(ref, x) then raise(("%s: x is %s, a tensor is needed"):format(op, describe(x))) end
  local t = lib.tensor(x, op, "x")
  options = options and lib.options(options, op, names) or NONE
  buffer.ndim = t.ndim
  for d = 0, t.ndim - 1 do buffer.size[d] = t.size[d] end
  return allocate(op, buffer, options, x.dtype), options
end
function create.empty_like(x, options) return finish(like("empty_like", x, options, known)) end
function create.zeros_like(x, options)
  local y, o = like("zeros_like", x, options, known)
  return finish(y:fill_(0), o)
end
function create.ones_like(x, options)
  local y, o = like("ones_like", x, options, known)
  return finish(y:fill_(1), o)
end
function create.full_like(x, value, options)
  local y, o = like("full_like", x, options, known)
  return finish(y:fill_(value), o)
end
function create.rand_like(x, options)
  local y, o = like("rand_like", x, options, known_random)
  return finish(y:uniform_(0, 1, o.generator), o)
end
function create.randn_like(x, options)
  local y, o = like("randn_like", x, options, known_random)
  return finish(y:normal_(0, 1, o.generator), o)
end

---- sequences ----------------------------------------------------------------------------------------
--- from, from + step, ... up to and including to; arange(n) is 1 .. n.
function create.arange(from, to, step, options)
  if type(step) == "table" then step, options = nil, step end
  if type(to) == "table" then to, options = nil, to end
  if to == nil then from, to = 1, from end
  from, to = lib.real(from, "arange", "from"), lib.real(to, "arange", "to")
  step = lib.real(step or 1, "arange", "step")
  local n = math.floor((to - from) / step * (1 + 1e-14) + 1e-12) + 1
  if n ~= n or math.abs(n) == math.huge then raise(("arange: from %g to %g by %g"):format(from, to, step)) end
  options = options and lib.options(options, "arange", known) or NONE
  local x = allocate("arange", lib.shape(buffer, "arange", "length", math.max(n, 0)), options)
  return finish(x:arange_(from, step), options)
end
--- n numbers, evenly spaced, from a to b, both included.
function create.linspace(a, b, n, options)
  a, b, n = lib.real(a, "linspace", "a"), lib.real(b, "linspace", "b"), lib.int(n, "linspace", "n")
  options = options and lib.options(options, "linspace", known) or NONE
  local x = allocate("linspace", lib.shape(buffer, "linspace", "n", n), options)
  if n == 1 then return finish(x:fill_(a), options) end
  x:arange_(a, (b - a) / (n - 1))
  if n > 1 then x:select(1, -1):fill_(b) end          -- exactly
  return finish(x, options)
end
--- The identity matrix, n x m (m = n).
function create.eye(n, m, options)
  if type(m) == "table" then m, options = nil, m end
  n = lib.int(n, "eye", "n")
  options = options and lib.options(options, "eye", known) or NONE
  local x = allocate("eye", lib.shape(buffer, "eye", "size", n, m or n), options):fill_(0)
  x:diagonal():fill_(1)
  return finish(x, options)
end

---- from values ----------------------------------------------------------------------------------------
-- Sizes of nested tables, and whether they hold booleans.
local function measure(values, sizes, depth)
  sizes[depth] = #values
  local first = values[1]
  if type(first) == "table" then return measure(first, sizes, depth + 1) end
  return type(first) == "boolean"
end
local function path(depth, trail)
  local out = {}
  for d = 1, depth do out[d] = "[" .. trail[d] .. "]" end
  return table.concat(out)
end
-- A key that values holds beside its list of n elements: a name, or what follows a nil.
local function surplus(values, n)
  local key = next(values, n > 0 and n or nil)
  while type(key) == "number" and key >= 1 and key <= n do key = next(values, key) end
  return key
end
-- Writes nested tables into p row by row; errors name the place.
local function write(p, n, values, sizes, depth, trail, lowest, highest, dtype)
  if type(values) ~= "table" then
    raise(("tensor: values%s is %s where a table of %d was expected"):format(path(depth - 1, trail), describe(values),
      sizes[depth]))
  end
  local count = #values
  if count ~= sizes[depth] then
    raise(("tensor: values%s has %d elements, not %d"):format(path(depth - 1, trail), count, sizes[depth]))
  end
  if surplus(values, count) ~= nil then
    raise(("tensor: values%s is not a list: more follows its %d elements"):format(path(depth - 1, trail), count))
  end
  local leaf = depth == #sizes
  for i = 1, #values do
    local v = values[i]
    if leaf then
      local kind = type(v)
      if kind == "boolean" then v = v and 1 or 0
      elseif kind ~= "number" and not (kind == "cdata" and tonumber(v)) then
        trail[depth] = i
        raise(("tensor: values%s is %s, a number is needed"):format(path(depth, trail), describe(v)))
      end
      if lowest and not (v >= lowest and v <= highest) then
        trail[depth] = i
        raise(("tensor: values%s is %s, which %s can't hold"):format(path(depth, trail), tostring(v), dtype))
      end
      p[n] = v
      n = n + 1
    else
      trail[depth] = i
      n = write(p, n, v, sizes, depth + 1, trail, lowest, highest, dtype)
    end
  end
  return n
end
local limits = { u8 = { 0, 255 }, i32 = { -2 ^ 31, 2 ^ 31 - 1 }, i64 = { -2 ^ 63, 2 ^ 63 - 1024 } }

local known_tensor = { dtype = true, device = true, requires_grad = true, shape = true }
--- yutu.tensor(number | nested table | flat list with { shape = }, options?); of a tensor: a copy out of the graph.
function create.tensor(values, options)
  options = options and lib.options(options, "tensor", known_tensor) or NONE
  if istype(ref, values) then
    return finish(values:detach():cast(options.dtype or values.dtype), options)
  end
  local sizes, boolean = {}, type(values) == "boolean"
  if type(values) == "table" then boolean = measure(values, sizes, 1)
  elseif type(values) == "number" or type(values) == "cdata" or boolean then values = { values }
  else raise(("tensor: a number or a table of numbers is needed, not %s"):format(describe(values))) end
  local dtype = options.dtype or boolean and "bool" or "f32"
  local half = dtype == "f16" or dtype == "bf16"
  local written = #sizes > 0 and sizes or { 1 }
  local x = allocate("tensor", lib.shape(buffer, "tensor", "size", sizes), NONE, half and "f32" or dtype)
  local least, most = unpack(limits[dtype] or NONE)
  local p = x.data
  if dtype == "bool" then
    local numbers = ffi.new("double[?]", math.max(x:numel(), 1))
    write(numbers, 0, values, written, 1, {}, -math.huge, math.huge, dtype)
    for i = 0, x:numel() - 1 do p[i] = numbers[i] ~= 0 and 1 or 0 end
  else write(p, 0, values, written, 1, {}, least, most, dtype) end
  if half then x = x:cast(dtype) end
  if options.shape then x = x:view(options.shape) end
  return finish(x, options)
end

--- A copy of bytes, row by row, in the machine's order.
function create.from_string(bytes, shape, dtype)
  if type(bytes) ~= "string" then raise(("from_string: %s, a string is needed"):format(describe(bytes))) end
  dtype = dtype or "f32"
  lib.dtype(dtype, "from_string")
  shape = shape or { math.floor(#bytes / lib.dtype_size[dtype]) }
  local x = allocate("from_string", lib.shape(buffer, "from_string", "size", shape), NONE, dtype)
  local needed = x:numel() * lib.dtype_size[dtype]
  if needed ~= #bytes then raise(("from_string: %d bytes for %s of shape (%s), which takes %d"):format(#bytes, dtype,
    table.concat(x.shape, ","), needed)) end
  ffi.copy(x.data, bytes, needed)
  return x
end
--- Memory of the host as a tensor, without a copy: dense rows at pointer, a cdata that is kept alive while in use.
function create.from_pointer(pointer, shape, dtype)
  if type(pointer) ~= "cdata" then raise(("from_pointer: %s, a cdata is needed"):format(describe(pointer))) end
  local mark = ffi.new "yt_wrap_mark *[1]"
  local ok, address = pcall(ffi.cast, "void *", pointer)
  if not ok then raise "from_pointer: a pointer or an array is needed" end
  if shape == nil then raise "from_pointer: a shape is needed" end
  if type(shape) == "number" then shape = { shape } end
  dtype = dtype or "f32"
  local id, bytes = lib.dtype(dtype, "from_pointer"), lib.dtype_size[dtype]
  lib.shape(buffer, "from_pointer", "size", shape)
  for d = 0, buffer.ndim - 1 do bytes = bytes * tonumber(buffer.size[d]) end
  if tostring(pointer):find("[", 1, true) and bytes > ffi.sizeof(pointer) then     -- an array has a size
    raise(("from_pointer: %s of shape (%s) is %.0f bytes, the array has %d"):format(dtype, table.concat(shape, ","),
      bytes, ffi.sizeof(pointer)))
  end
  local t = C.yt_wrap(id, buffer, address, mark)
  if t == nil then lib.fail() end
  lib.anchor(mark[0], pointer)
  return lib.own(t)
end
--- What x:export() of another thread sent.
function create.import(address)
  local t = C.yt_import(ffi.cast("yt_exported *", ffi.cast("uintptr_t", lib.int(address, "import", "address"))))
  if t == nil then lib.fail() end
  return lib.own(t)
end

---- from other tensors -----------------------------------------------------------------------------------
local function pointers(op, list)
  if type(list) ~= "table" or #list == 0 then raise(("%s: a list of tensors is needed"):format(op)) end
  local p = ffi.new("yt_tensor *[?]", #list)
  for i = 1, #list do
    if type(list[i]) == "number" then raise(("%s: element %d is a number, a tensor is needed"):format(op, i)) end
    p[i - 1] = lib.tensor(list[i], op, "element " .. i)
  end
  return p, #list
end
--- One after the other along dim (1).
function create.cat(list, dim, tried)
  local p, n = pointers("cat", list)
  local t = C.yt_cat(p, n, lib.dim(dim or 1, "cat", "dim"))
  if t ~= nil then return lib.own(t) end
  lib.failed(tried)
  return create.cat(list, dim, true)
end
--- Along a new dim (1).
function create.stack(list, dim)
  pointers("stack", list)
  local parts = {}
  for i = 1, #list do parts[i] = list[i]:unsqueeze(dim or 1) end
  return create.cat(parts, dim or 1)
end
--- Coordinates of a grid: meshgrid(x (N), y (M)) -> two of (N, M); the first varies down the rows.
function create.meshgrid(...)
  local axes, sizes, out = { ... }, {}, {}
  for i, x in ipairs(axes) do sizes[i] = lib.tensor(x, "meshgrid", "argument " .. i) and x:numel() end
  for i, x in ipairs(axes) do
    local shape = {}
    for d = 1, #axes do shape[d] = d == i and sizes[i] or 1 end
    out[i] = x:reshape(shape):expand(sizes)
  end
  return unpack(out)
end

return create
