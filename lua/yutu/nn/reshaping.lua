--- Layers that compute nothing: Identity, Flatten, Unflatten. They return views where they can.
local yutu = require "yutu"
local check = require "yutu.nn.check"
local Module = require "yutu.nn.module"

local flatten, unflatten = yutu.flatten, yutu.unflatten

--- x -> x; takes and ignores any arguments, so that it can stand in for another layer.
local Identity = Module:extend "nn.Identity"
function Identity:forward(x) return x end

--- Dims start_dim to end_dim become one.   (N, C, H, W) -> (N, C H W)
local Flatten = Module:extend "nn.Flatten"
Flatten.shown = { "start_dim", "end_dim" }
local flatten_options = check.options("nn.Flatten", { "start_dim", 2 }, { "end_dim", -1 })

function Flatten:init(start_dim, end_dim)
  local o = check.read(flatten_options, start_dim, end_dim)
  self.start_dim, self.end_dim = o.start_dim, o.end_dim
end

function Flatten:forward(x) return (flatten(x, self.start_dim, self.end_dim)) end

--- Dim `dim` becomes several.   nn.Unflatten(2, { 3, 4 }): (N, 12) -> (N, 3, 4)
local Unflatten = Module:extend "nn.Unflatten"
Unflatten.shown = { "dim" }

function Unflatten:init(dim, unflattened_size)
  check.whole("nn.Unflatten", "dim", dim)
  check.list("nn.Unflatten", "unflattened_size", unflattened_size)
  self.dim, self.unflattened_size = dim, unflattened_size
end

function Unflatten:forward(x) return (unflatten(x, self.dim, self.unflattened_size)) end

return { Identity = Identity, Flatten = Flatten, Unflatten = Unflatten }
