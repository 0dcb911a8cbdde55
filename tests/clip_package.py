"""torch and open_clip for the tests that need them; the others run without."""

import importlib.util
import warnings

import pytest


def needed():
    """torch with one thread, or skip. Warnings that these packages give on import are their own."""
    for name in ("torch", "torchvision", "open_clip"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    from mpsae.clip.model import packages

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch, _ = packages()
    torch.set_num_threads(1)
    return torch
