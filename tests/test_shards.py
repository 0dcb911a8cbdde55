"""A dictionary over several devices trains as on one, and nothing of the size of its products is communicated."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from collectives import collectives, compiled
from jax.sharding import PartitionSpec

from mpsae import on_disk, shards
from mpsae.largest import largest_of_atoms, largest_of_batch
from mpsae.layout import Layout
from mpsae.mesh import mesh_of
from mpsae.on_disk import OnDisk, ReadAhead
from mpsae.optim import Optim
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK
from mpsae.source import Source, array_source
from mpsae.train import fit, member

DIM, WIDTH, BATCH = 6, 512, 64
OPTIM = Optim(steps=12, batch=BATCH, lr=1e-2, warmup=3.0)
RNG = np.random.default_rng(0)
# The window is so short that latents die and AuxK wakes them.
VARIANTS = {
    "mp": MatchingPursuit(k=4),
    "mp_untied": MatchingPursuit(k=4, analysis="untied_bias", step_size="plain", on_repeat="ban"),
    "topk": TopK(k=4, dead_window=3.0),
    "relu": ReLU(),
    "batch_topk": BatchTopK(k=4.0, dead_window=3.0),
}


def rows(count=400):
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(10, DIM))
    values = rng.uniform(1, 2, (count, 10)) * (rng.random((count, 10)) < 0.3)
    return array_source((values @ directions).astype(np.float32), np.zeros((1, DIM), np.float32))


def trained(sae, layout, seeds=(0,), width=WIDTH):
    members = [member(sae, OPTIM, data=seed, init=seed, dropout=seed) for seed in seeds]
    return fit(members, [rows()] * len(members), width=width, layout=layout)


def assert_close(ours, theirs):
    """Sums in another order: 1e-5 after 12 steps of rate 1e-2, and the same latents silent."""
    for mine, other in zip(
        jax.tree.leaves((ours.params, ours.state)),
        jax.tree.leaves((theirs.params, theirs.state)),
        strict=True,
    ):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    assert ours.log["loss"] == pytest.approx(theirs.log["loss"], rel=1e-5)
    assert ours.log["l0"] == theirs.log["l0"]


@pytest.mark.parametrize("name", VARIANTS)
def test_rows_and_atoms_over_four_devices_train_as_on_one(name):
    (alone,), (divided,) = trained(VARIANTS[name], None), trained(VARIANTS[name], Layout(1, 2, 2))
    assert_close(divided, alone)


def test_members_rows_and_atoms_go_together():
    """Also where a dictionary is so small that codes are differentiated through their sorting."""
    sae, seeds = VARIANTS["topk"], (0, 1, 2)  # one place is left over
    for ours, theirs in zip(
        trained(sae, Layout(2, 1, 2), seeds, 64), trained(sae, None, seeds, 64), strict=True
    ):
        assert_close(ours, theirs)


def test_eight_devices_along_all_three_axes_train_as_one(tmp_path):
    """In a process of its own: this one has four."""
    sae, seeds = VARIANTS["topk"], (0, 1)
    code = (
        "import jax, numpy as np, test_shards as t; from mpsae.layout import Layout;"
        f"found = t.trained(t.VARIANTS['topk'], Layout(2, 2, 2), {seeds}, 64); assert jax.device_count() == 8;"
        "np.savez('found.npz', **{f'{name} {i}': array for i, one in enumerate(found)"
        " for name, array in one.params.items()})"
    )
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=200,
                   env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": paths})  # fmt: skip
    found = np.load(tmp_path / "found.npz")
    for i, alone in enumerate(trained(sae, None, seeds, 64)):
        for name, array in alone.params.items():
            np.testing.assert_allclose(found[f"{name} {i}"], array, atol=1e-5)


def test_another_route_over_several_devices_is_refused():
    with pytest.raises(ValueError, match="'gram'.*walked by 'residual'"):
        trained(MatchingPursuit(k=4, route="gram"), Layout(1, 1, 4))


class FromDisk(Source):
    """Rows in order, read by a call back to the host."""

    of: OnDisk

    def batch(self, key, step, size):
        now, then = ((jnp.arange(size) + number * size) % 400 for number in (step, step + 1))
        return on_disk.rows(self.of, now, then)


def test_rows_on_disk_are_read_under_a_mesh():
    stored = np.random.default_rng(2).normal(size=(400, DIM)).astype(np.float32)
    source = FromDisk(dim=DIM, rows_held_out=1, block=1, of=OnDisk(reader=ReadAhead(stored)))
    one = member(ReLU(), OPTIM, data=0, init=0, dropout=0)
    (alone,), (divided,) = (
        fit([one], [source], width=128, layout=layout) for layout in (None, Layout(1, 2, 2))
    )
    assert_close(divided, alone)


# --- what is communicated ------------------------------------------------------------------------

ROWS, WIDE, ATOMS, K = 8192, 768, 1 << 20, 32  # a million atoms: programs are compiled, nothing is run


@functools.cache
def program(sae, layout):
    return compiled(sae, Optim(batch=ROWS), layout, dim=WIDE, width=ATOMS)


def communicated(sae, layout):
    return collectives(program(sae, layout).as_text())


def test_a_pursuit_communicates_rows_of_the_batch_alone():
    layout = Layout(1, 2, 2)
    found, rows = communicated(MatchingPursuit(k=K), layout), ROWS // layout.batch
    assert (
        max(one.bytes for one in found) == 8 * rows * WIDE
    )  # two rows of atoms for each; products: 8e6 times
    step = rows * (8 * WIDE + 136) + ROWS * 4 * WIDE
    assert sum(one.bytes for one in found if one.repeated) == pytest.approx(step, rel=1e-6)
    once = ROWS * (8 * WIDE + 16 * K) + rows * 4 * K
    assert sum(one.bytes for one in found if not one.repeated) == pytest.approx(once, rel=1e-3)


def test_topk_communicates_candidates_and_rows_alone():
    layout = Layout(1, 1, 4)
    found = communicated(TopK(k=K), layout)
    often = [one for one in found if "/cond/" not in one.place]  # else of AuxK, once a latent is dead
    assert not any(one.repeated for one in found)
    once = ROWS * (8 * K * layout.atoms + 4 * WIDE + 4 * K)
    assert sum(one.bytes for one in often) == pytest.approx(once, rel=1e-3)
    assert (
        max(one.bytes for one in found) <= 4 * ROWS * (WIDE // 2) * layout.atoms + 4096
    )  # candidates of AuxK


@pytest.mark.parametrize(
    "sae, layout, numbers",
    [
        (MatchingPursuit(k=K), Layout(1, 2, 2), 3 * WIDE),  # an atom, and twice more for Adam
        (
            TopK(k=K),
            Layout(1, 1, 4),
            3 * (2 * WIDE + 1) + 1,
        ),  # its two rows and bias; and how long it is silent
    ],
    ids=["mp", "topk"],
)
def test_params_and_moments_are_divided_by_the_devices_of_atoms(sae, layout, numbers):
    held = program(sae, layout).memory_analysis().argument_size_in_bytes
    assert held == pytest.approx(4 * numbers * ATOMS / layout.atoms, rel=1e-3)


# --- the parts -----------------------------------------------------------------------------------


def laid(function, *arrays):
    """The function in a program over 2 × 2 devices."""
    devices = mesh_of(Layout(1, 2, 2))
    spread = jax.shard_map(
        function, mesh=devices, in_specs=PartitionSpec(), out_specs=PartitionSpec(), axis_names={"member"},
        check_vma=False,
    )  # fmt: skip
    return jax.jit(spread)(*arrays)


@pytest.mark.parametrize("k", [1, 5, 40])
def test_the_largest_over_devices_are_those_of_the_whole(k):
    values = RNG.integers(0, 30, (6, 64)).astype(np.float32)  # many are equal: the first counts
    found, places = laid(lambda values: largest_of_atoms(values, k), values)
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(found, np.take_along_axis(values, order, 1))


def test_the_largest_of_a_batch_over_devices_are_those_of_the_whole():
    values = RNG.permutation(6 * 64).reshape(6, 64).astype(np.float32)
    for count in (3, 100, 384):
        found, places = laid(lambda values, count=count: largest_of_batch(values, count), values)
        np.testing.assert_array_equal(found, np.arange(383, 383 - count, -1))
        np.testing.assert_array_equal(values.ravel()[places], found)


def test_more_values_than_places_can_be_counted_are_refused():
    with pytest.raises(ValueError, match="8192 rows and 1048576 atoms"):
        jax.eval_shape(lambda values: largest_of_batch(values, 3), jax.ShapeDtypeStruct((ROWS, ATOMS), "f4"))


def test_outside_of_a_mesh_nothing_is_divided():
    assert not shards.several()
    double = shards.each(lambda x: shards.total(shards.joined(2 * x, "batch")), (shards.ROWS,), shards.ROWS)
    np.testing.assert_array_equal(double(jnp.arange(3)), [0, 2, 4])
    assert shards.share(12) == 12
