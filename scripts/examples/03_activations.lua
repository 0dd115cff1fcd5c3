-- The activations, their gradients, and where they saturate: where the gradient dies, learning stops.
local yutu = require "yutu"
local nn = yutu.nn

local activations = {
  { "sigmoid", nn.Sigmoid() }, { "tanh", nn.Tanh() }, { "relu", nn.ReLU() }, { "leaky_relu", nn.LeakyReLU(0.1) },
  { "elu", nn.ELU() }, { "softplus", nn.Softplus() }, { "silu", nn.SiLU() }, { "gelu", nn.GELU() },
}
local at = { -6, -3, -1, 0, 1, 3, 6 }
local x = yutu.tensor(at, { requires_grad = true })

local function row(label, t)
  local cells = {}
  for i = 1, #at do cells[i] = ("%8.3f"):format(t[i]:item()) end
  print(("%-12s"):format(label) .. table.concat(cells))
end
local function curve(f)           -- from -6 to 6 as one line of text, lowest to highest
  local y = yutu.no_grad(f, yutu.linspace(-6, 6, 49))
  local low, high = y:amin():item(), y:amax():item()
  local glyphs, line = { "_", ".", "-", "=", "^" }, {}
  for i = 1, 49 do line[i] = glyphs[1 + math.floor((y[i]:item() - low) / (high - low) * 4.999)] end
  return table.concat(line)
end

row("x", x)
for _, a in ipairs(activations) do
  local name, f = a[1], a[2]
  local y = f(x)
  y:sum():backward()              -- d y / d x for each x, since each y depends on its own x only
  print(("\n%-12s%s"):format(name, curve(f)))
  row("  value", y)
  row("  gradient", x.grad)
  local dead = {}
  for i = 1, #at do if math.abs(x.grad[i]:item()) < 0.01 then dead[#dead + 1] = at[i] end end
  print(("  saturated at %s"):format(#dead > 0 and table.concat(dead, ", ") or "none of these"))
  x.grad = nil
end

print [[

sigmoid and tanh are flat on both sides: a neuron pushed there hardly learns. relu is flat on one side only, and cheap;
leaky_relu, elu, silu and gelu keep a little slope there. Ten sigmoids in a row multiply the gradient by at most
0.25^10, a millionth: that is why deep networks prefer the others.
Next: 04_backward_by_hand.lua. Or print the gradient of ten sigmoids in a row.]]
