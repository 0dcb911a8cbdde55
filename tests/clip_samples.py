"""A CLIP too small to be good at anything, with random weights, and images to show it."""

import importlib.util
import json

import numpy as np
import pytest

from mpsae.vision_wheel import importable

TOWER = {"image_size": 32, "layers": 3, "width": 32, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
CONFIG = {"embed_dim": 24, "vision_cfg": TOWER, "text_cfg": TEXT}


def open_clip():
    """The module, or skip: torch and open_clip come with the extra `clip`."""
    for name in ("torch", "torchvision"):
        if not importlib.util.find_spec(name):
            pytest.skip(f"{name} is not installed")
    importable()
    return pytest.importorskip("open_clip")


def local_model(folder, *, config=CONFIG, seed=0):
    """`folder` with a model in open_clip's own layout; what to give as --model."""
    module = open_clip()
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    weights = module.CLIP(**config).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")
    return f"local-dir:{folder}"


def draw(folder, names, *, side=(40, 50), seed=0):
    """Noise images under these names."""
    from PIL import Image

    noise = np.random.default_rng(seed)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (*side, 3), np.uint8)).save(path)
    return folder
