--- yutu.nn: layers, losses and what goes with them, under PyTorch's names. Loaded piece by piece, when asked for.
local homes = {                   -- module file -> what it returns: one class, or a table of them
  activations = { "Sigmoid", "Tanh", "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "SiLU", "Swish",
    "GELU", "Mish", "Softplus", "Softsign", "LogSigmoid", "Hardtanh", "Hardsigmoid", "Hardswish", "Tanhshrink",
    "Softshrink", "Hardshrink", "Threshold", "Softmax", "LogSoftmax", "Softmin", "GLU" },
  containers = { "Sequential", "ModuleList", "ModuleDict", "ParameterList" },
  reshaping = { "Identity", "Flatten", "Unflatten" },
  losses = { "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "GaussianNLLLoss", "PoissonNLLLoss", "CrossEntropyLoss",
    "NLLLoss", "MultiMarginLoss", "MultiLabelMarginLoss", "BCELoss", "BCEWithLogitsLoss", "SoftMarginLoss",
    "MultiLabelSoftMarginLoss", "HingeEmbeddingLoss", "KLDivLoss", "CosineEmbeddingLoss", "MarginRankingLoss",
    "TripletMarginLoss" },
}
local single = {                  -- field -> the file that returns it
  Module = "module", Linear = "linear", Dropout = "dropout", LayerNorm = "layer_norm", functional = "functional",
  init = "initializers", utils = "utils",
}
local home = {}
for file, classes in pairs(homes) do for _, class in ipairs(classes) do home[class] = file end end

local nn = {}

--- A tensor to be trained: assign it to a field of a module.
function nn.Parameter(tensor) return nn.Module:parameter(tensor) end

return setmetatable(nn, { __index = function(self, name)
  local value
  if single[name] then value = require("yutu.nn." .. single[name])
  elseif home[name] then value = require("yutu.nn." .. home[name])[name] end
  rawset(self, name, value)
  return value
end })
