"""Captioned scenes as a collection, with every factor, tree and chain of captions known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mpsae.embed.collection import Collection
from mpsae.embed.encoder import Encoder
from mpsae.store.labels import Labels, Tree
from synthetic.scene_captions import captions, chain
from synthetic.scene_drawing import draw
from synthetic.scenes import NAMES, PARENTS, distinct, jitter, labels, parent_of

STREAM = 1 << 32  # no step of a training has this number
SPLIT = ("train", "held_out")
HELD_OUT = 1000
SHIPPED = Path(__file__).resolve().parents[1] / "clip" / "scenes"  # the trained CLIP and its embeddings
RADIAL = SHIPPED.parent / "scenes_radial"  # the same texts' embeddings by that CLIP, radially tuned
CAST = SHIPPED.parent / "scenes_cast"  # the same images' embeddings by a CAST


class Drawn(Sequence):
    """Images of scenes, drawn when they are asked for by a slice."""

    def __init__(self, factors: Int[np.ndarray, "n factors"], wobble: Float[np.ndarray, "n jitter"]):
        self.factors, self.wobble = factors, wobble

    def __len__(self) -> int:
        return len(self.factors)

    def __getitem__(self, rows: Any) -> Any:  # [n, 64, 64, 3] uint8
        return draw(self.factors[rows], self.wobble[rows])


def drawn(seed: int, *, seen: int, unseen: int) -> Drawn:
    """`seen` distinct training combinations, then `unseen` distinct held-out ones, from a seed alone.

    Raises ValueError when there are not that many combinations.
    """
    rng = np.random.default_rng((seed, STREAM))
    factors = np.concatenate([distinct(seen, rng, unseen=False), distinct(unseen, rng, unseen=True)])
    return Drawn(factors, jitter(len(factors), rng))


def scenes(seed: int, *, seen: int, unseen: int) -> Collection:
    """The scenes of `drawn`, with their captions.

    Captions: first the full one of every scene, in the scenes' order, then each other caption of the
    held-out scenes' chains, once. Factor `split` says which are held out.
    """
    images = drawn(seed, seen=seen, unseen=unseen)
    factors = images.factors
    full, chains = captions(factors, "full"), chain(factors[seen:])
    said = list(dict.fromkeys(full + [caption for levels in chains for caption in levels]))
    row = {caption: number for number, caption in enumerate(said)}
    known = {name: numbers.astype(np.int64) for name, numbers in labels(factors).items()}
    known["split"] = (np.arange(len(factors)) >= seen).astype(np.int64)
    return Collection(
        images=images,
        captions=said,
        ids={"image": np.arange(len(factors)), "text": np.arange(len(said))},
        items={
            "image": [{"name": f"scene-{number}"} for number in range(len(factors))],
            "text": [{"text": caption} for caption in said],
        },
        inputs={"world": "scenes", "seed": seed, "seen": seen, "unseen": unseen},
        pairs=np.stack([np.arange(len(factors)), [row[caption] for caption in full]], axis=1),
        labels=Labels(
            classes=NAMES | {"split": SPLIT},
            values={"image": known},
            trees={
                below: Tree(parent, parent_of(parent).astype(np.int64))
                for parent, (below, _) in PARENTS.items()
            },
            chains=np.array([[row[caption] for caption in levels] for levels in chains], np.int64)
            if chains
            else None,
        ),
    )


def scene_encoder(folder: Path | str) -> Encoder:
    """Unit rows of the small CLIP in `folder`. Raises ValueError when it or torch is not there."""
    from mpsae.clip import model

    model.packages()  # says what to install where it is not there
    clip, record = model.load(folder), model.read_record(folder)
    return Encoder(
        image=lambda images: model.encode_images(clip, np.asarray(images)),
        text=lambda said: model.encode_captions(clip, list(said)),
        model={"name": "scenes", "pretrained": None, "weights_sha256": record["weights"]["sha256"]},
        preprocess={"mean": list(model.MEAN), "std": list(model.STD), "size": 64},
        environment={"trained": record["provenance"]},
    )
