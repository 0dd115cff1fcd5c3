--- torch.lua: PyTorch as the peer: peer.py in processes that stay, one per number of threads and way of set-up.
--
-- "as installed" is PyTorch as Debian ships it. "tuned" binds its threads, gives it an OpenBLAS that runs on its own
-- OpenMP threads (YUTU_BENCH_OPENMP_BLAS names its folder) and picks kernels itself, and keeps memory in the process.
local folder = debug.getinfo(1, "S").source:match "^@(.*)/support/"

local torch = { available = os.getenv "YUTU_BENCH_TORCH" == "1" }

local blas = os.getenv "YUTU_BENCH_OPENMP_BLAS"
local setups = {
  { name = "as installed", command = "" },
  { name = "tuned", command = "env -u OPENBLAS_CORETYPE OMP_PROC_BIND=true MALLOC_MMAP_THRESHOLD_=1073741824 "
    .. "MALLOC_TRIM_THRESHOLD_=1073741824 " .. (blas and "LD_LIBRARY_PATH=" .. blas .. " " or "") },
}

-- Requests go in by a pipe, answers come back by a FIFO that loses its name at once.
local function start(threads, setup)
  local fifo = os.tmpname()
  os.remove(fifo)
  if os.execute("mkfifo " .. fifo) ~= 0 then error("torch.lua: mkfifo failed", 0) end
  local requests = io.popen(("OMP_NUM_THREADS=%d %s/usr/bin/python3 %s/peer.py %d >%s"):format(threads, setup.command,
    folder, threads, fifo), "w")
  local answers = io.open(fifo, "r")
  os.remove(fifo)
  return { requests = requests, answers = answers, name = ("%d thread%s, %s"):format(threads, threads > 1 and "s" or "",
    setup.name) }
end

local running = {}
local function process(threads, k)
  local key = threads .. " " .. k
  running[key] = running[key] or start(threads, setups[k])
  return running[key]
end

local function ask(p, request)
  p.requests:write(request, "\n")
  p.requests:flush()
  local line = p.answers:read "*l"
  if not line or line:match "^error" then
    error(("PyTorch (%s): %s: %s"):format(p.name, request, line or "it died"), 0)
  end
  local answer = {}
  for number in line:gmatch "%S+" do answer[#answer + 1] = tonumber(number) or number end
  return answer
end

--- All the processes that may use one of these numbers of threads.   threads: a list; each: f(ask, name)
function torch.each(threads, each)
  for _, n in ipairs(threads) do
    for k = 1, #setups do
      local p = process(n, k)
      each(function(request) return ask(p, request) end, p.name)
    end
  end
end

--- A contestant: the fastest of the processes, found in its first turn. nil if PyTorch is not installed.
--   returns   the contestant, and f() -> the name of the one it chose
function torch.contestant(threads, request, seconds)
  if not torch.available then return nil, function() return "PyTorch" end end
  request = ("%s %g"):format(request, seconds or 0.006)
  local best, chosen, name
  return function()
    if not chosen then
      torch.each(threads, function(question, who)
        question(request)
        local took = question(request)[1]
        if not best or took < best then best, chosen, name = took, question, who end
      end)
    end
    return chosen(request)[1]
  end, function() return ("PyTorch (%s)"):format(name) end
end

return torch
