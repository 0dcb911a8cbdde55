"""torch and open_clip for the tests that need them; the others run without."""

import warnings

import pytest


def needed():
    """torch, or skip: one thread, and warnings that these packages give on import are theirs."""
    torch = pytest.importorskip("torch")
    from mpsae.vision_wheel import importable

    pytest.importorskip("torchvision", exc_type=(ImportError, RuntimeError))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importable()
        pytest.importorskip("open_clip")
    torch.set_num_threads(1)
    return torch
