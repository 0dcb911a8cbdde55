"""A CLIP of open_clip as an Encoder."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from mpsae.clip.model import packages
from mpsae.embed.encoder import Encoder
from mpsae.embed.images import workers
from mpsae.embed.layer import class_token
from mpsae.embed.weights import Weights, find_weights
from mpsae.provenance import version

if TYPE_CHECKING:
    from PIL.Image import Image

PACKAGES = ("torch", "torchvision", "open_clip_torch", "timm", "pillow", "numpy")
DEVICES = ("auto", "cpu", "cuda")


def clip_encoder(
    name: str, pretrained: str | None, *, layer: int | None = None, device: str = "auto"
) -> Encoder:
    """Unit rows of both towers of the model `name`, or with `layer` the raw class token of a block.

    The model computes in float32. `name` is open_clip's, or local-dir:FOLDER; `pretrained` a tag or
    a file (see `find_weights`). Raises ValueError when a package, the model, the weights or the
    device is not there, or they do not fit each other.
    """
    torch, open_clip = packages()
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: this torch sees no such device")
    place = "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
    weights = find_weights(open_clip, name, pretrained)
    model = _create(open_clip, weights, place)
    settings = dict(model.visual.preprocess_cfg)
    transform = open_clip.transform
    preprocess = transform.image_transform_v2(transform.PreprocessCfg(**settings), is_train=False)
    tokenize: Any = _tokenizer(open_clip, weights.name) if layer is None else None
    to_rows = class_token(model, layer) if layer is not None else None

    def image(images: Sequence["Image"]) -> np.ndarray:
        with ThreadPoolExecutor(workers()) as pool:
            batch = torch.stack(list(pool.map(preprocess, images))).to(place)
        with torch.inference_mode():
            rows = to_rows(batch) if to_rows else model.encode_image(batch, normalize=True)
        return rows.float().cpu().numpy()

    def text(captions: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            rows = model.encode_text(tokenize(list(captions)).to(place), normalize=True)
        return rows.float().cpu().numpy()

    return Encoder(
        image=image,
        text=text if layer is None else None,
        model=weights.record | {"layer": layer},
        preprocess=settings,
        environment={"packages": {package: version(package) for package in PACKAGES}, "device": place},
        notes=weights.notes,
    )


def _create(open_clip: Any, weights: Weights, device: str) -> Any:
    try:
        model = open_clip.create_model(
            weights.name,
            pretrained=weights.pretrained,
            device=device,
            precision="fp32",
            force_preprocess_cfg=weights.preprocess,
            require_pretrained=True,
            weights_only=True,
        )
    except Exception as error:  # torch, safetensors and open_clip each raise types of their own
        raise ValueError(f"{weights.file}: {_reason(error, weights.record['name'])}") from error
    return model.eval()


def _tokenizer(open_clip: Any, name: str) -> Any:
    try:
        return open_clip.get_tokenizer(name)
    except Exception as error:  # a tokenizer of its own needs transformers, files and perhaps the hub
        raise ValueError(
            f"{name}: its tokenizer cannot be made ({' '.join(str(error).split())[:200]})"
        ) from error


def _reason(error: Exception, name: str) -> str:
    if type(error).__name__ == "UnpicklingError":
        return "holds more than tensors, or is damaged; only files of plain weights are read"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    detail = lines[1] if len(lines) > 1 and lines[0].startswith("Error(s) in loading") else lines[0]
    return f"these weights do not fit {name} ({detail[:200]})"
