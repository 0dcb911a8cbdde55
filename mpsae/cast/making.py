"""Train a CAST, save it, and say what became of it, measured with the saved weights."""

import time
from pathlib import Path

from mpsae.cast import training, weights
from mpsae.cast.report import report, text
from mpsae.cast.vision import Vision
from mpsae.clip.making import origin
from mpsae.clip.model import read_record
from mpsae.clip.text import TextTower
from mpsae.embed.scenes import SHIPPED, drawn
from mpsae.progress import Progress

FITTED, ASKED = 2000, 500  # scenes of the read-out
STEPS = 600  # of 64 scenes
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def make(folder: Path | str, *, steps: int, seed: int, command: str, progress: Progress) -> str:
    """`cast.json` and weights in `folder`; the report as lines for a terminal.

    The texts that it meets are those of the CLIP that ships. The report is of other scenes than those embedded,
    and of the weights as float16 has rounded them.
    """
    made = origin(steps=steps, seed=seed, command=command, packages=PACKAGES)
    made["texts_sha256"] = read_record(SHIPPED)["weights"]["sha256"]
    tower, began = TextTower(SHIPPED), time.process_time()
    params, _ = training.train(training.fresh(seed), tower, steps=steps, seed=seed, progress=progress)
    made["cpu_seconds"] = round(time.process_time() - began)
    weights.save(params, folder, made)
    progress.say(f"weights in {folder}; measuring")
    scenes = drawn(seed + 1, seen=FITTED, unseen=ASKED)
    found = report(Vision(weights.load(folder)), tower, scenes, seen=FITTED, seed=seed + 1)
    weights.save(params, folder, made | {"report": found})
    return text(found)
