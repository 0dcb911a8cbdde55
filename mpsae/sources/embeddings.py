"""Paired embeddings from a folder that `mpsae embed` wrote, or from somebody else's file."""

import dataclasses
import hashlib
import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from mpsae.class_graph import PATHS, read_classes
from mpsae.class_labels import CLASS, read_levels, with_graph
from mpsae.labels import Labels
from mpsae.pairs import CENTRINGS, PairedArrays, TextEncoder, paired_arrays
from mpsae.source import BLOCK, NORMS, SourceConfig, check_choices, fixed_order, normed
from mpsae.store import Rows, Store, from_files, read
from mpsae.store.foreign import CHOICES
from mpsae.store.labels import NOT_STATED, ROOT
from mpsae.store.memory import MODALITIES
from mpsae.stored_rows import StoredRows

SERVED: dict[str, Callable[[Rows, str], Any]] = {  # where the rows of a source lie, normed as it says
    "memory": lambda rows, norm: normed(np.asarray(rows, np.float32), norm),
    "disk": StoredRows,
}
SPLIT, HELD_OUT = "split", "held_out"  # a factor of the images, and its class, that say who is held out


class Embeddings(SourceConfig, name="embeddings"):
    """Image and text rows and their pairs; each held-out image counts once, with its first text.

    path: a folder of `mpsae embed`, or a .npy, .npz or .safetensors file of [2, n, dim] (image, text; row
    i belongs to row i). Image rows that are equal are one image. held_out: share of the images kept apart
    by a fixed permutation (above 500 images a multiple of 500), unless the folder's factor `split` says
    which; 0 scores the pairs that it trains on. Of more than 500 images that `split` or 0 leaves to be
    scored, the first in the fixed permutation are, a multiple of 500. No pair trains on the image or on
    the text (an equal row) of a scored one, other than at 0: pairs that share a held-out caption are left
    out. centring: `global` takes one mean off all rows, `modality` one off images and one off texts, both
    of the training pairs. norm: `unit` divides rows by their length first. zero_rows, cast: what
    `mpsae.store.from_files` does with zero rows and with values that are not float32; of a file, a folder
    was checked when it was written.

    classes: a text file with the class of every image row, a line each, empty where not known: they become
    the factor `class`. class_graph: a file of is-a pairs (`mpsae.class_graph.read_pairs`) among whose nodes
    are the classes of `class`; `mono` then goes by the path between them: class_path `graph` along any
    pair, `tree` along each node's last parent. class_levels: depths below the root, as "4/6/8", each of which
    becomes a coarser factor, as `class_6`.

    rows: `memory` holds them on the device; `disk` leaves those of a folder where they are and reads each
    batch a step ahead, for folders larger than memory. Batches, and so results, are the same to the bit.
    """

    stored: ClassVar[bool] = True
    centrings: ClassVar[tuple[str, ...]] = CENTRINGS
    in_fingerprint: ClassVar[tuple[str, ...]] = (
        "path",
        "classes",
        "class_graph",
        "class_path",
        "class_levels",
        "rows",
    )

    path: str
    held_out: float = 0.2
    centring: str = "none"
    norm: str = "keep"
    zero_rows: str = "refuse"
    cast: str = "refuse"
    classes: str = ""
    class_graph: str = ""
    class_path: str = "graph"
    class_levels: str = ""
    rows: str = "memory"

    @property
    def title(self) -> str:
        return os.path.splitext(os.path.basename(os.path.normpath(self.path)))[0]

    def validate(self) -> None:
        """Refuse unknown options; what the file allows is known only in `build`."""
        super().validate()
        check_choices(
            self, norm=NORMS, centring=self.centrings, class_path=PATHS, rows=tuple(SERVED), **CHOICES
        )
        if not 0 <= self.held_out < 1:
            raise ValueError(f"embeddings.held_out = {self.held_out}: must be a share, from 0 to below 1")
        if read_levels(self.class_levels, "embeddings.class_levels") and not self.class_graph:
            raise ValueError("embeddings.class_levels: levels of what? give embeddings.class_graph too")

    def build(self, world_seed: int) -> PairedArrays:
        """The same rows and the same split for every seed."""
        self.validate()
        return self.of(self.store())

    def store(self) -> Store:
        """What the folder or the file holds."""
        if not os.path.exists(self.path):
            raise ValueError(f"{self.path}: no such folder or file")
        if os.path.isdir(self.path):
            return read(self.path)
        if self.rows == "disk":
            raise ValueError(
                f"embeddings.rows = 'disk': {self.path} is a file, which is read whole; only the rows of a"
                " folder of `mpsae embed` can stay on disk"
            )
        return from_files(both=self.path, zero_rows=self.zero_rows, cast=self.cast)

    def of(self, store: Store) -> PairedArrays:
        """The source of a store that is read already."""
        if not len(store.pairs):
            raise ValueError(f"{self.path}: has no pairs of an image and a text")
        if self.classes:
            store = _with_classes(store, self.classes, self.path)
        source = pairs_of(
            store,
            held_out=self.held_out,
            centring=self.centring,
            norm=self.norm,
            where=self.path,
            rows=self.rows,
        )
        return self._with_graph(source) if self.class_graph else source

    def _with_graph(self, source: PairedArrays) -> PairedArrays:
        """The source with the path between the classes of the factor `class`."""
        labels = source.labels
        if labels is None or CLASS not in labels.of:
            raise ValueError(
                f"embeddings.class_graph = {self.class_graph!r}: {self.path} has no factor {CLASS!r};"
                " give embeddings.classes, a file with the class of every image row"
            )
        levels = read_levels(self.class_levels, "embeddings.class_levels")
        labels = with_graph(labels, self.class_graph, path=self.class_path, levels=levels)
        return source.replace(labels=labels)


def pairs_of(
    store: Store,
    *,
    held_out: float,
    centring: str,
    norm: str,
    where: str,
    rows: str = "memory",
    encoder: TextEncoder | None = None,
) -> PairedArrays:
    """The source of a store's pairs; `where` names it in what is refused, `encoder` made its unit text rows.

    rows: `memory`, or `disk` for a store that `mpsae.store.read` has mapped.
    """
    train, held = _split(store, held_out, where)
    image, text = (SERVED[rows](store.rows[name], norm) for name in MODALITIES)
    return paired_arrays(
        image,
        text,
        train,
        held,
        centring=centring,
        labels=_labels(store, held),
        chains=_chains(store, held),
        captions=store.captions,
        encoder=encoder,
        root=_root(store),
    )


def _with_classes(store: Store, file: str, where: str) -> Store:
    """The store with the factor `class` of its images, from a file with a line a row."""
    if CLASS in store.labels.classes:
        raise ValueError(f"embeddings.classes = {file!r}: {where} has a factor {CLASS!r} of its own")
    lines = read_classes(file)
    if len(lines) != store.counts["image"]:
        raise ValueError(f"{file}: {len(lines)} lines for the {store.counts['image']} image rows of {where}")
    names = sorted(set(lines) - {""})
    number = {name: place for place, name in enumerate(names)} | {"": NOT_STATED}
    values = {name: dict(factors) for name, factors in store.labels.values.items()}
    values.setdefault("image", {})[CLASS] = np.array([number[line] for line in lines], np.int64)
    classes = {**store.labels.classes, CLASS: tuple(names)}
    return dataclasses.replace(
        store, labels=dataclasses.replace(store.labels, classes=classes, values=values)
    )


def _split(store: Store, held_out: float, where: str) -> tuple[np.ndarray, np.ndarray]:
    """(pairs to train on, one pair of each image to score)."""
    images = _same(store, "image")
    there, first, image = np.unique(images, return_index=True, return_inverse=True)
    told = _told(store, where)
    if told is None and not held_out:
        return store.pairs, store.pairs[_scored(first)]
    apart = np.zeros(len(there), bool)
    if told is not None:
        apart[image[told]] = True
    else:
        count = _whole_blocks(int(held_out * len(there)))
        if not count:
            raise ValueError(
                f"embeddings.held_out = {held_out:g}: leaves none of {len(there)} paired images apart in {where}"
            )
        apart[fixed_order(len(there))[:count]] = True
    held, text = _scored(first[apart]), _same(store, "text")
    train = ~apart[image] & ~np.isin(text, text[held])
    if not train.any():
        raise ValueError(
            f"{where}: every pair has an image or a text that is held out, none is left to train on"
        )
    return store.pairs[train], store.pairs[held]


def _told(store: Store, where: str) -> np.ndarray | None:
    """For each pair whether the factor `split` holds its image out; None without that factor."""
    values = store.labels.values.get("image", {}).get(SPLIT)
    if values is None:
        return None
    classes = store.labels.classes[SPLIT]
    if HELD_OUT not in classes:
        raise ValueError(
            f"{where}: the factor {SPLIT!r} must have a class {HELD_OUT!r}, found {', '.join(classes)}"
        )
    told = values[store.pairs[:, 0]] == classes.index(HELD_OUT)
    if not told.any():
        raise ValueError(f"{where}: the factor {SPLIT!r} holds no paired image out")
    return told


def _same(store: Store, modality: str) -> np.ndarray:
    """For each pair a number of its row's content, in the order in which content first comes among rows."""
    there, row = np.unique(store.pairs[:, MODALITIES.index(modality)], return_inverse=True)
    _, first, content = np.unique(
        _contents(store.rows[modality])[there], return_index=True, return_inverse=True
    )
    return first[content][row]


def _contents(rows: Rows) -> np.ndarray:
    """A digest of each row, [n] of 16 bytes: the rows need not fit into memory."""
    found = [
        b"".join(
            hashlib.blake2b(row.tobytes(), digest_size=16).digest()
            for row in block + block.dtype.type(0)  # -0 is 0
        )
        for _, block in rows.blocks()
    ]
    return np.frombuffer(b"".join(found), "S16")


def _whole_blocks(pairs: int) -> int:
    """The largest number of pairs, at most this many, that can be scored: rows are served in blocks."""
    most = BLOCK // 2
    return pairs - pairs % most if pairs > most else pairs


def _scored(pairs: np.ndarray) -> np.ndarray:
    """As many of these pairs as fill whole blocks, in their order."""
    pairs = np.sort(pairs)
    return np.sort(pairs[fixed_order(len(pairs))[: _whole_blocks(len(pairs))]])


def _labels(store: Store, held: np.ndarray) -> Labels | None:
    """Of each held-out pair what is known of its image, else of its text."""
    of: dict[str, Any] = {}
    for column, modality in enumerate(MODALITIES):
        for factor, values in store.labels.values.get(modality, {}).items():
            found = values[held[:, column]].astype(np.int32)
            of[factor] = np.where(of[factor] >= 0, of[factor], found) if factor in of else found
    of.pop(SPLIT, None)
    if not of:
        return None
    return Labels(
        of=of,
        classes=tuple((factor, tuple(store.labels.classes[factor])) for factor in sorted(of)),
        parent=tuple(
            (factor, tree.parent)
            for factor, tree in sorted(store.labels.trees.items())
            if factor in of and tree.parent in of
        ),
    )


def _chains(store: Store, held: np.ndarray) -> np.ndarray | None:
    """The chains that end in the text of a held-out pair; all, where none of them is anybody's text."""
    chains = store.labels.chains
    if chains is None:
        return None
    mine = chains[np.isin(chains[:, -1], held[:, 1])]
    paired = np.isin(chains[:, -1], store.pairs[:, 1]).any()
    return (mine if paired else chains) if len(mine) or not paired else None


def _root(store: Store) -> int | None:
    """The text row of the empty caption, where there are chains and one is recorded."""
    captions = store.captions
    if store.labels.chains is None or captions is None or ROOT not in captions:
        return None
    return captions.index(ROOT)
