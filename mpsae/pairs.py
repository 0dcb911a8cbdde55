"""Two modalities in one stream of rows, and what is known of each pair.

Rows of a paired source are interleaved: row 2j is an image, row 2j + 1 the text that belongs to it, in
training batches and in held-out blocks. So an SAE sees both modalities in equal number, every ordinary
metric reads both, and `split` gives a statistic the two sides in the same order.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mpsae.labels import Labels
from mpsae.on_disk import Anywhere, OnDisk, on_host, placed, rows
from mpsae.shuffle import shuffled
from mpsae.source import BLOCK, Source, check_held_out
from mpsae.stored_rows import HostRows, StoredPairs, StoredRows, blocks

CENTRINGS = ("none", "global", "modality")


def split(tree: Any) -> tuple[Any, Any]:
    """(image rows, text rows) of every leaf [2·pairs, ...]."""
    return jax.tree.map(lambda leaf: leaf[0::2], tree), jax.tree.map(lambda leaf: leaf[1::2], tree)


def interleaved(image: Any, text: Any) -> Any:
    """The inverse of `split` for two arrays [pairs, ...]."""
    stack = jnp.stack if isinstance(image, jax.Array) else np.stack
    return stack([image, text], axis=1).reshape(2 * len(image), *image.shape[1:])


class TextEncoder(Protocol):
    """What made the text rows. It must be hashable, equal where it does the same."""

    @property
    def words(self) -> tuple[str, ...]:
        """Every word it knows."""

    @property
    def longest(self) -> int:
        """The most words of a caption."""

    def __call__(self, captions: Sequence[str]) -> Float[np.ndarray, "n dim"]:
        """A row for each caption."""

    def embedded(self, words: Sequence[str]) -> Float[Array, "words width"]:
        """The vector of each word."""

    def of_embedded(self, vectors: Float[Array, "n words width"]) -> Float[Array, "n dim"]:
        """The rows of captions whose words are any vectors; can be differentiated."""


class Speaker(struct.PyTreeNode):
    """How any text becomes a row of the source: its encoder, and what centring takes off a text row."""

    encoder: TextEncoder = struct.field(pytree_node=False)
    shift: Float[Array | np.ndarray, " dim"]


class Captions(struct.PyTreeNode):
    """What the texts of the held-out pairs say; the speaker is None where the encoder is not at hand."""

    said: tuple[str, ...] = struct.field(pytree_node=False)
    speaker: Speaker | None = None


class PairedArrays(Source):
    """Stored rows of two modalities and their pairs: each pair exactly once per epoch.

    image, text, held: arrays, or rows that stay on disk and are read batch by batch; held are the held-out
    pairs, interleaved. labels: of the held-out pairs. chains: held-out texts from the most general to the
    full one, level by level. root: the text that says nothing, "", where it is known.
    """

    paired: ClassVar[bool] = True

    image: Anywhere  # [images, dim]
    text: Anywhere  # [texts, dim]
    pairs: Int[Array, "pairs 2"]  # row of an image, row of its text
    held: Anywhere  # [held, dim]
    labels: Labels | None = None
    chains: Float[Array, "items levels dim"] | None = None
    captions: Captions | None = None
    root: Float[Array, " dim"] | None = None

    @property
    def chain_images(self) -> Float[np.ndarray, "items dim"] | None:
        """The held-out image that each chain ends in the text of; None where some chain has none."""
        last = [row.tobytes() for row in np.asarray(self.chains)[:, -1]]
        wanted, of = set(last), dict[bytes, np.ndarray]()
        for _, block in blocks(on_host(self.held)):
            for shown, said in zip(*split(block), strict=True):
                if (row := said.tobytes()) in wanted:
                    of.setdefault(row, shown)
        return np.stack([of[text] for text in last]) if of.keys() >= wanted else None

    def batch(self, key: Array, step: Array | int, size: int) -> Float[Array, "size dim"]:
        """Pairs at positions step·size/2 ... of the shuffled stream, interleaved; size must be even."""
        if size % 2:
            raise ValueError(f"batch = {size}: must be even, rows of paired data come two by two")
        now, then = (self._chosen(key, step, later, size // 2) for later in (0, 1))
        return interleaved(rows(self.image, now[:, 0], then[:, 0]), rows(self.text, now[:, 1], then[:, 1]))

    def _chosen(self, key: Array, step: Array | int, later: int, size: int) -> Int[Array, "size 2"]:
        start = (jnp.asarray(step).astype(jnp.uint32) + later) * size
        positions = start + jnp.arange(size, dtype=jnp.uint32)
        return self.pairs[shuffled(key, len(self.pairs), positions)]

    def held_out(self, i: Array | int) -> tuple[Float[Array, "block dim"], None]:
        """Rows i·block ... of the held-out pairs; no codes are known."""
        now, then = ((i + later) % self.blocks * self.block + jnp.arange(self.block) for later in (0, 1))
        return rows(self.held, now, then), None

    def fingerprint(self) -> str:
        """sha256 of shape and bytes of every array, labels and chains included; captions are not in it."""
        digest = hashlib.sha256()
        arrays = (self.image, self.text, self.pairs, self.held, self.labels, self.chains, self.root)
        for leaf in jax.tree.leaves(arrays, is_leaf=lambda leaf: isinstance(leaf, OnDisk)):
            if isinstance(leaf, OnDisk):
                digest.update(f"float32 {leaf.reader.rows.shape}".encode())
                for _, block in blocks(on_host(leaf)):
                    digest.update(np.ascontiguousarray(block, "<f4").data)
                continue
            values = np.ascontiguousarray(leaf)
            values = values.astype("<f4" if values.dtype.kind == "f" else "<i4")
            digest.update(f"{values.dtype.name} {values.shape}".encode())
            digest.update(values.data)
        digest.update(repr(self.labels and (self.labels.classes, self.labels.parent)).encode())
        return digest.hexdigest()


def paired_arrays(
    image: np.ndarray | StoredRows,
    text: np.ndarray | StoredRows,
    pairs: np.ndarray,
    held_pairs: np.ndarray,
    *,
    centring: str = "none",
    labels: Labels | None = None,
    chains: np.ndarray | None = None,
    captions: Sequence[str] | None = None,
    encoder: TextEncoder | None = None,
    root: int | None = None,
) -> PairedArrays:
    """The source of rows [images, dim], [texts, dim] with pairs [q, 2] to train on and held-out pairs.

    centring: `global` takes the mean of all training pairs off every row, `modality` the mean of the
    training images off images and of the texts off texts (each row counted as often as it is paired).
    chains [items, levels] and root are rows of `text`; captions are of all texts, and `encoder` made their rows.
    `StoredRows` stay on disk, the held-out ones too; the source is the same to the bit.
    Raises ValueError for an unknown centring.
    """
    if centring not in CENTRINGS:
        raise ValueError(f"centring = {centring!r}: must be one of {', '.join(CENTRINGS)}")
    check_held_out(2 * len(held_pairs))
    image, text = (
        rows if isinstance(rows, StoredRows) else np.asarray(rows, np.float32) for rows in (image, text)
    )
    means = [np.zeros(image.shape[1])] * 2
    if centring != "none":
        means = [_mean(rows, pairs[:, side]) for side, rows in enumerate((image, text))]
    shifts = centres(means[0], means[1], centring)
    image, text = image - shifts[0], text - shifts[1]
    held: HostRows = (
        StoredPairs(image, text, held_pairs)
        if isinstance(image, StoredRows)
        else interleaved(image[held_pairs[:, 0]], text[held_pairs[:, 1]])
    )
    return PairedArrays(
        dim=image.shape[1],
        rows_held_out=2 * len(held_pairs),
        block=min(BLOCK, 2 * len(held_pairs)),
        image=placed(image),
        text=placed(text),
        pairs=jnp.asarray(pairs, jnp.int32),
        held=placed(held),
        labels=labels,
        chains=None if chains is None else jnp.asarray(text[chains]),
        captions=None
        if captions is None
        else Captions(
            said=tuple(captions[row] for row in held_pairs[:, 1]),
            speaker=None if encoder is None else Speaker(encoder=encoder, shift=shifts[1]),
        ),
        root=None if root is None else jnp.asarray(text[np.array(root)]),
    )


def _mean(rows: np.ndarray | StoredRows, numbers: np.ndarray) -> Float[np.ndarray, " dim"]:
    """The float64 mean of `rows[numbers]` in one pass over the rows, the same to the bit wherever they lie."""
    times, total = np.bincount(numbers, minlength=rows.shape[0])[:, None], np.zeros(rows.shape[1])
    for first, block in blocks(rows):
        total += (times[first : first + len(block)] * block.astype(np.float64)).sum(0)
    return total / len(numbers)


def centres(image: np.ndarray, text: np.ndarray, centring: str) -> tuple[np.ndarray, np.ndarray]:
    """What `centring` takes off images and off texts of these means, [dim] each in float32."""
    both = (image + text) / 2
    chosen = {"none": [0 * both, 0 * both], "global": [both, both], "modality": [image, text]}[centring]
    return chosen[0].astype(np.float32), chosen[1].astype(np.float32)
