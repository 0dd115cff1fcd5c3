"""One recorded call: inputs, arguments, output, and the gradients for one fixed upstream gradient.

Inputs are f64 tensors whose values are exact in f32, and PyTorch computes in f64: the same numbers serve a test in
f32 (to its own rounding) and one in f64 (to about 1e-12). Whatever counts from 0 in PyTorch counts from 1 here.
"""
import torch

DTYPES = {torch.float64: "f64", torch.float32: "f32", torch.int64: "i64", torch.bool: "bool", torch.uint8: "u8"}
DIMS = ("dim", "dims", "ignore_index")   # arguments that count from 0 in PyTorch; negative values are left alone


def grid(*shape, step=1 / 16, reach=2.5):
    """Random multiples of `step` within +-reach: exact in f32, and short to write."""
    limit = int(reach / step)
    return torch.randint(-limit, limit + 1, shape).double() * step


def distinct(*shape, step=1 / 8):
    """Random multiples of `step` around zero, no two the same: nothing hangs on how ties are broken."""
    count = torch.Size(shape).numel()
    return ((torch.randperm(count) - count // 2).double() * step).reshape(shape)


def probabilities(*shape):
    """Random rows of sixteenths that sum to one over the last dim."""
    rows = torch.Size(shape[:-1]).numel()
    picks = torch.randint(0, shape[-1], (rows, 16))
    counts = torch.nn.functional.one_hot(picks, shape[-1]).sum(1)
    return (counts.double() / 16).reshape(shape)


def labels(count, *shape):
    return torch.randint(0, count, shape)


def from_one(value):
    if isinstance(value, (tuple, list)):
        return [from_one(item) for item in value]
    return value + 1 if value >= 0 else value


def spec(tensor, dtype=None, index=True):
    """A tensor as { shape, dtype, data }. i64 holds labels or indices and moves to 1-based unless index=False."""
    tensor = tensor.detach()
    data = tensor.reshape(-1).tolist()
    if tensor.dtype == torch.int64 and index:
        data = [item if item == -100 else item + 1 for item in data]
    return {"shape": list(tensor.shape), "dtype": dtype or DTYPES[tensor.dtype], "data": data}


def values(tensor):
    """A tensor as { shape, data }, where the dtype is understood."""
    return {"shape": list(tensor.shape), "data": tensor.detach().reshape(-1).tolist()}


def arguments(kwargs, dtype):
    """PyTorch's keyword arguments in Lua's terms."""
    out = {}
    for key, value in kwargs.items():
        if isinstance(value, torch.Tensor):
            out[key] = spec(value, dtype if value.is_floating_point() else None)
        elif key in DIMS and value is not None:
            out[key] = from_one(value)
        elif value is not None:
            out[key] = list(value) if isinstance(value, tuple) else value
    return out


def title(op, args, note):
    """A name that tells the cases of one op apart: "sum dim=2 keepdim=true"."""
    words = [op]
    for key, value in args.items():
        if isinstance(value, dict):
            words.append(key)
        elif isinstance(value, list):
            words.append(f"{key}={','.join(map(str, value))}")
        else:
            words.append(f"{key}={str(value).lower() if isinstance(value, bool) else value}")
    return " ".join(words) + (f", {note}" if note else "")


def evaluate(function, inputs, wanted, kwargs, dtype):
    """The function in `dtype`: (output, index or None, a function from the upstream gradient to the gradients)."""
    def cast(value):
        return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    inputs = [cast(tensor.detach().clone()) for tensor in inputs]
    for tensor, want in zip(inputs, wanted):
        tensor.requires_grad_(want)
    output = function(*inputs, **{key: cast(value) for key, value in kwargs.items()})
    output, index = output if isinstance(output, tuple) else (output, None)

    def gradients(upstream):
        output.backward(upstream.to(dtype))
        return [tensor.grad for tensor in inputs]
    return output, index, gradients


def error(ours, exact):
    """The largest |ours - exact| / max(1, |exact|); equal infinities and NaNs agree."""
    ours, exact = ours.detach().double(), exact.detach()
    same = (ours == exact) | (ours.isnan() & exact.isnan())
    distance = (ours - exact).abs() / exact.abs().clamp(min=1)
    return distance.masked_fill(same, 0).max().item() if exact.numel() else 0.0


class Cases(list):
    """The cases of one file. `dtype` is what a test should make the floating inputs; f64 means only f64 will do."""

    def __init__(self, dtype="f32"):
        super().__init__()
        self.dtype = dtype

    def add(self, op, function, inputs, *, note=None, frozen=(), of=None, **kwargs):
        """Calls function(*inputs, **kwargs) and appends the record.

        inputs   tensors; floating ones get a gradient unless their position is in `frozen`
        of       how the op's operand was made from the input, where it was: part of the recorded function
        function returns a tensor, or values and the indices that belong to them
        """
        for tensor in inputs:
            exact = not tensor.is_floating_point() or (tensor.isnan() | (tensor == tensor.float().double())).all()
            assert exact and tensor.dtype != torch.float32, f"{op}: an input is not exact in f32"
        wanted = [tensor.is_floating_point() and position not in frozen for position, tensor in enumerate(inputs)]
        output, index, gradients = evaluate(function, inputs, wanted, kwargs, torch.float64)

        args = arguments(kwargs, self.dtype)
        case = {"name": title(op, args, note), "op": op, "of": of, "args": args}
        assert all(other["name"] != case["name"] for other in self), case["name"]
        case["inputs"] = [spec(tensor, self.dtype if tensor.is_floating_point() else None) for tensor in inputs]
        case["output"] = spec(output, self.dtype if output.is_floating_point() else None)
        if index is not None:
            case["index"] = spec(index)
        in_f32 = None
        if self.dtype == "f32" and output.is_floating_point():
            in_f32 = evaluate(function, inputs, wanted, kwargs, torch.float32)
            case["f32_error"] = error(in_f32[0], output)
        if output.requires_grad:
            upstream = grid(*output.shape, step=1 / 8, reach=1)
            upstream[upstream == 0] = 0.375   # a zero would hide an error
            grads = gradients(upstream)
            case["grad_output"] = values(upstream)
            # false, not nil, for an input without a gradient: the list keeps its length
            case["grads"] = [values(grad) if want else False for grad, want in zip(grads, wanted)]
            if in_f32:
                pairs = zip(in_f32[2](upstream), grads, wanted)
                case["f32_error"] = max([case["f32_error"]] + [error(*pair[:2]) for pair in pairs if pair[2]])
        if in_f32:
            case["f32_error"] = float(f"{case['f32_error']:.1e}")
        self.append(case)
