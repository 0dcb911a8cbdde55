"""A CAST beside the small CLIP's texts as an Encoder of scenes."""

from pathlib import Path

import numpy as np

from mpsae.cast import weights
from mpsae.cast.vision import Vision
from mpsae.clip.text import TextTower
from mpsae.embed.encoder import Encoder
from mpsae.embed.scenes import SHIPPED


def cast_encoder(folder: Path | str) -> Encoder:
    """Unit rows: images by the CAST in `folder`, captions by the CLIP that ships. Raises ValueError as `load` does."""
    vision, record = Vision(weights.load(folder)), weights.read_record(folder)
    return Encoder(
        image=lambda images: vision.rows(np.asarray(images)),
        text=TextTower(SHIPPED),
        model={"name": "cast", "weights_sha256": record["weights"]["sha256"]},
        preprocess={"size": 64},
        environment={"trained": record["provenance"]},
    )
