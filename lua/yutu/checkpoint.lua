--- yutu.checkpoint: a whole run in one file, from which it goes on bit for bit.
--
--   assert(checkpoint.save("run.yutu", { model = model, optimizer = opt, batches = loader, epoch = 3 }))
--   local saved = assert(checkpoint.load("run.yutu", { model = model, optimizer = opt, batches = loader }))
--   for epoch = saved.epoch + 1, 10 do ... end
--
-- What can be in it: numbers, strings, booleans, tensors, generators, tables of these (keys: strings and whole
-- numbers), and objects with state_dict() and load_state_dict(): modules, optimizers, schedules, loaders, environments.
-- The thread's own random stream, which dropout and shuffling draw from, is always saved too.
--
-- The file is a safetensors file, readable by any program that knows these: tensors under their path in the tree
-- ("optimizer/state/#1/exp_avg"; #1 is a whole number), and each scalar as a note under "/" and its path.
local ffi = require "ffi"
local lib = require "yutu.ffi"
local yutu = require "yutu"
local safetensors = require "yutu.safetensors"

local C, istype, ref, generator_type = lib.C, ffi.istype, lib.ref, ffi.typeof "yt_generator"
local FORMAT, VERSION, STREAM = "yutu.checkpoint", "1", "yutu.generator"

local checkpoint = {}

local function fail(format, ...) lib.raise("checkpoint: " .. format:format(...)) end

---- scalars as text --------------------------------------------------------------------------------
-- Bytes that JSON can't hold, and those that mean something here.
local function escape(text, special)
  return (text:gsub("[%c%%\128-\255" .. special .. "]", function(c) return ("%%%02X"):format(c:byte()) end))
end
local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function generator_text(g)
  return ("generator %s %s %s"):format(tostring(g.seed), tostring(g.stream), tostring(g.offset))
end

-- The text of a scalar, nil if it is none. Numbers keep every bit.
local function to_text(value)
  local kind = type(value)
  if kind == "number" then return value ~= value and "nan" or ("%.17g"):format(value) end
  if kind == "boolean" then return tostring(value) end
  if kind == "string" then return '"' .. escape(value, "") end
  if istype("int64_t", value) or istype("uint64_t", value) then return tostring(value) end
  if istype(generator_type, value) then return generator_text(value) end
end

local function integer(digits, unsigned)
  local sign, rest = digits:match "^(-?)(%d+)$"
  local v = unsigned and 0ULL or 0LL
  for d in rest:gmatch "%d" do v = v * 10 + (d:byte() - 48) end
  return sign == "-" and -v or v
end
local plain = { ["true"] = true, ["false"] = false, inf = math.huge, ["-inf"] = -math.huge, nan = 0 / 0 }

-- The scalar of a text; nil if it is none of ours.
local function from_text(text)
  if plain[text] ~= nil then return plain[text] end
  if text:sub(1, 1) == '"' then return unescape(text:sub(2)) end
  local digits, suffix = text:match "^(-?%d+)(U?LL)$"
  if digits then return integer(digits, suffix == "ULL") end
  local seed, stream, offset = text:match "^generator (%d+)ULL (%d+)ULL (%d+)ULL$"
  if seed then return ffi.new(generator_type, integer(seed, true), integer(stream, true), integer(offset, true)) end
  return text:match "^%-?[%d.e+-]+$" and tonumber(text) or nil
end

---- a tree as paths --------------------------------------------------------------------------------
local function segment(key, path)
  if type(key) == "string" then return key == "" and "%" or escape(key, "/#") end
  if type(key) == "number" and key % 1 == 0 then return ("#%d"):format(key) end
  fail("%s has the key %s; strings and whole numbers can be saved", path == "" and "the table" or path, tostring(key))
end
local function key_of(text)
  local n = text:match "^#(%-?%d+)$"
  if n then return tonumber(n) end
  return text == "%" and "" or unescape(text)
end

local function is_object(value)
  return type(value) == "table" and type(value.state_dict) == "function"
end

local function flatten(value, path, tensors, notes, inside)
  if istype(ref, value) then
    tensors[path] = value
    return
  end
  local text = to_text(value)
  if text then
    notes["/" .. path] = text
    return
  end
  if type(value) ~= "table" then fail("%s is a %s, which can't be saved", path, type(value)) end
  if inside[value] then fail("%s is a table inside itself", path) end
  inside[value] = true
  local content = is_object(value) and value:state_dict() or value
  if type(content) ~= "table" then fail("state_dict() of %s returned %s", path, lib.describe(content)) end
  if next(content) == nil then notes["/" .. path] = "{}" end
  for key, inner in pairs(content) do
    local name = segment(key, path)
    flatten(inner, path == "" and name or path .. "/" .. name, tensors, notes, inside)
  end
  inside[value] = nil
end

-- Puts a value at its path. false if another value is already there or on the way.
local function plant(tree, path, value)
  local at, last = tree, nil
  for text in path:gmatch "[^/]+" do
    if last ~= nil then
      if at[last] == nil then at[last] = {} end
      at = at[last]
      if type(at) ~= "table" then return false end
    end
    last = key_of(text)
  end
  if last == nil or at[last] ~= nil then return false end
  at[last] = value
  return true
end

---- saving -----------------------------------------------------------------------------------------
--- save(path, tree) -> true; nil and a message if the file can't be written: the old one is then untouched.
function checkpoint.save(path, tree)
  if type(tree) ~= "table" then fail("save: %s, a table is needed", lib.describe(tree)) end
  local tensors = {}
  local notes = { [FORMAT] = VERSION, [STREAM] = generator_text(C.yt_default_generator()) }
  flatten(tree, "", tensors, notes, {})
  return safetensors.save(path, tensors, notes)
end

---- loading ----------------------------------------------------------------------------------------
local function read(path)
  local tensors, notes = safetensors.load(path)
  if not tensors then return nil, notes end
  if notes[FORMAT] ~= VERSION then
    return nil, ("%s: not a checkpoint of this version: its %s is %s"):format(path, FORMAT, tostring(notes[FORMAT]))
  end
  local tree = {}
  for name, t in pairs(tensors) do
    if not plant(tree, name, t) then return nil, ("%s: tensor %q does not fit into the tree"):format(path, name) end
  end
  for key, text in pairs(notes) do
    if key:sub(1, 1) == "/" and text ~= "{}" then
      local value = from_text(text)
      if value == nil then return nil, ("%s: %q at %q is no value"):format(path, text, key) end
      if not plant(tree, key, value) then return nil, ("%s: %q does not fit into the tree"):format(path, key) end
    end
  end
  for key, text in pairs(notes) do
    if text == "{}" and key ~= "/" and not plant(tree, key, {}) then
      return nil, ("%s: %q does not fit into the tree"):format(path, key)
    end
  end
  local stream = from_text(notes[STREAM] or "")
  if not istype(generator_type, stream) then
    return nil, ("%s: the state of its random stream is missing"):format(path)
  end
  return tree, stream
end

local function set_generator(g, from) g.seed, g.stream, g.offset = from.seed, from.stream, from.offset end

-- The first thing of `into` that has no counterpart in what was saved.
local function missing(into, saved, path)
  for key, target in pairs(into) do
    local name = path .. "/" .. tostring(key)
    if istype(ref, target) and not istype(ref, saved[key]) then return name .. ", a tensor"
    elseif istype(generator_type, target) and not istype(generator_type, saved[key]) then return name .. ", a generator"
    elseif type(target) == "table" then
      if type(saved[key]) ~= "table" then return name end
      local inner = not is_object(target) and missing(target, saved[key], name)
      if inner then return inner end
    end
  end
end

local function restore(into, saved, path)
  for key, target in pairs(into) do
    local value, name = saved[key], path .. tostring(key)
    if istype(ref, target) then
      if table.concat(target.shape, ",") ~= table.concat(value.shape, ",") then
        fail("%s is (%s) there and (%s) here", name, table.concat(value.shape, ","), table.concat(target.shape, ","))
      end
      target:copy_(value)
    elseif istype(generator_type, target) then set_generator(target, value)
    elseif is_object(target) then target:load_state_dict(value)
    elseif type(target) == "table" then restore(target, value, name .. "/") end
  end
end

--- load(path) -> the tree, objects as the tables that their state_dict() returned; nil and a message if the file
-- can't be read or is no checkpoint.
-- With `into`, a tree of objects, tensors and generators, these also take over their parts, and the thread's random
-- stream goes on where it was; if the file lacks one of them, that is nil and a message too.
function checkpoint.load(path, into)
  if into ~= nil and type(into) ~= "table" then fail("load: into is %s, not a table", lib.describe(into)) end
  local tree, stream = read(path)
  if not tree then return nil, stream end
  if not into then return tree end
  local lacks = missing(into, tree, "")
  if lacks then return nil, ("%s: there is no %s in it"):format(path, lacks:sub(2)) end
  yutu.no_grad(restore, into, tree, "")
  set_generator(C.yt_default_generator(), stream)
  return tree
end

return checkpoint
