--- autograd.lua: gradients from Lua: backward, grad, no_grad, hooks, and ops written in Lua.
--
-- The pass itself runs in C. Where the graph holds functions of Lua's (custom ops, hooks) it stops there and this file
-- goes on with it; C never calls Lua. Functions are kept by tag until C reports that their node is gone.
local ffi = require "ffi"
local lib = require "yutu.ffi"
local Tensor = require "yutu.tensor"
require "yutu.create"

local C, ref, istype = lib.C, lib.ref, ffi.istype
local raise, describe, it = lib.raise, lib.describe, lib.it
local functions = lib.functions
local RETAIN, CREATE = 1, 2       -- YT_RETAIN_GRAPH, YT_CREATE_GRAPH

local autograd = {}

---- recording on and off -----------------------------------------------------------------------------
local function restore(was, ok, ...)
  C.yt_set_grad_enabled(was)
  if not ok then error((...), 0) end
  return ...
end
--- f(...) with recording off; returns what f returns.
function autograd.no_grad(f, ...)
  lib.callable(f, "no_grad")
  return restore(C.yt_set_grad_enabled(0), pcall(f, ...))
end
--- f(...) with recording on, as inside no_grad it would not be.
function autograd.enable_grad(f, ...)
  lib.callable(f, "enable_grad")
  return restore(C.yt_set_grad_enabled(1), pcall(f, ...))
end
--- Returns what it was.
function autograd.set_grad_enabled(on) return C.yt_set_grad_enabled(on and 1 or 0) ~= 0 end
function autograd.is_grad_enabled()
  local on = C.yt_set_grad_enabled(1)
  C.yt_set_grad_enabled(on)
  return on ~= 0
end
--- x itself, with its gradient asked for (or not: on = false).
function Tensor.requires_grad_(x, on)
  x.requires_grad = on ~= false
  return x
end

---- a pass, with stops -------------------------------------------------------------------------------
local function give(pass, k, gradient, op)
  local g = lib.tensor(gradient, op, "the gradient of input " .. k + 1)
  if C.yt_pass_give(pass, k, g) ~= 0 then lib.fail() end
end
local function go_on(pass)        -- at a stop: calls the function that the tag stands for
  local tag = tonumber(C.yt_pass_tag(pass))
  local f = functions[math.abs(tag)]
  local g = C.yt_pass_grad(pass)
  if g == nil then lib.fail() end
  f(pass, lib.own(g))
end
local function run(pass)
  local r = C.yt_pass_run(pass)
  while r == 1 do
    go_on(pass)
    r = C.yt_pass_run(pass)
  end
  if r < 0 then lib.fail() end
end
-- Runs a new pass and hands it to done(); it is freed whatever happens.
local function walk(y, gradient, x, n, flags, done)
  local pass = C.yt_pass_new(y, gradient, x, n, flags)
  if pass == nil then lib.fail() end
  local was = C.yt_set_grad_enabled(flags >= CREATE and 1 or 0)
  local ok, result = pcall(run, pass)
  C.yt_set_grad_enabled(was)
  if ok and done then result = done(pass) end
  C.yt_pass_free(pass)
  if not ok then error(result, 0) end
  return result
end
local function flags_of(o) return (o.retain_graph and RETAIN or 0) + (o.create_graph and CREATE or 0) end

local known_backward = { gradient = true, retain_graph = true, create_graph = true }
--- Adds the gradient of y to .grad of every leaf it was made from.
-- options: gradient, if y has more than one element; retain_graph, to differentiate again; create_graph, to go on
-- differentiating the gradients: then .grad holds the graph and the graph its leaf, so both stay until x.grad = nil.
-- yutu.grad has no such ring.
function Tensor.backward(y, options)
  local t = it(y, "backward")
  if options == nil and next(functions) == nil then
    if C.yt_backward(t) ~= 0 then lib.fail() end
    return
  end
  if options ~= nil and type(options) ~= "table" then
    if not istype(ref, options) then raise(("backward: options are %s, not a table"):format(describe(options))) end
    options = { gradient = options }
  end
  local o = options and lib.options(options, "backward", known_backward) or {}
  walk(t, lib.maybe(o.gradient, "backward", "gradient"), nil, 0, flags_of(o))
end

local known_grad = { grad_outputs = true, retain_graph = true, create_graph = true, allow_unused = true }
--- dy/dx for each x in a list, as a list; nil where y does not depend on it. .grad is left alone.
function autograd.grad(y, xs, options)
  local one = istype(ref, xs)
  if one then xs = { xs } end
  if type(xs) ~= "table" then raise(("grad: with respect to %s; a list of tensors is needed"):format(describe(xs))) end
  if type(options) == "boolean" then options = { create_graph = options } end
  local o = options and lib.options(options, "grad", known_grad) or {}
  local n = #xs
  local x = ffi.new("yt_tensor *[?]", n)
  for i = 1, n do x[i - 1] = lib.tensor(xs[i], "grad", "argument " .. i) end
  if n == 0 then return {} end
  local t = lib.tensor(y, "grad", "y")
  local out = walk(t, lib.maybe(o.grad_outputs, "grad", "grad_outputs"), x, n, flags_of(o), function(pass)
    local list = {}
    for i = 1, n do list[i] = lib.adopt(C.yt_pass_result(pass, i - 1)) end
    return list
  end)
  if one then return out[1] end
  return out
end

---- hooks ----------------------------------------------------------------------------------------------
local hooks_of = setmetatable({}, { __mode = "v" })    -- by the address of a node: { tag =, list = functions }

local function node_key(t) return tostring(ffi.cast("void *", t.node)) end

--- f(g) is called with the gradient of x when it is known; what f returns, if not nil, takes its place.
-- f lives as long as x's place in the graph; if it holds x itself, that is until it is removed.
-- Returns an object whose remove() takes the hook away.
function Tensor.register_hook(x, f)
  local t = it(x, "register_hook")
  if type(f) ~= "function" then raise(("register_hook: %s, a function is needed"):format(describe(f))) end
  if t.node == nil then raise "register_hook: this tensor needs no gradient" end
  lib.forget_the_dead()
  local key = node_key(t)
  local hooks = hooks_of[key]
  if not hooks or not functions[hooks.tag] then
    hooks = { list = {} }
    hooks_of[key] = hooks
    hooks.tag = lib.new_tag(function(pass, g)
      for _, hook in ipairs(hooks.list) do
        local replaced = hook(g)
        if replaced ~= nil then
          give(pass, 0, replaced, "hook")
          g = replaced
        end
      end
    end)
    if C.yt_hook(t, hooks.tag) ~= 0 then lib.fail() end
  end
  table.insert(hooks.list, f)
  return {
    remove = function()
      for i, g in ipairs(hooks.list) do
        if g == f then return table.remove(hooks.list, i) end
      end
    end,
  }
end

---- ops in Lua --------------------------------------------------------------------------------------------
-- Several results travel as one list, end to end, through one node; their views take them apart again.
local function packed(results, n)
  if n == 1 then return results[1] end
  local flat = {}
  for i = 1, n do flat[i] = results[i]:reshape(-1) end
  return Tensor.cat(flat)
end
local function unpacked(all, shapes)
  local parts, from = {}, 1
  for i, shape in ipairs(shapes) do
    local n = 1
    for _, size in ipairs(shape) do n = n * size end
    parts[i] = all:slice(1, from, from + n - 1):view(shape)
    from = from + n
  end
  return parts
end

local function collect(...) return { n = select("#", ...), ... } end

local function apply(op, ...)
  local arguments, inputs, place = { ... }, {}, {}
  for i = 1, select("#", ...) do
    if istype(ref, arguments[i]) then
      inputs[#inputs + 1] = arguments[i]
      place[#place + 1] = i
    end
  end
  local n = #inputs
  local context = { needs_gradient = {} }
  for k, x in ipairs(inputs) do context.needs_gradient[place[k]] = x.requires_grad end
  local results = collect(autograd.no_grad(op.forward, context, ...))
  local shapes = {}
  for i = 1, results.n do
    if not istype(ref, results[i]) then
      raise(("%s: forward returned %s, a tensor is needed"):format(op.name, describe(results[i])))
    end
    shapes[i] = results[i].shape
  end
  if results.n == 0 then raise(op.name .. ": forward returned nothing") end

  local function backward(pass, g)
    local gradients = results.n == 1 and collect(op.backward(context, g))
      or collect(op.backward(context, unpack(unpacked(g, shapes))))
    for k = 1, n do
      local d = gradients[place[k]]
      if d ~= nil then give(pass, k - 1, d, op.name) end
    end
  end
  local x = ffi.new("yt_tensor *[?]", math.max(n, 1))
  for k = 1, n do x[k - 1] = lib.tensor(inputs[k], op.name, "input") end
  local all = autograd.no_grad(packed, results, results.n)
  local tag = lib.new_tag(backward)
  local y = C.yt_custom(lib.tensor(all, op.name, "the result"), x, n, tag)
  if y == nil then lib.fail() end
  if y.node == nil then functions[tag] = nil end      -- not recorded
  y = lib.own(y)
  -- the results as they were would keep inputs alive through backward's upvalues
  local count = results.n
  results = { n = count }
  if count == 1 then return y end
  return unpack(unpacked(y, shapes))
end

local Function = {}
Function.__index = Function
function Function.__call(op, ...) return apply(op, ...) end
function Function.apply(op, ...) return apply(op, ...) end

local known_function = { forward = true, backward = true, name = true }
--- An op of your own:
--   yutu.Function { forward = function(ctx, ...) return y end, backward = function(ctx, g) return dx end }
-- forward computes with recording off and may keep what backward needs in ctx; backward returns one gradient for each
-- argument of forward, nil where there is none. The result is called like a function, and is differentiable as often
-- as backward is.
function autograd.Function(definition)
  lib.options(definition, "Function", known_function)
  for _, part in ipairs { "forward", "backward" } do
    if type(definition[part]) ~= "function" then raise(("Function: no function %s"):format(part)) end
  end
  return setmetatable({ name = definition.name or "custom op", forward = definition.forward,
    backward = definition.backward }, Function)
end

return autograd
