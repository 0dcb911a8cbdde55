"""Where the work runs: devices, compile cache. The only file that touches the environment."""

import math
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mpsae.layout import Layout


def start(threads: int | None = None) -> None:
    """Prepare JAX before its first use: on CPU one device per core, and compiles kept on disk.

    Members of a stack are spread over devices, so on CPU each core trains its own members.
    The compile cache lives in $MPSAE_CACHE, by default ~/.cache/mpsae; "off" disables it.
    """
    cores = threads or len(os.sched_getaffinity(0))
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        jax.config.update("jax_num_cpu_devices", cores)
    place = os.environ.get("MPSAE_CACHE", str(Path.home() / ".cache" / "mpsae"))
    if place != "off":
        jax.config.update("jax_compilation_cache_dir", place)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def cpu_threads() -> int:
    """How many threads XLA's CPU pool has: $NPROC, its own name for it, else one per core."""
    given = os.environ.get("NPROC", "")
    return int(given) if given.isdigit() else len(os.sched_getaffinity(0))


def member_mesh(members: int) -> Mesh:
    """A one-axis mesh over the local devices, no more of them than there are members."""
    devices = jax.local_devices()[:members]
    return Mesh(np.array(devices), ("member",))


def mesh_of(layout: Layout) -> Mesh:
    """A mesh of three axes over the first devices of all processes; `Layout` says what lies along which."""
    devices = np.array(jax.devices()[: layout.devices])
    shape = layout.members, layout.batch, layout.atoms
    return Mesh(devices.reshape(shape), ("member", "batch", "atoms"))


def row_mesh(count: int) -> Mesh:
    """A one-axis mesh over the first `count` devices of this process, or all of them where they are fewer."""
    return Mesh(np.array(jax.local_devices()[:count]), ("rows",))


def over_rows(tree: Any, devices: Mesh) -> Any:
    """The arrays with their rows divided over as many of the devices as divide them evenly."""
    count = math.gcd(devices.size, *(len(leaf) for leaf in jax.tree.leaves(tree)))
    some = Mesh(devices.devices[:count], devices.axis_names)
    return jax.device_put(tree, NamedSharding(some, PartitionSpec("rows")))


def everywhere(tree: Any, devices: Mesh) -> Any:
    """The same arrays on every device of the mesh, whichever process it belongs to."""
    # Not device_put: it places no keys on devices of other processes.
    return jax.jit(lambda tree: tree, out_shardings=NamedSharding(devices, PartitionSpec()))(tree)


def on_host(tree: Any) -> Any:
    """The arrays as numpy arrays; their parts on devices of other processes are fetched from these."""
    if jax.process_count() == 1:
        return jax.device_get(tree)
    from jax.experimental.multihost_utils import process_allgather

    return process_allgather(tree, tiled=True)


def laid_out(array: np.ndarray | None, like: jax.Array) -> jax.Array:
    """The array of the first process, which alone has one, laid out as `like`, of the same shape and type."""
    if jax.process_count() == 1:
        return jax.device_put(array, like.sharding)
    from jax.experimental.multihost_utils import broadcast_one_to_all

    mine = np.zeros(like.shape, like.dtype) if array is None else np.asarray(array, order="C")
    # As bytes: it adds up what all have, and 0 + -0.0 is not -0.0.
    whole = broadcast_one_to_all(mine.reshape(-1).view(np.uint8)).view(like.dtype).reshape(like.shape)
    return jax.make_array_from_callback(like.shape, like.sharding, lambda place: whole[place])


def sequential() -> bool:
    """Whether members on one device run faster one after another (measured: CPU) than batched."""
    return jax.default_backend() == "cpu"
