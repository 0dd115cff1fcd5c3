--- loader(set, options): the examples of a data set in batches, once through per loop.
--
--   local batches = data.loader(train, { batch_size = 64, shuffle = true })
--   for x, y in batches do ... end      -- and again for the next epoch, in another order
--
--   batch_size   examples in a batch (1)             drop_last   leave out a last batch that is smaller (false)
--   shuffle      a new order each time (false)       generator   where that order comes from (the thread's)
--   transform    f(x, y, ...) of each whole batch; returns what the loop gets
--   prefetch     so many batches are gathered ahead, by a thread of their own (0: none; tensors and subsets of them
--                only). Gathering 64 random images of 28x28 is 8% of an epoch of the 784-256-10 network; it pays where
--                a core is idle, or where the threads of the pool are late because others use the machine.
local ffi = require "ffi"
local yutu = require "yutu"
local lib = require "yutu.ffi"
local dataset = require "yutu.data.dataset"

local C = lib.C
local Loader = { class = "data.loader" }
Loader.__index = Loader

local function fail(format, ...) lib.raise("data.loader: " .. format:format(...)) end

local kinds = {
  batch_size = "number", shuffle = "boolean", drop_last = "boolean", generator = "cdata", transform = "function",
  prefetch = "number",
}

local function new(set, options)
  local self = { set = set, batch_size = 1, shuffle = false, drop_last = false, prefetch = 0, at = 0, epoch = 0 }
  if not dataset.is_dataset(set) then
    fail("%s is not a data set: a table with size() and get(i) is needed, as data.TensorDataset(x, y)",
      lib.describe(set))
  end
  if options ~= nil and type(options) ~= "table" then fail("options are %s, not a table", lib.describe(options)) end
  for name, value in pairs(options or {}) do
    if not kinds[name] then
      fail("no option %s; there are batch_size, drop_last, generator, prefetch, shuffle, transform", lib.describe(name))
    end
    if type(value) ~= kinds[name] then fail("%s is %s, a %s is needed", name, lib.describe(value), kinds[name]) end
    self[name] = value
  end
  if self.batch_size < 1 or self.batch_size % 1 ~= 0 then
    fail("batch_size = %g is not a whole number of at least 1", self.batch_size)
  end
  if self.prefetch < 0 or self.prefetch > 64 or self.prefetch % 1 ~= 0 then
    fail("prefetch = %g is not a whole number from 0 to 64", self.prefetch)
  end
  lib.generator(self.generator, "data.loader", "generator")
  setmetatable(self, Loader)
  self.n = dataset.size_of("loader", set)
  if self.n == 0 then fail "the data set is empty" end
  if self:size() == 0 then fail("%d examples make no whole batch of %d", self.n, self.batch_size) end
  return self
end

--- How many batches one time through has.
function Loader:size()
  local whole = self.n / self.batch_size
  return self.drop_last and math.floor(whole) or math.ceil(whole)
end
Loader.__len = Loader.size        -- for a LuaJIT built with Lua 5.2's metamethods

---- the order --------------------------------------------------------------------------------------
local function order_of(self, generator)
  if not self.shuffle then return yutu.arange(1, self.n, 1, { dtype = "i64" }) end
  return yutu.randperm(self.n, { generator = generator })
end

-- The tensors behind a set, and which of their rows the examples in index are; nil if it is made of something else.
local function rows_of(set, index)
  if set.class == "TensorDataset" then return set.tensors, index end
  if set.class == "Subset" then return rows_of(set.set, set.positions:index_select(1, index)) end
end
local function stop_ahead(self)
  if self.ahead then C.yt_prefetch_free(ffi.gc(self.ahead, nil)) end
  self.ahead = nil
end
local function start_ahead(self)
  local tensors, index = rows_of(self.set, self.order:slice(1, self.at * self.batch_size + 1, -1))
  if not tensors then fail "prefetch needs a data set of tensors, or a subset of one" end
  index = index - 1
  local fields = ffi.new("yt_tensor *[?]", #tensors)
  for i, t in ipairs(tensors) do fields[i - 1] = t._t end
  local ahead = C.yt_prefetch_new(fields, #tensors, index._t, self.batch_size, self.prefetch)
  if ahead == nil then lib.fail() end
  self.ahead, self.fields, self.batch = ffi.gc(ahead, C.yt_prefetch_free), #tensors, fields
end
local function next_ahead(self)
  if C.yt_prefetch_next(self.ahead, self.batch) ~= 1 then lib.fail() end
  local a = lib.own(self.batch[0])
  if self.fields == 1 then return a end
  local b = lib.own(self.batch[1])
  if self.fields == 2 then return a, b end
  local out = { a, b }
  for i = 3, self.fields do out[i] = lib.own(self.batch[i - 1]) end
  return unpack(out)
end

local function begin(self)
  stop_ahead(self)
  local generator = self.generator or yutu.default_generator()
  self.began = { seed = generator.seed, stream = generator.stream, offset = generator.offset }
  self.order = lib.keep(order_of(self, generator))
  self.at, self.epoch = 0, self.epoch + 1
end

---- the loop ---------------------------------------------------------------------------------------
-- `for x in loader` calls it with the last x, at first with nil: then a new order begins, unless a state was loaded.
function Loader:__call(_, last)
  if last == nil and not self.resumed then begin(self) end
  self.resumed = nil
  local first, stop = self.at * self.batch_size + 1, self.n
  if self.at >= self:size() then return nil end
  if first + self.batch_size - 1 < stop then stop = first + self.batch_size - 1 end
  if self.prefetch > 0 then
    if not self.ahead then start_ahead(self) end
    self.at = self.at + 1
    if self.transform then return self.transform(next_ahead(self)) end
    return next_ahead(self)
  end
  self.at = self.at + 1
  local index = self.order:slice(1, first, stop)
  if self.transform then return self.transform(dataset.batch("loader", self.set, index)) end
  return dataset.batch("loader", self.set, index)
end

---- saving -----------------------------------------------------------------------------------------
--- Where in which order it stands: a loop begun after load_state_dict goes on with the next batch.
function Loader:state_dict() return { epoch = self.epoch, at = self.at, began = self.began, n = self.n } end

function Loader:load_state_dict(state)
  if type(state) ~= "table" or type(state.at) ~= "number" then fail "load_state_dict: its state_dict() is needed" end
  if state.n ~= self.n then fail("load_state_dict: %s examples there, %d here", tostring(state.n), self.n) end
  stop_ahead(self)
  self.epoch, self.at, self.began = state.epoch, state.at, state.began
  if not state.began then return end
  local generator = ffi.new("yt_generator", state.began.seed, state.began.stream, state.began.offset)
  self.order = lib.keep(order_of(self, generator))
  self.resumed = self.at < self:size() or nil
end

return new
