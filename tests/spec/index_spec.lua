--- x[key] and x[key] = value, counted from 1.
local yutu = require "yutu"
local check = require "check"
local plain = require "plain"

-- (3,4,2) with the value 100 i + 10 j + k at i, j, k
local function numbered() return yutu.tensor(plain.make({ 3, 4, 2 }, function(i, j, k)
  return 100 * i + 10 * j + k
end).data, { shape = { 3, 4, 2 } }) end
local function has(x, values, shape)
  check.close(x:to("f64"):tolist(), values, 0, "values")
  if shape then assert.same(shape, x.shape) end
end
local function index(t) return yutu.tensor(t, { dtype = "i64" }) end

describe("reading", function()
  local x = numbered()
  it("selects by numbers, from either end", function()
    has(x[2][3][1], { 231 }, {})
    has(x[-1][1], { 311, 312 }, { 2 })
    has(x[{ 2, 3, 1 }], { 231 }, {})
    has(x[{ {}, 1, -1 }], { 112, 212, 312 }, { 3 })
  end)
  it("slices with both ends included, and with a step", function()
    has(x[{ { 2, 3 }, { 4, -1 }, 1 }], { 241, 341 }, { 2, 1 })
    has(x[{ 1, { 1, -1, 3 } }], { 111, 112, 141, 142 }, { 2, 2 })
    has(x[{ 1, { 3, 2 } }], {}, { 0, 2 })
    has(x[{ "...", 2 }], { 112, 122, 132, 142, 212, 222, 232, 242, 312, 322, 332, 342 }, { 3, 4 })
    has(x[{ 3, "..." }], { 311, 312, 321, 322, 331, 332, 341, 342 }, { 4, 2 })
  end)
  it("gives views where it can", function()
    local y = numbered()
    y[2][1]:fill_(0)
    has(y[{ 2, 1 }], { 0, 0 })
  end)
  it("takes index tensors of any shape", function()
    has(x[index { 3, 1 }][{ {}, 1, 1 }], { 311, 111 })
    has(x[{ 1, index { 4, 4, 1 }, 1 }], { 141, 141, 111 }, { 3 })
    has(x[{ 1, index { { 4, 1 }, { 2, 3 } }, 1 }], { 141, 111, 121, 131 }, { 2, 2 })
    has(x[{ index(2), 1, 1 }], { 211 }, {})
  end)
  it("broadcasts several index tensors together", function()
    has(x[{ index { 1, 3 }, index { 2, 4 } }], { 121, 122, 341, 342 }, { 2, 2 })
    has(x[{ index { { 1 }, { 3 } }, index { 2, 4 }, 1 }], { 121, 141, 321, 341 }, { 2, 2 })
    has(x[{ index { 1, 3 }, {}, index { 2, 1 } }], { 112, 122, 132, 142, 311, 321, 331, 341 }, { 2, 4 })
  end)
  it("takes masks for as many dims as they have", function()
    has(x[x:gt(330)], { 331, 332, 341, 342 }, { 4 })
    has(x[yutu.tensor { false, true, false }][{ 1, 1 }], { 211, 212 }, { 2 })
    has(x[{ 1, yutu.tensor { false, true, false, true }, 1 }], { 121, 141 }, { 2 })
    local m = yutu.zeros({ 3, 4 }, { dtype = "bool" })
    m[{ 2, 3 }] = true
    has(x[m], { 231, 232 }, { 1, 2 })
  end)
  it("says what is out of range or of the wrong kind", function()
    check.refuses("index 4 of dim 1, whose size is 3", function() return x[4] end)
    check.refuses("index is 0; it counts from 1", function() return x[0] end)
    check.refuses("index 5 is not in 1 to 4", function() return x[{ 1, index { 5 } }] end)
    check.refuses("index 0 is not in 1 to 3", function() return x[{ index { 0 }, index { 1 } }] end)
    check.refuses("an index is i64, not f32", function() return x[yutu.tensor { 1 }] end)
    check.refuses("4 positions for a tensor of shape %(3,4,2%)", function() return x[{ 1, 1, 1, 1 }] end)
    check.refuses("mask %(2%) for %(3,4,2%)", function() return x[yutu.tensor { true, false }] end)
    check.refuses("a slice is {first, last}", function() return x[{ { 1 } }] end)
    check.refuses("index: a function; numbers", function() return x[{ function() end }] end)
  end)
end)

describe("writing", function()
  -- a plain copy in which f's result stands where the key points; f nil: unchanged
  local function expect(x, f)
    local want = plain.make({ 3, 4, 2 }, function(i, j, k) return f(i, j, k) or 100 * i + 10 * j + k end)
    check.close(x:tolist(), want.data, 0, "after writing")
  end
  it("goes to numbers and slices", function()
    local x = numbered()
    x[2] = 0
    expect(x, function(i) return i == 2 and 0 end)
    x = numbered()
    x[{ {}, { 2, 3 }, 1 }] = yutu.tensor { 7, 8 }
    expect(x, function(_, j, k) return k == 1 and (j == 2 and 7 or j == 3 and 8) end)
    x = numbered()
    x[{ 1, 1, 1 }] = -1
    expect(x, function(i, j, k) return i + j + k == 3 and -1 end)
  end)
  it("goes to index tensors", function()
    local x = numbered()
    x[index { 3, 1 }] = 0
    expect(x, function(i) return i ~= 2 and 0 end)
    x = numbered()
    x[{ {}, index { 4, 1 }, 2 }] = yutu.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    expect(x, function(i, j, k) return k == 2 and (j == 4 and 2 * i - 1 or j == 1 and 2 * i) end)
    x = numbered()
    x[{ index { 1, 3 }, index { 2, 4 } }] = yutu.tensor { { 1, 2 }, { 3, 4 } }
    expect(x, function(i, j, k) return i == 1 and j == 2 and k or i == 3 and j == 4 and k + 2 end)
  end)
  it("goes to masks, one value or one for each", function()
    local x = numbered()
    x[x:gt(330)] = 0
    expect(x, function(i, j, k) return 100 * i + 10 * j + k > 330 and 0 end)
    x = numbered()
    x[x:gt(330)] = yutu.tensor { 1, 2, 3, 4 }
    expect(x, function(i, j, k) return i == 3 and j >= 3 and 2 * (j - 3) + k end)
    x = numbered()
    x[yutu.tensor { true, false, true }] = 5
    expect(x, function(i) return i ~= 2 and 5 end)
    x = numbered()
    x[{ 2, yutu.tensor { false, true, false, true } }] = yutu.tensor { { 1, 2 }, { 3, 4 } }
    expect(x, function(i, j, k) return i == 2 and (j == 2 and k or j == 4 and k + 2) end)
  end)
  it("reaches through strided views", function()
    local x = numbered()
    x:transpose(1, 2)[{ index { 2, 4 }, index { 1, 3 } }] = 0
    expect(x, function(i, j) return (i == 1 and j == 2 or i == 3 and j == 4) and 0 end)
  end)
  it("keeps gradients, of what is written and of what stays", function()
    local function both(key, value, gx, gv)
      local x0 = yutu.tensor({ 1, 2, 3, 4 }, { dtype = "f64" }):requires_grad_()
      local v = yutu.tensor(value, { dtype = "f64" }):requires_grad_()
      local x = x0 * 1
      x[key] = v;
      (x * yutu.tensor({ 1, 10, 100, 1000 }, { dtype = "f64" })):sum():backward()
      has(x0.grad, gx)
      has(v.grad, gv)
    end
    both(2, 5, { 1, 0, 100, 1000 }, { 10 })
    both({ { 2, 3 } }, { 5, 6 }, { 1, 0, 0, 1000 }, { 10, 100 })
    both(index { 4, 1 }, { 5, 6 }, { 0, 10, 100, 0 }, { 1000, 1 })
    both(yutu.tensor { true, false, false, true }, { 5, 6 }, { 0, 10, 100, 0 }, { 1, 1000 })
    both(yutu.tensor { true, false, false, true }, 5, { 0, 10, 100, 0 }, { 1001 })
  end)
  it("refuses what does not fit, and leaves a leaf alone", function()
    local x = numbered()
    check.refuses("%(4,2%).*%(3,2%)", function() x[1] = yutu.zeros(3, 2) end)
    check.refuses("index 9 is not in 1 to 3", function() x[index { 9 }] = 0 end)
    expect(x, function() end)
    check.refuses("a leaf that needs a gradient cannot be changed", function()
      yutu.zeros(2):requires_grad_()[1] = 3
    end)
  end)
end)
