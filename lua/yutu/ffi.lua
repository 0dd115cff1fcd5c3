--- ffi.lua: the border between Lua and C: the library, errors, values that cross, and who owns what.
--
-- Every tensor Lua owns has a slot: its handle in a weak table, its pointer and id in the C arrays of a yt_pool. A slot
-- whose handle the collector has cleared is released by the next sweep. There is no finalizer per tensor: ffi.gc costs
-- 200 ns each, and a finalizer that runs while LuaJIT records a trace aborts it, until hot loops are blacklisted.
local ffi = require "ffi"
local library = require "yutu.library"

local VERSION = "0.1.0"
local C, folder = library.C, library.folder
local str, istype, type, tonumber = ffi.string, ffi.istype, type, tonumber

---- the library ------------------------------------------------------------------------------------
if not pcall(ffi.typeof, "yt_ref") then
  ffi.cdef "const char *yt_version(void); const char *yt_ffi(void);"
  local version = str(C.yt_version())
  if version ~= VERSION then
    error(("yutu: these Lua files are %s, but %s is %s"):format(VERSION, library.path, version), 0)
  end
  ffi.cdef(str(C.yt_ffi()))
end
local ref = ffi.typeof "yt_ref"

-- A C type has one metatable for as long as the state lives: loaded a second time, the modules find the first ones.
local again, first = pcall(function() return ffi.new(ref)._lib end)
if again and first then return first end

local lib = {
  C = C, ref = ref, none = C.yt_none(), version = VERSION, folder = folder,
  depth = 0,                      -- how many scopes are open
  acts = { relu = 1, tanh = 2, sigmoid = 3 },
}
local none = lib.none

lib.dtypes = {}                   -- "f32" -> 6 and 6 -> "f32"
for id, name in ipairs { "u8", "i32", "i64", "f16", "bf16", "f32", "f64", [0] = "bool" } do lib.dtypes[name] = id end
lib.dtypes.bool = 0
lib.dtype_names = { [0] = "bool", "u8", "i32", "i64", "f16", "bf16", "f32", "f64" }
lib.dtype_size = { bool = 1, u8 = 1, i32 = 4, i64 = 8, f16 = 2, bf16 = 2, f32 = 4, f64 = 8 }    -- bytes
local dtypes = lib.dtypes

---- errors -----------------------------------------------------------------------------------------
-- lib.where() names the module that now computes ("encoder.layers[2].attention"), or nil; nn/module.lua sets it.

local function ours(info)
  local source = info.source
  return info.what == "C" or source:sub(1, #folder + 2) == "@" .. folder .. "/" or source:sub(1, 6) == "=yutu."
end
--- A caller's mistake: an error that points at the caller's own line, not at one of ours.
function lib.raise(message)
  local path = lib.where and lib.where()
  if path then message = ("%s (in %s)"):format(message, path) end
  local level = 2
  local info = debug.getinfo(level, "S")
  while info and ours(info) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  error(message, info and level or 0)
end
local raise = lib.raise

function lib.message() return str(C.yt_error(1)) end
function lib.fail() raise(lib.message()) end

--- A C call failed. Returns if it is worth another try: memory was missing, and what Lua no longer needs is free now.
-- op: whose call it was, where C does not know.
function lib.failed(tried, op)
  local message = lib.message()
  if tried or not message:find("out of memory", 1, true) then raise(op and op .. ": " .. message or message) end
  lib.collect()
  C.yt_memory_trim()
end

---- values that cross; op and name are for messages -------------------------------------------------
local function describe(v)
  if type(v) == "string" then return ("%q"):format(v) end
  return type(v) == "number" and tostring(v) or v == nil and "nothing" or "a " .. type(v)
end
lib.describe = describe

function lib.tensor(v, op, name)
  if type(v) == "number" then
    local number = C.yt_num(v)
    return number
  end
  if istype(ref, v) then
    local t = v._t
    if t.id ~= v._id then raise(("%s: %s was released"):format(op, name)) end
    return t
  end
  if type(v) == "boolean" then return C.yt_num(v and 1 or 0) end
  if type(v) == "cdata" and tonumber(v) then return C.yt_num(tonumber(v)) end
  raise(("%s: %s is %s, a tensor is needed"):format(op, name, describe(v)))
end
local to_tensor = lib.tensor
function lib.maybe(v, op, name)
  if v == nil then return none end
  return (to_tensor(v, op, name)) -- no tail call: see lib.own
end

local function whole(v, op, name)
  if type(v) == "cdata" then v = tonumber(v) end
  if type(v) ~= "number" or v % 1 ~= 0 or v > 2 ^ 53 or v < -2 ^ 53 then
    raise(("%s: %s is %s, a whole number is needed"):format(op, name, describe(v)))
  end
  return v
end
lib.int = whole
function lib.real(v, op, name)
  if type(v) == "cdata" then v = tonumber(v) end
  if type(v) ~= "number" then raise(("%s: %s is %s, a number is needed"):format(op, name, describe(v))) end
  return v
end

-- The one place where positions, counted from 1 in Lua and from 0 in C, change. From the end, -1 is the last in both.
local function from_one(v, op, name)
  v = whole(v, op, name)
  if v == 0 or v > 2 ^ 31 or v < -2 ^ 31 then
    raise(("%s: %s is %d; it counts from 1, or from the end with -1"):format(op, name, v))
  end
  return v > 0 and v - 1 or v
end
lib.dim = from_one
function lib.index(v, op, name)
  v = whole(v, op, name)
  if v == 0 then raise(("%s: %s is 0; it counts from 1, or from the end with -1"):format(op, name)) end
  return v > 0 and v - 1 or v
end
function lib.stop(v, op, name)    -- the last one included -> the first one that is not
  v = whole(v, op, name)
  return v >= 0 and v or v == -1 and 2 ^ 53 or v + 1
end
function lib.last(v, op, name) return whole(v, op, name) + 1 end

local bit = require "bit"
function lib.dims(v, op, name, t) -- one dim, or a list of them as YT_DIM_SET + a bit per dim
  if type(v) ~= "table" then return (from_one(v, op, name)) end
  local set = 0
  for i = 1, #v do
    local d = from_one(v[i], op, name)
    if d < 0 then d = d + t.ndim end
    if d < 0 or d >= t.ndim then raise(("%s: %s %d of a tensor with %d"):format(op, name, v[i], t.ndim)) end
    if bit.band(set, 2 ^ d) ~= 0 then raise(("%s: %s %d given twice"):format(op, name, v[i])) end
    set = set + 2 ^ d
  end
  return 256 + set
end

function lib.act(v, op, name)
  if v == nil then return 0 end
  return lib.acts[v] or raise(("%s: %s is %s; relu, tanh or sigmoid can be fused"):format(op, name, describe(v)))
end
function lib.dtype(v, op, name)
  return dtypes[v] or raise(("%s: %s is %s; there are bool, u8, i32, i64, f16, bf16, f32, f64")
    :format(op, name or "dtype", describe(v)))
end
function lib.device(name, op)
  if name == nil then return 0 end
  if type(name) ~= "string" then raise(("%s: device is %s"):format(op, describe(name))) end
  local d = C.yt_device_index(name)
  if d < 0 then lib.fail() end
  return d
end

-- Sizes as one table or as arguments of their own, into the yt_shape s.
function lib.shape(s, op, name, a, b, c, d, e, f, g, h, i)
  if type(a) == "table" then
    local n = #a
    if n > 8 then raise(("%s: %d sizes given, a tensor has at most 8 dims"):format(op, n)) end
    s.ndim = n
    for k = 1, n do s.size[k - 1] = whole(a[k], op, name) end
    return s
  end
  local size, n = s.size, 0
  if i ~= nil then raise(op .. ": over 8 sizes given, a tensor has at most 8 dims") end
  if a ~= nil then size[0], n = whole(a, op, name), 1 end
  if b ~= nil then size[1], n = whole(b, op, name), 2 end
  if c ~= nil then size[2], n = whole(c, op, name), 3 end
  if d ~= nil then size[3], n = whole(d, op, name), 4 end
  if e ~= nil then size[4], n = whole(e, op, name), 5 end
  if f ~= nil then size[5], n = whole(f, op, name), 6 end
  if g ~= nil then size[6], n = whole(g, op, name), 7 end
  if h ~= nil then size[7], n = whole(h, op, name), 8 end
  s.ndim = n
  return s
end
function lib.dimlist(s, op, name, ...)
  lib.shape(s, op, name, ...)
  for k = 0, s.ndim - 1 do s.size[k] = from_one(s.size[k], op, name) end
  return s
end

local generator = ffi.typeof "yt_generator"
function lib.generator(v, op, name)
  if v ~= nil and not istype(generator, v) then
    raise(("%s: %s is %s; yutu.Generator(seed) makes one"):format(op, name, describe(v)))
  end
  return v
end

--- Options by name: an unknown one is an error, not silence. known: a table of names.
function lib.options(o, op, known)
  if type(o) ~= "table" then raise(("%s: options are %s, not a table"):format(op, describe(o))) end
  for name in pairs(o) do
    if not known[name] then raise(("%s: no option %s"):format(op, describe(name))) end
  end
  return o
end

--- A function to be called with what follows it.
function lib.callable(f, op)
  if type(f) ~= "function" and not (getmetatable(f) or {}).__call then
    raise(("%s: %s, a function is needed"):format(op, describe(f)))
  end
end

---- ownership ---------------------------------------------------------------------------------------
local weak = { __mode = "v" }
local live, probe = setmetatable({}, weak), setmetatable({ {} }, weak)
local pool = ffi.gc(ffi.new "yt_pool", C.yt_pool_close)   -- releases what is left when the state closes
local wrapped = {}                -- host memory in use: { mark =, anchor = }
lib.functions = {}                -- of custom ops and hooks, by tag
local tag = ffi.new "int64_t[1]"

local function forget_the_dead()  -- returns how many
  local n = 0
  while C.yt_tag_died(pool, tag) == 1 do
    lib.functions[math.abs(tonumber(tag[0]))] = nil
    n = n + 1
  end
  for i = #wrapped, 1, -1 do
    local w = wrapped[i]
    if w.mark.dead ~= 0 then
      C.yt_wrap_free(w.mark)
      wrapped[i] = wrapped[#wrapped]
      wrapped[#wrapped] = nil
      n = n + 1
    end
  end
  return n
end
lib.forget_the_dead = forget_the_dead
--- The number by which C knows f, of a custom op or a hook.
function lib.new_tag(f)
  forget_the_dead()
  local number = tonumber(C.yt_new_tag(pool))
  lib.functions[number] = f
  return number
end

local function sweep()
  local t, id, n = pool.t, pool.id, 0
  for i = 1, pool.n do
    local r = live[i]
    if r == nil then C.yt_unref(t[i], id[i])
    else
      n = n + 1
      if n < i then live[n], t[n], id[n], live[i] = r, t[i], id[i], nil end
    end
  end
  pool.n, pool.limit = n, n + n + 4096
  C.yt_pool_fit(pool)
  return forget_the_dead()
end

-- Native memory or the pool has grown. One step is a bounded pause; the next is due after so many bytes that a whole
-- collection has passed when native memory has grown by 16 MB, a half, or twice what Lua itself holds.
local STEP = 128
local function relieve()
  local heap = collectgarbage "count"
  collectgarbage("step", STEP)
  if probe[1] == nil then         -- a cycle has ended since
    sweep()
    probe[1] = {}
  elseif pool.n + 1 >= pool.limit then
    pool.limit = pool.limit + 4096
    C.yt_pool_fit(pool)
  end
  local growth = math.max(2 ^ 24, tonumber(C.yt_memory_live()) / 2, 2048 * heap)
  C.yt_pressure_eased(growth * STEP / math.max(heap, STEP))
end

local function own_anyway(t)      -- whether or not a scope is open
  local id = C.yt_own(pool, t)
  if id == 0 then                 -- no slot, or too much memory
    relieve()
    id = C.yt_own(pool, t)
    if id == 0 then
      C.yt_release(t)
      raise "out of memory: no room for one more tensor in Lua's table of them"
    end
  end
  local r = ref(t, id)
  live[pool.n] = r
  return r
end
--- Every new tensor passes here: the handle that owns it.
-- A C call must not be in tail position in what runs often: LuaJIT can't end a trace there and at last gives up on the
-- function, and on all that call it.
function lib.own(t)
  if lib.depth == 0 then return (own_anyway(t)) end   -- nor any tail call: a trace holds 15 of them at most
  local r = ref(t, t.id)          -- the scope owns it
  return r
end
local own = lib.own
--- The same tensor, to outlive the scope it was made in.
function lib.keep(r)
  if lib.depth == 0 then return r end
  return own_anyway(C.yt_retain(r._t))
end
--- The handle of what may be absent, or failed.
function lib.adopt(t)
  if t ~= nil then return (own(t)) end
end
--- Keeps anchor alive for as long as C uses the memory that mark stands for.
function lib.anchor(mark, anchor) wrapped[#wrapped + 1] = { mark = mark, anchor = anchor } end

--- All that Lua no longer reaches is released now. Programs need no such call: it happens as memory fills.
function lib.collect()
  repeat                          -- a function that died may have held tensors
    collectgarbage()
    collectgarbage()
  until sweep() == 0
  probe[1] = {}
end

--- Frees t at once. One that a scope owns lives on until the scope ends, but can't be used any more.
function lib.release(r)
  if lib.depth == 0 or r._id <= lib.scope_began then C.yt_unref(r._t, r._id) end
  r._id = -1
end

---- scopes ------------------------------------------------------------------------------------------
-- Counts of births, for lib.release: ids of one thread grow.
local function newest_id()
  local n = C.yt_empty(dtypes.u8, ffi.new "yt_shape", 0)
  if n == nil then return 0 end
  local id = n.id
  C.yt_release(n)
  return id
end

local function close(scope, outer_began, ok, ...)
  local born_after = lib.scope_began
  lib.depth = lib.depth - 1
  lib.scope_began = outer_began
  if not ok then
    C.yt_scope_close(scope, nil)
    error((...), 0)
  end
  local n = select("#", ...)
  local results = { ... }
  for i = 1, n do                 -- a returned tensor gets an owner of its own before the scope goes
    local r = results[i]
    if istype(ref, r) and r._id > born_after and r._t.id == r._id then results[i] = C.yt_retain(r._t) end
  end
  C.yt_scope_close(scope, nil)
  for i = 1, n do
    if istype("yt_tensor *", results[i]) then results[i] = own_anyway(results[i]) end
  end
  return unpack(results, 1, n)
end
--- Calls f(...); the tensors made inside die with the scope at once, but for those that f returns.
function lib.scope(f, ...)
  lib.callable(f, "scope")
  local scope, outer_began = ffi.new "yt_scope", lib.scope_began
  if lib.depth == 0 then lib.scope_began = newest_id() end
  C.yt_scope_open(scope)
  lib.depth = lib.depth + 1
  return close(scope, outer_began, pcall(f, ...))
end

---- memory ------------------------------------------------------------------------------------------
--- Native memory in bytes: live, cached for reuse, the peak; and how often the system was asked. device: "cpu", ...
function lib.memory(device)
  local d = lib.device(device, "memory")
  local function read(what) return tonumber(C.yt_memory(d, what)) end
  return { live = read(0), cached = read(1), peak = read(2), allocations = read(3) }
end

return lib
