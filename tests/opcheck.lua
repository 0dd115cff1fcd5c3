--- How a row of the op table is checked: for each kind of case a function that returns promises, { sentence, f }.
local yutu = require "yutu"
local check = require "check"
local plain = require "plain"
local gradients = require "gradcheck"
local N = require "cases.random".N

local abs, max, huge = math.abs, math.max, math.huge
local floats = { f64 = 1e-11, f32 = 4e-6, f16 = 4e-3, bf16 = 3e-2 }
local integers = { "i64", "i32", "u8", "bool" }

local equal, close, values, shape_is, refuses = check.equal, check.close, check.values, check.shape_is, check.refuses
local stream, tensor, scattered, map = check.stream, check.tensor, check.scattered, check.map

local function refusals(case)
  return { "refuses what does not fit, and says why", function()
    for _, r in ipairs(case.refuse) do refuses(r[1], r[2]) end
  end }
end
local function dead_end(op, make)
  return { "has no gradient, as its row says", function()
    assert(op.gradient == nil and not make():to("f64").requires_grad)
  end }
end

---- elementwise ------------------------------------------------------------------------------------------------
local elementwise = {}

-- n values for input k; whole numbers that every integer dtype holds when asked
local function drawn(op, case, k, n, dtype, random)
  local out = {}
  for i = 1, n do
    local v = op.lo + (op.hi - op.lo) * random()
    if case.sample then v = case.sample(k, v, i) end
    if dtype == "bool" then v = (i * 7 + k * 3) % 5 > 1 and 1 or 0
    elseif dtype == "u8" then v = math.ceil(abs(v))
    elseif not floats[dtype] then v = v < 0 and math.floor(v) or math.ceil(v) end
    out[i] = v
  end
  return out
end
-- whether the whole numbers of that dtype lie where the row is defined
local function suits(op, dtype)
  if op.name == "bce" or op.hi <= 1 and op.kind == "MAP" and op.lo > -1 then return floats[dtype] ~= nil end
  return dtype ~= "bool" or op.lo <= -.5 or op.kind == "CMP"
end
local function wrapped(v, dtype) return dtype == "u8" and v % 256 or v end

local function expected(f, args, n, dtype)
  return map(args[1], function(_, i)
    return wrapped(f(unpack(map(args, function(a) return a[i] end), 1, n)), dtype)
  end)
end

local function check_dtype(op, case, dtype, random)
  local n, flat, x = op.inputs, {}, {}
  for k = 1, n do
    x[k] = tensor(drawn(op, case, k, 15, dtype, random), { 3, 5 }, dtype)
    flat[k] = values(x[k])        -- as the dtype holds them
  end
  local call = yutu[op.name]
  local y = call(unpack(x))
  local want = expected(case[1], flat, n, y.dtype)
  local tolerance = floats[y.dtype] or 0
  if op.kind == "CMP" then assert(y.dtype == "bool")
  elseif floats[dtype] then assert(y.dtype == dtype, "gave " .. y.dtype)
  elseif op.domain == "FLOAT" then assert(y.dtype == "f32", "gave " .. y.dtype) end
  close(values(y), want, tolerance, dtype)
  local views = map(x, scattered)
  close(values(call(unpack(views))), want, tolerance, dtype .. ", strided")
  if op.kind ~= "MAP" then return end
  if floats[dtype] or op.domain == "NUM" and dtype ~= "bool" then
    local into = views[1]
    close(values(yutu[op.name .. "_"](unpack(views))), want, tolerance, dtype .. ", in place")
    close(values(into), want, tolerance, dtype .. ", in place, seen by the caller")
  elseif op.domain == "FLOAT" and op.name ~= "copy" then
    refuses(("%s_: %s cannot hold f32"):format(op.name, dtype), function() yutu[op.name .. "_"](unpack(x)) end)
  end
end

function elementwise.promises(op, case)
  local call, n, f = yutu[op.name], op.inputs, case[1]
  local list = {}
  local function promise(sentence, g) list[#list + 1] = { sentence, g } end
  promise("matches its formula in every dtype, dense, strided and in place", function()
    local random = stream(11)
    for dtype in pairs(floats) do check_dtype(op, case, dtype, random) end
    for _, dtype in ipairs(integers) do
      if suits(op, dtype) then check_dtype(op, case, dtype, random) end
    end
  end)
  promise("keeps its formula at awkward points", function()
    for _, point in ipairs(case.extra or {}) do
      for _, dtype in ipairs { "f64", "f32" } do
        local big = abs(point[1][1]) > 1e38 and abs(point[1][1]) < huge
        if dtype == "f64" or not big then
          -- a vector's loop and its rest, both
          for _, size in ipairs { 1, 70 } do
            local args = map(point[1], function(v) return yutu.full({ size }, v, { dtype = dtype }) end)
            local got = values(call(unpack(args)))
            for i = 1, size do
              assert(equal(got[i], point[2], floats[dtype]), ("%s(%s) is %.17g, should be %.17g"):format(op.name,
                table.concat(map(point[1], tostring), ", "), got[i], point[2]))
            end
          end
        end
      end
    end
  end)
  if n > 1 then
    promise("broadcasts (3,1), (700) and ()", function()
      local random, shapes, args = stream(5), { { 3, 1 }, { 700 }, {} }, {}
      local flat = {}
      for k = 1, n do
        local count = k == 1 and 3 or k == 2 and 700 or 1
        flat[k] = drawn(op, case, k, count, "f64", random)
        args[k] = tensor(flat[k], shapes[k], "f64")
      end
      local third = flat[3] and flat[3][1]
      local want = plain.make({ 3, 700 }, function(i, j) return f(flat[1][i], flat[2][j], third) end)
      local y = call(unpack(args))
      shape_is(y, { 3, 700 }, op.name)
      close(values(y), want.data, 1e-11, "broadcast")
    end)
    promise("names both shapes when they do not fit", function()
      local args = { yutu.zeros(3, 4), yutu.zeros(5), n > 2 and yutu.zeros(4) or nil }
      refuses(op.name .. ": %(3,4%) and %(5%) do not broadcast", function() call(unpack(args)) end)
    end)
  end
  promise("takes empty and 0-d tensors, and plain numbers", function()
    local empty = { yutu.zeros(0, 3), n > 1 and yutu.zeros(3) or nil, n > 2 and yutu.zeros(1) or nil }
    shape_is(call(unpack(empty)), { 0, 3 }, "empty")
    local random, point = stream(3), {}
    for k = 1, n do point[k] = drawn(op, case, k, 1, "f64", random)[1] end
    local want = f(unpack(point))
    local zero_d = call(unpack(map(point, function(v) return yutu.tensor(v, { dtype = "f64" }) end)))
    shape_is(zero_d, {}, "0-d")
    close(values(zero_d), { want }, 1e-11, "0-d")
    close(values(call(unpack(point))), { want }, 1e-5, "numbers")
  end)
  promise("refuses what is no tensor", function()
    refuses(op.name .. ": %a+ is \"abc\", a tensor is needed", function() call("abc", 1, 1) end)
  end)
  if op.order > 0 then
    promise(("has the right gradient%s"):format(op.order == 2 and ", and that one has too" or ""), function()
      local random = stream(7)
      for _, first in ipairs { { 2, 3 }, { 1, 3 } } do
        local args = {}
        for k = 1, n do
          local s = k == 2 and { 3 } or first
          args[k] = tensor(drawn(op, case, k, (s[1] or 1) * (s[2] or 1), "f64", random), s, "f64")
        end
        gradients.check(call, args, { fixed = case.fixed, order = op.order })
      end
    end)
  else
    list[#list + 1] = dead_end(op, function()
      return call(unpack(map({ .5, .5, .5 }, function(v) return yutu.full({ 2 }, v):requires_grad_() end), 1, n))
    end)
  end
  return list
end

---- reductions --------------------------------------------------------------------------------------------------
local reduction = {}

local function column(data, base, step, size)
  local out = {}
  for i = 1, size do out[i] = data[base + (i - 1) * step] end
  return out
end
-- f of each line of x (2,5,3) along dim; SCAN gives a list per line
local function lines(data, dim, f, scans)
  local size, step = ({ 2, 5, 3 })[dim], ({ 15, 3, 1 })[dim]
  local out = {}
  for base = 1, 30 do
    if math.floor((base - 1) / step) % size == 0 then
      local r = f(column(data, base, step, size))
      if not scans then out[#out + 1] = r
      else for i = 1, size do out[base + (i - 1) * step] = r[i] end end
    end
  end
  return out
end

local function check_reduction(op, f, dtype, random)
  local case = { sample = function(_, v, i) return op.name == "any" and i % 4 < 3 and 0 or v end }
  local x = tensor(drawn(op, case, 1, 30, dtype, random), { 2, 5, 3 }, dtype)
  local data, call, scans = values(x), yutu[op.name], op.kind == "SCAN"
  local halves = dtype == "f16" or dtype == "bf16"
  for dim = 1, 3 do
    local want, shape = lines(data, dim, f, scans), { 2, 5, 3 }
    local y, strided = call(x, dim), call(scattered(x), dim - 4)
    if not scans then table.remove(shape, dim) end
    shape_is(y, shape, op.name)
    local tolerance = halves and 2 * floats[dtype] or floats[y.dtype] or 0
    close(values(y), want, tolerance, dtype .. ", dim " .. dim)
    close(values(strided), want, tolerance, dtype .. ", strided, dim " .. dim)
    if not scans then
      local kept = call(x, { dim = dim, keepdim = true })
      table.insert(shape, dim, 1)
      shape_is(kept, shape, "keepdim")
      close(values(kept), want, tolerance, dtype .. ", keepdim")
    end
  end
  if scans then return end
  local y = call(x)
  local tolerance = halves and 2 * floats[dtype] or floats[y.dtype] or 0
  if op.name == "prod" and halves then return end     -- beyond what 16 bits hold
  shape_is(y, {}, "all")
  close(values(y), { f(data) }, tolerance, dtype .. ", all")
  close(values(call(scattered(x))), { f(data) }, tolerance, dtype .. ", all, strided")
  if op.kind == "FOLD" then
    local order = {}
    for j = 1, 5 do
      local part = {}
      for i = 0, 1 do for k = 1, 3 do part[#part + 1] = data[i * 15 + (j - 1) * 3 + k] end end
      order[j] = f(part)
    end
    local several = call(x, { 1, -1 })
    shape_is(several, { 5 }, "two dims")
    close(values(several), order, tolerance, dtype .. ", two dims")
  end
end

function reduction.promises(op, case)
  local call, f, scans = yutu[op.name], case[1], op.kind == "SCAN"
  local chooses = f({ 1 }) == 1 and (op.name:match "^a[mr]")
  local list = { { "matches its formula in every dtype, over one dim, several and all, dense and strided", function()
    local random = stream(11)
    for dtype in pairs(floats) do check_reduction(op, f, dtype, random) end
    for _, dtype in ipairs(integers) do check_reduction(op, f, dtype, random) end
  end }, { "does long rows and columns as short ones", function()
    local random = stream(13)
    local narrow = { lo = max(op.lo, -.1), hi = op.lo > 0 and .51 or .1, name = op.name }
    for _, shape in ipairs { { 1, 5003 }, { 5003, 1 }, { 3, 1801 }, { 1801, 3 } } do
      local data = drawn(narrow, {}, 1, shape[1] * shape[2], "f64", random)
      local x = tensor(data, shape, "f64")
      local want = {}
      for i = 1, shape[1] do
        local r = f(column(data, (i - 1) * shape[2] + 1, 1, shape[2]))
        if scans then for j = 1, #r do want[#want + 1] = r[j] end else want[i] = r end
      end
      close(values(call(x, 2)), want, 1e-11, "along rows of " .. shape[2])
      local down = call(x:t():contiguous(), 1)
      close(values(scans and down:t() or down), want, 1e-11, "along columns of " .. shape[2])
    end
  end }, { "takes empty and 0-d tensors", function()
    local scalar = tensor({ 1 }, {}, "f64")
    close(values(call(scalar, 1)), scans and f({ 1 }) or { f({ 1 }) }, 0, "0-d")
    shape_is(call(yutu.zeros(0, 3), scans and 1 or 2), scans and { 0, 3 } or { 0 }, "empty")
    if chooses then
      refuses(op.name .. ": nothing to choose from in %(0,3%)", function() call(yutu.zeros(0, 3), 1) end)
    elseif not scans then close(values(call(yutu.zeros(0, 3))), { f({}) }, 0, "of nothing") end
  end }, { "refuses a dim that is not there", function()
    refuses(op.name .. ": dim 4 of %(2,5,3%)", function() call(yutu.zeros(2, 5, 3), 4) end)
    refuses(op.name .. ": dim is 0; it counts from 1", function() call(yutu.zeros(2), 0) end)
    refuses(op.name .. ": dim is 1.5, a whole number", function() call(yutu.zeros(2), 1.5) end)
  end } }
  if op.order > 0 then
    list[#list + 1] = { "has the right gradient, and that one has too", function()
      local random = stream(7)
      for dim = 1, 3 do
        local x = tensor(drawn(op, {}, 1, 12, "f64", random), { 2, 3, 2 }, "f64")
        gradients.check(function(v) return call(v, dim) end, { x }, { order = op.order })
      end
      if not scans then
        local x = tensor(drawn(op, {}, 1, 12, "f64", random), { 2, 3, 2 }, "f64")
        gradients.check(call, { x }, { order = op.order })
        local function ends(v) return call(v, { dim = { 1, -1 }, keepdim = true }) end
        gradients.check(ends, { x }, { order = op.order })
      end
    end }
    list[#list + 1] = { "has a gradient where elements are 0 or equal", function()
      if op.name:match "prod$" then
        for _, data in ipairs { { 2, 0, 3 }, { 0, 2, 0 } } do
          gradients.check(function(v) return call(v, 1) end, { tensor(data, { 3 }, "f64") }, { order = 1 })
        end
      elseif op.name:match "^am" then
        local x = tensor({ 1, 1, 1, 1 }, { 4 }, "f64"):requires_grad_()
        call(x):backward()
        close(values(x.grad), { .25, .25, .25, .25 }, 0, "shared between equals")
      else
        gradients.check(function(v) return call(v, 1) end, { tensor({ 0, 0, 2 }, { 3 }, "f64") }, { order = 1 })
      end
    end }
  else
    list[#list + 1] = dead_end(op, function() return call(yutu.ones(2):requires_grad_(), 1) end)
  end
  return list
end

---- calls: everything with a case of its own ---------------------------------------------------------------------
local call = {}

local function sampled(variant, dtype, random)
  local lo, hi = variant.lo or -1, variant.hi or 1
  return map(variant, function(shape)
    local n = 1
    for _, s in ipairs(shape) do n = n * s end
    local data = {}
    for i = 1, n do data[i] = lo + (hi - lo) * random() end
    return tensor(data, shape, dtype)
  end)
end

local function check_variant(op, variant, random)
  local x = sampled(variant, "f64", random)
  local want = variant.want(unpack(map(x, function(v) return plain(v.shape, v:tolist()) end)))
  local y = variant.call(unpack(x))
  shape_is(y, want.shape, op.name)
  close(values(y), want.data, variant.tolerance or 1e-11, "f64")
  if #variant == 0 then return end
  if not variant.dense then
    close(values(variant.call(unpack(map(x, scattered)))), want.data, variant.tolerance or 1e-11, "strided")
  end
  -- other dtypes agree with f64 on the values that they hold
  local indexes = y.dtype == "i64"
  for _, dtype in ipairs { "f32", "f16", "bf16" } do
    local held = map(x, function(v) return v:to(dtype) end)
    local again = variant.call(unpack(map(held, function(v) return v:to "f64" end)))
    local got = variant.call(unpack(held))
    local tolerance = indexes and 0 or 8 * floats[dtype] + (variant.half or 0)
    if not (indexes and dtype ~= "f32") then close(values(got), values(again), tolerance, dtype) end
  end
  if op.domain == "ANY" and op.name ~= "cast" then
    for _, dtype in ipairs(integers) do
      local held = map(x, function(v) return (v * 3):abs():round():to(dtype) end)
      local got = variant.call(unpack(held))
      local again = variant.call(unpack(map(held, function(v) return v:to "f64" end)))
      close(values(got), map(values(again), function(v)
        return dtype == "u8" and v % 256 or dtype == "bool" and (v ~= 0 and 1 or 0) or v
      end), 0, dtype)
      if op.kind == "VIEW" then assert(got.dtype == dtype) end
    end
  end
end

function call.promises(op, case)
  local order = case.order or (op.kind == "FUN" and 2 or op.order)
  local list = { { "matches a plain computation, in every float dtype, dense and strided", function()
    local random = stream(11)
    for _, variant in ipairs(case) do check_variant(op, variant, random) end
  end } }
  if case.empty or case.scalar then
    list[#list + 1] = { "takes empty tensors" .. (case.scalar and " and 0-d ones" or ""), function()
      if case.empty then
        local y, shape = case.empty()
        shape_is(y, shape, "empty")
      end
      if case.scalar then
        local y, want = case.scalar()
        close(values(y), { want }, 1e-6, "0-d")
      end
    end }
  end
  list[#list + 1] = refusals(case)
  if order > 0 then
    list[#list + 1] = { "has the right gradient" .. (order == 2 and ", and that one has too" or ""), function()
      local random = stream(7)
      for _, variant in ipairs(case) do
        local o = math.min(order, variant.order or 2)
        if #variant > 0 and o > 0 then
          gradients.check(variant.call, sampled(variant, "f64", random), { order = o, fixed = variant.fixed })
        end
      end
    end }
  else
    list[#list + 1] = { "has no gradient, as its row says", function()
      assert(op.gradient == nil)
      local random = stream(7)
      for _, variant in ipairs(case) do
        local x = map(sampled(variant, "f64", random), function(v) return v:requires_grad_() end)
        assert(not variant.call(unpack(x)).requires_grad)
      end
    end }
  end
  return list
end

---- optimizers ------------------------------------------------------------------------------------------------------
local step = {}
local signed = { p = true, g = true, m = true, buf = true, mean = true }   -- the others hold squares
function step.promises(op, case)
  local names, tensors = {}, {}
  for i, p in ipairs(op.params) do
    if i <= op.inputs then tensors[i] = p.name else names[#names + 1] = p.name end
  end
  -- runs it on n elements; layout changes how each tensor lies in memory
  local function run(numbers, n, dtype, layout)
    local random, x, state = stream(11), {}, {}
    for i, name in ipairs(tensors) do
      local data = {}
      for k = 1, n do data[k] = signed[name] and 2 * random() - 1 or 1.5 + random() end
      x[i] = layout(tensor(data, { n / 2, 2 }, dtype))
      for k, v in ipairs(values(x[i])) do
        state[k] = state[k] or {}
        state[k][name] = v
      end
    end
    local arguments = { unpack(x) }
    for _, name in ipairs(names) do arguments[#arguments + 1] = numbers[name] end
    assert(yutu[op.name .. "_"](unpack(arguments)) == x[1], "does not return its parameter")
    for k = 1, n do case.step(state[k], numbers) end
    for i, name in ipairs(tensors) do
      close(values(x[i]), map(state, function(s) return s[name] end), dtype == "f64" and 1e-10 or 2e-6,
        ("%s, %s"):format(dtype, name))
    end
  end
  local function same(x) return x end
  return { { "does what its paper says", function()
    for _, numbers in ipairs(case) do
      for _, name in ipairs(names) do assert(numbers[name], name) end
      for _, dtype in ipairs { "f64", "f32" } do
        run(numbers, 34, dtype, same)
        run(numbers, 34, dtype, scattered)
        run(numbers, 20002, dtype, same)
      end
    end
  end }, { "takes empty tensors, and f32 gradients for f64 parameters", function()
    local empty = map(tensors, function() return yutu.zeros(0) end)
    for _, name in ipairs(names) do empty[#empty + 1] = case[1][name] end
    yutu[op.name .. "_"](unpack(empty))
  end }, { "names the shapes, dtypes and numbers that do not fit", function()
    local function with(k, x)
      local a = map(tensors, function() return yutu.ones(2, 3) end)
      for _, name in ipairs(names) do a[#a + 1] = case[1][name] end
      a[k] = x
      return function() yutu[op.name .. "_"](unpack(a, 1, #op.params)) end
    end
    refuses(op.name .. "_: parameter %(2,3%), tensor 2 %(4%)", with(2, yutu.ones(4)))
    refuses(op.name .. "_: a float parameter is needed, not i64", with(1, yutu.zeros({ 2, 3 }, { dtype = "i64" })))
    refuses(("%s_: %s is \"x\", a number"):format(op.name, names[1]), with(#tensors + 1, "x"))
  end }, { "changes a parameter that needs a gradient, and leaves no graph", function()
    local a = map(tensors, function() return yutu.ones(2, 3) end)
    for _, name in ipairs(names) do a[#a + 1] = case[1][name] end
    a[1]:requires_grad_()
    yutu[op.name .. "_"](unpack(a))
    assert(a[1].is_leaf and a[1].requires_grad)
  end } }
end

---- random numbers ---------------------------------------------------------------------------------------------------
local random = {}
function random.promises(op, case)
  local dtype = case.dtype or "f64"
  local function draw(seed, stream_, layout)
    local x = yutu.zeros({ N }, { dtype = dtype })
    return case.draw(layout and layout(x) or x, yutu.Generator(seed, stream_))
  end
  local function differ(a, b)
    for i = 1, #a do if a[i] ~= b[i] then return true end end
  end
  local list = { { "has the distribution it promises", function()
    case.check(values(draw(1, 0)))
    if case.also then case.also() end
  end }, { "gives the same numbers for the same stream, with any number of threads and any layout", function()
    local threads = yutu.get_num_threads()
    local first = values(draw(7, 2))
    close(values(draw(7, 2, function(x) return scattered(x) end)), first, 0, "strided")
    yutu.set_num_threads(1)
    local one = values(draw(7, 2))
    yutu.set_num_threads(2)
    local two = values(draw(7, 2))
    yutu.set_num_threads(threads)
    close(one, two, 0, "one thread and two")
    close(one, first, 0, "again")
    if not case.constant then
      assert(differ(first, values(draw(8, 2))), "another seed gave the same numbers")
      assert(differ(first, values(draw(7, 3))), "another stream gave the same numbers")
      local g = yutu.Generator(7, 2)
      case.draw(yutu.zeros({ N }, { dtype = dtype }), g)
      assert(tonumber(g.offset) > 0 and differ(first, values(case.draw(yutu.zeros({ N }, { dtype = dtype }), g))),
        "the stream did not advance")
    end
  end }, { "fills every dtype it can hold, empty tensors and 0-d ones", function()
    for _, d in ipairs(case.dtype and { "i64", "i32" } or { "f32", "f16", "bf16" }) do
      local y = case.draw(yutu.zeros({ 1000 }, { dtype = d }), yutu.Generator(1))
      local sum, moved = y:to("f64"):sum():item(), y:to("f64"):var():item()
      assert(sum == sum and abs(sum) < huge and (case.constant or moved > 0), d)
    end
    shape_is(case.draw(yutu.zeros({ 0 }, { dtype = dtype }), yutu.Generator(1)), { 0 }, "empty")
    if op.name ~= "permutation" and op.name ~= "categorical" then
      shape_is(case.draw(yutu.zeros({}, { dtype = dtype }), yutu.Generator(1)), {}, "0-d")
    end
  end }, refusals(case) }
  if case.order then
    list[#list + 1] = { "has the right gradient for one draw", function()
      local x = tensor({ .5, -1, 2, 3, 1, .2 }, { 2, 3 }, "f64")
      local function draw_again(v) return yutu[op.name](v:square(), .5, yutu.Generator(4)) end
      gradients.check(draw_again, { x }, { order = case.order })
    end }
  else
    list[#list + 1] = dead_end(op, function()
      if op.kind == "FILL" then return case.draw(yutu.zeros({ 8 }, { dtype = dtype }), yutu.Generator(1)) end
      return yutu[op.name](yutu.full({ 8 }, .5):requires_grad_())
    end)
  end
  return list
end

return {
  elementwise = elementwise.promises, reduction = reduction.promises, call = call.promises, step = step.promises,
  random = random.promises,
}
