--- yutu.data: sets of examples, how to read and split them, and the loader that hands them out in batches.
--
--   local train, test = assert(data.fashion_mnist())
--   local fit, validate = data.random_split(train, { 0.9, 0.1 })
--   for x, y in data.loader(fit, { batch_size = 64, shuffle = true }) do ... end
--
-- A data set is any table with two methods: size() and get(i), which returns the fields of example i, from 1. With a
-- third, batch(index), it gathers many at once from a tensor of positions; TensorDataset does, in C.
local dataset = require "yutu.data.dataset"
local idx = require "yutu.data.idx"

local data = { loader = require "yutu.data.loader", idx = idx }
for name, value in pairs(dataset) do data[name] = value end

return setmetatable(data, { __index = function(self, name)
  if name ~= "fashion_mnist" then return nil end
  local f = require "yutu.data.fashion_mnist"
  rawset(self, name, f)
  return f
end })
