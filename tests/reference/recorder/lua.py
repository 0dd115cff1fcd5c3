"""Python values as Lua data files: dicts, lists, numbers, booleans, strings and None (left out of a dict).

Numbers keep 15 significant digits, all that any decimal is sure to keep through a double: the text adds an error of
at most 5e-15 relative to a computed f64, none to an f32, and none to the inputs, which have few digits.
"""
import math

WIDTH = 118


def scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "0/0"
    if math.isinf(value):
        return "math.huge" if value > 0 else "-math.huge"
    return f"{value:.15g}"


def flat(value):
    """The value on one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {flat(item)}" for key, item in value.items() if item is not None)
    elif isinstance(value, (list, tuple)):
        inner = ", ".join(flat(item) for item in value)
    else:
        return scalar(value)
    return "{ " + inner + " }" if inner else "{}"


def pretty(value, indent=""):
    """The value with short entries packed into lines, and each longer one opened below its own line."""
    inner, lines, line = indent + "  ", [], ""
    named = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in named:
        if item is None:
            continue
        prefix = f"{key} = " if key else ""
        text = prefix + flat(item) + ","
        if line and len(inner) + len(line) + 1 + len(text) > WIDTH:
            lines.append(inner + line)
            line = ""
        if len(inner) + len(text) <= WIDTH or not isinstance(item, (dict, list, tuple)):
            line += (" " if line else "") + text
        else:
            lines.append(inner + prefix + pretty(item, inner) + ",")
    return "{\n" + "\n".join(lines + [inner + line] * bool(line)) + "\n" + indent + "}"


def write(path, comment, value):
    with open(path, "w", encoding="ascii") as file:
        for line in comment.strip().splitlines():
            file.write(("-- " + line).rstrip() + "\n")
        file.write("return " + pretty(value) + "\n")
