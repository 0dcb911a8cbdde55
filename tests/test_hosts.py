"""Several processes train one SAE: as one does, on to the same bytes, and what fails in one is said in all."""

import functools
import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest
from cli_calls import TINY, TOPK, config, refuse

from mpsae import checkpoint, hosts
from mpsae.rows import load
from mpsae.saes.mp import MatchingPursuit
from mpsae.score import score

pytestmark = pytest.mark.usefixtures("cli_folder")

FEW = ("fvu", "l0", "mcc_signed")
SETUP = (
    "import functools, mpsae.keeper, mpsae.outcome as of; mpsae.keeper.SHARE = 1e9;"
    f"of.score = functools.partial(of.score, metrics={FEW});"
    "mpsae.keeper.Keeper.remove = lambda self: None;"
)
ASKED = "mpsae.stop.asked = lambda: 15;"  # as after SIGTERM


def free_port():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def ended(folders, words, more):
    """(exit code, stdout, stderr) of two processes, one device each, started in these folders."""
    # The flags of these tests make four devices in a process.
    base = os.environ | {"NPROC": "1", "PYTHONPATH": str(Path(hosts.__file__).parents[1])}
    base["XLA_FLAGS"] = "--xla_force_host_platform_device_count=1 --xla_backend_optimization_level=0"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", f"{SETUP}{setup}from mpsae.cli import script; import sys;"
             f"sys.argv = {['mpsae', 'train', *words, '--mesh', 'atoms=2', *own]}; script()"],
            cwd=folder, env=base | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for folder, (own, environment, setup) in zip(folders, more, strict=True)
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=240) for process in running]
    finally:
        for process in running:
            process.kill()
    # Gloo itself prints whom it is connected to.
    out = ["".join(line for line in text.splitlines(True) if "[Gloo]" not in line) for text, _ in said]
    return [
        (process.returncode, shown, err) for process, shown, (_, err) in zip(running, out, said, strict=True)
    ]


def started_by_slurm(port):
    every = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    return [
        (["--hosts", "auto"],
         every | {"JAX_COORDINATOR_PORT": str(port), "SLURM_PROCID": str(i), "SLURM_LOCALID": "0"}, "")
        for i in range(2)
    ]  # fmt: skip


def states(folder):
    found = sorted(folder.glob("results/train/custom/state/*/step-*"))
    return {path.name: checkpoint.read(path) for path in found}


def test_two_processes_train_as_one_and_go_on_to_the_same_bytes(cli_folder, mpsae, monkeypatch):
    first, second, again = (cli_folder / name for name in ("first", "second", "again"))
    for folder in (first, second, again):
        folder.mkdir()
        config(folder / "run.json", sae=MatchingPursuit(k=2), width=64, steps=6)
    words = ["run.json", "--checkpoint-every", "1e-9"]
    one, two = ended([first, second], words, started_by_slurm(free_port()))
    assert (one[0], two[0]) == (0, 0), one[2] + two[2]
    assert "saved in" in one[1] and two[1] == ""
    assert [path.name for path in second.iterdir()] == ["run.json"]

    monkeypatch.setattr("mpsae.outcome.score", functools.partial(score, metrics=FEW))
    assert mpsae("train", first / "run.json")[0] == 0
    (ours,), (alone,) = (load(place / "results/train/custom").groups for place in (first, cli_folder))
    assert ours.run["run"] == alone.run["run"]
    assert ours.run["provenance"]["device"]["hosts"] == 2
    for mine, other in zip(ours.values, alone.values, strict=True):
        assert mine | {"value": None} == other | {"value": None}
        assert mine["value"] == pytest.approx(other["value"], rel=1e-4, abs=1e-6)

    whole = states(first)
    assert list(whole) == ["step-000000000003", "step-000000000006"]
    shutil.copytree(first / "results/train/custom/state", again / "results/train/custom/state")
    for path in again.glob("results/train/custom/state/*/step-000000000006"):
        shutil.rmtree(path)
    place = f"localhost:{free_port()}"
    more = [(["--hosts", place, "--host", f"{i}/2"], {}, ASKED if i == 2 else "") for i in (1, 2)]
    one, two = ended([again, second], words, more)
    assert (one[0], two[0]) == (143, 143), one[2] + two[2]
    assert "mp: goes on at step 3" in one[2] and one[1] == two[1] == ""
    found = states(again)
    for step, state in whole.items():
        assert list(state.arrays) == list(found[step].arrays)
        for name, array in state.arrays.items():
            np.testing.assert_array_equal(found[step].arrays[name].view(np.uint8), array.view(np.uint8), name)


# --- what they tell each other -------------------------------------------------------------------


class Service:
    """The key-value store that JAX starts, for threads that stand for processes."""

    def __init__(self):
        self.values, self.limit = {}, time.monotonic() + 20

    def key_value_set(self, key, value):
        assert key not in self.values
        self.values[key] = value

    def blocking_key_value_get(self, key, milliseconds):
        if key not in self.values:
            assert time.monotonic() < self.limit
            time.sleep(0.001)
            raise jax.errors.JaxRuntimeError("DEADLINE_EXCEEDED: not there")
        return self.values[key]


@pytest.fixture
def processes(monkeypatch):
    """Runs a function of its number in three processes: what each returned or raised."""
    own, service = threading.local(), Service()

    class Counter:
        def __next__(self):
            return next(own.__dict__.setdefault(id(self), itertools.count()))

    for name in ("_turns", "_told", "_heard"):
        monkeypatch.setattr(hosts, name, Counter())
    monkeypatch.setattr(hosts, "_client", lambda: service)
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    monkeypatch.setattr(jax, "process_index", lambda: own.number)

    def one(number, function):
        own.__dict__.clear()  # the thread may have been another process before
        own.number = number
        try:
            return function(number)
        except ValueError as error:
            return str(error)

    def run(function):
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(one, range(3), [function] * 3))

    return run


def test_what_is_exchanged_comes_in_order_and_turns_do_not_mix(processes):
    said = processes(lambda i: [hosts.exchange(i), hosts.exchange([None, i > 1])])
    assert said == [[[0, 1, 2], [[None, False], [None, False], [None, True]]]] * 3


def test_what_fails_in_one_is_said_in_all(processes):
    def work(number):
        with hosts.together():
            pass
        with hosts.together():
            if number == 1:
                raise OSError("rows.npy: no such file")
        return "went on"

    other = "process 2 of 3: rows.npy: no such file"
    assert processes(work) == [other, "rows.npy: no such file", other]


def test_the_others_hear_what_is_told_in_its_order(processes):
    def work(number):
        if number:
            return [hosts.told()["do"], hosts.told()["do"]]
        hosts.tell({"do": "fit"})
        return hosts.tell({"do": "end"})

    assert processes(work) == [None, ["fit", "end"], ["fit", "end"]]


def test_a_process_alone_exchanges_with_itself():
    assert hosts.exchange({"a": None}) == [{"a": None}]
    with pytest.raises(OSError, match="as it was"), hosts.together():
        raise OSError("as it was")
    hosts.tell({"do": "end"})
    with hosts.joined("", "", None) as leads:
        assert leads


@pytest.mark.parametrize(
    "options, part",
    [
        (["--hosts", "node1:1234", "--host", "1/2"], "--hosts: needs --mesh"),
        (["--hosts", "node1", "--host", "1/2", "--mesh", "atoms=2"], "must be HOST:PORT"),
        (["--hosts", "node1:99999", "--host", "1/2", "--mesh", "atoms=2"], "must be HOST:PORT"),
        (["--hosts", "node1:1234", "--mesh", "atoms=2"], "--host '': must be I/N"),
        (["--hosts", "node1:1234", "--host", "0/2", "--mesh", "atoms=2"], "--host '0/2': must be I/N"),
        (["--host", "1/2", "--mesh", "atoms=2"], "--hosts '': must be HOST:PORT"),
        (["--hosts", "auto", "--host", "1/2", "--mesh", "atoms=2"], "finds out itself"),
        (["--hosts", "auto", "--mesh", "atoms=2"], "--hosts auto: no Slurm and no Open MPI"),
    ],
)
def test_hosts_that_are_none_are_refused(mpsae, monkeypatch, options, part):
    monkeypatch.setattr(jax._src.xla_bridge, "backends_are_initialized", lambda: False)
    refuse(mpsae, ["train", *TINY, *options, *TOPK], part)
