"""The rows of a CAST that ship: from held-out scenes most factors can be read, and what its segments scored."""

import numpy as np

from mpsae.clip.readout import accuracies, pairing
from mpsae.sources.scenes import Scenes

SEEN = 3000


def test_rows_tell_factors_of_combinations_never_trained_on():
    store = Scenes(backbone="cast").store()
    images, texts = (np.asarray(store.rows[name], np.float32) for name in ("image", "text"))
    labels = {name: v for name, v in store.labels.values["image"].items() if name != "split"}
    fitted = {name: numbers[:SEEN] for name, numbers in labels.items()}
    asked = {name: numbers[SEEN:] for name, numbers in labels.items()}
    found = accuracies(images[:SEEN], fitted, images[SEEN:], asked)
    assert found["place"] > 0.95 and found["hue"] > 0.8 and found["family"] > 0.85
    assert 0.5 < found["kind"] < 0.8  # of 24; the small CLIP reaches more
    pairs = pairing(images[SEEN:], texts[store.pairs[SEEN:, 1]])
    assert min(pairs["image_to_text"], pairs["text_to_image"]) > 0.7


def test_its_segments_follow_things_better_than_a_grid_and_worse_than_colour_alone():
    """As recorded when it was made; what is nested is so by construction, what leaks does so at the coarsest level."""
    levels = Scenes(backbone="cast").store().record["provenance"]["trained"]["report"]["segments"]
    for count in ("16", "4"):
        for what in ("objects", "parts"):
            assert (
                levels[count][what]["grid"] < levels[count][what]["cast"] < levels[count][what]["superpixels"]
            )
    assert levels["64"]["nesting"]["cast"] == levels["16"]["nesting"]["cast"] == 1.0
    assert levels["true masks"]["leakage"] < levels["4"]["leakage"]["cast"] < 0.5
