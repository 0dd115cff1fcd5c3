--- machine.lua: the machine and the versions that the figures belong to.
local yutu = require "yutu"

local function first_line(command)
  local p = io.popen(command .. " 2>/dev/null")
  local line = p:read "*l"
  p:close()
  return line and line ~= "" and line or "none"
end

local function package(name) return first_line("dpkg-query -W -f '${Version}' " .. name) end

print(("\nmachine   %s, %s cores, L2 %s, L3 %s, load %s"):format(
  first_line "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo", first_line "nproc",
  first_line "lscpu -C=NAME,ONE-SIZE | awk '$1 == \"L2\" { print $2 }'",
  first_line "lscpu -C=NAME,ONE-SIZE | awk '$1 == \"L3\" { print $2 }'", first_line "cut -d' ' -f1-3 /proc/loadavg"))
print(("yutu      %s, %s kernels, %d threads at most; %s; %s"):format(yutu.version, yutu.instruction_set(),
  yutu.get_num_threads(), jit.version, first_line "cc --version"))
print(("peers     PyTorch %s, OpenBLAS %s, oneDNN %s; Linux %s"):format(package "python3-torch",
  package "libopenblas0-serial", package "libdnnl2", first_line "uname -r"))
