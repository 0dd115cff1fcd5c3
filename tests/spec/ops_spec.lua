--- One walk over the op table: every row against its reference, in every dtype, layout and shape it should take, its
-- gradients of both orders by central differences in f64, and what it refuses. Cases: tests/ops_cases.lua.
local yutu = require "yutu"
local promises = require "opcheck"
local cases = require "ops_cases"

describe("the op table", function()
  it("has a case for every row, and a row for every case", function()
    for _, op in ipairs(yutu.ops) do
      assert(cases[op.name], op.name .. " has no case in tests/cases, so nothing is known about it")
    end
    for name in pairs(cases) do assert(yutu.ops[name], name .. " has a case but no row") end
  end)
  it("says of every row what it does and where it is sampled", function()
    for _, op in ipairs(yutu.ops) do
      assert(#op.doc > 0 and op.lo < op.hi and op.inputs >= 1, op.name)
      assert((op.order > 0) == (op.gradient ~= nil), op.name)
    end
  end)
end)

for _, op in ipairs(yutu.ops) do
  local entry = cases[op.name]
  if entry then
    describe(op.name, function()
      for _, promise in ipairs(promises[entry.kind](op, entry.case)) do it(promise[1], promise[2]) end
    end)
  end
end
