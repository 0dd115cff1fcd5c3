--- AdamW: Adam with weight decay on the parameter itself: p *= 1 - lr weight_decay before each step.
--   source   Loshchilov & Hutter 2019, arXiv:1711.05101
local Adam = require "yutu.optim.adam"

local AdamW = Adam:extend("optim.AdamW", {
  lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 1e-2, amsgrad = false, maximize = false,
}, Adam.state_names)

AdamW.decoupled = true

return AdamW
