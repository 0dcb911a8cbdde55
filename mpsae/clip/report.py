"""Whether an encoder of scenes has learnt them: every factor read out, pairs retrieved, trees measured."""

from typing import Any

from jaxtyping import Float, Int
from numpy import ndarray

from mpsae.clip.model import Clip, encode_captions, encode_images
from mpsae.clip.readout import accuracies, pairing, trees
from synthetic.scene_captions import captions
from synthetic.scene_drawing import draw
from synthetic.scenes import NAMES, labels


def report(
    clip: Clip, factors: Int[ndarray, "n factors"], wobble: Float[ndarray, "n jitter"], *, seen: int
) -> dict[str, Any]:
    """Read-out fitted on the first `seen` scenes, everything else measured on the others.

    {"pairing", "image" and "text" (factor → accuracy), "trees" (of the images seen, which are more)};
    captions are at full level, and retrieval is among as many pairs as there are other scenes.
    """
    images = encode_images(clip, draw(factors, wobble))
    texts = encode_captions(clip, captions(factors, "full"))
    known = labels(factors)
    fitted = {name: numbers[:seen] for name, numbers in known.items()}
    asked = {name: numbers[seen:] for name, numbers in known.items()}
    return {
        "pairing": pairing(images[seen:], texts[seen:]),
        "image": accuracies(images[:seen], fitted, images[seen:], asked),
        "text": accuracies(texts[:seen], fitted, texts[seen:], asked),
        "trees": trees(images[:seen], fitted),
    }


def text(found: dict[str, Any]) -> str:
    """The report as lines for a terminal."""
    lines = [f"{name:<14}{value:8.3f}" for name, value in found["pairing"].items()]
    lines.append(f"{'':<14}{'image':>8}{'text':>8}  chance")
    lines += [
        f"{name:<14}{found['image'][name]:8.3f}{found['text'][name]:8.3f}{1 / len(NAMES[name]):8.2f}"
        for name in NAMES
    ]
    for tree, of in found["trees"].items():
        shares = ", ".join(f"{level} {share:.3f}" for level, share in of["explained"].items())
        cosines = ", ".join(f"{level} {cosine:.2f}" for level, cosine in of["cosine"].items())
        lines.append(f"{tree}: variance {shares}; |cos| with the parent's offset: {cosines}")
    return "\n".join(lines)
