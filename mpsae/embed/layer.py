"""The residual stream inside a vision transformer: the class token after one of its blocks."""

from collections.abc import Callable
from typing import Any


def class_token(model: Any, number: int) -> Callable[[Any], Any]:
    """A function from images [n, 3, side, side] to the class token [n, width] after block `number`.

    Block 0 is the first; what is read is the output of `model.visual.transformer.resblocks[number]`,
    before any further norm or projection. ValueError when the model has no such block.
    """
    visual = model.visual
    blocks = getattr(getattr(visual, "transformer", None), "resblocks", None)
    if blocks is None or not hasattr(visual, "class_embedding"):
        raise ValueError(
            f"--layer {number}: the image tower of this model ({type(visual).__name__}) is no vision"
            f" transformer of open_clip, it has no visual.transformer.resblocks with a class token"
        )
    if not 0 <= number < len(blocks):
        raise ValueError(f"--layer {number}: must be from 0 to {len(blocks) - 1}, the blocks of this model")

    def encode(images: Any) -> Any:
        kept: list[Any] = []
        hook = blocks[number].register_forward_hook(lambda _block, _inputs, output: kept.append(output))
        try:
            model.encode_image(images)
        finally:
            hook.remove()
        tokens = kept[0] if visual.transformer.batch_first else kept[0].transpose(0, 1)
        return tokens[:, 0]

    return encode
