"""Where the work runs: devices, compile cache. The only file that touches the environment."""

import os
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh


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


def sequential() -> bool:
    """Whether members on one device run faster one after another (measured: CPU) than batched."""
    return jax.default_backend() == "cpu"
