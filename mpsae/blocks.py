"""A batch in equal blocks of rows, so that what works on one block stays in cache."""

from typing import Any

import jax
import jax.numpy as jnp


def cut(tree: Any, most: int) -> Any:
    """Every leaf [batch, ...] as [count, rows, ...] with rows <= `most`; zeros fill up the last block."""

    def one(part):
        batch = len(part)
        count = max(1, -(-batch // most))
        rows = -(-batch // count)
        filled = jnp.pad(part, ((0, count * rows - batch), *((0, 0),) * (part.ndim - 1)))
        return filled.reshape(count, rows, *part.shape[1:])

    return jax.tree.map(one, tree)


def join(tree: Any, batch: int) -> Any:
    """The inverse of `cut`: every leaf [count, rows, ...] as [batch, ...]."""
    return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:])[:batch], tree)
