"""Fields of a frozen pytree dataclass: which are static, which may be stacked, and their ranges."""

import dataclasses
import difflib
from typing import Any

import flax.struct as struct

PLAIN = (int, float, str, bool, tuple, type(None))


def static(*, default: Any = dataclasses.MISSING, low=None, high=None, choices=None):
    """A field that changes shapes or loop lengths: one compile per value, never stacked."""
    given = {} if default is dataclasses.MISSING else {"default": default}
    bounds = {"low": low, "high": high, "choices": choices}
    return struct.field(pytree_node=False, metadata=bounds, **given)


def leaf(*, default: float, low=None, high=None):
    """A number that members of one stack may differ in; it never causes a recompile."""
    return struct.field(default=default, metadata={"low": low, "high": high, "choices": None})


def check(owner: str, field: dataclasses.Field, value: Any) -> None:
    """Refuse a value outside what its field declares: ValueError naming field, value, range."""
    is_static = not field.metadata.get("pytree_node", True)
    if is_static and not isinstance(value, PLAIN):
        raise ValueError(
            f"{owner}.{field.name} = {value!r}: a static field takes a plain int, float, str, bool,"
            f" tuple or None, not {type(value).__name__}"
        )
    choices, low, high = (field.metadata.get(key) for key in ("choices", "low", "high"))
    if choices and value not in choices:
        near = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{owner}.{field.name} = {value!r}: must be one of {', '.join(map(str, choices))}{hint}"
        )
    if not isinstance(value, (int, float)):
        return
    if value != value:
        raise ValueError(f"{owner}.{field.name} = nan: must be a number")
    if low is not None and value < low:
        raise ValueError(f"{owner}.{field.name} = {value}: must be at least {low}")
    if high is not None and value > high:
        raise ValueError(f"{owner}.{field.name} = {value}: must be at most {high}")
