--- yutu.optim: the optimizers, each loaded when it is first named, and the learning-rate schedules.
--
--   local opt = yutu.optim.Adam(model:parameters(), { lr = 1e-3 })
--   opt:zero_grad(); loss:backward(); opt:step()
local modules = {
  Optimizer = "optimizer", SGD = "sgd", RMSprop = "rmsprop", Adagrad = "adagrad", Adadelta = "adadelta", Adam = "adam",
  AdamW = "adamw", Adamax = "adamax", NAdam = "nadam", RAdam = "radam", Lion = "lion", LBFGS = "lbfgs",
  lr_scheduler = "lr_scheduler",
}

return setmetatable({}, { __index = function(optim, name)
  local file = modules[name]
  if not file then return nil end
  local module = require("yutu.optim." .. file)
  rawset(optim, name, module)
  return module
end })
