--- Dropout: in training each element is zeroed with probability p and the others are scaled by 1 / (1 - p); in
-- evaluation nothing happens.   any shape -> the same
--   source   Hinton et al. 2012, arXiv:1207.0580
local yutu = require "yutu"
local check = require "yutu.nn.check"
local Module = require "yutu.nn.module"

local dropout = yutu.dropout
local options = check.options("nn.Dropout", { "p", 0.5 })

local Dropout = Module:extend "nn.Dropout"
Dropout.shown = { "p" }

--- nn.Dropout(0.2)   generator: a stream of its own, yutu's default if there is none
function Dropout:init(p, generator)
  self.p = check.read(options, p).p
  check.within("nn.Dropout", "p", self.p, 0, 1)
  self.generator = generator
end

function Dropout:forward(x)
  if not self.training or self.p == 0 then return x end
  return (dropout(x, self.p, self.generator))
end

return Dropout
