"""`python -m mpsae.clip`: train the small CLIP on scenes and write the folder that ships, with its read-out."""

import argparse
import shlex
import sys
import time
from pathlib import Path

SEEN, UNSEEN = 3000, 1000  # scenes that ship
FITTED, ASKED = 8000, 1000  # scenes of the read-out


def main(argv: list[str]) -> int:
    """Train, save, read out of the saved weights, encode the scenes that ship."""
    parser = argparse.ArgumentParser(prog="python -m mpsae.clip", description=__doc__)
    parser.add_argument("--steps", type=int, default=1500, help="of 256 scenes, .7 s each on one core")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and embeddings")
    chosen = parser.parse_args(argv)

    from mpsae.clip import artefact, model, training
    from mpsae.clip.report import report, text
    from mpsae.progress import Progress

    progress, began = Progress(), time.process_time()
    command = f"python -m mpsae.clip {shlex.join(argv)}"
    made = artefact.provenance(command, seed=chosen.seed, steps=chosen.steps)  # the commit that starts it
    clip = training.fresh(chosen.seed)
    training.train(clip, steps=chosen.steps, seed=chosen.seed, progress=progress)
    made["cpu_seconds"] = round(time.process_time() - began)
    model.save(clip, chosen.out, made)
    clip = model.load(chosen.out)  # float16 has rounded it: what is reported and shipped is of these weights
    found = report(
        clip,
        artefact.scenes(chosen.seed + 1, seen=FITTED, unseen=ASKED),
    )
    model.save(clip, chosen.out, made | {"readout": found})
    artefact.write(chosen.out, clip, artefact.scenes(chosen.seed, seen=SEEN, unseen=UNSEEN), made)
    print(text(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
