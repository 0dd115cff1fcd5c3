--- Compares Yutu with the cases of tests/reference, as its README defines them: in f32 and in f64.
local yutu = require "yutu"

local recorded = {}

function recorded.tensor(spec, dtype)
  local float = spec.dtype == nil or spec.dtype:match "^f"
  return yutu.tensor(spec.data, { shape = spec.shape, dtype = float and dtype or spec.dtype })
end

--- The recorded options, tensors made of those that are.
function recorded.options(args, dtype)
  local out = {}
  for name, value in pairs(args) do
    out[name] = type(value) == "table" and value.shape and recorded.tensor(value, dtype) or value
  end
  return out
end

--- The largest |actual - expected| / max(1, |expected|); equal infinities and NaNs agree. Shapes must be the same.
function recorded.error(actual, expected)
  local values, worst = actual:to("f64"):tolist(), 0
  local shape = table.concat(actual.shape, ",")
  if shape ~= table.concat(expected.shape, ",") then
    error(("shape (%s), recorded (%s)"):format(shape, table.concat(expected.shape, ",")), 2)
  end
  for i, e in ipairs(expected.data) do
    local a = values[i]
    if a ~= e and not (a ~= a and e ~= e) then
      local d = math.abs(a - e) / math.max(1, math.abs(e))
      worst = math.max(worst, d == d and d or math.huge)
    end
  end
  return worst
end

-- PyTorch 1.13 multiplies a gradient by 1/6 rounded to f32, in f64 too.
local coarse = { Hardsigmoid = 1e-8 }

--- f(inputs..., options) must give the recorded output, and backward the recorded gradients, in both dtypes.
function recorded.check(case, f)
  for _, dtype in ipairs { "f64", "f32" } do
    local limit = dtype == "f64" and (coarse[case.op] or 1e-11) or 1e-6 + 4 * (case.f32_error or 0)
    local inputs = {}
    for i, spec in ipairs(case.inputs) do
      inputs[i] = recorded.tensor(spec, dtype)
      if case.grads and case.grads[i] then inputs[i]:requires_grad_(true) end
    end
    local n = #inputs
    inputs[n + 1] = recorded.options(case.args, dtype)
    local output = f(unpack(inputs, 1, n + 1))
    local function compare(what, actual, expected)
      local worst = recorded.error(actual, expected)
      if worst <= limit then return end
      error(("%s, %s: %s is off by %g, allowed are %g"):format(case.name, dtype, what, worst, limit))
    end
    if output.dtype ~= dtype then error(("%s: %s in, %s out"):format(case.name, dtype, output.dtype)) end
    compare("output", output, case.output)
    if case.grads then
      output:backward { gradient = recorded.tensor(case.grad_output, dtype) }
      for i, expected in ipairs(case.grads) do
        if expected then compare("gradient " .. i, inputs[i].grad, expected) end
      end
    end
  end
end

return recorded
