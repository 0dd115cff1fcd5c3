--- index.lua: x[key] and x[key] = value.
--
-- A key is one position or a list of them, for the first dims of x:
--   3, -1              that one; the dim goes away
--   { }                all
--   { 2, 5 }           2 to 5, both included;  { 2, -1, 3 } each third from 2 on
--   i64 tensor         those, in its shape;  several such tensors are broadcast together
--   bool tensor        where it is true; it stands for as many dims as it has
--   "..."              all of the dims that are not named otherwise
-- x[3], x[indices] and x[mask] need no list. Numbers and slices give a view, tensors a copy.
local ffi = require "ffi"
local lib = require "yutu.ffi"
local Tensor = require "yutu.tensor"

local ref, istype, raise, describe = lib.ref, ffi.istype, lib.raise, lib.describe
local C, dtypes = lib.C, lib.dtypes

local function shown(x) return "(" .. table.concat(x.shape, ",") .. ")" end
local function is_mask(k) return istype(ref, k) and k._t.dtype == dtypes.bool end

-- The key as a list with "..." written out.
local function spread(x, key)
  if key == nil then raise "index: nothing; numbers, slices and tensors can be positions" end
  if type(key) ~= "table" then return { key } end
  local out, named, dots = {}, 0, false
  for i = 1, #key do
    if key[i] ~= "..." then named = named + (is_mask(key[i]) and key[i]._t.ndim or 1)
    elseif dots then raise "index: '...' stands twice"
    else dots = true end
  end
  for i = 1, #key do
    if key[i] == "..." then
      for _ = 1, x:dim() - named do out[#out + 1] = {} end
    else out[#out + 1] = key[i] end
  end
  if named > x:dim() then raise(("index: %d positions for a tensor of shape %s"):format(named, shown(x))) end
  return out
end

local function sliced(x, d, range)
  local n = #range
  if n == 0 and next(range) == nil then return x end
  if n < 2 or n > 3 then raise "index: a slice is {first, last} or {first, last, step}, {} is all" end
  return x:slice(d, range[1], range[2], range[3] or 1)
end

-- Applies numbers and slices. Returns the view, and the tensors with the dims of the view they index.
local function resolve(x, key)
  local d, list = 1, {}
  for _, k in ipairs(spread(x, key)) do
    if istype(ref, k) then
      if is_mask(k) then
        for m = 1, k:dim() do
          if k:size(m) ~= x:size(d + m - 1) then raise(("index: mask %s for %s"):format(shown(k), shown(x))) end
        end
        if k:dim() == 0 then raise "index: a 0-d mask" end
        local where = k:nonzero()
        for m = 1, k:dim() do list[#list + 1] = { dim = d + m - 1, index = where:select(2, m) } end
        d = d + k:dim()
      else
        if k._t.dtype > dtypes.i64 then raise(("index: an index is i64, not %s; :long() makes it"):format(k.dtype)) end
        list[#list + 1] = { dim = d, index = k }
        d = d + 1
      end
    elseif type(k) == "table" then
      x = sliced(x, d, k)
      d = d + 1
    elseif type(k) == "number" or type(k) == "cdata" then x = x:select(d, k)
    else raise(("index: %s; numbers, slices and tensors can be positions"):format(describe(k))) end
  end
  return x, list
end

-- Several index tensors as one over the dims they index, merged into one dim: x'[i], i counted from 1.
local function merge(x, list)
  local n, order, size, adjacent = #list, {}, {}, true
  local named = {}
  for i, part in ipairs(list) do
    order[i], size[i], named[part.dim] = part.dim, x:size(part.dim), true
    adjacent = adjacent and (i == 1 or part.dim == list[i - 1].dim + 1)
  end
  local first = adjacent and list[1].dim or 1         -- where the result's dims go (NumPy's rule)
  local before, after = {}, {}
  for d = 1, x:dim() do
    if not named[d] then table.insert(d < first and before or after, d) end
  end
  local dims = {}
  for _, group in ipairs { before, order, after } do
    for _, d in ipairs(group) do dims[#dims + 1] = d end
  end
  local merged = x:permute(dims):flatten(#before + 1, #before + n)
  local index
  for i, part in ipairs(list) do
    if part.index:numel() > 0 then
      local low, high = part.index:amin():item(), part.index:amax():item()
      if low < 1 or high > size[i] then
        raise(("index: index %d is not in 1 to %d, dim %d of %s"):format(low < 1 and low or high, size[i], part.dim,
          shown(x)))
      end
    end
    local long = part.index:long()
    index = index and (index - 1) * size[i] + long or long
  end
  return merged, #before + 1, index
end

local function read_tensors(x, list)
  local d, index = list[1].dim, list[1].index
  if #list > 1 then x, d, index = merge(x, list) end
  local taken = x:index_select(d, index:reshape(-1))
  if index:dim() == 1 then return taken end
  local sizes = x.shape
  table.remove(sizes, d)
  for i = index:dim(), 1, -1 do table.insert(sizes, d, index:size(i)) end
  return taken:view(sizes)
end

local function read(x, key)
  if type(key) == "number" then return (x:select(1, key)) end
  if is_mask(key) and key:dim() == x:dim() and key:dim() > 0 then
    for d = 1, x:dim() do
      if key:size(d) ~= x:size(d) then raise(("index: mask %s for %s"):format(shown(key), shown(x))) end
    end
    return x:masked_select(key)
  end
  local view, list = resolve(x, key)
  if #list > 0 then return read_tensors(view, list) end
  return view
end

---- writing ------------------------------------------------------------------------------------------
-- value in a given shape: numbers as they are
local function in_shape(value, sizes)
  return istype(ref, value) and value:dim() > 0 and value:expand(sizes) or value
end
local function recording(x, value)
  local on = C.yt_set_grad_enabled(1)
  C.yt_set_grad_enabled(on)
  return on == 1 and (x.requires_grad or istype(ref, value) and value.requires_grad)
end

local function write_mask(x, mask, value)             -- one value wherever the mask is true
  for _ = mask:dim() + 1, x:dim() do mask = mask:unsqueeze(-1) end
  x:copy_(x:masked_fill(mask, value))
end
local function write_index(view, d, index, value)     -- the parts of view along d that one tensor names
  if istype(ref, value) and value:dim() > 0 then
    local sizes = view.shape
    table.remove(sizes, d)
    for i = index:dim(), 1, -1 do table.insert(sizes, d, index:size(i)) end
    local shape = view.shape
    shape[d] = index:numel()
    value = value:expand(sizes):reshape(shape)
  end
  view:index_copy_(d, index:reshape(-1), value)
end
-- Any key: the places of its elements, counted row by row, are read by that key and written to as a list.
local function write_places(x, key, value, recorded)
  local all = Tensor.arange_(lib.new_list(x:numel(), "i64"), 1, 1):view(x.shape)
  local places = read(all, key)
  value = in_shape(value, places.shape)
  if istype(ref, value) and value:dim() > 0 then value = value:reshape(-1) end
  places = places:reshape(-1)
  if not recorded and x:is_contiguous() then x:view(-1):index_copy_(1, places, value)
  else x:copy_(x:reshape(-1):index_copy(1, places, value):view(x.shape)) end
end

local function write(x, key, value)
  local recorded = recording(x, value)
  local single = istype(ref, value) and value:dim() > 0
  if is_mask(key) and key:dim() <= x:dim() and not single then return write_mask(x, key, value) end
  if recorded and type(key) == "number" then          -- a view that is written to would lose its gradient
    local part = x:select(1, key)
    value = Tensor.copy(part:detach(), value)
    return x:place_(value:unsqueeze(1), 1, key, 1)
  end
  if recorded then return write_places(x, key, value, true) end
  local view, list = resolve(x, key)
  if #list == 0 then view:copy_(value)
  elseif #list == 1 then write_index(view, list[1].dim, list[1].index, value)
  else write_places(x, key, value, false) end
end

return { get = read, set = write }
