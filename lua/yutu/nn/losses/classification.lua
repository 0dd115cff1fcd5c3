--- Losses between scores of C classes and labels. Scores (N, C), (C) or (N, C, d ...), labels in 1 .. C, i64, of the
-- same shape without C. "none" gives a value per label.
--   weight         (C): how much each class counts;   ignore_index   a label that counts as absent
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"
local loss = require "yutu.nn.losses.declare"

local reduce, where = loss.reduce, yutu.where
local cross_entropy_rows = yutu.cross_entropy_rows

-- Scores as (rows, C) and labels as (rows).
local function as_rows(owner, input, target)
  local ndim = input:dim()
  if ndim == 2 and target:dim() == 1 and input:size(1) == target:size(1) then return input, target end
  local x, y = input.shape, target.shape
  local fits = ndim >= 1 and #y == ndim - 1 and (ndim == 1 or x[1] == y[1])
  for d = 3, ndim do fits = fits and x[d] == y[d - 1] end
  if not fits then
    lib.raise(("%s: input %s and labels %s: (N, C) and (N), or (N, C, ...) and (N, ...), are needed"):format(owner,
      check.shape(input), check.shape(target)))
  end
  if ndim == 1 then return input:unsqueeze(1), target:unsqueeze(1) end
  return input:movedim(2, -1):reshape { -1, x[2] }, target:reshape { -1 }
end

local function need_labels(owner, input, target)
  check.tensor(owner, "input", input)
  check.tensor(owner, "labels", target)
  if check.is_float(target) or target.dtype == "bool" then
    lib.raise(("%s: labels are %s %s: integers (i64), counted from 1, are needed"):format(owner, target.dtype,
      check.shape(target)))
  end
end

local function need_weight(owner, weight, classes)
  if weight == nil then return end
  check.tensor(owner, "weight", weight)
  if weight:dim() ~= 1 or weight:size(1) ~= classes then
    lib.raise(("%s: weight %s for %d classes"):format(owner, check.shape(weight), classes))
  end
end

-- Where labels count, and the labels with 1 in place of those that do not. A label out of range is an error.
local function usable(owner, target, classes, ignore_index)
  local counts = target:ne(ignore_index)
  local labels = where(counts, target, 1)
  if labels:numel() > 0 then
    local least, most = labels:amin():item(), labels:amax():item()
    if least < 1 or most > classes then
      lib.raise(("%s: label %d is not in 1 to %d (labels count from 1)"):format(owner, least < 1 and least or most,
        classes))
    end
  end
  return counts, labels
end

-- Values per row as the reduction wants them: the mean is over the weights of the labels that count.
local function reduce_rows(values, target, weights, reduction)
  if reduction == "none" then return values:reshape(target.shape) end
  local total = values:sum()
  return reduction == "sum" and total or total:div(weights:sum())
end

-- -sum over C of probability times log softmax
local function against_probabilities(input, target, o)
  local dim = input:dim() == 1 and 1 or 2
  local classes = input:size(dim)
  need_weight("cross_entropy", o.weight, classes)
  if o.label_smoothing > 0 then target = target:mul(1 - o.label_smoothing):add(o.label_smoothing / classes) end
  local values = input:log_softmax(dim):mul(target)
  if o.weight then
    local shape = {}
    for d = 1, input:dim() do shape[d] = d == dim and classes or 1 end
    values = values:mul(o.weight:reshape(shape))
  end
  if o.reduction == "none" then return values:sum(dim):neg() end
  local total = values:sum():neg()
  return o.reduction == "sum" and total or total:div(input:numel() / classes)
end

-- -log softmax(input)[label]; a target in the shape of the input holds probabilities instead of labels
--   label_smoothing   spreads so much of a label's probability over all classes (Szegedy et al. 2015, arXiv:1512.00567)
loss.define { "CrossEntropyLoss", "cross_entropy",
  options = { { "weight" }, { "ignore_index", -100 }, { "label_smoothing", 0 } },
  function(input, target, o)
    check.tensor("cross_entropy", "input", input)
    check.tensor("cross_entropy", "target", target)
    check.within("cross_entropy", "label_smoothing", o.label_smoothing, 0, 1)
    if check.is_float(target) then
      if check.shape(input) == check.shape(target) then return against_probabilities(input, target, o) end
      lib.raise(("cross_entropy: target is %s %s: integer labels (i64), or probabilities in the shape of the input %s, "
        .. "are needed"):format(target.dtype, check.shape(target), check.shape(input)))
    end
    need_labels("cross_entropy", input, target)
    local x, labels = as_rows("cross_entropy", input, target)
    local values = cross_entropy_rows(x, labels, o.weight, o.ignore_index, o.label_smoothing)
    if o.reduction ~= "mean" then return reduce_rows(values, target, nil, o.reduction) end
    local counts = labels:ne(o.ignore_index)
    if o.weight then counts = o.weight:index_select(1, where(counts, labels, 1)):mul(counts) end
    return (values:sum():div(counts:sum()))
  end }

-- -input[label]: input holds log-probabilities
loss.define { "NLLLoss", "nll_loss", options = { { "weight" }, { "ignore_index", -100 } }, function(input, target, o)
  need_labels("nll_loss", input, target)
  local x, flat = as_rows("nll_loss", input, target)
  need_weight("nll_loss", o.weight, x:size(2))
  local counts, labels = usable("nll_loss", flat, x:size(2), o.ignore_index)
  local weights = counts:to(x.dtype)
  if o.weight then weights = weights:mul(o.weight:index_select(1, labels)) end
  local picked = where(counts, x:gather(2, labels:unsqueeze(2)):squeeze(2), 0)
  return reduce_rows(picked:neg():mul(weights), target, weights, o.reduction)
end }

-- Multi-class hinge: the sum over the wrong classes of max(0, margin - input[label] + input)^p, over C
loss.define { "MultiMarginLoss", "multi_margin_loss", options = { { "p", 1 }, { "margin", 1 }, { "weight" } },
  function(input, target, o)
    need_labels("multi_margin_loss", input, target)
    if o.p ~= 1 and o.p ~= 2 then lib.raise(("multi_margin_loss: p = %g is not 1 or 2"):format(o.p)) end
    if input:dim() > 2 then lib.raise(("multi_margin_loss: input %s is not (N, C)"):format(check.shape(input))) end
    local x, flat = as_rows("multi_margin_loss", input, target)
    local classes = x:size(2)
    need_weight("multi_margin_loss", o.weight, classes)
    local _, labels = usable("multi_margin_loss", flat, classes, math.huge)
    local column = labels:unsqueeze(2)
    local above = x:sub(x:gather(2, column)):add(o.margin):relu()
    if o.p == 2 then above = above:square() end
    if o.weight then above = above:mul(o.weight:index_select(1, labels):unsqueeze(2)) end
    local wrong = yutu.arange(1, classes):ne(column)
    local values = where(wrong, above, 0):sum(2):div(classes)
    if o.reduction == "none" then return values:reshape(target.shape) end
    return reduce(values, o.reduction)
  end }

-- For samples of several labels: target (N, C) lists them, ended by a 0. The sum over its labels and over all other
-- classes of max(0, 1 - input[label] + input), over C
loss.define { "MultiLabelMarginLoss", "multilabel_margin_loss", function(input, target, o)
  need_labels("multilabel_margin_loss", input, target)
  check.same_shape("multilabel_margin_loss", "input", input, "target", target)
  if input:dim() > 2 or input:dim() < 1 then
    lib.raise(("multilabel_margin_loss: input %s is not (N, C)"):format(check.shape(input)))
  end
  local single = input:dim() == 1
  local x, list = input, target
  if single then x, list = input:unsqueeze(1), target:unsqueeze(1) end
  local classes = x:size(2)
  local listed = list:ne(0):to("i64"):cumprod(2):ne(0)
  local _, labels = usable("multilabel_margin_loss", where(listed, list, 1), classes, math.huge)
  local is_label = yutu.zeros_like(x):detach():scatter_add(2, labels, listed:to(x.dtype)):gt(0)
  local above = x:unsqueeze(2):sub(x:gather(2, labels):unsqueeze(3)):add(1):relu()    -- (N, label, class)
  local pairs_ = listed:unsqueeze(3):logical_and(is_label:logical_not():unsqueeze(2))
  local values = where(pairs_, above, 0):sum({ 2, 3 }):div(classes)
  return reduce(single and values:squeeze(1) or values, o.reduction)
end }
