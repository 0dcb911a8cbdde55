"""The torchvision wheel beside a CPU torch, both faked: declared where operators are missing, else left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A library object that takes its definitions along when it goes, as torch's does.
TORCH = """
class library:
    defined = []
    class Library:
        def __init__(self, name, kind):
            self.name, self.kind, self.mine = name, kind, []
        def define(self, schema):
            self.mine.append(f"{self.name}::{schema.partition('(')[0]}")
            library.defined.append(self.mine[-1])
        def __del__(self):
            for name in self.mine:
                library.defined.remove(name)
"""
# Fails as the wheel does, after a part of it was imported; that part has to be imported anew.
WHEEL = """
import torch
from torchvision import extension
for name in ("torchvision::nms", "torchvision::qnms"):
    if name not in torch.library.defined:
        raise RuntimeError(f"operator {name} does not exist")
assert extension.SEEN == ["torchvision::nms", "torchvision::qnms"]
"""
EXTENSION = "import torch\nSEEN = list(torch.library.defined)\n"
TWICE = """
import gc
from mpsae.vision_wheel import importable
importable()
gc.collect()
importable()
import torch, torchvision
print(*torch.library.defined)
"""
CAUGHT = """
import sys
from mpsae.vision_wheel import importable
for _ in range(2):
    try:
        importable()
    except Exception as error:
        print(type(error).__name__, error)
torch = sys.modules.get("torch")
print(torch.library.defined if torch else "no torch")
"""


@pytest.fixture
def lines(tmp_path):
    """Runs code in a process that finds this torchvision and the torch above: the lines it prints."""

    def run(code, torchvision):
        (tmp_path / "torch.py").write_text(TORCH)
        (tmp_path / "torchvision").mkdir()
        (tmp_path / "torchvision" / "__init__.py").write_text(torchvision)
        (tmp_path / "torchvision" / "extension.py").write_text(EXTENSION)
        env = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
        words = [sys.executable, "-W", "error", "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_missing_operators_are_declared_once_and_stay(lines):
    assert lines(TWICE, WHEEL) == ["torchvision::nms torchvision::qnms"]


def test_a_wheel_that_works_is_left_alone(lines):
    assert lines(CAUGHT, "") == ["no torch"]


def test_another_failure_is_raised_as_it_is(lines):
    for_cuda = "raise RuntimeError('no CUDA')"
    assert lines(CAUGHT, for_cuda) == ["RuntimeError no CUDA"] * 2 + ["no torch"]


def test_an_absent_wheel_is_an_import_error(lines):
    missing = "import nowhere_to_be_found"
    said = "ModuleNotFoundError No module named 'nowhere_to_be_found'"
    assert lines(CAUGHT, missing) == [said] * 2 + ["no torch"]


def test_declaring_that_does_not_help_is_tried_once(lines):
    stubborn = "raise RuntimeError('operator torchvision::roi_align does not exist')"
    said = "RuntimeError operator torchvision::roi_align does not exist"
    assert lines(CAUGHT, stubborn) == [said] * 2 + ["['torchvision::nms', 'torchvision::qnms']"]
