-- generate.lua: reads ops.def, writes every C file that follows from it.
--   luajit generate.lua SOURCE_FOLDER OUTPUT_FOLDER
--
--   yutu_ops.h       prototypes with their doc comments, public
--   ops_args.h       op numbers, one argument struct per op, the backend's vtable
--   ops_table.h      the table yt_ops() and what the core needs of each row
--   ops_calls.h      the public functions
--   ops_rules.h      gradients of the elementwise rows
--   map_kernels.h    elementwise, reduction and optimizer loops of one instruction set or device
--   ffi_text.h       the declarations LuaJIT reads, as text

local source, output = assert(arg[1], "source folder?"), assert(arg[2], "output folder?")

---- reading ----------------------------------------------------------------------------------------
local function read(path)
  local f = assert(io.open(path))
  local text = f:read "*a"
  f:close()
  return text
end
local function trim(s) return (s:gsub("^%s+", ""):gsub("%s+$", ""):gsub("%s+", " ")) end

-- "a, f(b, c), {d, e}" -> its top-level parts
local function split(s)
  local parts, depth, from, quoted = {}, 0, 1, false
  for i = 1, #s do
    local c = s:sub(i, i)
    if c == '"' then quoted = not quoted
    elseif quoted then -- a doc string: commas and parentheses in it are text
    elseif c:match "[%(%{]" then depth = depth + 1
    elseif c:match "[%)%}]" then depth = depth - 1
    elseif c == "," and depth == 0 then parts[#parts + 1], from = trim(s:sub(from, i - 1)), i + 1 end
  end
  parts[#parts + 1] = trim(s:sub(from))
  return parts
end

local columns = {                 -- of each kind, before the parameters
  MAP = { "name", "domain", "formula", "gradients", "lo", "hi", "doc" },
  CMP = { "name", "domain", "formula", "lo", "hi", "doc" },
  FOLD = { "name", "domain", "keep", "first", "next", "lo", "hi", "doc" },
  SEEK = { "name", "domain", "better", "lo", "hi", "doc" },
  SCAN = { "name", "domain", "keep", "first", "next", "lo", "hi", "doc" },
  OP = { "name", "domain", "keep", "doc" },
  PUT = { "name", "domain", "keep", "doc" },
  FILL = { "name", "domain", "doc" },
  STEP = { "name", "doc", "tensors", "numbers", "body" },
  VIEW = { "name", "domain", "keep", "doc" },
  FUN = { "name", "domain", "doc" },
}
local implied = {                 -- parameters that every row of a kind has
  FOLD = { "T(x)", "DIMS(dim, ALL)", "FLAG(keepdim, false)" },
  SEEK = { "T(x)", "DIM(dim, ALL)", "FLAG(keepdim, false)", "BASE(base)" },
  SCAN = { "T(x)", "DIM(dim)" },
}

-- tag -> C type, kind told to Lua; class: in (tensor), value (stored as it is), shape (by pointer), stream
local tags = {
  T = { "yt_tensor *", "tensor", "in" }, MAYBE = { "yt_tensor *", "maybe", "in", "nil" },
  DIM = { "int", "dim", "value" }, DIMS = { "int", "dims", "value" }, INT = { "int64_t", "int", "value" },
  INDEX = { "int64_t", "index", "value" }, STOP = { "int64_t", "stop", "value" }, LAST = { "int64_t", "last", "value" },
  REAL = { "double", "real", "value" }, FLAG = { "int", "flag", "value" }, BASE = { "int", "base", "value", "1" },
  ACT = { "int", "act", "value", "nil" }, DTYPE = { "int", "dtype", "value" },
  SHAPE = { "const yt_shape *", "shape", "shape" }, DIMLIST = { "const yt_shape *", "dimlist", "shape" },
  GEN = { "yt_generator *", "generator", "stream", "nil" },
}
local function parameter(text)
  local tag, inside = text:match "^(%u+)(%b())$"
  if not tag then tag, inside = "T", "(" .. text:gsub("=", ",") .. ")" end
  local name, default = unpack(split(inside:sub(2, -2)))
  local t = assert(tags[tag], "ops.def: unknown tag " .. tag)
  return { name = name, type = t[1], kind = t[2], class = t[3], default = default or t[4] or "" }
end

local rows, by_name = {}, {}
do
  local text = read(source .. "/ops.def"):gsub("/%*.-%*/", "")
  for kind, body in text:gmatch "(%u+)(%b())" do
    local values, row = split(body:sub(2, -2)), { kind = kind, params = {} }
    local names = assert(columns[kind], "ops.def: unknown kind " .. kind)
    for i, column in ipairs(names) do row[column] = assert(values[i], kind .. " row: no " .. column) end
    row.doc = row.doc:match '^"(.*)"$' or error(row.name .. ": the doc is not a string")
    for _, text_ in ipairs(implied[kind] or {}) do row.params[#row.params + 1] = parameter(text_) end
    for i = #names + 1, #values do row.params[#row.params + 1] = parameter(values[i]) end
    if kind == "STEP" then
      row.domain = "FLOAT"
      for _, n in ipairs(split(row.tensors:sub(2, -2))) do
        row.params[#row.params + 1] = parameter("T(" .. n .. ")")
      end
      for _, n in ipairs(split(row.numbers:sub(2, -2))) do
        row.params[#row.params + 1] = parameter("REAL(" .. n .. ")")
      end
    end
    row.lo, row.hi = row.lo or "-1", row.hi or "1"
    row.inputs = {}
    for _, p in ipairs(row.params) do
      if p.class == "in" then row.inputs[#row.inputs + 1] = p.name end
      if p.class == "stream" then row.stream = true end
    end
    rows[#rows + 1], by_name[row.name] = row, row
  end
end

---- what the columns mean --------------------------------------------------------------------------
local function mentions(text, word) return text:find("%f[%w_]" .. word .. "%f[^%w_]") ~= nil end

-- A gradient for one input: its text, and a fused kernel of its own unless it is g itself.
for _, row in ipairs(rows) do
  row.rules = {}
  if row.kind == "MAP" then
    for k, text in ipairs(split(row.gradients:sub(2, -2))) do if text ~= "" then row.rules[k] = text end end
    assert(#row.rules == 0 or #row.rules == #row.inputs, row.name .. ": a gradient per tensor")
    row.unknown = #row.rules == 0
    for _, text in ipairs(row.rules) do if text ~= "NONE" then row.differentiable = true end end
    row.gradient = row.differentiable and table.concat(row.rules, ", ") or nil
    for k, text in ipairs(row.rules) do
      if text ~= "g" and text ~= "NONE" then
        local reads = { "g" }
        for _, n in ipairs(row.inputs) do if mentions(text, n) then reads[#reads + 1] = n end end
        if mentions(text, "y") then reads[#reads + 1] = "y" end
        row[k] = { name = row.name .. "_d" .. k, inputs = reads }
      end
    end
  elseif row.keep and row.keep ~= "NOGRAD" then
    row.differentiable, row.gradient = true, row.keep:match "%((.*)%)"
    row.once = row.keep:match "^ONCE" ~= nil
  end
end
local function order_of(row)      -- 2: any order; 1: its rule leads to an op without one
  if not row.differentiable then return 0 end
  if row.once then return 1 end
  for _, text in ipairs(row.rules) do
    for word in text:gmatch "([%a_][%w_]*)%s*%(" do
      local r = by_name[word]
      if r and r.unknown then return 1 end
    end
  end
  return 2
end

local function keep_mask(row, k)  -- bits: which inputs the rule of input k reads, and y
  local text = row.rules[k] or row.gradient
  if not text then return "NOWHERE" end
  if text == "NONE" then return "NOWHERE" end
  local bits = {}
  for i, n in ipairs(row.inputs) do if mentions(text, n) then bits[#bits + 1] = "1 << " .. i - 1 end end
  if mentions(text, "y") then bits[#bits + 1] = "KEEP_Y" end
  return #bits > 0 and table.concat(bits, " | ") or "0"
end

-- A gradient's words. As scalars: S_name, a macro made of that op's own formula. As tensors: yt_name.
local function replace_words(text, how)
  return (text:gsub("([%a_][%w_]*)", function(word) return how(word) end))
end
local function as_tensors(text, variables)
  return replace_words(text, function(word)
    if word == "K" then return "yt_num" end
    return variables[word] or by_name[word] and "yt_" .. word or word
  end)
end
local function as_scalars(text)
  return (text:gsub("([%a_][%w_]*)(%s*%()", function(word, paren)
    return (by_name[word] and "S_" .. word or word) .. paren
  end))
end

---- writing ----------------------------------------------------------------------------------------
local function writer(name, title)
  local lines = { "/* " .. name .. ": " .. title .. " Made by generate.lua from ops.def. */" }
  return function(format, ...) lines[#lines + 1] = select("#", ...) > 0 and format:format(...) or format end,
    function()
      local text = table.concat(lines, "\n") .. "\n"
      local old = io.open(output .. "/" .. name)
      local same = old and old:read "*a" == text
      if old then old:close() end
      if same then return text end        -- untouched: nothing is compiled again
      local f = assert(io.open(output .. "/" .. name, "w"))
      f:write(text)
      f:close()
      return text
    end
end
local function each(list, format, between)
  local out = {}
  for i, p in ipairs(list) do
    out[i] = format:gsub("$(%a)", { n = p.name, t = p.type, s = p.type:match "%*$" and "" or " " })
  end
  return table.concat(out, between)
end
local function signature(row, suffix)
  return ("yt_tensor *yt_%s%s(%s)"):format(row.name, suffix, each(row.params, "$t$s$n", ", "))
end
local forms = {                   -- the public functions of a kind, by suffix
  MAP = { "", "_" }, CMP = { "" }, FOLD = { "" }, SEEK = { "" }, SCAN = { "" }, OP = { "" }, PUT = { "", "_" },
  FILL = { "_" }, STEP = { "_" }, VIEW = { "" }, FUN = { "" },
}
local function c_string(s) return '"' .. s:gsub('[\\"]', "\\%0") .. '"' end

local put, done = writer("yutu_ops.h", "the ops.")
put "#ifndef YUTU_OPS_H\n#define YUTU_OPS_H\n#include \"yutu.h\""
put "#ifdef __cplusplus\nextern \"C\" {\n#endif"
put "#ifdef YUTU_BUILD\n#pragma GCC visibility push(default)\n#endif"
local declarations = {}
for _, row in ipairs(rows) do
  put("/* %s */", row.doc)
  for _, suffix in ipairs(forms[row.kind]) do
    put("%s;", signature(row, suffix))
    declarations[#declarations + 1] = signature(row, suffix) .. ";"
  end
end
put "#ifdef YUTU_BUILD\n#pragma GCC visibility pop\n#endif\n#ifdef __cplusplus\n}\n#endif\n#endif"
done()

-- every op with a kernel, the fused gradients included
local kernels = {}
for _, row in ipairs(rows) do
  if row.kind ~= "FUN" then kernels[#kernels + 1] = { name = row.name, row = row, inputs = row.inputs } end
  for k = 1, #row.inputs do
    if row[k] then kernels[#kernels + 1] = { name = row[k].name, inputs = row[k].inputs, dx = k, of = row } end
  end
end
local function has_kernel(k) return not (k.row and k.row.kind == "VIEW") end

put, done = writer("ops_args.h", "op numbers, arguments, the backend's functions.")
put "enum {"
for _, k in ipairs(kernels) do put("  OP_%s,", k.name) end
put "  OPS\n};"
local most = 0
for _, k in ipairs(kernels) do most = math.max(most, #k.inputs) end
put("enum { YT_IN = %d };", most)
put "/* Tensors come first, so that in[k] is the k-th whatever its name; then a random stream if there is one. */"
put "typedef struct { yt_tensor *in[YT_IN]; } yt_args;"
put "typedef struct { yt_tensor *in[YT_IN]; yt_generator *source, generator; } yt_stream_args;"
for _, k in ipairs(kernels) do
  local fields, rest = {}, {}
  for _, n in ipairs(k.inputs) do fields[#fields + 1] = "yt_tensor *" .. n .. ";" end
  if k.row and k.row.stream then rest[1] = " yt_generator *source, generator;" end
  for _, p in ipairs(k.row and k.row.params or {}) do
    if p.class == "value" then rest[#rest + 1] = (" %s %s;"):format(p.type, p.name)
    elseif p.class == "shape" then rest[#rest + 1] = (" yt_shape %s;"):format(p.name) end
  end
  put("typedef struct { union { yt_tensor *in[YT_IN]; struct { %s }; };%s } args_%s;",
    table.concat(fields, " "), table.concat(rest), k.name)
end
put "\n#define YT_KERNELS(X) \\"
for _, k in ipairs(kernels) do if has_kernel(k) then put("  X(%s) \\", k.name) end end
put ""
done()

put, done = writer("ops_table.h", "the rows as data.")
for _, row in ipairs(rows) do
  put("static const yt_param params_%s[] = { %s };", row.name, (function()
    local out = {}
    for i, p in ipairs(row.params) do
      out[i] = ('{ "%s", "%s", "%s", "%s" }'):format(p.name, p.type, p.kind, p.default)
    end
    return table.concat(out, ", ")
  end)())
end
put "static const yt_op op_table[] = {"
for _, row in ipairs(rows) do
  put("  { %s, %s, %s, %s, %s, params_%s, %d, %d, %d, %s, %s },",
    c_string(row.name), c_string(row.kind), c_string(row.domain), c_string(row.doc),
    row.gradient and c_string(row.gradient) or "NULL",
    row.name, #row.params, #row.inputs, order_of(row), row.lo, row.hi)
end
put "  { 0 }\n};"
put "const yt_row yt__rows[OPS] = {"
for _, k in ipairs(kernels) do
  local row = k.row
  local masks = {}
  for i = 1, row and row.differentiable and #row.inputs or 0 do masks[i] = keep_mask(row, i) end
  put("  [OP_%s] = { %s, %s, %s, %d, %s, sizeof(args_%s), { %s }, %s, %s, %s },",
    k.name, c_string(row and k.name or k.of.name .. " backward"),
    "KIND_" .. (row and row.kind or "DX"), "DOMAIN_" .. (row and row.domain or "FLOAT"),
    #k.inputs, row and row.stream and "1" or "0", k.name, #masks > 0 and table.concat(masks, ", ") or "0",
    row and (row.kind == "OP" or row.kind == "PUT" or row.kind == "VIEW") and "shape_" .. k.name
      or "shape_" .. (row and row.kind or "MAP"),
    has_kernel(k) and "run_" .. k.name or "NULL", row and row.differentiable and "rule_" .. k.name or "NULL")
end
put "};"
done()

put, done = writer("ops_declare.h", "kernels' dispatchers, shape rules and gradient rules, declared.")
for _, k in ipairs(kernels) do
  local row = k.row
  if has_kernel(k) then
    put("static int run_%s(const yt_backend *b, yt_tensor *out, const void *a)\n{\n" ..
      "  return b->%s ? (b->%s)(out, a) : lacks(b, \"%s\");\n}", k.name, k.name, k.name, k.name)
  end
  if row and (row.kind == "OP" or row.kind == "PUT" or row.kind == "VIEW") then
    put("int yt__shape_%s(const yt_row *op, yt_tensor *out, args_%s *a);", k.name, k.name)
    put("static int shape_%s(const yt_row *op, yt_tensor *out, void *a) { return yt__shape_%s(op, out, a); }",
      k.name, k.name)
  end
  if row and row.differentiable then
    put("void rule_%s(yt_node *n, const void *a, yt_tensor *y, yt_tensor *g);", k.name)
  end
end
done()

put, done = writer("ops_calls.h", "the public functions.")
for _, row in ipairs(rows) do
  if row.kind ~= "FUN" then
    local values, setup = {}, {}
    for _, p in ipairs(row.params) do
      if p.class == "shape" then
        setup[#setup + 1] = ("if (!%s) return yt__fail(\"%s: no %s\"), NULL;"):format(p.name, row.name, p.name)
        values[#values + 1] = (".%s = *%s"):format(p.name, p.name)
      elseif p.class == "stream" then values[#values + 1] = (".source = yt__stream(%s)"):format(p.name)
      else values[#values + 1] = (".%s = %s"):format(p.name, p.name) end
    end
    local first = row.params[1].name
    for _, suffix in ipairs(forms[row.kind]) do
      local into = suffix == "" and row.kind ~= "PUT" and "NULL" or first
      put("%s\n{", signature(row, suffix))
      for _, line in ipairs(setup) do put("  " .. line) end
      put("  args_%s args_ = { %s };", row.name, table.concat(values, ", "))
      if row.kind == "PUT" and suffix == "" then put("  return yt__put_copy(OP_%s, (yt_args *)&args_);\n}", row.name)
      elseif into == "NULL" then put("  return yt__call(OP_%s, NULL, &args_);\n}", row.name)
      else
        put("  return %s ? yt__call(OP_%s, %s, &args_) : yt__abandon(OP_%s, (yt_args *)&args_);\n}",
          first, row.name, first, row.name)
      end
    end
  end
end
done()

put, done = writer("ops_rules.h", "gradients of the elementwise ops.")
for _, row in ipairs(rows) do
  if row.kind == "MAP" and row.differentiable then
    local variables = { g = "g", y = "y", NONE = "NULL" }
    for _, n in ipairs(row.inputs) do variables[n] = "p->" .. n end
    for k, text in ipairs(row.rules) do
      if row[k] then
        local reads = {}
        for i, n in ipairs(row[k].inputs) do reads[i] = variables[n] end
        put("yt_tensor *yt__d%d_%s(const args_%s *p, yt_tensor *y, yt_tensor *g)\n{\n  (void)p, (void)y, (void)g;",
          k, row.name, row.name)
        put("  return yt__composing() ? %s\n    : yt__call(OP_%s, NULL, &(args_%s){ .in = { %s } });\n}",
          as_tensors(text, variables), row[k].name, row[k].name, table.concat(reads, ", "))
      end
    end
    put("void rule_%s(yt_node *n, const void *p, yt_tensor *y, yt_tensor *g)\n{\n  (void)n, (void)p, (void)y, (void)g;",
      row.name)
    for k, text in ipairs(row.rules) do
      if row[k] then put("  if (n->edge[%d]) yt__give(n, %d, yt__d%d_%s(p, y, g));", k - 1, k - 1, k, row.name)
      elseif text == "g" then put("  if (n->edge[%d]) yt__give(n, %d, g);", k - 1, k - 1) end
    end
    put "}"
  end
end
done()

-- WORDS: each op as a macro of scalars. ROWS and FOLD_ROWS: expanded by the includer's MAP1_FLOAT, FOLD_NUM and so on.
-- TABLE_kind: a list.
put, done = writer("map_kernels.h", "the loops of elementwise ops, reductions and optimizers.")
put "#ifdef WORDS"
for _, row in ipairs(rows) do
  if row.kind == "MAP" or row.kind == "CMP" then
    local formula = replace_words(row.formula, function(word)
      for _, n in ipairs(row.inputs) do if n == word then return "(" .. word .. ")" end end
    end)
    put("#define S_%s(%s) (%s)", row.name, table.concat(row.inputs, ", "), formula)
  end
end
put "#endif\n#ifdef ROWS"
local lists = { MAP = {}, FOLD = {}, SEEK = {}, SCAN = {}, STEP = {} }
local function loop(name, domain, inputs, formula)
  put("MAP%d_%s(%s, %s, %s)", #inputs, domain, name, table.concat(inputs, ", "), formula)
  table.insert(lists.MAP, { name, domain })
end
for _, row in ipairs(rows) do
  if row.kind == "MAP" or row.kind == "CMP" then
    loop(row.name, row.domain, row.inputs, row.formula)
    for k, text in ipairs(row.rules) do
      if row[k] then loop(row[k].name, "FLOAT", row[k].inputs, as_scalars(text)) end
    end
  elseif row.kind == "STEP" then
    local tensors, numbers, loads, stores = split(row.tensors:sub(2, -2)), split(row.numbers:sub(2, -2)), {}, {}
    for i, n in ipairs(tensors) do
      loads[i] = ("T %s = ((T *)x_[%d])[i_];"):format(n, i - 1)
      if n ~= "g" then stores[#stores + 1] = ("((T *)x_[%d])[i_] = %s;"):format(i - 1, n) end
    end
    for i, n in ipairs(numbers) do numbers[i] = ("const T %s = (T)c_[%d];"):format(n, i - 1) end
    put("STEP_FLOAT(%s, %s, %s, (%s), %s)", row.name, table.concat(numbers, " "), table.concat(loads, " "),
      row.body:sub(2, -2), table.concat(stores, " "))
  end
  if lists[row.kind] and row.kind ~= "MAP" then
    table.insert(lists[row.kind], { row.name, row.kind == "STEP" and "FLOAT" or "NUM" })
  end
end
put "#endif\n#ifdef FOLD_ROWS"
for _, row in ipairs(rows) do
  if row.kind == "FOLD" then put("FOLD_NUM(%s, %s, %s)", row.name, row.first, row.next)
  elseif row.kind == "SEEK" then put("SEEK_NUM(%s, %s)", row.name, row.better)
  elseif row.kind == "SCAN" then put("SCAN_NUM(%s, %s, %s)", row.name, row.first, row.next) end
end
put "#endif"
for _, kind in ipairs { "MAP", "FOLD", "SEEK", "SCAN", "STEP" } do
  put("#ifdef TABLE_%s", kind)
  for _, entry in ipairs(lists[kind]) do put("%s(TABLE_%s, %s)", entry[2], kind, entry[1]) end
  put "#endif"
end
done()

-- kernels whose C is the same for every row of a kind
put, done = writer("map_entries.h", "one kernel per generated loop.")
for _, k in ipairs(kernels) do
  local kind = k.row and k.row.kind or "MAP"
  if kind == "MAP" or kind == "CMP" then
    local reads = 0                 -- a bit per input that the formula looks at
    for i, n in ipairs(k.inputs) do if not k.row or mentions(k.row.formula, n) then reads = reads + 2 ^ (i - 1) end end
    put("ENTRY_MAP(%s, %d, %d)", k.name, #k.inputs, reads)
  elseif kind == "FOLD" or kind == "SEEK" or kind == "SCAN" then put("ENTRY_%s(%s)", kind, k.name)
  elseif kind == "STEP" then
    local numbers = {}
    for i, n in ipairs(split(k.row.numbers:sub(2, -2))) do numbers[i] = "p->" .. n end
    put("ENTRY_STEP(%s, %d, %s)", k.name, #k.inputs, table.concat(numbers, ", "))
  end
end
done()

put, done = writer("ffi_text.h", "what LuaJIT reads.")
local region = read(source .. "/yutu.h"):match "/%* ffi: begin %*/(.-)/%* ffi: end" .. table.concat(declarations, "\n")
region = region:gsub("/%*.-%*/", ""):gsub("[ \t]+", " "):gsub("%s*\n%s*", "\n")
put "static const char ffi_text[] = {"
for i = 1, #region, 40 do
  local bytes = { region:byte(i, math.min(i + 39, #region)) }
  put(table.concat(bytes, ",") .. ",")
end
put "0 };"
done()
