"""Keeps the state of a stack in training on disk: now and then, at its end, and when the process is asked to end."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import PyTree

from mpsae import checkpoint, hosts, mesh, stop
from mpsae.checkpoint import Checkpoint
from mpsae.files import remove_folder

SHARE = 0.02  # of the time that is spent on writing them, at most
WORTH = 2.0  # seconds of work that are kept before scores begin: writing costs 0.04 s and more
Tree = TypeVar("Tree", bound=PyTree)


class Keeper:
    """The checkpoints of a stack of `count` members, in `folder`; `found` is the one to go on from.

    `about()` is what to record beside the arrays. One is written once `every` seconds have passed since
    the last, or 50 times what writing the last one took if that is longer; and once training is done, so
    that scores which are stopped or fail cost no more than `WORTH` seconds of it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        count: int,
        every: float,
        found: Checkpoint | None,
        about: Callable[[], dict[str, Any]],
    ):
        self.folder, self.count, self.every, self.found, self.about = folder, count, every, found, about
        self.saved = time.monotonic()
        self.due = self.saved + every

    def restore(self, fresh: Tree) -> tuple[int, Tree]:
        """(step, state) to go on from: the one found, laid out as `fresh`, else step 0 and `fresh`.

        Only members are kept, without what `fit` adds to share devices evenly: the last of them again.
        Raises ValueError where the arrays found are not those of `fresh`.
        """
        step = hosts.exchange(self.found and self.found.step)[0]
        if step is None:
            return 0, fresh
        leaves, structure = jax.tree.flatten(fresh)
        arrays: Iterable[np.ndarray | None] = [None] * len(leaves)
        with hosts.together():
            if self.found is not None:
                self._refuse_other(self.found, fresh)
                arrays = self.found.arrays.values()
        placed = [
            mesh.laid_out(_filled(array, len(leaf)), leaf) for array, leaf in zip(arrays, leaves, strict=True)
        ]
        return step, jax.tree.unflatten(structure, placed)

    def _refuse_other(self, found: Checkpoint, fresh: PyTree) -> None:
        wanted = [
            (name, leaf.dtype.name, (self.count, *leaf.shape[1:]))
            for name, leaf in zip(_names(fresh), jax.tree.leaves(fresh), strict=True)
        ]
        there = [(name, array.dtype.name, array.shape) for name, array in found.arrays.items()]
        if wanted != there:
            other = sorted({one[0] for one in set(wanted) ^ set(there)})
            raise ValueError(
                f"{found.path}: holds the state of other code, {', '.join(other) or 'their order'} differ;"
                f" delete {self.folder} to start anew"
            )

    def look(self, step: int, steps: int, carry: PyTree) -> None:
        """After a chunk: save where it is time to, and raise Stop once saved where that was asked for."""
        began = time.monotonic()
        due = began >= self.due or (step == steps and began - self.saved >= WORTH)
        said = hosts.exchange([stop.asked(), due])
        number = next((asked for asked, _ in said if asked is not None), None)
        if number is not None or said[0][1]:
            arrays = {
                name: mesh.on_host(leaf)[: self.count]
                for name, leaf in zip(_names(carry), jax.tree.leaves(carry), strict=True)
            }
            with hosts.together():
                if jax.process_index() == 0:
                    checkpoint.write(self.folder, step, arrays, self.about())
            self.saved = time.monotonic()
            self.due = self.saved + max(self.every, (self.saved - began) / SHARE)
        if number is not None:
            raise stop.Stop(number)

    def remove(self) -> None:
        """Forget all of it: the rows are complete."""
        remove_folder(self.folder)


def _names(tree: PyTree) -> list[str]:
    return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]


def _filled(array: np.ndarray | None, count: int) -> np.ndarray | None:
    if array is None or len(array) == count:
        return array
    return np.concatenate([array, np.repeat(array[-1:], count - len(array), axis=0)])
