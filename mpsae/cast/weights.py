"""Params of a CAST in a folder: `cast.json` and safetensors, floats as float16."""

import hashlib
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PyTree

from mpsae import record
from mpsae.array_files import refuse_not_finite, tensors_in
from mpsae.cast.training import shapes
from mpsae.files import read_verified, write_bytes, write_text
from mpsae.form import SIZE, TABLE, TEXT

SCHEMA = "mpsae.cast/1"
RECORD, WEIGHTS = "cast.json", "cast.safetensors"  # a folder may hold a CLIP too
FORM = {"weights": {"bytes": SIZE, "sha256": TEXT}, "provenance": TABLE}


def save(params: PyTree, folder: Path | str, provenance: dict[str, Any]) -> None:
    """Write both files into `folder`; older ones are replaced. Raises ValueError for what float16 cannot hold."""
    import safetensors.numpy

    folder, tensors = Path(folder), {}
    for name, array in flatten_dict(params, sep=".").items():
        with np.errstate(over="ignore"):
            tensors[name] = np.asarray(array).astype(np.float16)
        if not np.isfinite(tensors[name]).all():
            raise ValueError(f"{folder}: {name} has a value that float16 cannot hold")
    data = safetensors.numpy.save(tensors)
    weights = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    about = {"schema": SCHEMA, "weights": weights, "provenance": provenance}
    write_bytes(folder / WEIGHTS, data)
    write_text(folder / RECORD, record.sealed(about))


def load(folder: Path | str) -> PyTree:
    """The params of a folder that `save` wrote, in float32.

    Raises ValueError naming the file when one is missing, damaged, of another schema, or holds other tensors
    than this CAST has.
    """
    path, entry = Path(folder) / WEIGHTS, read_record(folder)["weights"]
    tensors = tensors_in(read_verified(path, entry["bytes"], entry["sha256"]), path)
    wanted = {".".join(place): shape for place, shape in shapes().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != wanted:
        wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise ValueError(
            f"{path}: {wrong[0]} must have shape {wanted.get(wrong[0])}, found {found.get(wrong[0])}"
        )
    for name, tensor in tensors.items():
        refuse_not_finite(np.atleast_2d(tensor.reshape(len(tensor), -1)), f"{path}: {name}")
    return unflatten_dict(
        {tuple(name.split(".")): jnp.asarray(t, jnp.float32) for name, t in tensors.items()}
    )


def read_record(folder: Path | str) -> dict[str, Any]:
    """`cast.json` of a folder, checked against the digest it holds."""
    return record.read_record(Path(folder) / RECORD, SCHEMA, FORM)
