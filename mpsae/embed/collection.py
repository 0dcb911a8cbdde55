"""What is to be embedded: images, captions, and which belong together."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from mpsae.store.labels import Labels
from mpsae.store.memory import no_pairs

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collection:
    """`images` and `captions` are read by slices, in order, each as often as a resumed run needs.

    `pairs` [q, 2] are numbers of images and captions, `ids` {modality: a number of the source's own
    each}, `items` {modality: what is recorded of each}, `inputs` (JSON) names all of this by its
    content: a folder begun with other inputs is not gone on with. `left_out`: what was, and why.
    """

    images: Sequence["Image"]
    captions: Sequence[str]
    ids: dict[str, Int[np.ndarray, "n"]]
    items: dict[str, list[dict[str, Any]]]
    inputs: dict[str, Any]
    pairs: Int[np.ndarray, "q 2"] = dataclasses.field(default_factory=no_pairs)
    labels: Labels = dataclasses.field(default_factory=Labels)
    left_out: Sequence[str] = ()
