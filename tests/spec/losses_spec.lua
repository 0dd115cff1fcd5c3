local yutu = require "yutu"
local recorded = require "recorded"
local nn, F = yutu.nn, yutu.nn.functional

local function refused(f, text)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.truthy(message:find(text, 1, true), message)
end

local functions = { MSELoss = "mse_loss", L1Loss = "l1_loss", SmoothL1Loss = "smooth_l1_loss", HuberLoss = "huber_loss",
  GaussianNLLLoss = "gaussian_nll_loss", PoissonNLLLoss = "poisson_nll_loss", CrossEntropyLoss = "cross_entropy",
  NLLLoss = "nll_loss", MultiMarginLoss = "multi_margin_loss", MultiLabelMarginLoss = "multilabel_margin_loss",
  BCELoss = "binary_cross_entropy", BCEWithLogitsLoss = "binary_cross_entropy_with_logits",
  SoftMarginLoss = "soft_margin_loss", MultiLabelSoftMarginLoss = "multilabel_soft_margin_loss",
  HingeEmbeddingLoss = "hinge_embedding_loss", KLDivLoss = "kl_div", CosineEmbeddingLoss = "cosine_embedding_loss",
  MarginRankingLoss = "margin_ranking_loss", TripletMarginLoss = "triplet_margin_loss" }

describe("losses", function()
  local cases, seen = dofile "tests/reference/losses.lua", {}
  for _, case in ipairs(cases) do
    seen[case.op] = true
    it("computes " .. case.name .. " as PyTorch does", function()
      local three = #case.inputs == 3
      recorded.check(case, function(a, b, c, d)
        local options = three and d or c
        local layer = nn[case.op](options)
        if three then return layer(a, b, c) end
        return layer(a, b)
      end)
      recorded.check(case, F[functions[case.op]])
    end)
  end

  it("all have recorded cases", function()
    for class in pairs(functions) do assert.is_true(seen[class], class) end
  end)

  it("take the mean when nothing is said", function()
    local x, y = yutu.tensor { 1, 2, 6 }, yutu.tensor { 0, 0, 0 }
    assert.near(41 / 3, nn.MSELoss()(x, y):item(), 1e-5)
    assert.near(41 / 3, F.mse_loss(x, y):item(), 1e-5)
    assert.near(3, F.l1_loss(x, 0):item(), 1e-6)
  end)

  it("can be differentiated twice", function()
    local x = yutu.tensor({ 0.5, -1.5 }, { dtype = "f64", requires_grad = true })
    local first = yutu.grad(F.mse_loss(x, yutu.zeros_like(x)), { x }, { create_graph = true })[1]
    local second = yutu.grad(first:sum(), { x })[1]
    assert.same({ 1, 1 }, second:tolist())
    local logits = yutu.tensor({ { 0.2, -0.3, 1 } }, { dtype = "f64", requires_grad = true })
    local g = yutu.grad(F.cross_entropy(logits, yutu.tensor({ 2 }, { dtype = "i64" })), { logits },
      { create_graph = true })[1]
    local h = yutu.grad(g:select(2, 1):sum(), { logits })[1]:tolist()    -- row of diag(p) - p p^T
    local p = logits:softmax(2):tolist()
    assert.near(p[1] - p[1] * p[1], h[1], 1e-10)
    assert.near(-p[1] * p[2], h[2], 1e-10)
  end)

  it("a batch of no labels that count has a mean of NaN", function()
    local labels = yutu.tensor({ -100, -100 }, { dtype = "i64" })
    local value = F.cross_entropy(yutu.zeros(2, 3), labels):item()
    assert.is_true(value ~= value)
  end)

  it("labels may be i32 or u8", function()
    local x = yutu.tensor { { 1, 2, 3 }, { 3, 1, 0 } }
    local expected = F.cross_entropy(x, yutu.tensor({ 3, 1 }, { dtype = "i64" })):item()
    assert.equal(expected, F.cross_entropy(x, yutu.tensor({ 3, 1 }, { dtype = "i32" })):item())
    assert.equal(expected, F.cross_entropy(x, yutu.tensor({ 3, 1 }, { dtype = "u8" })):item())
  end)

  it("says which label is out of range, and where they count from", function()
    local x = yutu.zeros(3, 10)
    local function labels(...) return yutu.tensor({ ... }, { dtype = "i64" }) end
    refused(function() F.cross_entropy(x, labels(1, 11, 2)) end,
      "cross_entropy: label 11 is not in 1 to 10 (labels count from 1)")
    refused(function() F.cross_entropy(x, labels(0, 1, 2)) end,
      "cross_entropy: label 0 is not in 1 to 10 (labels count from 1)")
    refused(function() nn.CrossEntropyLoss()(x, labels(0, 1, 2)) end, "(in nn.CrossEntropyLoss)")
    refused(function() F.nll_loss(x, labels(1, 11, 2)) end,
      "nll_loss: label 11 is not in 1 to 10 (labels count from 1)")
    refused(function() F.multi_margin_loss(x, labels(1, 0, 2)) end, "multi_margin_loss: label 0 is not in 1 to 10")
    refused(function() F.multilabel_margin_loss(yutu.zeros(2), labels(3, 0)) end, "label 3 is not in 1 to 2")
  end)

  it("points at the caller's line", function()
    local ok, message = pcall(function() F.cross_entropy(yutu.zeros(1, 2), yutu.tensor({ 3 }, { dtype = "i64" })) end)
    assert.is_false(ok)
    assert.truthy(message:match "losses_spec.lua:%d+: cross_entropy", message)
  end)

  it("refuses labels of the wrong kind or number", function()
    local x = yutu.zeros(3, 10)
    refused(function() F.cross_entropy(x, yutu.tensor { 1, 2, 3 }) end, "cross_entropy: target is f32 (3): integer "
      .. "labels (i64), or probabilities in the shape of the input (3,10), are needed")
    refused(function() F.cross_entropy(x, yutu.ones({ 4 }, { dtype = "i64" })) end,
      "cross_entropy: input (3,10) and labels (4)")
    refused(function() F.cross_entropy(x, yutu.ones({ 3, 10 }, { dtype = "i64" })) end,
      "cross_entropy: input (3,10) and labels (3,10)")
    refused(function() F.cross_entropy(x, { 1, 2, 3 }) end, "cross_entropy: target is a table, a tensor is needed")
    refused(function() F.nll_loss(x, yutu.tensor { 1, 2, 3 }) end, "nll_loss: labels are f32 (3): integers (i64)")
    refused(function() F.cross_entropy(x, yutu.ones({ 3 }, { dtype = "i64" }), { weight = yutu.ones(4) }) end,
      "cross_entropy: weight (4) for 10 classes")
  end)

  it("refuses shapes that would broadcast by mistake", function()
    refused(function() F.mse_loss(yutu.zeros(4, 1), yutu.zeros(4)) end,
      "mse_loss: input (4,1) and target (4) differ in shape")
    for _, name in ipairs { "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "kl_div",
      "binary_cross_entropy_with_logits", "soft_margin_loss", "hinge_embedding_loss", "poisson_nll_loss" } do
      refused(function() F[name](yutu.ones(2, 3), yutu.ones(3)) end,
        name .. ": input (2,3) and target (3) differ in shape")
    end
    refused(function() F.triplet_margin_loss(yutu.ones(2, 3), yutu.ones(2, 3), yutu.ones(1, 3)) end,
      "triplet_margin_loss: anchor (2,3) and negative (1,3) differ in shape")
    refused(function() F.cosine_embedding_loss(yutu.ones(2, 3), yutu.ones(2, 3), yutu.ones(3)) end,
      "cosine_embedding_loss: x1 (2,3) and target (3)")
    refused(function() F.gaussian_nll_loss(yutu.ones(2, 3), yutu.ones(2, 3), yutu.ones(3)) end,
      "gaussian_nll_loss: var (3) does not fit input (2,3)")
  end)

  it("refuses options that are unknown, of the wrong type or out of range", function()
    local x, y = yutu.zeros(2, 3), yutu.ones({ 2 }, { dtype = "i64" })
    refused(function() F.mse_loss(x, x, { reduce = true }) end, "mse_loss: no option 'reduce'; there is reduction")
    refused(function() F.mse_loss(x, x, { reduction = "avg" }) end,
      "mse_loss: no reduction 'avg'; there are mean, sum, none")
    refused(function() nn.MSELoss { reduction = "batchmean" } end, "nn.MSELoss: no reduction 'batchmean'")
    refused(function() F.mse_loss(x, x, "sum") end, "mse_loss: options come in a table")
    refused(function() F.cross_entropy(x, y, { label_smoothing = 1.5 }) end,
      "cross_entropy: label_smoothing = 1.5 is not within [0, 1]")
    refused(function() nn.SmoothL1Loss { beta = "1" } end, "nn.SmoothL1Loss: beta is a string, a number is needed")
    refused(function() F.huber_loss(x, x, { delta = 0 }) end, "huber_loss: delta = 0 is not above 0")
    refused(function() F.binary_cross_entropy(yutu.full({ 2 }, 1.5), yutu.ones(2)) end,
      "binary_cross_entropy: input has 1.5, probabilities within [0, 1] are needed")
    refused(function() F.gaussian_nll_loss(x, x, yutu.full({ 2, 3 }, -1)) end, "var has negative elements")
  end)

  it("keeps class weights as buffers, which move with the layer", function()
    local layer = nn.CrossEntropyLoss { weight = yutu.tensor { 1, 2, 3 } }
    assert.equal(1, #layer:buffers())
    layer:double()
    assert.equal("f64", layer.weight.dtype)
    assert.equal(0, #layer:parameters())
    assert.equal("CrossEntropyLoss(weight=(3), label_smoothing=0.1)",
      tostring(nn.CrossEntropyLoss { weight = yutu.tensor { 1, 2, 3 }, label_smoothing = 0.1 }))
    assert.equal("MSELoss()", tostring(nn.MSELoss()))
  end)
end)
