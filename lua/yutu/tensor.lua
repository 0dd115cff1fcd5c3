--- tensor.lua: the tensor as Lua sees it: properties, methods, operators, numbers out of it.
--
-- A handle is a small cdata (yt_ref); methods are the op table's (functions.lua) and those defined here and in
-- create.lua, methods.lua, autograd.lua. Dims, indices and labels count from 1.
local ffi = require "ffi"
local lib = require "yutu.ffi"
if lib.Tensor then return lib.Tensor end
local functions = require "yutu.functions"

local C, ref, none, istype = lib.C, lib.ref, lib.none, ffi.istype
local raise, describe = lib.raise, lib.describe
local names, dtypes = lib.dtype_names, lib.dtypes

-- The class: methods by name; a row's function is made when it is first asked for.
local Tensor = setmetatable({ _lib = lib }, { __index = function(class, name)
  local f = functions.make(name)
  rawset(class, name, f)
  return f
end })
lib.Tensor = Tensor

local function it(x, what) return lib.tensor(x, what, "the tensor") end
lib.it = it

function lib.is_tensor(x) return istype(ref, x) end

---- properties: x.shape ------------------------------------------------------------------------------
local get, set = {}, {}

--- The sizes, in a fresh table.
function get.shape(x)
  local t, sizes = it(x, "shape"), {}
  for d = 1, t.ndim do sizes[d] = tonumber(t.size[d - 1]) end
  return sizes
end
function get.ndim(x) return it(x, "ndim").ndim end
function get.dtype(x) return names[it(x, "dtype").dtype] end
function get.device(x) return ffi.string(C.yt_device_name(C.yt_device_of(it(x, "device")))) end
function get.requires_grad(x) return it(x, "requires_grad").node ~= nil end
function get.is_leaf(x) return C.yt_is_leaf(it(x, "is_leaf")) ~= 0 end
--- A leaf's gradient so far, or nil.
function get.grad(x) return (lib.adopt(C.yt_grad_of(it(x, "grad")))) end
--- All dims in reverse order.
function get.T(x)
  local n, order = it(x, "T").ndim, {}
  for d = 1, n do order[d] = n + 1 - d end
  return Tensor.permute(x, order)
end

local pointer = {}                -- by dtype
for dtype, ctype in pairs { bool = "uint8_t", u8 = "uint8_t", i32 = "int32_t", i64 = "int64_t", f16 = "uint16_t",
  bf16 = "uint16_t", f32 = "float", f64 = "double" } do pointer[dtypes[dtype]] = ffi.typeof(ctype .. " *") end
--- A pointer to the first element; strides are the caller's business (x:contiguous() has none).
function get.data(x)
  local t = it(x, "data")
  return ffi.cast(pointer[t.dtype], t.data)
end

function set.requires_grad(x, on)
  if C.yt_requires_grad(it(x, "requires_grad"), on and 1 or 0) ~= 0 then lib.fail() end
end
function set.grad(x, g)
  if C.yt_set_grad(it(x, "grad"), g == nil and none or lib.tensor(g, "grad", "the gradient")) ~= 0 then lib.fail() end
end

---- sizes --------------------------------------------------------------------------------------------
function Tensor.dim(x) return it(x, "dim").ndim end
function Tensor.numel(x) return tonumber(it(x, "numel").numel) end
--- The size of dim d, or all of them in a table.
function Tensor.size(x, d)
  if d == nil then return get.shape(x) end
  local t = it(x, "size")
  local k = lib.dim(d, "size", "dim")
  if k < 0 then k = k + t.ndim end
  if k < 0 or k >= t.ndim then raise(("size: dim %d of a tensor with %d"):format(d, t.ndim)) end
  return tonumber(t.size[k])
end
--- How many elements to step over for the next one along d, or all of these in a table.
function Tensor.stride(x, d)
  local t, strides = it(x, "stride"), {}
  for k = 1, t.ndim do strides[k] = tonumber(t.stride[k - 1]) end
  if d == nil then return strides end
  lib.dim(d, "stride", "dim")
  return strides[d < 0 and t.ndim + 1 + d or d] or raise(("stride: dim %s of a tensor with %d"):format(d, t.ndim))
end
function Tensor.is_contiguous(x) return it(x, "is_contiguous").dense == 1 end
function Tensor.is_floating_point(x) return it(x, "is_floating_point").dtype >= dtypes.f16 end

---- dtype and device -----------------------------------------------------------------------------------
local function convert(x, dtype)
  if it(x, "to").dtype == dtypes[dtype] then return x end
  return Tensor.cast(x, dtype)
end
--- x:to "f64", x:to "cpu", x:to(dtype, device), x:to(another tensor): x itself if it is so already.
function Tensor.to(x, a, b)
  if istype(ref, a) then return Tensor.to(x, get.dtype(a), get.device(a)) end
  for _, name in ipairs { a, b } do
    if dtypes[name] then x = convert(x, name)
    elseif type(name) ~= "string" or C.yt_device_index(name) < 0 and not name:find "^cuda" then
      raise(("to: %s is neither a dtype nor a device"):format(describe(name)))
    elseif lib.device(name, "to") ~= C.yt_device_of(it(x, "to")) then
      raise(("to: from %s to %s is not possible in this build"):format(get.device(x), name))
    end
  end
  if a == nil then raise "to: a dtype, a device or a tensor is needed" end
  return x
end
for method, dtype in pairs { float = "f32", double = "f64", half = "f16", bfloat16 = "bf16", long = "i64", int = "i32",
  byte = "u8", bool = "bool" } do
  Tensor[method] = function(x) return convert(x, dtype) end
end

---- out of it --------------------------------------------------------------------------------------------
--- The one element, as a number, or as a boolean.
function Tensor.item(x)
  local t = it(x, "item")
  if t.numel ~= 1 then raise(("item: a tensor of shape (%s) has %d elements, not one")
    :format(table.concat(get.shape(x), ","), tonumber(t.numel))) end
  if t.dtype == dtypes.f32 or t.dtype == dtypes.f64 then return C.yt_item(t) end
  local v = C.yt_item(it(Tensor.cast(x, "f64"), "item"))
  if t.dtype == dtypes.bool then return v ~= 0 end
  return v
end

-- x row-major in a dtype that Lua can read
local function readable(x)
  local dtype = it(x, "totable").dtype
  if dtype == dtypes.f16 or dtype == dtypes.bf16 then x = Tensor.cast(x, "f32") end
  return Tensor.contiguous(x)
end
--- All elements in one flat list, row by row.
function Tensor.tolist(x)
  local dense, out = readable(x), {}
  local p, n = get.data(dense), tonumber(dense._t.numel)
  if dense._t.dtype == dtypes.bool then
    for i = 1, n do out[i] = p[i - 1] ~= 0 end
  else
    for i = 1, n do out[i] = tonumber(p[i - 1]) end
  end
  return out
end
local function nest(flat, sizes, d, from)
  local out, n = {}, sizes[d]
  if d == #sizes then
    for i = 1, n do out[i] = flat[from + i] end
    return out, from + n
  end
  for i = 1, n do out[i], from = nest(flat, sizes, d + 1, from) end
  return out, from
end
--- Tables within tables, one level per dim; a number for a 0-d tensor.
function Tensor.totable(x)
  if it(x, "totable").ndim == 0 then return Tensor.item(x) end
  return (nest(Tensor.tolist(x), get.shape(x), 1, 0))
end
--- The bytes of the elements, row by row, in the machine's order.
function Tensor.tobytes(x)
  local dense = Tensor.contiguous(x)
  local t = dense._t
  return ffi.string(t.data, tonumber(t.numel) * lib.dtype_size[x.dtype])
end
--- The address of a copy-free parcel for another thread's yutu.import; each is to be imported once.
function Tensor.export(x)
  local e = C.yt_export(it(x, "export"))
  if e == nil then lib.fail() end
  return tonumber(ffi.cast("uintptr_t", e))
end

--- Frees x now instead of when the collector finds it. Using it afterwards is an error.
function Tensor.release(x)
  it(x, "release")
  lib.release(x)
end

---- the metatable ------------------------------------------------------------------------------------------
local index -- index.lua, which needs this file first
local metatable = {}

function metatable.__index(x, key)
  if type(key) == "string" then
    local property = get[key]
    if property then return (property(x)) end
    local method = Tensor[key]
    if method ~= nil then return method end
    raise(("tensor has no field or method '%s'"):format(key))
  end
  index = index or require "yutu.index"
  return (index.get(x, key))
end
function metatable.__newindex(x, key, value)
  if type(key) == "string" then
    local property = set[key]
    if not property then
      local known = get[key] or Tensor[key]
      raise(("tensor: '%s' can't be set%s"):format(key, known and "" or ", and there is no such field"))
    end
    return property(x, value)
  end
  index = index or require "yutu.index"
  index.set(x, key, value)
end

local function operator(name)
  return function(a, b) return (Tensor[name](a, b)) end
end
metatable.__add, metatable.__sub, metatable.__mul = operator "add", operator "sub", operator "mul"
metatable.__div, metatable.__mod, metatable.__pow = operator "div", operator "remainder", operator "pow"
function metatable.__unm(a) return Tensor.neg(a) end
function metatable.__len(x)
  local t = it(x, "#")
  if t.ndim == 0 then raise "#: a 0-d tensor has no size" end
  return tonumber(t.size[0])
end
local function no_order()
  raise "tensors have no order as a whole; a:lt(b), a:le(b), a:gt(b), a:ge(b) compare elements"
end
metatable.__lt, metatable.__le = no_order, no_order
function metatable.__concat(a, b)
  raise(("tensors are not joined by ..; yutu.cat { a, b } does it (%s .. %s)"):format(describe(a), describe(b)))
end
function metatable.__tostring(x) return require "yutu.print"(x) end

ffi.metatype(ref, metatable)
return Tensor
