--- Losses between yes and no. input and target have one shape.
--   weight   broadcasts over the values: how much each element or class counts
local yutu = require "yutu"
local lib = require "yutu.ffi"
local check = require "yutu.nn.check"
local loss = require "yutu.nn.losses.declare"

local reduce, weigh, same_shape, where = loss.reduce, loss.weigh, check.same_shape, yutu.where
local bce, bce_with_logits = yutu.bce, yutu.bce_with_logits

-- -(target log input + (1 - target) log(1 - input)), logarithms kept above -100; input within [0, 1]
loss.define { "BCELoss", "binary_cross_entropy", options = { { "weight" } }, function(input, target, o)
  same_shape("binary_cross_entropy", "input", input, "target", target)
  if not check.is_float(input) then
    lib.raise(("binary_cross_entropy: input is %s, a float dtype is needed"):format(input.dtype))
  end
  if input:numel() > 0 then
    local least, most = input:amin():item(), input:amax():item()
    if not (least >= 0 and most <= 1) then
      lib.raise(("binary_cross_entropy: input has %g, probabilities within [0, 1] are needed"):format(
        least >= 0 and most or least))
    end
  end
  return reduce(weigh("binary_cross_entropy", bce(input, target), o.weight), o.reduction)
end }

-- the same of sigmoid(input), exact for large inputs;   pos_weight   how much a yes counts
loss.define { "BCEWithLogitsLoss", "binary_cross_entropy_with_logits", options = { { "weight" }, { "pos_weight" } },
  function(input, target, o)
    same_shape("binary_cross_entropy_with_logits", "input", input, "target", target)
    local values = bce_with_logits(input, target, o.pos_weight or 1)
    return reduce(weigh("binary_cross_entropy_with_logits", values, o.weight), o.reduction)
  end }

-- log(1 + e^(-target input)), target 1 or -1
loss.define { "SoftMarginLoss", "soft_margin_loss", function(input, target, o)
  same_shape("soft_margin_loss", "input", input, "target", target)
  return reduce(input:mul(target):logsigmoid():neg(), o.reduction)
end }

-- bce of sigmoid(input), the mean over the last dim (C): a value per sample
loss.define { "MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", options = { { "weight" } },
  function(input, target, o)
    same_shape("multilabel_soft_margin_loss", "input", input, "target", target)
    local values = weigh("multilabel_soft_margin_loss", bce_with_logits(input, target), o.weight)
    return reduce(values:mean(-1), o.reduction)
  end }

-- input where target is 1, max(0, margin - input) where it is -1
loss.define { "HingeEmbeddingLoss", "hinge_embedding_loss", options = { { "margin", 1 } }, function(input, target, o)
  same_shape("hinge_embedding_loss", "input", input, "target", target)
  check.tensor("hinge_embedding_loss", "target", target)
  local near = where(target:ne(-1), input, 0)
  local far = where(target:ne(1), input:neg():add(o.margin):relu(), 0)
  return reduce(near:add(far), o.reduction)
end }
