"""The folder that ships: a trained small CLIP and paired embeddings of scenes, all from seeds."""

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mpsae.clip.model import Clip, encode_captions, encode_images
from mpsae.files import write_bytes, write_text
from mpsae.provenance import checkout
from synthetic.scene_captions import LEVELS, captions, chain
from synthetic.scene_drawing import draw
from synthetic.scenes import NAMES, distinct, jitter, labels

SHIPPED = Path(__file__).with_name("scenes")
FORMAT = 1
ABOUT = "about.json"
PACKAGES = ("torch", "open_clip_torch", "numpy")


class Scenes(NamedTuple):
    """The scenes that ship and what else their images depend on; `seen` of them are training combinations."""

    factors: Int[np.ndarray, "n factors"]
    jitter: Float[np.ndarray, "n jitter"]
    seen: int


def scenes(seed: int, *, seen: int, unseen: int) -> Scenes:
    """`seen` distinct training combinations, then `unseen` distinct held-out ones."""
    rng = np.random.default_rng((seed, 1 << 32))  # no step of a training has this number
    factors = np.concatenate([distinct(seen, rng, unseen=False), distinct(unseen, rng, unseen=True)])
    return Scenes(factors, jitter(len(factors), rng), seen)


def write(folder: Path | str, clip: Clip, chosen: Scenes, provenance: dict[str, Any]) -> None:
    """Encode the scenes and write rows, pairs, labels and `about.json` into `folder`.

    Rows of text: first the full caption of every scene, in the scenes' order, then each other
    caption of the held-out scenes' chains once.
    """
    import safetensors.numpy

    full, chains = captions(chosen.factors, "full"), chain(chosen.factors[chosen.seen :])
    said = list(dict.fromkeys(full + [caption for levels in chains for caption in levels]))
    row = {caption: number for number, caption in enumerate(said)}
    images = encode_images(clip, draw(chosen.factors, chosen.jitter))
    numbers = np.arange(len(full), dtype=np.int32)
    tables: dict[str, dict[str, np.ndarray]] = {
        "image": {"rows": images.astype(np.float16)},
        "text": {"rows": encode_captions(clip, said).astype(np.float16)},
        "pairs": {"image": numbers, "text": numbers},
        "labels": labels(chosen.factors),
    }
    about = {
        "format": FORMAT,
        "ids": [f"scene-{number}" for number in numbers],
        "captions": said,
        "label_names": {name: list(names) for name, names in NAMES.items()},
        "levels": list(LEVELS),
        "chains": [[row[caption] for caption in levels] for levels in chains],
        "splits": {"train": numbers[: chosen.seen].tolist(), "held_out": numbers[chosen.seen :].tolist()},
        "provenance": provenance,
    }
    for name, tensors in tables.items():
        write_bytes(Path(folder) / f"{name}.safetensors", safetensors.numpy.save(tensors))
    write_text(Path(folder) / ABOUT, json.dumps(about, sort_keys=True, separators=(",", ":")) + "\n")


def provenance(command: str, **settings: int) -> dict[str, Any]:
    """What makes a folder: command, settings, commit, versions, threads (they decide round-off)."""
    import torch

    return {
        "command": command,
        **settings,
        **checkout(Path(__file__).resolve().parents[1]),
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
