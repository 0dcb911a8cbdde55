"""The parts of an experiment are submitted, each once, and together they are the whole."""

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
from cli_calls import refuse
from test_cli import EXPERIMENT

from mpsae.rows import load
from mpsae.verbs import launch
from mpsae.verbs.launch import Part

pytestmark = pytest.mark.usefixtures("cli_folder")


class Executor:
    """What submitit would be asked for."""

    asked: list

    def __init__(self, folder, cluster):
        self.asked.append((str(folder), cluster))

    def update_parameters(self, **settings):
        self.asked.append(settings)

    def map_array(self, function, parts):
        self.asked.append(parts)
        return [types.SimpleNamespace(job_id=f"7_{i}") for i in range(len(parts))]


def test_every_part_is_asked_for_once(mpsae, monkeypatch):
    Executor.asked = []
    stub = types.ModuleType("submitit")
    stub.AutoExecutor = Executor
    stub.__spec__ = importlib.util.spec_from_loader("submitit", None)
    monkeypatch.setitem(sys.modules, "submitit", stub)
    words = ["run", "hierarchy", "--scale", "full"]
    options = ["--parts", 2, "--minutes", 30, "--set", "slurm_partition=gpu", "--set", "cpus_per_task=8"]
    code, out, err = mpsae("launch", *options, *words)
    assert (code, err) == (0, []) and "7_1: mpsae run hierarchy --scale full --part 2/2" in out
    place, settings, parts = Executor.asked
    assert place == ("jobs", "slurm")
    assert settings == {
        "name": "mpsae",
        "timeout_min": 30,
        "slurm_partition": "gpu",
        "cpus_per_task": 8,
    }
    assert parts == [[*words, "--part", "1/2"], [*words, "--part", "2/2"]]


def test_a_part_that_fails_is_a_job_that_failed(capsys):
    with pytest.raises(RuntimeError, match="mpsae run ended with exit code 2"):
        Part()(["run", "nonsense"])
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, part",
    [
        (["--parts", "2", "train", "sae:mp"], "must end in the command to divide"),
        (["--parts", "2", "run", "hierarchy", "--part", "1/2"], "without --part"),
        (["--parts", "0", "run", "hierarchy"], "--parts 0: must be at least 1"),
        (["--parts", "2", "--minutes", "-3", "run", "hierarchy"], "--minutes -3: must be at least 1"),
        (["--parts", "2", "--set", "timeout_min=5", "run", "hierarchy"], "a time limit is --minutes"),
        (["run", "hierarchy"], "--parts"),
        (["--parts", "2", "run", "hierarchi"], "unknown experiment 'hierarchi'"),
        (["--parts", "2", "run", "hierarchy", "--scale", "huge"], "argument --scale: invalid choice: 'huge'"),
        (["--parts", "2", "--set", "gpus", "run", "hierarchy"], "--set gpus: must be NAME=VALUE"),
    ],
)
def test_what_cannot_be_launched_is_refused(mpsae, words, part):
    refuse(mpsae, ["launch", *words], part)


def test_without_submitit_it_says_so(mpsae, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refuse(mpsae, ["launch", "--parts", "2", "run", "hierarchy"], "submitit is not installed: pip install")


@pytest.mark.skipif(not importlib.util.find_spec("submitit"), reason="submitit is not installed")
def test_local_jobs_do_the_whole_grid(cli_folder):
    (cli_folder / "_mine_helper.py").write_text(
        "from mpsae.sources.tree20 import Tree20\nSOURCE = Tree20(held_out=200)\n"
    )
    grid = EXPERIMENT % "inf"
    for one, six in (
        ("return [Run(", "return [Run(seed=Seed.all(seed), "),
        ("batch=32))]", "batch=32)) for seed in range(6)]"),
        ("import Run", "import Run, Seed"),
    ):
        grid = grid.replace(one, six)
    (cli_folder / "mine.py").write_text(grid)
    words = ["launch", "--parts", "2", "--cluster", "local", "run", "mine.py", "--scale", "smoke"]
    root = str(Path(launch.__file__).parents[2])
    done = subprocess.run([sys.executable, "-m", "mpsae.cli", *words], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": root}, timeout=250)  # fmt: skip
    logs = [path.read_text() for path in Path("jobs").rglob("*.err")]
    assert done.returncode == 0, [done.stderr, *logs]
    assert len(load("results/mine/smoke").groups) == 6
    assert sum("part 1 of 2 is done" in text for text in logs) == 1
