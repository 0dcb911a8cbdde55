"""Axes of the mesh, and arrays laid out over it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae.layout import Layout
from mpsae.mesh import laid_out, member_mesh, mesh_of, over_rows, row_mesh


def test_axes_are_named_and_devices_taken_in_order():
    mesh = mesh_of(Layout(1, 2, 2))
    assert mesh.axis_names == ("member", "batch", "atoms")
    np.testing.assert_array_equal(mesh.devices.ravel(), jax.devices()[:4])
    assert dict(mesh_of(Layout(2, 1, 1)).shape) == {"member": 2, "batch": 1, "atoms": 1}
    assert member_mesh(3).axis_names == ("member",)


def test_rows_are_divided_over_as_many_devices_as_divide_them_evenly():
    rows = {"x": jnp.arange(16).reshape(8, 2), "none": None}
    divided = over_rows(rows, row_mesh(4))["x"]
    assert {shard.data.shape for shard in divided.addressable_shards} == {(2, 2)}
    np.testing.assert_array_equal(divided, rows["x"])
    for count, over in ((6, 2), (7, 1)):
        some = over_rows({"x": rows["x"], "y": rows["x"][:count]}, row_mesh(4))
        assert {len(part.sharding.device_set) for part in some.values()} == {over}
    assert row_mesh(100).size == 4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool", "int32"])
def test_an_array_of_the_first_process_is_laid_out_bit_by_bit(dtype, monkeypatch):
    """As with two processes, of which this is the first: what the others add is 0."""
    from jax.experimental import multihost_utils

    bits = (
        np.random.default_rng(0).integers(0, 2, (4, 6)) if dtype == "bool" else [[-0.0, 1.5, 2, 3, 4, 5]] * 4
    )
    array = np.asarray(bits).astype(jnp.dtype(dtype))
    like = jax.device_put(
        jnp.zeros_like(array), jax.sharding.NamedSharding(row_mesh(4), jax.sharding.PartitionSpec("rows"))
    )
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(multihost_utils, "broadcast_one_to_all", lambda mine: mine + np.zeros_like(mine))
    placed = laid_out(array, like)
    assert placed.sharding == like.sharding and placed.dtype == like.dtype
    np.testing.assert_array_equal(np.asarray(placed).view(np.uint8), array.view(np.uint8))
