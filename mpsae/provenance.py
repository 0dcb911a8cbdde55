"""Where a number comes from: code, packages, device, data, command; never who or which machine."""

import importlib.metadata
import platform
import re
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NUMERICS = 1  # raised whenever the same config gives other numbers than before; part of every run id
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")

# A path that says where something lies: absolute, below a home, or above the current folder.
_PLACE = re.compile(r"^(/|~|\.\.(/|$)|[A-Za-z]:[\\/]|\\\\)")


def provenance(command: str, data: dict[str, Any]) -> dict[str, Any]:
    """What a `run` line records beside its config, all of it JSON.

    Keys: mpsae, numerics, commit and dirty (of the checkout the package is in,
    null when it is in none), python, packages, device {kind, count,
    cpu_threads}, precision, data {name, fingerprint}, command, started (UTC).
    `data` needs `name` and `fingerprint` (ValueError). Absolute paths in the
    command or in the name are reduced to their last part.
    """
    missing = {"name", "fingerprint"} - data.keys()
    if missing:
        raise ValueError(f"provenance: data lacks {', '.join(sorted(missing))}")
    return {
        "mpsae": version("mpsae"),
        "numerics": NUMERICS,
        **checkout(Path(__file__).resolve().parent),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        **_device(),
        "data": {"name": reduce_paths(data["name"]), "fingerprint": data["fingerprint"]},
        "command": reduce_paths(command),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def checkout(package: Path) -> dict[str, Any]:
    """`{"commit", "dirty"}` of the git checkout whose top holds `package`, else both null.

    Dirty: a tracked file was changed or an untracked one is not ignored, outside
    `results/`, which every run adds to. A package installed into an environment
    that merely lies inside some repository is not part of that repository.
    """
    nowhere = {"commit": None, "dirty": None}
    if _git(package, "rev-parse", "--show-prefix") != f"{package.name}/":
        return nowhere
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package, "status", "--porcelain", "--", ":(top)", ":(top,exclude)results")
    if commit is None or changes is None:
        return nowhere
    return {"commit": commit, "dirty": changes != ""}


def reduce_paths(command: str) -> str:
    """The command with every absolute, home or parent path cut to its file name.

    `/a/b.npy` becomes `b.npy` and `--out=/a/b` becomes `--out=b`; a path relative
    to the current folder says nothing about the machine and stays.
    """
    try:
        words = shlex.split(command)
    except ValueError:  # a quote that is never closed
        words = command.split()
    return " ".join(shlex.quote(_reduce_word(word)) for word in words)


def _reduce_word(word: str) -> str:
    if _PLACE.match(word):
        return re.split(r"[\\/]", word.rstrip("\\/"))[-1].lstrip("~") or "."
    sign = re.search("[=:,]", word)
    return word[: sign.end()] + _reduce_word(word[sign.end() :]) if sign else word


def _device() -> dict[str, Any]:
    import jax

    from mpsae.mesh import cpu_threads

    config: Any = jax.config  # its flags are attributes no type checker sees
    wide = "float64" if config.jax_enable_x64 else "float32"
    devices = jax.devices()
    matmul = config.jax_default_matmul_precision or "default"
    return {
        "device": {
            "kind": devices[0].device_kind,
            "count": len(devices),
            "cpu_threads": cpu_threads(),
        },
        "precision": f"{wide}, matmul {matmul}",
    }


def version(name: str) -> str | None:
    """The installed version of a package, None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *words: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
