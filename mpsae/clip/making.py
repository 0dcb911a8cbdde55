"""Train the small CLIP, save it, and say what a straight line reads out of the saved weights."""

import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import mpsae
from mpsae.clip import model, training
from mpsae.clip.report import report, text
from mpsae.embed.scenes import drawn
from mpsae.progress import Progress
from mpsae.provenance import checkout, reduce_paths, version

FITTED, ASKED = 8000, 1000  # scenes of the read-out
PACKAGES = ("torch", "open_clip_torch", "numpy")


def make(folder: Path | str, *, steps: int, seed: int, command: str, progress: Progress) -> str:
    """`clip.json` and weights in `folder`; the read-out as lines for a terminal.

    The read-out is of other scenes than those embedded, and of the weights as float16 has rounded them.
    """
    made = {
        "command": reduce_paths(command),
        "seed": seed,
        "steps": steps,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **checkout(Path(mpsae.__file__).resolve().parent),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }
    began = time.process_time()
    clip = training.fresh(seed)
    training.train(clip, steps=steps, seed=seed, progress=progress)
    made["cpu_seconds"] = round(time.process_time() - began)
    model.save(clip, folder, made)
    clip, scenes = model.load(folder), drawn(seed + 1, seen=FITTED, unseen=ASKED)
    found = report(clip, scenes.factors, scenes.wobble, seen=FITTED)
    model.save(clip, folder, made | {"readout": found})
    return text(found)
