--- linalg.lua: yutu.linalg, linear algebra with PyTorch's names. Matrices are the last two dims, the others a batch.
local lib = require "yutu.ffi"
local Tensor = require "yutu.tensor"

local raise = lib.raise
local linalg = {}

local function shown(x) return "(" .. table.concat(x.shape, ",") .. ")" end
local function matrix(op, x)
  if lib.tensor(x, op, "x").ndim < 2 then raise(("%s: %s is not a matrix"):format(op, shown(x))) end
  return x
end

---- equations ------------------------------------------------------------------------------------------
-- b may be a vector (N) beside a matrix (N, N): then so is the result.
local function with_columns(solve, a, b, ...)
  if b:dim() == a:dim() - 1 then return solve(a, b:unsqueeze(-1), ...):squeeze(-1) end
  return solve(a, b, ...)
end
--- x of a x = b.
function linalg.solve(a, b) return with_columns(Tensor.solve, matrix("solve", a), b) end
--- The same for a triangular a; options: upper.
function linalg.solve_triangular(a, b, options)
  return with_columns(Tensor.solve_triangular, matrix("solve_triangular", a), b, options and options.upper or false)
end
--- x that minimises |a x - b|; a has full rank.
function linalg.lstsq(a, b) return with_columns(Tensor.lstsq, matrix("lstsq", a), b) end
function linalg.inv(x) return Tensor.inverse(matrix("inv", x)) end
function linalg.det(x) return Tensor.det(matrix("det", x)) end
--- The sign of the determinant and the logarithm of its absolute value.
function linalg.slogdet(x)
  local packed = matrix("slogdet", x):slogdet_packed()
  return packed:select(-1, 1), packed:select(-1, 2)
end

---- factors --------------------------------------------------------------------------------------------
--- The lower triangular l with l l^T = x.
function linalg.cholesky(x) return Tensor.cholesky(matrix("cholesky", x)) end
--- q with orthonormal columns and the upper triangular r, q r = x; reduced to min(M, N) columns and rows.
function linalg.qr(x)
  local m, n = matrix("qr", x):size(-2), x:size(-1)
  local k = math.min(m, n)
  local packed = x:qr_packed()
  return packed:slice(-2, 1, m):slice(-1, 1, k), packed:slice(-2, m + 1, m + k)
end
--- u (M, K), s (K), v (N, K): x = u diag(s) v^T, s descending.
function linalg.svd(x)
  local m, n = matrix("svd", x):size(-2), x:size(-1)
  local packed = x:svd_packed()
  return packed:slice(-2, 1, m), packed:select(-2, m + 1), packed:slice(-2, m + 2, m + 1 + n)
end
function linalg.svdvals(x)
  local _, s = linalg.svd(x)
  return s
end
--- Of a symmetric x (its lower triangle is read): eigenvalues, ascending, and eigenvectors as columns.
function linalg.eigh(x)
  local packed = matrix("eigh", x):eigh_packed()
  return packed:select(-2, 1), packed:slice(-2, 2, -1)
end
function linalg.eigvalsh(x) return (linalg.eigh(x)) end
--- The pseudo-inverse; singular values below rcond times the largest count as 0.
function linalg.pinv(x, rcond)
  local u, s, v = linalg.svd(x)
  local keep = s:gt(s:amax(-1, true) * (rcond or (x.dtype == "f64" and 1e-15 or 1e-6)))
  local inverse = keep:where(s:maximum(1e-300):reciprocal(), 0)
  return (v * inverse:unsqueeze(-2)):matmul(u:transpose(-1, -2))
end
--- How many singular values exceed rcond times the largest.
function linalg.matrix_rank(x, rcond)
  local s = linalg.svdvals(x)
  return s:gt(s:amax(-1, true) * (rcond or math.max(x:size(-1), x:size(-2)) * (x.dtype == "f64" and 2.3e-16 or 1.2e-7)))
    :sum(-1)
end
--- x times itself, n times; negative: its inverse.
function linalg.matrix_power(x, n)
  if matrix("matrix_power", x):size(-1) ~= x:size(-2) then
    raise(("matrix_power: %s is not square"):format(shown(x)))
  end
  if lib.int(n, "matrix_power", "n") < 0 then return linalg.matrix_power(linalg.inv(x), -n) end
  if n == 0 then
    local one = x:detach():clone():fill_(0)
    one:diagonal(0, -2, -1):fill_(1)
    return one
  end
  local half = n > 1 and linalg.matrix_power(x, math.floor(n / 2))
  if not half then return x end
  local square = half:matmul(half)
  return n % 2 == 0 and square or square:matmul(x)
end

---- norms ----------------------------------------------------------------------------------------------
--- (sum |x|^p)^(1/p) over dims, all by default; p = math.huge is the largest.
function linalg.vector_norm(x, p, dim, keepdim) return Tensor.norm(x, p or 2, dim, keepdim) end
--- "fro", "nuc", 1, -1, math.huge, -math.huge, 2 or -2 of the last two dims.
function linalg.matrix_norm(x, p)
  matrix("matrix_norm", x)
  if p == nil or p == "fro" then return x:norm(2, { -2, -1 }) end
  if p == "nuc" then return linalg.svdvals(x):sum(-1) end
  if p == 2 then return linalg.svdvals(x):amax(-1) end
  if p == -2 then return linalg.svdvals(x):amin(-1) end
  local over = math.abs(p) == 1 and -2 or math.abs(p) == math.huge and -1
    or raise(("matrix_norm: p = %s"):format(tostring(p)))
  local sums = x:abs():sum(over)
  return p > 0 and sums:amax(-1) or sums:amin(-1)
end
--- The Frobenius norm of a matrix, the 2-norm of a vector, or whatever p and dim ask for.
function linalg.norm(x, p, dim, keepdim)
  if type(p) == "string" then return linalg.matrix_norm(x, p) end
  return Tensor.norm(x, p or 2, dim, keepdim)
end

linalg.vecdot = Tensor.dot
linalg.matmul = Tensor.matmul
return linalg
