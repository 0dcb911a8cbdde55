"""Score 50k rows twice, then 200k, of a 16k-atom SAE with 8 codes a row; print what memory it took.

A script of its own, for the peak of a process is never taken back: `python big_score.py`
prints a JSON list of peaks in bytes: before any score and after each. Once more with 50k: the
first score compiles, and only a second one has the working set of the first still in the heap.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scoring import Repeats

from mpsae.score import score
from synthetic.world import tree_world

ROWS, BLOCK, WIDTH, FEATURES, DIM = 200_000, 50_000, 16_384, 64, 32
FAR = ("coherence", "babel", "hist", "max_cos", "maxcos", "eff_rank", "stable_rank")  # no sums over rows


class Hashed(Repeats):
    """Entries of x as codes of latents that depend on x, without any product with the dictionary."""

    def steps(self, params, x):
        part = x[:, : self.k]
        return (jnp.abs(part) * 1e6).astype(jnp.int32) % len(params["atoms"]), part


class Blocks:
    """Rows of a world in blocks of 50k, drawn when asked for."""

    def __init__(self, world, rows):
        self.truth, self.dim, self.blocks = world, DIM, rows // BLOCK

    def held_out(self, i):
        return self.truth.sample(jax.random.key(i), BLOCK)


def peak() -> int:
    """The largest resident size so far, bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024


def main() -> None:
    """Score three times, print the peaks."""
    from mpsae.metrics.base import known_metrics

    rng = np.random.default_rng(0)
    parent = [-1] * 32 + list(range(32))
    world = tree_world(
        atoms=np.linalg.qr(rng.normal(size=(64, 64)))[0][:, :DIM],
        parent=parent, given=[0.1] * 32 + [0.5] * 32, draw=list(range(64)), mean=np.ones(64), std=np.ones(64),
    )  # fmt: skip
    atoms = jnp.asarray(rng.normal(size=(WIDTH, DIM)), jnp.float32)
    names = [name for name in known_metrics() if not any(part in name for part in FAR)]
    jax.block_until_ready([Blocks(world, ROWS).held_out(i) for i in range(2)])
    peaks = [peak()]
    for rows in (BLOCK, BLOCK, ROWS):
        scores = score(Hashed(k=8), {"atoms": atoms}, Blocks(world, rows), metrics=names)
        assert scores.n == rows and 4 < scores.value("l0") <= 8
        peaks.append(peak())
    print(json.dumps(peaks))


if __name__ == "__main__":
    main()
