--- methods.lua: methods of tensors that are made of several ops: max with its place, sort, split, aliases.
local ffi = require "ffi"
local lib = require "yutu.ffi"
local Tensor = require "yutu.tensor"

local istype, ref, raise = ffi.istype, lib.ref, lib.raise

-- dim and keepdim as arguments or in one table
local known = { dim = true, keepdim = true }
local function dim_and_keepdim(op, dim, keepdim)
  if type(dim) == "table" then
    local o = lib.options(dim, op, known)
    dim, keepdim = o.dim, o.keepdim
  elseif type(keepdim) == "table" then keepdim = lib.options(keepdim, op, known).keepdim end
  return dim, keepdim
end
local function take(x, dim, place, keepdim)           -- values at the places found along dim
  if x._t.ndim == 0 then return x:clone(), place end
  local values = x:gather(dim, place)
  if keepdim then return values, place end
  return values:squeeze(dim), place:squeeze(dim)
end

---- extremes -------------------------------------------------------------------------------------------
local function extreme(name, over_all, find, elementwise)
  --- x:max() -> 0-d; x:max(dim, keepdim) -> values, indices; x:max(other) -> element by element
  Tensor[name] = function(x, dim, keepdim)
    if dim == nil and keepdim == nil then return Tensor[over_all](x) end
    if istype(ref, dim) then return Tensor[elementwise](x, dim) end
    dim, keepdim = dim_and_keepdim(name, dim, keepdim)
    if dim == nil then return Tensor[over_all](x, nil, keepdim) end
    return take(x, dim, Tensor[find](x, dim, true), keepdim)
  end
end
extreme("max", "amax", "argmax", "maximum")
extreme("min", "amin", "argmin", "minimum")

local known_sort = { dim = true, descending = true }
--- Sorted values along dim (-1), and where each was.
function Tensor.sort(x, dim, descending)
  if type(dim) == "table" then
    local o = lib.options(dim, "sort", known_sort)
    dim, descending = o.dim, o.descending
  elseif type(descending) == "table" then descending = lib.options(descending, "sort", known_sort).descending end
  return take(x, dim or -1, Tensor.argsort(x, dim or -1, descending or false), true)
end
local known_topk = { dim = true, largest = true }
--- The k largest (or smallest) along dim (-1), in order, and where they were.
function Tensor.topk(x, k, dim, largest)
  if type(dim) == "table" then
    local o = lib.options(dim, "topk", known_topk)
    dim, largest = o.dim, o.largest
  elseif type(largest) == "table" then largest = lib.options(largest, "topk", known_topk).largest end
  return take(x, dim or -1, Tensor.argtopk(x, k, dim or -1, largest ~= false), true)
end
-- The lower middle one, NaN where there is a NaN, as in PyTorch: NaNs are sorted last.
--- x:median() -> 0-d; x:median(dim, keepdim) -> values, indices
function Tensor.median(x, dim, keepdim)
  dim, keepdim = dim_and_keepdim("median", dim, keepdim)
  if dim == nil then return (Tensor.median(x:reshape(-1), 1)) end
  if x._t.ndim == 0 then return x:clone(), x:argmax() end
  local n = x:size(dim)
  if n == 0 then raise(("median: nothing to choose from in (%s)"):format(table.concat(x.shape, ","))) end
  local order = Tensor.argsort(x, dim)
  local place = order:slice(dim, math.floor((n + 1) / 2), math.floor((n + 1) / 2))
  if x:is_floating_point() then
    local last = order:slice(dim, -1, -1)
    place = x:gather(dim, last):isnan():where(last, place)
  end
  return take(x, dim, place, keepdim)
end

local known_kth = { dim = true, keepdim = true }
--- The k-th smallest along dim (-1), and where it was.
function Tensor.kthvalue(x, k, dim, keepdim)
  if type(dim) == "table" then
    local o = lib.options(dim, "kthvalue", known_kth)
    dim, keepdim = o.dim, o.keepdim
  end
  dim = dim or -1
  local n = x:size(dim)
  if lib.int(k, "kthvalue", "k") < 1 or k > n then raise(("kthvalue: k = %d of %d along dim %d"):format(k, n, dim)) end
  return take(x, dim, Tensor.argsort(x, dim):slice(dim, k, k), keepdim)
end

---- parts ------------------------------------------------------------------------------------------------
--- Parts of so many along dim (1), the last may be smaller; or of the sizes in a list, which must sum to all.
function Tensor.split(x, size, dim)
  dim = dim or 1
  local n, parts, from = x:size(dim), {}, 1
  if type(size) == "table" then
    local sum = 0
    for i = 1, #size do
      if lib.int(size[i], "split", "size") < 0 then raise(("split: size %d is negative"):format(size[i])) end
      sum = sum + size[i]
    end
    if sum ~= n then raise(("split: sizes that sum to %d for %d along dim %d"):format(sum, n, dim)) end
    for i = 1, #size do
      parts[i] = x:narrow(dim, from, size[i])
      from = from + size[i]
    end
    return parts
  end
  if lib.int(size, "split", "size") < 1 then raise(("split: parts of %d"):format(size)) end
  while from <= n do
    parts[#parts + 1] = x:slice(dim, from, math.min(from + size - 1, n))
    from = from + size
  end
  return parts
end
--- n parts along dim (1), as equal as ceil(size / n) allows.
function Tensor.chunk(x, n, dim)
  if lib.int(n, "chunk", "n") < 1 then raise(("chunk: %d parts"):format(n)) end
  return x:split(math.max(math.ceil(x:size(dim or 1) / n), 1), dim)
end
--- A list of the parts along dim (1), each without it.
function Tensor.unbind(x, dim)
  local parts = {}
  for i = 1, x:size(dim or 1) do parts[i] = x:select(dim or 1, i) end
  return parts
end
--- length of them along dim, from start on.
function Tensor.narrow(x, dim, start, length)
  local first, n = lib.int(start, "narrow", "start"), lib.int(length, "narrow", "length")
  if first < 0 then first = first + x:size(dim) + 1 end
  if first < 1 or n < 0 or first + n - 1 > x:size(dim) then
    raise(("narrow: %d from %d on along dim %d of (%s)"):format(length, start, dim, table.concat(x.shape, ",")))
  end
  if n == 0 then return x:slice(dim, 1, 0) end
  return x:slice(dim, first, first + n - 1)
end

---- layout -------------------------------------------------------------------------------------------------
--- The transpose of a matrix.
function Tensor.t(x)
  if lib.it(x, "t").ndim ~= 2 then raise(("t: (%s) is not a matrix"):format(table.concat(x.shape, ","))) end
  return x:transpose(1, 2)
end
function Tensor.expand_as(x, other) return x:expand(other.shape) end
function Tensor.view_as(x, other) return x:view(other.shape) end
function Tensor.reshape_as(x, other) return x:reshape(other.shape) end
function Tensor.type_as(x, other) return x:to(other.dtype) end
--- The sum of the diagonal.
function Tensor.trace(x) return x:diagonal():sum() end

--- Each part along dim (1) several times in a row.
function Tensor.repeat_interleave(x, times, dim)
  dim = dim or 1
  local n = x:size(dim)
  if lib.int(times, "repeat_interleave", "times") < 0 then raise(("repeat_interleave: %d times"):format(times)) end
  local index = lib.new_list(n, "i64"):arange_(1, 1)
  return x:index_select(dim, index:unsqueeze(2):expand(n, times):reshape(-1))
end

---- in place -------------------------------------------------------------------------------------------------
function Tensor.zero_(x) return x:fill_(0) end
function Tensor.masked_fill_(x, mask, value) return Tensor.copy_(x, Tensor.masked_fill(x, mask, value)) end

---- other names ------------------------------------------------------------------------------------------------
for alias, name in pairs {
  mm = "matmul", bmm = "matmul", mv = "matmul", true_divide = "div", floor_divide = "floordiv", negative = "neg",
  multiply = "mul", subtract = "sub", divide = "div", absolute = "abs", swish = "silu", bernoulli = "bernoulli_p",
  multinomial_logits = "categorical",
} do
  Tensor[alias] = function(...) return Tensor[name](...) end
end

return Tensor
