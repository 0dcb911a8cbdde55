"""The folder that ships: small, made from its seed, and good enough to ask about hierarchy."""

import clip_package
import numpy as np
import pytest

from mpsae.clip import model
from mpsae.clip.readout import accuracies, pairing
from mpsae.embed.scenes import HELD_OUT, SHIPPED, scenes
from mpsae.store import read
from synthetic.scenes import held_out

SEEN = 3000


@pytest.fixture(scope="module")
def stored():
    return read(SHIPPED / "embeddings")


@pytest.fixture(scope="module")
def made():
    return scenes(0, seen=SEEN, unseen=HELD_OUT)


def test_files_are_small_and_say_where_they_come_from(stored):
    sizes = {
        folder: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        for folder in SHIPPED.parent.glob("scenes*")
    }
    assert sizes.pop(SHIPPED) < 5_000_000
    assert sizes and max(sizes.values()) < 800_000
    trained = model.read_record(SHIPPED)["provenance"]
    command = "mpsae embed --world scenes --train --half --clip data/scenes --out data/scenes/embeddings"
    assert trained["command"] == stored.record["provenance"]["command"] == command
    assert trained["commit"] and not trained["dirty"]
    assert stored.record["model"]["weights_sha256"] == model.read_record(SHIPPED)["weights"]["sha256"]


def test_rows_belong_to_the_scenes_of_the_seed(stored, made):
    assert stored.captions == list(made.captions)
    np.testing.assert_array_equal(stored.pairs, made.pairs)
    np.testing.assert_array_equal(stored.labels.chains, made.labels.chains)
    assert stored.labels.classes == {name: tuple(names) for name, names in made.labels.classes.items()}
    for name, values in made.labels.values["image"].items():
        np.testing.assert_array_equal(stored.labels.values["image"][name], values)
    apart = held_out(made.images.factors)
    np.testing.assert_array_equal(stored.labels.values["image"]["split"], apart)
    assert apart.sum() == HELD_OUT


def test_rows_hold_three_trees_at_every_level(stored, made):
    """Read from images of combinations that training never saw. The texture tree is not one of the three."""
    images, texts = (np.asarray(stored.rows[name], np.float32) for name in ("image", "text"))
    texts = texts[stored.pairs[:, 1]]
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-3)
    labels = {name: v for name, v in stored.labels.values["image"].items() if name != "split"}
    fitted, asked = (
        {name: rows[part] for name, rows in labels.items()} for part in (slice(SEEN), slice(SEEN, None))
    )
    found = accuracies(images[:SEEN], fitted, images[SEEN:], asked)
    for parents, leaf in (({"domain", "family"}, "kind"), ({"warmth"}, "hue"), ({"setting"}, "place")):
        assert found[leaf] >= 0.8
        assert min(found[parent] for parent in parents) >= 0.9
    assert found["texture"] < 0.8
    pairs = pairing(images[SEEN:], texts[SEEN:])
    assert min(pairs["image_to_text"], pairs["text_to_image"]) >= 0.75
    assert pairs["gap"] >= 0.4


def test_weights_give_the_rows(stored, made):
    """Images are drawn again from the seed: float16 and another CPU's round-off remain."""
    clip_package.needed()
    clip, picked = model.load(SHIPPED), slice(SEEN - 12, SEEN + 12)
    images = model.encode_images(clip, made.images[picked])
    np.testing.assert_allclose(images, np.asarray(stored.rows["image"][picked], np.float32), atol=2e-3)
    texts = model.encode_captions(clip, list(made.captions)[-24:])
    last = np.arange(len(made.captions) - 24, len(made.captions))
    np.testing.assert_allclose(texts, np.asarray(stored.rows["text"][last], np.float32), atol=2e-3)
