--- The IDX format of the MNIST family. C reads it (src/idx.c); nothing a file says is believed unchecked.
local lib = require "yutu.ffi"
local C = lib.C

local idx = {}

--- The tensor in an IDX file, gzipped or not: u8, i32, f32 or f64. nil and a message if there is none to be had.
function idx.read(path)
  if type(path) ~= "string" then lib.raise("idx.read: path is " .. lib.describe(path) .. ", a string is needed") end
  if path:find("%z") then return nil, "idx.read: a path has no zero bytes" end
  local t = C.yt_idx_read(path)
  if t == nil then return nil, lib.message() end
  return lib.own(t)
end

return idx
