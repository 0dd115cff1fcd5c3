--- Rows that choose, move or count elements by index or by mask; indices count from 1. For the form of a case see
-- layout.lua.
local yutu = require "yutu"
local plain = require "plain"
local make, each = plain.make, plain.each
local function E(...) return yutu.zeros(...) end
local function index(values, ...) return yutu.tensor(values, { shape = { ... }, dtype = "i64" }) end
local function ordered(x, i, j, less)                 -- how many of row i go before its j-th element
  local before = 0
  for k = 1, x.shape[2] do
    if less(x(i, k), x(i, j)) or x(i, k) == x(i, j) and k < j then before = before + 1 end
  end
  return before
end
local function placed(x, less, k)                     -- the order of each row, its first k places
  local out = make({ x.shape[1], k }, function() return 0 end)
  each(x.shape, function(i, j)
    local at = ordered(x, i, j, less) + 1
    if at <= k then out.data[(i - 1) * k + at] = j end
  end)
  return out
end
local function smaller(a, b) return a < b end
local function larger(a, b) return a > b end
local function copy(x) return make(x.shape, function(...) return x(...) end) end

-- index tensors of the cases below, as tensors and as plain arrays
local I32 = { 1, 4, 4, 2, 2, 3 }  -- (3,2), along dim 2 of (3,4)
local function i32() return index(I32, 3, 2) end
local pi32 = plain({ 3, 2 }, I32)
local LIST = { 3, 1, 3 }
local function list() return index(LIST, 3) end
local MASK = { 1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0 }
local function mask() return yutu.tensor(MASK, { shape = { 3, 4 }, dtype = "bool" }) end
local pmask = plain({ 3, 4 }, MASK)

local out_of_range = { "index 5 is not in 1 to 4", function() E(3, 4):gather(2, index({ 5 }, 1, 1)) end }

return {
  gather = {
    { { 3, 4 }, call = function(x) return x:gather(2, i32()) end,
      want = function(x) return make({ 3, 2 }, function(i, j) return x(i, pi32(i, j)) end) end },
    { { 4, 3 }, call = function(x) return x:gather(1, i32():t():contiguous()) end,
      want = function(x) return make({ 2, 3 }, function(i, j) return x(pi32(j, i), j) end) end },
    empty = function() return E(3, 4):gather(2, index({}, 0, 0)), { 0, 0 } end,
    scalar = function() return yutu.tensor(3):gather(1, index({ 1 })), 3 end,
    refuse = { { "gather: index 5 is not in 1 to 4", out_of_range[2] },
      { "gather: index 0 is not in 1 to 4", function() E(3, 4):gather(2, index({ 0 }, 1, 1)) end },
      { "gather: x %(3,4%), index %(2%)", function() E(3, 4):gather(2, index({ 1, 1 }, 2)) end },
      { "gather: an index is i64, not f32", function() E(3, 4):gather(2, E(1, 1)) end } },
  },
  index_select = {
    { { 4, 2 }, call = function(x) return x:index_select(1, list()) end,
      want = function(x) return make({ 3, 2 }, function(i, j) return x(LIST[i], j) end) end },
    { { 2, 4 }, call = function(x) return x:index_select(2, list()) end,
      want = function(x) return make({ 2, 3 }, function(i, j) return x(i, LIST[j]) end) end },
    empty = function() return E(3, 4):index_select(1, index({}, 0)), { 0, 4 } end,
    refuse = { { "index_select: index 3 is not in 1 to 2", function() E(2, 2):index_select(1, list()) end },
      { "index_select: x %(2,2%), index %(3,2%): a list", function() E(2, 2):index_select(1, i32()) end } },
  },
  scatter = {
    { { 3, 4 }, { 3, 2 }, call = function(x, s) return x:scatter(2, index({ 1, 4, 3, 2, 2, 3 }, 3, 2), s) end,
      want = function(x, s)
        local y, at = copy(x), { 1, 4, 3, 2, 2, 3 }
        each({ 3, 2 }, function(i, j) y.data[(i - 1) * 4 + at[(i - 1) * 2 + j]] = s(i, j) end)
        return y
      end },
    empty = function() return E(3, 4):scatter(2, index({}, 0, 0), E(0, 0)), { 3, 4 } end,
    refuse = { { "scatter: index 5 is not in 1 to 4", function() E(3, 4):scatter(2, index({ 5 }, 1, 1), E(1, 1)) end },
      { "scatter: index %(3,2%), src %(2,2%)", function() E(3, 4):scatter(2, i32(), E(2, 2)) end } },
  },
  scatter_add = {
    { { 3, 4 }, { 3, 2 }, call = function(x, s) return x:scatter_add(2, i32(), s) end, want = function(x, s)
      local y = copy(x)
      each({ 3, 2 }, function(i, j)
        local at = (i - 1) * 4 + pi32(i, j)
        y.data[at] = y.data[at] + s(i, j)
      end)
      return y
    end },
    empty = function() return E(3, 4):scatter_add(2, index({}, 0, 0), E(0, 0)), { 3, 4 } end,
    refuse = { { "scatter_add: index 5 is not in 1 to 4",
      function() E(3, 4):scatter_add(2, index({ 5 }, 1, 1), E(1, 1)) end } },
  },
  index_copy = {
    { { 4, 2 }, { 3, 2 }, call = function(x, s) return x:index_copy(1, index({ 3, 1, 4 }, 3), s) end,
      want = function(x, s)
        local y, at = copy(x), { 3, 1, 4 }
        each({ 3, 2 }, function(i, j) y.data[(at[i] - 1) * 2 + j] = s(i, j) end)
        return y
      end },
    empty = function() return E(3, 4):index_copy(1, index({}, 0), E(0, 4)), { 3, 4 } end,
    refuse = { { "index_copy: index 3 is not in 1 to 2", function() E(2, 2):index_copy(1, list(), E(3, 2)) end },
      { "index_copy: x %(4,2%), index %(3%), src %(2,2%)", function() E(4, 2):index_copy(1, list(), E(2, 2)) end } },
  },
  index_add = {
    { { 4, 2 }, { 3, 2 }, call = function(x, s) return x:index_add(1, list(), s) end, want = function(x, s)
      local y = copy(x)
      each({ 3, 2 }, function(i, j)
        local at = (LIST[i] - 1) * 2 + j
        y.data[at] = y.data[at] + s(i, j)
      end)
      return y
    end },
    empty = function() return E(3, 4):index_add(1, index({}, 0), E(0, 4)), { 3, 4 } end,
    refuse = { { "index_add: index 3 is not in 1 to 2", function() E(2, 2):index_add(1, list(), E(3, 2)) end } },
  },
  place = {
    { { 3, 6 }, { 3, 2 }, call = function(x, s) return x:place(s, 2, 2, 3) end, want = function(x, s)
      local y = copy(x)
      each({ 3, 2 }, function(i, j) y.data[(i - 1) * 6 + 2 + 3 * (j - 1)] = s(i, j) end)
      return y
    end },
    empty = function() return E(3, 4):place(E(0, 4), 1, 1), { 3, 4 } end,
    refuse = { { "place: %(3,2%) into %(3,6%) from 6 along dim 2", function() E(3, 6):place(E(3, 2), 2, 6) end },
      { "place: into a 0%-d tensor", function() yutu.tensor(1):place(E(1), 1, 1) end } },
  },
  nonzero_n = {
    { { 3, 4 }, call = function(x) return (x * mask()):nonzero_n(5) end, want = function()
      return plain({ 5, 2 }, { 1, 1, 1, 4, 2, 1, 2, 3, 3, 2 })
    end },
    empty = function() return E(0, 3):nonzero_n(0), { 0, 2 } end,
    refuse = { { "nonzero_n: n is 1.5", function() E(2):nonzero_n(1.5) end } },
  },
  nonzero = { order = 0,
    { { 3, 4 }, call = function(x) return (x * mask()):nonzero() end, want = function()
      return plain({ 5, 2 }, { 1, 1, 1, 4, 2, 1, 2, 3, 3, 2 })
    end },
    empty = function() return E(0, 3):nonzero(), { 0, 2 } end,
    refuse = { { "nonzero: x is nothing", function() yutu.nonzero() end } },
  },
  masked_select = {
    { { 3, 4 }, call = function(x) return x:masked_select(mask()) end,
      want = function(x) return plain({ 5 }, { x(1, 1), x(1, 4), x(2, 1), x(2, 3), x(3, 2) }) end },
    empty = function() return E(3):masked_select(E(3):bool()), { 0 } end,
    refuse = { { "%(3%)", function() E(3):masked_select(E(4):bool()) end } },
  },
  masked_fill = {
    { { 3, 4 }, call = function(x) return x:masked_fill(mask(), -7) end,
      want = function(x) return make({ 3, 4 }, function(i, j) return pmask(i, j) ~= 0 and -7 or x(i, j) end) end },
    empty = function() return E(0, 3):masked_fill(E(0, 3):bool(), 1), { 0, 3 } end,
    scalar = function() return yutu.tensor(3):masked_fill(yutu.tensor(true), 4), 4 end,
    refuse = { { "masked_fill: %(4%) and %(3%) do not broadcast", function() E(3):masked_fill(E(4):bool(), 1) end } },
  },
  one_hot = { order = 0,
    { call = function() return list():one_hot(4) end,
      want = function() return make({ 3, 4 }, function(i, j) return LIST[i] == j and 1 or 0 end) end },
    empty = function() return index({}, 0):one_hot(4), { 0, 4 } end,
    refuse = { { "one_hot: index 3 is not in 1 to 2", function() list():one_hot(2) end } },
  },
  take_along = {
    { { 3, 4 }, call = function(x) return x:take_along(index({ 2, 4 }, 1, 2), 2) end,
      want = function(x) return make({ 3, 2 }, function(i, j) return x(i, 2 * j) end) end },
    empty = function() return E(3, 4):take_along(index({}, 1, 0), 2), { 3, 0 } end,
    refuse = { { "index 5 is not in 1 to 4", function() E(3, 4):take_along(index({ 5 }, 1, 1), 2) end } },
  },
  argsort = {
    { { 3, 5 }, call = function(x) return ((x * 3):round()):argsort() end,
      want = function(x)
        return placed(make(x.shape, function(...) return math.floor(3 * x(...) + .5) end), smaller, 5)
      end },
    { { 3, 5 }, call = function(x) return x:argsort(2, true) end, want = function(x) return placed(x, larger, 5) end },
    empty = function() return E(0, 3):argsort(1), { 0, 3 } end,
    scalar = function() return yutu.tensor(3):argsort(), 1 end,
    refuse = { { "argsort: dim 3 of %(2,3%)", function() E(2, 3):argsort(3) end } },
  },
  argtopk = {
    { { 3, 5 }, call = function(x) return x:argtopk(2) end, want = function(x) return placed(x, larger, 2) end },
    { { 3, 5 }, call = function(x) return x:argtopk(3, { largest = false }) end,
      want = function(x) return placed(x, smaller, 3) end },
    empty = function() return E(3, 4):argtopk(0), { 3, 0 } end,
    scalar = function() return yutu.tensor(3):argtopk(1), 1 end,
    refuse = { { "argtopk: k = 5 of 4 along dim 2 of %(3,4%)", function() E(3, 4):argtopk(5) end } },
  },
}
