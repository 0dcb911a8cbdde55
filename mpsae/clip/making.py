"""Train or tune the small CLIP, save it, and say what became of it, measured with the saved weights."""

import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mpsae
from mpsae.clip import chain_report, fine_tuning, model, training
from mpsae.clip.report import report, text
from mpsae.embed.scenes import HELD_OUT, SHIPPED, drawn
from mpsae.progress import Progress
from mpsae.provenance import checkout, reduce_paths, version

FITTED, ASKED = 8000, 1000  # scenes of the read-out
STEPS = {"train": 1500, "radial": 400}  # of 256 scenes, of 8 chains
PACKAGES = ("torch", "open_clip_torch", "numpy")


def make(folder: Path | str, *, steps: int, seed: int, command: str, progress: Progress) -> str:
    """`clip.json` and weights in `folder`; the read-out as lines for a terminal.

    The read-out is of other scenes than those embedded, and of the weights as float16 has rounded them.
    """
    made = origin(steps=steps, seed=seed, command=command, packages=PACKAGES)
    began = time.process_time()
    clip = training.fresh(seed)
    training.train(clip, steps=steps, seed=seed, progress=progress)
    made["cpu_seconds"] = round(time.process_time() - began)
    model.save(clip, folder, made)
    clip, scenes = model.load(folder), drawn(seed + 1, seen=FITTED, unseen=ASKED)
    found = report(clip, scenes.factors, scenes.wobble, seen=FITTED)
    model.save(clip, folder, made | {"readout": found})
    return text(found)


def tune(folder: Path | str, *, steps: int, seed: int, command: str, progress: Progress) -> str:
    """`clip.json` and weights in `folder`: the CLIP that ships, its text tower fitted by `fine_tuning`.

    Returns as lines for a terminal the chain report before and after, of held-out combinations that are
    not those embedded, and of the weights as float16 has rounded them.
    """
    made = origin(steps=steps, seed=seed, command=command, packages=PACKAGES)
    made["tuned"] = {"by": "radial", "weights_sha256": model.read_record(SHIPPED)["weights"]["sha256"]}
    clip, scenes = model.load(SHIPPED), drawn(seed + 1, seen=0, unseen=HELD_OUT)
    before, began = chain_report.chain_report(clip, scenes), time.process_time()
    fine_tuning.tune(clip, steps=steps, seed=seed, progress=progress)
    made["cpu_seconds"] = round(time.process_time() - began)
    model.save(clip, folder, made)
    after = chain_report.chain_report(model.load(folder), scenes)
    model.save(clip, folder, made | {"chains": {"before": before, "after": after}})
    return chain_report.text(before, after)


def origin(*, steps: int, seed: int, command: str, packages: Sequence[str]) -> dict[str, Any]:
    """What the record of a model made here says of its making, before it begins."""
    return {
        "command": reduce_paths(command),
        "seed": seed,
        "steps": steps,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **checkout(Path(mpsae.__file__).resolve().parent),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }
