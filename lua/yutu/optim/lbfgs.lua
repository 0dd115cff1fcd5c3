--- L-BFGS: a quasi-Newton method that remembers the last history_size changes of parameters and gradients.
--   step(closure) runs up to max_iter iterations; closure computes the loss and its gradients anew and returns the loss
--   line_search_fn   nil: steps of lr;  "strong_wolfe": as long as they should be
--   source   Nocedal & Wright 2006, algorithms 7.4, 7.5 (direction), 3.5, 3.6 (line search); constants are PyTorch's
local yutu = require "yutu"
local lib = require "yutu.ffi"
local Optimizer = require "yutu.optim.optimizer"

local C, abs, min, max, sqrt = lib.C, math.abs, math.min, math.max, math.sqrt

local LBFGS = Optimizer:extend("optim.LBFGS", {
  lr = 1, max_iter = 20, max_eval = 0, tolerance_grad = 1e-7, tolerance_change = 1e-9, history_size = 100,
  line_search_fn = false,
}, {})

function LBFGS:check(group)
  Optimizer.check(self, group)
  if group.max_eval == 0 then group.max_eval = math.floor(group.max_iter * 5 / 4) end
  if group.line_search_fn and group.line_search_fn ~= "strong_wolfe" then
    self:fail("line_search_fn is %s; there is strong_wolfe", lib.describe(group.line_search_fn))
  end
end

function LBFGS:init(params, options)
  Optimizer.init(self, params, options)
  if #self.param_groups ~= 1 then self:fail "one group only" end
  self.memory = { evaluations = 0, iterations = 0, y = {}, s = {}, rho = {} }
end

---- all parameters as one vector -------------------------------------------------------------------
local function dot(a, b) return a:dot(b):item() end
local function largest(x) return x:abs():amax():item() end

local function gather_gradient(self)
  local parts = {}
  for i, slot in ipairs(self.slots[1]) do
    local g = slot.p.grad
    parts[i] = g and g:detach():reshape(-1) or yutu.zeros({ slot.p:numel() }, { dtype = slot.p.dtype })
  end
  return yutu.cat(parts, 1)
end

-- parameters = from + t direction; from: nil is where they are
local function move(self, from, t, direction)
  local first = 1
  for i, slot in ipairs(self.slots[1]) do
    local p, n = slot.p, slot.p:numel()
    if from then p:copy_(from[i]) end
    if n > 0 then p:add_((direction:slice(1, first, first + n - 1) * t):reshape(p.shape)) end
    first = first + n
  end
end

local function evaluate(self, closure)
  self.memory.evaluations = self.memory.evaluations + 1
  local loss = yutu.enable_grad(closure)
  if loss == nil then self:fail "step: the closure returns nothing, the loss is needed" end
  return loss, type(loss) == "number" and loss or loss:item(), gather_gradient(self)
end

---- the direction ----------------------------------------------------------------------------------
-- -H g, with H from the changes remembered (two loops), its diagonal scaled by that of the last change.
local function direction(memory, gradient)
  local q, alpha = gradient:neg(), {}
  for i = #memory.y, 1, -1 do
    alpha[i] = dot(memory.s[i], q) * memory.rho[i]
    q = q - memory.y[i] * alpha[i]
  end
  local d = q * memory.scale
  for i = 1, #memory.y do
    d = d + memory.s[i] * (alpha[i] - dot(memory.y[i], d) * memory.rho[i])
  end
  return d
end

local function remember(memory, gradient, history_size)
  local y, s = gradient - memory.gradient, memory.direction * memory.t
  local ys = dot(y, s)
  if ys <= 1e-10 then return end  -- not a change along which the function curves upward
  if #memory.y >= history_size then
    table.remove(memory.y, 1)
    table.remove(memory.s, 1)
    table.remove(memory.rho, 1)
  end
  local n = #memory.y + 1
  memory.y[n], memory.s[n], memory.rho[n] = lib.keep(y), lib.keep(s), 1 / ys
  memory.scale = ys / dot(y, y)
end

---- how far along it -------------------------------------------------------------------------------
-- A point on the line: t, the loss f there, the gradient g and its slope along the line.
-- The minimum, within [lowest, highest], of the cubic through two of them.
local function cubic_minimum(a, b, lowest, highest)
  local lo, hi = a, b
  if a.t > b.t then lo, hi = b, a end
  lowest, highest = lowest or lo.t, highest or hi.t
  local d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
  local square = d1 * d1 - a.slope * b.slope
  if square < 0 or square ~= square then return (lowest + highest) / 2 end
  local d2 = sqrt(square)
  local t = hi.t - (hi.t - lo.t) * ((hi.slope + d2 - d1) / (hi.slope - lo.slope + 2 * d2))
  return min(max(t, lowest), highest)
end

-- The first t found where the loss has fallen enough and the slope has flattened enough.
local function strong_wolfe(start, t, length, at, tolerance_change)
  local c1, c2, most = 1e-4, 0.9, 25
  local tries, found = 0, nil
  local previous, now = start, at(t)
  local a, b                      -- the bracket that holds such a t
  while tries < most do
    if now.f > start.f + c1 * now.t * start.slope or (tries > 1 and now.f >= previous.f) then
      a, b = previous, now
      break
    elseif abs(now.slope) <= -c2 * start.slope then
      found = now
      break
    elseif now.slope >= 0 then
      a, b = previous, now
      break
    end
    local next_t = cubic_minimum(previous, now, now.t + 0.01 * (now.t - previous.t), now.t * 10)
    previous, now = now, at(next_t)
    tries = tries + 1
  end
  if found then return found end
  if tries == most then a, b = start, now end

  local low, high, stuck = a, b, false
  if a.f > b.f then low, high = b, a end
  while tries < most and abs(high.t - low.t) * length >= tolerance_change do
    t = cubic_minimum(low, high)
    local left, right = min(low.t, high.t), max(low.t, high.t)
    local margin = 0.1 * (right - left)
    if min(right - t, t - left) < margin then          -- too near an end: not twice in a row
      if stuck or t >= right or t <= left then
        t = abs(t - right) < abs(t - left) and right - margin or left + margin
        stuck = false
      else stuck = true end
    else stuck = false end

    now, tries = at(t), tries + 1
    if now.f > start.f + c1 * now.t * start.slope or now.f >= low.f then
      high = now
      if high.f < low.f then low, high = high, low end
    else
      if abs(now.slope) <= -c2 * start.slope then return now end
      if now.slope * (high.t - low.t) >= 0 then high = low end
      low = now
    end
  end
  return low
end

local function search(self, closure, t, loss, gradient, slope, tolerance_change)
  local memory, from = self.memory, {}
  for i, slot in ipairs(self.slots[1]) do from[i] = slot.p:detach():clone() end
  local function at(step)
    move(self, from, step, memory.direction)
    local _, f, g = evaluate(self, closure)
    return { t = step, f = f, g = g, slope = dot(g, memory.direction) }
  end
  local start = { t = 0, f = loss, g = gradient, slope = slope }
  local found = strong_wolfe(start, t, largest(memory.direction), at, tolerance_change)
  move(self, from, found.t, memory.direction)
  return found.t, found.f, found.g
end

---- one step ---------------------------------------------------------------------------------------
local function iterate(self, closure)
  local group, memory = self.param_groups[1], self.memory
  local before = memory.evaluations
  local first, loss, gradient = evaluate(self, closure)
  if largest(gradient) <= group.tolerance_grad then return first end

  for iteration = 1, group.max_iter do
    memory.iterations = memory.iterations + 1
    local t = group.lr
    if memory.iterations == 1 then
      memory.direction, memory.scale = lib.keep(gradient:neg()), 1
      t = min(1, 1 / gradient:abs():sum():item()) * group.lr
    else
      remember(memory, gradient, group.history_size)
      memory.direction = lib.keep(direction(memory, gradient))
    end
    memory.gradient, memory.t = lib.keep(gradient), t
    local slope, last = dot(gradient, memory.direction), loss
    if slope > -group.tolerance_change then break end

    local flat = false
    if group.line_search_fn then
      memory.t, loss, gradient = search(self, closure, t, loss, gradient, slope, group.tolerance_change)
      flat = largest(gradient) <= group.tolerance_grad
    else
      move(self, nil, t, memory.direction)
      if iteration < group.max_iter then
        local _
        _, loss, gradient = evaluate(self, closure)
        flat = largest(gradient) <= group.tolerance_grad
      end
    end
    if flat or memory.evaluations - before >= group.max_eval then break end
    if largest(memory.direction) * abs(memory.t) <= group.tolerance_change then break end
    if iteration < group.max_iter and abs(loss - last) < group.tolerance_change then break end
  end
  return first
end

--- Up to max_iter iterations; returns the first loss that the closure returned.
function LBFGS:step(closure)
  if type(closure) ~= "function" then self:fail "step: a closure that computes the loss anew is needed" end
  local recording = C.yt_set_grad_enabled(0)
  local ok, loss = pcall(iterate, self, closure)
  C.yt_set_grad_enabled(recording)
  if not ok then error(loss, 0) end
  return loss
end

---- saving -----------------------------------------------------------------------------------------
function LBFGS:state_dict()
  local out, memory = Optimizer.state_dict(self), {}
  for name, value in pairs(self.memory) do memory[name] = type(value) == "table" and { unpack(value) } or value end
  out.state = memory
  return out
end
function LBFGS:load_state_dict(saved)
  if type(saved) ~= "table" or type(saved.state) ~= "table" or not saved.state.iterations then
    self:fail "load_state_dict: what its state_dict() returned is needed"
  end
  Optimizer.load_state_dict(self, { state = {}, param_groups = saved.param_groups })
  self.memory = {}
  for name, value in pairs(saved.state) do self.memory[name] = type(value) == "table" and { unpack(value) } or value end
end

return LBFGS
