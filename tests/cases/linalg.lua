--- Linear algebra, against elimination, Gram-Schmidt and Jacobi rotations in plain Lua. Factors are unique up to signs
-- only, so their squares are compared. For the form of a case see layout.lua.
local yutu = require "yutu"
local plain = require "plain"
local make, sum = plain.make, plain.sum
local sqrt = math.sqrt
local function E(...) return yutu.zeros(...) end

local function transposed(a) return make({ a.shape[2], a.shape[1] }, function(i, j) return a(j, i) end) end
local function times(a, b)
  return make({ a.shape[1], b.shape[2] }, function(i, j)
    return sum(a.shape[2], function(k) return a(i, k) * b(k, j) end)
  end)
end
local function identity(n) return make({ n, n }, function(i, j) return i == j and 1 or 0 end) end
local function batch(a, k)        -- the k-th matrix of (B, M, N)
  return make({ a.shape[2], a.shape[3] }, function(i, j) return a(k, i, j) end)
end
local function stack(count, f)    -- f(k) (M, N), k = 1 .. count
  local parts = {}
  for k = 1, count do parts[k] = f(k) end
  return make({ count, parts[1].shape[1], parts[1].shape[2] }, function(k, i, j) return parts[k](i, j) end)
end

-- Gauss with pivots: x of a x = b, and det a.
local function eliminate(a, b)
  local n, m, det = a.shape[1], b.shape[2], 1
  local rows = {}
  for i = 1, n do
    rows[i] = {}
    for j = 1, n do rows[i][j] = a(i, j) end
    for j = 1, m do rows[i][n + j] = b(i, j) end
  end
  for c = 1, n do
    local pivot = c
    for r = c + 1, n do if math.abs(rows[r][c]) > math.abs(rows[pivot][c]) then pivot = r end end
    if pivot ~= c then rows[c], rows[pivot], det = rows[pivot], rows[c], -det end
    det = det * rows[c][c]
    for r = 1, n do
      if r ~= c then
        local f = rows[r][c] / rows[c][c]
        for j = c, n + m do rows[r][j] = rows[r][j] - f * rows[c][j] end
      end
    end
  end
  return make({ n, m }, function(i, j) return rows[i][n + j] / rows[i][i] end), det
end
local function cholesky(a)
  local l = make(a.shape, function() return 0 end)
  local n = a.shape[1]
  for i = 1, n do
    for j = 1, i do
      local s = a(i, j) - sum(j - 1, function(k) return l(i, k) * l(j, k) end)
      l.data[(i - 1) * n + j] = i == j and sqrt(s) or s / l(j, j)
    end
  end
  return l
end
-- Gram-Schmidt on the first K columns, then r = q^T a.
local function qr(a)
  local m, k = a.shape[1], math.min(a.shape[1], a.shape[2])
  local q = make({ m, k }, function(i, j) return a(i, j) end)
  for j = 1, k do
    for p = 1, j - 1 do
      local d = sum(m, function(i) return q(i, p) * q(i, j) end)
      for i = 1, m do q.data[(i - 1) * k + j] = q(i, j) - d * q(i, p) end
    end
    local length = sqrt(sum(m, function(i) return q(i, j) ^ 2 end))
    for i = 1, m do q.data[(i - 1) * k + j] = q(i, j) / length end
  end
  return q, times(transposed(q), a)
end
-- Jacobi: eigenvalues, ascending, and eigenvectors as columns of a symmetric a.
local function eigh(a)
  local n, v = a.shape[1], identity(a.shape[1])
  for _ = 1, 60 do
    for p = 1, n - 1 do
      for q = p + 1, n do
        if math.abs(a(p, q)) > 1e-300 then
          local theta = .5 * math.atan2(2 * a(p, q), a(q, q) - a(p, p))
          local c, s = math.cos(theta), math.sin(theta)
          local turn = make({ n, n }, function(i, j)
            if i == p then return j == p and c or j == q and s or 0 end
            if i == q then return j == p and -s or j == q and c or 0 end
            return i == j and 1 or 0
          end)
          a, v = times(transposed(turn), times(a, turn)), times(v, turn)
        end
      end
    end
  end
  local order = {}
  for i = 1, n do order[i] = i end
  table.sort(order, function(i, j) return a(i, i) < a(j, j) end)
  local values = {}
  for i = 1, n do values[i] = a(order[i], order[i]) end
  return values, make({ n, n }, function(i, j) return v(i, order[j]) end)
end

local function symmetric(x) return make(x.shape, function(i, j) return x(i, j) + x(j, i) end) end
local function definite(x)        -- x x^T + I
  local s = times(x, transposed(x))
  return make(s.shape, function(i, j) return s(i, j) + (i == j and 1 or 0) end)
end
local function strong(x) return make(x.shape, function(i, j) return x(i, j) + (i == j and 3 or 0) end) end
-- the same of tensors
local function T(x) return x:transpose(-1, -2) end
local function plus_diagonal(x, v) return x + yutu.eye(x:size(-1), { dtype = x.dtype }) * v end

local function solve_case(name)
  return {
    { { 3, 3 }, { 3, 2 }, call = function(a, b) return plus_diagonal(a, 3):solve(b) end,
      want = function(a, b) return (eliminate(strong(a), b)) end },
    { { 2, 3, 3 }, { 2, 3, 1 }, call = function(a, b) return plus_diagonal(a, 3):solve(b) end, want = function(a, b)
      return stack(2, function(k) return (eliminate(strong(batch(a, k)), batch(b, k))) end)
    end },
    empty = function() return E(0, 3, 3):solve(E(0, 3, 2)), { 0, 3, 2 } end,
    refuse = { { name .. ": a %(3,3%), b %(2,2%)", function() E(3, 3):solve(E(2, 2)) end },
      { name .. ": %(2,3%) is not square", function() E(2, 3):solve(E(2, 2)) end },
      { "singular", function() E(3, 3):solve(E(3, 2)) end } },
  }
end
local function lower(x) return make(x.shape, function(i, j) return j <= i and strong(x)(i, j) or 0 end) end
local function upper(x) return make(x.shape, function(i, j) return j >= i and strong(x)(i, j) or 0 end) end

local function qr_variant(m, n)
  return { { m, n }, call = function(x) return x:qr_packed():square() end, want = function(x)
    local q, r = qr(x)
    local k = math.min(m, n)
    return make({ m + k, math.max(k, n) }, function(i, j)
      if i <= m then return j <= k and q(i, j) ^ 2 or 0 end
      return j >= i - m and r(i - m, j) ^ 2 or 0
    end)
  end, tolerance = 1e-9, order = m >= n and 2 or 0 }
end
local function svd_variant(m, n)
  return { { m, n }, call = function(x) return x:svd_packed():square() end, want = function(x)
    local k = math.min(m, n)
    local su, u = eigh(times(x, transposed(x)))
    local _, v = eigh(times(transposed(x), x))
    return make({ m + 1 + n, k }, function(i, j)
      if i <= m then return u(i, m + 1 - j) ^ 2 end
      if i == m + 1 then return su[m + 1 - j] end
      return v(i - m - 1, n + 1 - j) ^ 2
    end)
  end, tolerance = 1e-9 }
end

return {
  solve = solve_case "solve",
  solve_triangular = {
    { { 3, 3 }, { 3, 2 }, call = function(a, b) return plus_diagonal(a, 3):solve_triangular(b) end,
      want = function(a, b) return (eliminate(lower(a), b)) end },
    { { 3, 3 }, { 3, 2 }, call = function(a, b) return plus_diagonal(a, 3):solve_triangular(b, { upper = true }) end,
      want = function(a, b) return (eliminate(upper(a), b)) end },
    empty = function() return E(0, 3, 3):solve_triangular(E(0, 3, 2)), { 0, 3, 2 } end,
    refuse = { { "solve_triangular: a %(3,3%), b %(2,2%)", function() E(3, 3):solve_triangular(E(2, 2)) end } },
  },
  inverse = {
    { { 3, 3 }, call = function(x) return plus_diagonal(x, 3):inverse() end,
      want = function(x) return (eliminate(strong(x), identity(3))) end },
    { { 2, 2, 2 }, call = function(x) return plus_diagonal(x, 3):inverse() end, want = function(x)
      return stack(2, function(k) return (eliminate(strong(batch(x, k)), identity(2))) end)
    end },
    empty = function() return E(0, 3, 3):inverse(), { 0, 3, 3 } end,
    refuse = { { "inverse: %(2,3%) is not square", function() E(2, 3):inverse() end },
      { "inverse: .*singular", function() E(3, 3):inverse() end } },
  },
  det = {
    { { 3, 3 }, call = function(x) return plus_diagonal(x, 3):det() end, want = function(x)
      local _, d = eliminate(strong(x), identity(3))
      return plain({}, { d })
    end },
    empty = function() return E(0, 3, 3):det(), { 0 } end,
    refuse = { { "det: %(2,3%) is not square", function() E(2, 3):det() end } },
  },
  slogdet_packed = {
    { { 3, 3 }, call = function(x) return plus_diagonal(x, -3):slogdet_packed() end, want = function(x)
      local _, d = eliminate(make(x.shape, function(i, j) return x(i, j) - (i == j and 3 or 0) end), identity(3))
      return plain({ 2 }, { d > 0 and 1 or -1, math.log(math.abs(d)) })
    end },
    empty = function() return E(0, 3, 3):slogdet_packed(), { 0, 2 } end,
    refuse = { { "slogdet_packed: %(2,3%) is not square", function() E(2, 3):slogdet_packed() end } },
  },
  cholesky = {
    { { 3, 3 }, call = function(x) return plus_diagonal(x:matmul(T(x)), 1):cholesky() end,
      want = function(x) return cholesky(definite(x)) end },
    empty = function() return E(0, 3, 3):cholesky(), { 0, 3, 3 } end,
    refuse = { { "cholesky: %(2,3%) is not square", function() E(2, 3):cholesky() end },
      { "not positive definite", function() yutu.eye(3):neg():cholesky() end } },
  },
  qr_packed = {
    qr_variant(3, 3), qr_variant(4, 3), qr_variant(2, 3),
    empty = function() return E(0, 4, 3):qr_packed(), { 0, 7, 3 } end,
    refuse = { { "qr_packed: %(3%) is not a matrix", function() E(3):qr_packed() end } },
  },
  eigh_packed = {
    { { 3, 3 }, call = function(x) return (x + T(x)):eigh_packed():square() end, want = function(x)
      local w, v = eigh(symmetric(x))
      return make({ 4, 3 }, function(i, j) return i == 1 and w[j] ^ 2 or v(i - 1, j) ^ 2 end)
    end, tolerance = 1e-9 },
    empty = function() return E(0, 3, 3):eigh_packed(), { 0, 4, 3 } end,
    refuse = { { "eigh_packed: %(2,3%) is not square", function() E(2, 3):eigh_packed() end } },
  },
  svd_packed = {
    svd_variant(3, 3), svd_variant(4, 2), svd_variant(2, 3),
    empty = function() return E(0, 4, 3):svd_packed(), { 0, 8, 3 } end,
    refuse = { { "svd_packed: %(3%) is not a matrix", function() E(3):svd_packed() end } },
  },
  lstsq = {
    { { 4, 2 }, { 4, 1 }, call = function(a, b) return a:lstsq(b) end, want = function(a, b)
      return (eliminate(times(transposed(a), a), times(transposed(a), b)))
    end, tolerance = 1e-9 },
    refuse = { { "lstsq: .*%(4,2%).*%(3,1%)", function() yutu.rand(4, 2):lstsq(E(3, 1)) end } },
  },
}
