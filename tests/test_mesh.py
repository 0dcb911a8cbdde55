"""Axes of the mesh, and arrays laid out over it."""

import jax
import numpy as np

from mpsae.layout import Layout
from mpsae.mesh import member_mesh, mesh_of


def test_axes_are_named_and_devices_taken_in_order():
    mesh = mesh_of(Layout(1, 2, 2))
    assert mesh.axis_names == ("member", "batch", "atoms")
    np.testing.assert_array_equal(mesh.devices.ravel(), jax.devices()[:4])
    assert dict(mesh_of(Layout(2, 1, 1)).shape) == {"member": 2, "batch": 1, "atoms": 1}
    assert member_mesh(3).axis_names == ("member",)
