--- Losses between distributions, and between points: which are near, which are far, which comes first.
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"
local loss = require "yutu.nn.losses.declare"

local reduce, same_shape, where = loss.reduce, check.same_shape, yutu.where

-- target (log target - input): input holds log-probabilities, target probabilities, or their logarithms if log_target
--   reduction   "batchmean", the sum over the first size, is the divergence; "mean" is over all elements
loss.define { "KLDivLoss", "kl_div", options = { { "log_target", false } },
  reductions = { mean = true, sum = true, none = true, batchmean = true },
  function(input, target, o)
    same_shape("kl_div", "input", input, "target", target)
    check.tensor("kl_div", "target", target)
    local values
    if o.log_target then values = target:exp():mul(target:sub(input))
    else values = target:xlogy(target):sub(target:mul(input)) end
    if o.reduction == "batchmean" then return values:sum():div(input:dim() > 0 and input:size(1) or 1) end
    return reduce(values, o.reduction)
  end }

-- 1 - cos(x1, x2) where target is 1, max(0, cos - margin) where it is -1: x1, x2 (N, D), target (N)
loss.define { "CosineEmbeddingLoss", "cosine_embedding_loss", inputs = 3, options = { { "margin", 0 } },
  function(x1, x2, target, o)
    same_shape("cosine_embedding_loss", "x1", x1, "x2", x2)
    check.tensor("cosine_embedding_loss", "x2", x2)
    check.tensor("cosine_embedding_loss", "target", target)
    if target:dim() ~= x1:dim() - 1 or (target:dim() == 1 and target:size(1) ~= x1:size(1)) or target:dim() > 1 then
      lib.raise(("cosine_embedding_loss: x1 %s and target %s: (N, D) and (N) are needed"):format(check.shape(x1),
        check.shape(target)))
    end
    local lengths = x1:sumsq(-1):add(1e-12):mul(x2:sumsq(-1):add(1e-12)):sqrt()
    local cosine = x1:mul(x2):sum(-1):div(lengths)
    local near = where(target:eq(1), cosine:neg():add(1), 0)
    local far = where(target:eq(-1), cosine:sub(o.margin):clamp(0), 0)
    return reduce(near:add(far), o.reduction)
  end }

-- max(0, margin - target (x1 - x2)): target 1 wants x1 above x2, -1 below; all of one shape
loss.define { "MarginRankingLoss", "margin_ranking_loss", inputs = 3, options = { { "margin", 0 } },
  function(x1, x2, target, o)
    check.tensor("margin_ranking_loss", "x2", x2)
    same_shape("margin_ranking_loss", "x1", x1, "x2", x2)
    same_shape("margin_ranking_loss", "x1", x1, "target", target)
    return reduce(x2:sub(x1):mul(target):add(o.margin):clamp(0), o.reduction)
  end }

-- max(0, |anchor - positive| - |anchor - negative| + margin), each (N, D), in the p-norm
--   swap     takes |positive - negative| where that is less than |anchor - negative|
--   source   Balntas et al. 2016
loss.define { "TripletMarginLoss", "triplet_margin_loss", inputs = 3,
  options = { { "margin", 1 }, { "p", 2 }, { "eps", 1e-6 }, { "swap", false } },
  function(anchor, positive, negative, o)
    check.tensor("triplet_margin_loss", "positive", positive)
    same_shape("triplet_margin_loss", "anchor", anchor, "positive", positive)
    same_shape("triplet_margin_loss", "anchor", anchor, "negative", negative)
    local how = { p = o.p, eps = o.eps }
    local near = loss.pairwise_distance(anchor, positive, how)
    local far = loss.pairwise_distance(anchor, negative, how)
    if o.swap then far = far:minimum(loss.pairwise_distance(positive, negative, how)) end
    return reduce(near:sub(far):add(o.margin):clamp(0), o.reduction)
  end }
