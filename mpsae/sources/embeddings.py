"""Paired embeddings from a folder that `mpsae embed` wrote, or from somebody else's file."""

import os

import numpy as np

from mpsae.pairs import CENTRINGS, Labels, PairedArrays, paired_arrays
from mpsae.source import BLOCK, SourceConfig, fixed_order
from mpsae.store import Store, from_files, read

NORMS = ("keep", "unit")
SPLIT, HELD_OUT = "split", "held_out"  # a factor of the images, and its class, that say who is held out


class Embeddings(SourceConfig, name="embeddings"):
    """Image and text rows and their pairs; each held-out image counts once, with its first text.

    path: a folder of `mpsae embed`, or a .npy, .npz or .safetensors file of [2, n, dim] (image, text; row
    i belongs to row i). held_out: share of the images kept apart by a fixed permutation (above 500 images
    a multiple of 500), unless the folder's factor `split` says which; 0 scores the pairs that it trains
    on. centring: `global` takes one mean off all
    rows, `modality` one off images and one off texts, both of the training pairs. norm: `unit` divides
    rows by their length first.
    """

    path: str
    held_out: float = 0.2
    centring: str = "none"
    norm: str = "keep"

    @property
    def title(self) -> str:
        return os.path.splitext(os.path.basename(os.path.normpath(self.path)))[0]

    def validate(self) -> None:
        """Refuse unknown options; what the file allows is known only in `build`."""
        super().validate()
        check_choices(self, norm=NORMS, centring=CENTRINGS)
        if not 0 <= self.held_out < 1:
            raise ValueError(f"embeddings.held_out = {self.held_out}: must be a share, from 0 to below 1")

    def build(self, world_seed: int) -> PairedArrays:
        """The same rows and the same split for every seed."""
        self.validate()
        store = read(self.path) if os.path.isdir(self.path) else from_files(both=self.path)
        if not len(store.pairs):
            raise ValueError(f"{self.path}: has no pairs of an image and a text")
        return pairs_of(
            store, held_out=self.held_out, centring=self.centring, norm=self.norm, where=self.path
        )


def check_choices(config: SourceConfig, **allowed: tuple[str, ...]) -> None:
    """Refuse a field that is none of its choices, by ValueError."""
    for field, choices in allowed.items():
        value = getattr(config, field)
        if value not in choices:
            raise ValueError(f"{config.name}.{field} = {value!r}: must be one of {', '.join(choices)}")


def pairs_of(store: Store, *, held_out: float, centring: str, norm: str, where: str) -> PairedArrays:
    """The source of a store's pairs; `where` names it in what is refused."""
    train, held = _split(store, held_out, where)
    image, text = (np.asarray(store.rows[name], np.float32) for name in ("image", "text"))
    if norm == "unit":
        image, text = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (image, text))
    return paired_arrays(
        image, text, train, held, centring=centring, labels=_labels(store, held), chains=_chains(store, held)
    )


def _split(store: Store, held_out: float, where: str) -> tuple[np.ndarray, np.ndarray]:
    """(pairs to train on, one pair of each held-out image)."""
    images = store.pairs[:, 0]
    apart = np.zeros(store.counts["image"], bool)
    told = store.labels.values.get("image", {}).get(SPLIT)
    there = np.unique(images)
    if told is not None:
        apart = told == store.labels.classes[SPLIT].index(HELD_OUT)
    elif held_out:
        count = int(held_out * len(there))
        count -= count % (BLOCK // 2) if count > BLOCK // 2 else 0
        if not count:
            raise ValueError(
                f"embeddings.held_out = {held_out:g}: leaves none of {len(there)} paired images apart in {where}"
            )
        apart[there[fixed_order(len(there))[:count]]] = True
    _, first = np.unique(images, return_index=True)
    if not apart.any():
        return store.pairs, store.pairs[np.sort(first)]
    held = np.sort(first[apart[images[first]]])
    return store.pairs[~apart[images]], store.pairs[held]


def _labels(store: Store, held: np.ndarray) -> Labels | None:
    """Of each held-out pair what is known of its image, else of its text."""
    of = {}
    for column, modality in ((1, "text"), (0, "image")):
        for factor, values in store.labels.values.get(modality, {}).items():
            of[factor] = values[held[:, column]].astype(np.int32)
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
