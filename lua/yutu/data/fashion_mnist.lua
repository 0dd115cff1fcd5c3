--- Fashion-MNIST: 60,000 + 10,000 images of clothes, 28x28, in ten classes.   Xiao et al. 2017, arXiv:1708.07747
--
--   local train, test = data.fashion_mnist()         -- nil and a message if the files are not there
--   x (N,28,28) f32 in [0,1], y (N) i64 labels 1 .. 10; train.classes[label] is its name
--
--   root    where the four .gz files lie (Debian's dataset-fashion-mnist)
--   dtype   "u8": the images as they are, 0 .. 255, a quarter of the memory
local lib = require "yutu.ffi"
local dataset = require "yutu.data.dataset"
local idx = require "yutu.data.idx"

local classes = {
  "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
}

local function read(root, name, ndim)
  local path = ("%s/%s.gz"):format(root, name)
  local x, problem = idx.read(path)
  if not x then return nil, problem .. " (install dataset-fashion-mnist, or name the folder as root)" end
  if x.dtype ~= "u8" or x:dim() ~= ndim then return nil, path .. ": not what Fashion-MNIST has under this name" end
  return x
end

local function load(root, part, dtype)
  local images, problem = read(root, part .. "-images-idx3-ubyte", 3)
  if not images then return nil, problem end
  local labels, no_labels = read(root, part .. "-labels-idx1-ubyte", 1)
  if not labels then return nil, no_labels end
  if images:size(1) ~= labels:size(1) or images:size(2) ~= 28 or images:size(3) ~= 28 or labels:amax():item() > 9 then
    return nil, ("%s: images (%s) and %d labels do not belong together"):format(root, table.concat(images.shape, ","),
      labels:numel())
  end
  local x = images
  if dtype ~= "u8" then
    x = images:to(dtype):div_(255)
    images:release()
  end
  local set = dataset.TensorDataset(x, labels:long() + 1)
  set.classes = classes
  return set
end

return function(options)
  options = options or {}
  lib.options(options, "data.fashion_mnist", { root = true, dtype = true })
  local root, dtype = options.root or "/usr/share/datasets/fashion-mnist", options.dtype or "f32"
  if dtype ~= "u8" and dtype ~= "f32" and dtype ~= "f64" then
    lib.raise("data.fashion_mnist: dtype is " .. lib.describe(dtype) .. "; there are f32, f64 and u8")
  end
  local train, problem = load(root, "train", dtype)
  if not train then return nil, problem end
  local test, no_test = load(root, "t10k", dtype)
  if not test then return nil, no_test end
  return train, test
end
