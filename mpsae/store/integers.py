"""Whole numbers as a file holds them, no wider than they need, and as everybody else has them, int64."""

from typing import Any

import numpy as np
from jaxtyping import Int

WIDTHS = (np.int8, np.int16, np.int32, np.int64)


def narrowed(values: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """The same numbers in the smallest signed type that holds them all, in C order; int8 where there are none."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    fits: Any = next(kind for kind in WIDTHS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return np.ascontiguousarray(values, fits)


def widened(values: np.ndarray) -> np.ndarray:
    """Signed whole numbers as int64; anything else as it is, for whoever checks it to refuse."""
    return values.astype(np.int64) if values.dtype.kind == "i" else values
