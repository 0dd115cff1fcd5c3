--- functions.lua: a Lua function for every row of the op table, made of Lua text when it is first asked for.
--
-- The text converts each argument as the row's parameter kinds say, makes one C call, and gives the result an owner.
-- The last of a call's arguments may be a table that names the optional ones: x:sum { dim = 2, keepdim = true }.
local ffi = require "ffi"
local lib = require "yutu.ffi"
local C, str = lib.C, ffi.string

---- the table ---------------------------------------------------------------------------------------
local ops = {}                    -- in order, and by name
do
  local row = C.yt_ops()
  while row.name ~= nil do
    local op = {
      name = str(row.name), kind = str(row.kind), domain = str(row.domain), doc = str(row.doc),
      gradient = row.gradient ~= nil and str(row.gradient) or nil, order = row.order, inputs = row.nin,
      lo = row.lo, hi = row.hi, params = {},
    }
    for i = 0, row.nparams - 1 do
      local p = row.params[i]
      op.params[i + 1] = { name = str(p.name), kind = str(p.kind), value = str(p.value) }
    end
    ops[#ops + 1], ops[op.name] = op, op
    row = row + 1
  end
end

---- from a row to the text of a function ------------------------------------------------------------
-- How the parameter $n of the op $o becomes the C value $n_; $v: its default.
local convert = {
  tensor = "to_tensor($n, '$o', '$n')",
  maybe = "to_maybe($n, '$o', '$n')",
  dim = "to_dim($n, '$o', '$n')",
  dims = "to_dims($n, '$o', '$n', $x)",
  int = "to_int($n, '$o', '$n')",
  index = "to_index($n, '$o', '$n')",
  stop = "to_stop($n, '$o', '$n')",
  last = "to_last($n, '$o', '$n')",
  real = "to_real($n, '$o', '$n')",
  flag = "$n and 1 or 0",
  base = "1",
  act = "to_act($n, '$o', '$n')",
  dtype = "to_dtype($n, '$o', '$n')",
  shape = "to_shape($n_buffer, '$o', '$n', $n, size2, size3, size4, size5, size6, size7, size8, size9)",
  dimlist = "to_dimlist($n_buffer, '$o', '$n', $n, size2, size3, size4, size5, size6, size7, size8, size9)",
  generator = "to_generator($n, '$o', '$n')",
}
local as_they_are = { maybe = true, flag = true, base = true, act = true, generator = true }   -- nil needs no default
local takes_sizes = { shape = true, dimlist = true }
-- The default, written in Lua and counted from 1: ALL and numbers are C's already.
local function default(p)
  if p.value == "ALL" then return "127" end
  return p.value
end

local prologue = [[
local ffi, lib, math = ...
local C, own, failed, type = lib.C, lib.own, lib.failed, type
local to_tensor, to_maybe, to_dim, to_dims, to_int = lib.tensor, lib.maybe, lib.dim, lib.dims, lib.int
local to_index, to_stop, to_last, to_real = lib.index, lib.stop, lib.last, lib.real
local to_act, to_dtype = lib.act, lib.dtype
local to_shape, to_dimlist, to_generator, options = lib.shape, lib.dimlist, lib.generator, lib.options
]]

local function fill(template, values) return (template:gsub("%$(%a)", values)) end

local function generate(op, suffix)
  local given, known, setup, body, passed = {}, {}, {}, {}, {}
  local name, sizes = op.name .. suffix, ""
  for _, p in ipairs(op.params) do
    if p.kind ~= "base" then given[#given + 1] = p.name end
    if p.value ~= "" and p.kind ~= "base" then known[#known + 1] = p.name end
    if takes_sizes[p.kind] then
      setup[#setup + 1] = ("local %s_buffer = ffi.new 'yt_shape'"):format(p.name)
      sizes = ", size2, size3, size4, size5, size6, size7, size8, size9"
    end
    passed[#passed + 1] = p.name .. "_"
  end
  if #known > 0 then setup[#setup + 1] = ("local known = { %s = true }"):format(table.concat(known, " = true, ")) end

  -- a table in place of an optional argument names it and those that follow; a list is the value of a dims
  for i, p in ipairs(op.params) do
    if p.value ~= "" and p.kind ~= "base" then
      local names, fields = {}, {}
      for k = i, #op.params do
        local q = op.params[k]
        if q.kind ~= "base" then names[#names + 1], fields[#fields + 1] = q.name, "o." .. q.name end
      end
      body[#body + 1] = ("if type(%s) == 'table'%s then local o = options(%s, '%s', known); %s = %s end"):format(p.name,
        p.kind == "dims" and (" and %s[1] == nil"):format(p.name) or "", p.name, name, table.concat(names, ", "),
        table.concat(fields, ", "))
    end
  end
  for _, p in ipairs(op.params) do
    local values = { n = p.name, o = name, v = default(p), x = op.params[1].name .. "_" }
    local text = fill(convert[p.kind], values)
    if p.value == "true" then text = fill("$n ~= false and 1 or 0", values)
    elseif p.value == "ALL" then text = fill("$n == nil and $v or ", values) .. text
    elseif p.value ~= "" and not as_they_are[p.kind] then
      body[#body + 1] = fill("if $n == nil then $n = $v end", values)
    end
    body[#body + 1] = ("local %s_ = %s"):format(p.name, text)
  end

  local arguments = table.concat(given, ", ") .. sizes
  return prologue .. table.concat(setup, "\n") .. ([[

local function call(%s, tried)
  %s
  local result = C.yt_%s(%s)
  if result == nil then
    failed(tried)
    return call(%s, true)
  end
  return %s
end
return call
]]):format(arguments, table.concat(body, "\n  "), name, table.concat(passed, ", "), arguments,
    suffix == "_" and given[1] or "(own(result))")    -- not a tail call: a trace may hold 15 of them, a model has more
end

---- which names there are ----------------------------------------------------------------------------
local in_place = { MAP = true, PUT = true, FILL = true, STEP = true }   -- have a name_()
local in_place_only = { FILL = true, STEP = true }

--- The function that stands behind x:name(), and its text; nil if no row makes one.
local function make(name)
  local plain = name:match "^(.*)_$"
  local op, suffix = ops[name], ""
  if op and in_place_only[op.kind] then return nil end
  if not op then
    op, suffix = plain and ops[plain], "_"
    if not op or not in_place[op.kind] then return nil end
  end
  local text = generate(op, suffix)
  return assert(loadstring(text, "=yutu." .. name))(ffi, lib, math), text
end

return { ops = ops, make = make }
