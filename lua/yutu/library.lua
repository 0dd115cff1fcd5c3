--- library.lua: finds libyutu.so and opens it. Returns the FFI namespace and the folder of these Lua files.
-- YUTU_LIBRARY, if set, is the only place looked at. Else: the build folder beside lua/, the folder of these files and
-- the one above it, and what the system's linker knows as "yutu".
local ffi = require "ffi"

local folder = debug.getinfo(1, "S").source:match "^@(.*)[/\\][^/\\]*$" or "."

-- A file of these names can't be opened in place when it lies inside a .love archive: it is copied out first.
local function unpack_from_archive(fs, paths)
  for _, path in ipairs(paths) do
    local bytes = fs.read(path)
    if bytes and fs.write("libyutu.so", bytes) then return fs.getSaveDirectory() .. "/libyutu.so" end
  end
end

local function clean(path) return (path:gsub("^%./", ""):gsub("^/+", "")) end

local function candidates()
  local above = folder:match "^(.*)/[^/]*$" or folder .. "/.."
  local near = { "../../build/libyutu.so", "libyutu.so", "../libyutu.so" }
  local paths = {}
  local fs = rawget(_G, "love") and love.filesystem -- luacheck: read_globals love
  local virtual = clean(folder .. "/library.lua")
  local real = fs and fs.getRealDirectory and fs.getRealDirectory(virtual)
  if real then -- LÖVE loaded this file, by a path inside its own file system
    local inside = clean(folder)
    local parent = inside:match "^(.*)/[^/]*$" or ""
    for i, path in ipairs(near) do paths[i] = ("%s/%s/%s"):format(real, inside, path) end
    paths[#paths + 1] = real .. "/libyutu.so"
    if not fs.getInfo(inside, "directory") or real:match "%.love$" or real == fs.getSource() and fs.isFused() then
      local packed = { inside .. "/libyutu.so", clean(parent .. "/libyutu.so"), "libyutu.so" }
      table.insert(paths, 1, unpack_from_archive(fs, packed))
    end
  else
    for i, path in ipairs(near) do paths[i] = folder .. "/" .. path end
    paths[1], paths[3] = (above:match "^(.*)/[^/]*$" or above .. "/..") .. "/build/libyutu.so", above .. "/libyutu.so"
  end
  paths[#paths + 1] = "yutu"
  return paths
end

local named = os.getenv "YUTU_LIBRARY"
local tried = {}
for _, path in ipairs(named and named ~= "" and { named } or candidates()) do
  local ok, found = pcall(ffi.load, path)
  if ok then return { C = found, folder = folder, path = path } end
  tried[#tried + 1] = "\n  " .. path .. ": " .. tostring(found):gsub("^" .. path:gsub("%p", "%%%0") .. ": ", "")
end
error("yutu: its library could not be loaded; tried" .. table.concat(tried)
  .. "\nbuild it (scripts/setup), or name it in the environment variable YUTU_LIBRARY", 0)
