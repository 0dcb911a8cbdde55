"""How images and captions become rows."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoder:
    """`image` and `text` map a batch to float32 rows [n, dim]; `text` is None where only images have rows.

    `model` (JSON) names the weights by their content: a folder begun with another model is not gone
    on with. `preprocess` and `environment` (packages, device) are recorded, `notes` said.
    """

    image: Callable[[Sequence["Image"]], Float[np.ndarray, "n dim"]]
    text: Callable[[Sequence[str]], Float[np.ndarray, "n dim"]] | None
    model: dict[str, Any]
    preprocess: dict[str, Any]
    environment: dict[str, Any]
    notes: Sequence[str] = ()
