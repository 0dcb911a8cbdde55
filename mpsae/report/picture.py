"""A stored figure as it goes into the page: fewer colours, no loss of shape, and what it shows in words."""

import base64
import dataclasses
import io
from pathlib import Path

from mpsae.files import read_bytes
from mpsae.image_file import decoded

COLOURS = 96  # of a palette of each figure's own: a quarter of the bytes, and no line moves


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure's name, its image as a data: address, its size in pixels, and its caption ("" if it has none)."""

    name: str
    address: str
    width: int
    height: int
    caption: str


def picture(path: Path) -> Picture:
    """The PNG file as lossless WebP in a palette of 96 colours.

    The caption is the file's Description, which `mpsae figures` writes. Raises
    ValueError naming the file when it is missing or no image.
    """
    from PIL import Image

    data = read_bytes(path)
    try:
        image = decoded(data)
    except ValueError as error:
        raise ValueError(f"{path}: not an image that can be read ({error})") from error
    whole = image.convert("RGB")
    few = whole.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    coded = io.BytesIO()
    few.convert("RGB").save(coded, "webp", lossless=True, method=4)
    return Picture(
        name=path.stem.replace("_", " "),
        address=f"data:image/webp;base64,{base64.b64encode(coded.getvalue()).decode()}",
        width=image.width,
        height=image.height,
        caption=" ".join(str(image.info.get("Description", "")).split()),
    )
