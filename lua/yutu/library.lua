--- library.lua: finds libyutu.so and opens it. Returns the FFI namespace and the folder of these Lua files.
-- YUTU_LIBRARY, if set, is the only place looked at. Else: the build folder beside lua/, the folder of these files and
-- the one above it, and what the system's linker knows as "yutu".
local ffi = require "ffi"
local love = rawget(_G, "love")

local folder = debug.getinfo(1, "S").source:match "^@(.*)[/\\][^/\\]*$" or "."

-- The library can't be opened inside a .love archive: the first of these paths is copied to the save folder. The copy
-- is renamed into place: another thread may have the last one open, or make one too.
local COPY = "libyutu-unpacked.so"
local function unpack_from_archive(fs, paths)
  for _, path in ipairs(paths) do
    local bytes = fs.read(path)
    if bytes then
      local target = fs.getSaveDirectory() .. "/" .. COPY
      if fs.read(COPY) == bytes then return target end
      local part = COPY .. tostring(paths):gsub("%W+", "-")    -- an address no other state of the process uses now
      if fs.write(part, bytes) and os.rename(fs.getSaveDirectory() .. "/" .. part, target) then return target end
    end
  end
end

local function clean(path) return (path:gsub("^%./", ""):gsub("^/+", "")) end
local function above(path) return path:match "^(.*)/[^/]*$" or path .. "/.." end

local function candidates()
  local fs, here, paths = love and love.filesystem, folder, {}
  local real = fs and fs.getRealDirectory and fs.getRealDirectory(clean(folder .. "/library.lua"))
  if real then                    -- LÖVE loaded this file, by a path of its own file system
    local inside = clean(folder)
    if real:match "%.love$" or real == fs.getSource() and fs.isFused() then
      local near = { inside .. "/libyutu.so", clean(above(inside) .. "/libyutu.so"), "libyutu.so" }
      paths[1] = unpack_from_archive(fs, near)
    end
    here = real .. "/" .. inside
  end
  paths[#paths + 1] = above(above(here)) .. "/build/libyutu.so"
  paths[#paths + 1] = here .. "/libyutu.so"
  paths[#paths + 1] = above(here) .. "/libyutu.so"
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
