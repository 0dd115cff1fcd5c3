--- yutu.safetensors: named tensors in one file, the format of Hugging Face's library of that name.
--
--   assert(safetensors.save("mlp.safetensors", model:state_dict(), { note = "3 epochs" }))
--   local tensors, metadata = assert(safetensors.load "mlp.safetensors")
--   model:load_state_dict(tensors)
--
-- C does both (src/safetensors.c): a header is checked as a whole before any tensor is made, and a save replaces the
-- old file only when the new one is complete. dtypes: f64 f32 f16 bf16 i64 i32 u8 bool.
local ffi = require "ffi"
local lib = require "yutu.ffi"

local C, str = lib.C, ffi.string

local safetensors = {}

local function fail(format, ...) lib.raise("safetensors: " .. format:format(...)) end

local function check_path(path)
  if type(path) ~= "string" or path == "" then fail("path is %s, a string is needed", lib.describe(path)) end
  return not path:find "%z"
end

-- A new struct, freed by free() or else by the collector.
local function owned(f)
  if f == nil then return nil, lib.message() end
  return ffi.gc(f, C.yt_safetensors_free)
end
local function free(f) C.yt_safetensors_free(ffi.gc(f, nil)) end

---- reading ----------------------------------------------------------------------------------------
local function read_tensors(f)
  local tensors = {}
  for i = 0, tonumber(C.yt_safetensors_count(f)) - 1 do
    local t = C.yt_safetensors_get(f, i)
    if t == nil then return nil, lib.message() end
    tensors[str(C.yt_safetensors_name(f, i))] = lib.own(t)
  end
  return tensors
end
local function read_notes(f)
  local metadata, key = {}, C.yt_safetensors_next_note(f, nil)
  while key ~= nil do
    metadata[str(key)] = str(C.yt_safetensors_note(f, key))
    key = C.yt_safetensors_next_note(f, key)
  end
  return metadata
end

--- load(path) -> tensors by name, metadata (strings by name); nil and a message for a file that can't be read or is not
-- to be trusted.
function safetensors.load(path)
  if not check_path(path) then return nil, "safetensors: a path has no zero bytes" end
  local f, problem = owned(C.yt_safetensors_open(path))
  if not f then return nil, problem end
  local tensors, broken = read_tensors(f)
  local metadata = tensors and read_notes(f)
  free(f)
  if not tensors then return nil, broken end
  return tensors, metadata
end

---- writing ----------------------------------------------------------------------------------------
local function check_text(what, text)
  if type(text) ~= "string" then fail("%s is %s, a string is needed", what, lib.describe(text)) end
  if text:find "%z" then fail("%s has a zero byte in it", what) end
  return text
end

-- The names in the order of a state_dict, else sorted, so that the same tensors always make the same file.
local function names_of(tensors)
  local meta, names = getmetatable(tensors), {}
  if meta and type(meta.order) == "table" then return meta.order end
  for name in pairs(tensors) do names[#names + 1] = check_text("a name", name) end
  table.sort(names)
  return names
end

local function put_all(f, tensors, metadata)
  for _, name in ipairs(names_of(tensors)) do
    if not ffi.istype(lib.ref, tensors[name]) then
      fail("%s is %s, a tensor is needed", name, lib.describe(tensors[name]))
    end
    if C.yt_safetensors_put(f, check_text("a name", name), lib.tensor(tensors[name], "safetensors", name)) ~= 0 then
      lib.fail()
    end
  end
  local keys = {}
  for key in pairs(metadata) do keys[#keys + 1] = check_text("a key of metadata", key) end
  table.sort(keys)
  for _, key in ipairs(keys) do
    if C.yt_safetensors_annotate(f, key, check_text("metadata " .. key, metadata[key])) ~= 0 then lib.fail() end
  end
end

--- save(path, tensors, metadata) -> true; nil and a message if the file can't be written: the old one is untouched.
function safetensors.save(path, tensors, metadata)
  if not check_path(path) then return nil, "safetensors: a path has no zero bytes" end
  if type(tensors) ~= "table" then fail("tensors are %s, a table is needed", lib.describe(tensors)) end
  if metadata ~= nil and type(metadata) ~= "table" then fail("metadata is %s, not a table", lib.describe(metadata)) end
  local f, problem = owned(C.yt_safetensors_new())
  if not f then return nil, problem end
  put_all(f, tensors, metadata or {})
  local failed = C.yt_safetensors_save(f, path) ~= 0 and lib.message()
  free(f)
  if failed then return nil, failed end
  return true
end

return safetensors
