"""The folder that ships: small, made from its seed, and good enough to ask about hierarchy."""

import json

import clip_package
import numpy as np
import pytest
import safetensors.numpy

from mpsae.clip import artefact, model
from mpsae.clip.readout import accuracies, pairing
from mpsae.clip.training import fresh
from synthetic import scenes
from synthetic.scene_captions import captions, chain
from synthetic.scene_drawing import draw


def tables(folder):
    return {
        name: safetensors.numpy.load((folder / f"{name}.safetensors").read_bytes())
        for name in ("image", "text", "pairs", "labels")
    }


@pytest.fixture(scope="module")
def shipped():
    return tables(artefact.SHIPPED), json.loads((artefact.SHIPPED / artefact.ABOUT).read_text())


@pytest.fixture(scope="module")
def drawn(shipped):
    splits = shipped[1]["splits"]
    seed = shipped[1]["provenance"]["seed"]
    return artefact.scenes(seed, seen=len(splits["train"]), unseen=len(splits["held_out"]))


def test_shipped_files_are_small_and_say_nothing_of_a_machine():
    assert sum(path.stat().st_size for path in artefact.SHIPPED.iterdir()) < 5_000_000
    about = json.loads((artefact.SHIPPED / artefact.ABOUT).read_text())
    record = model.read_record(artefact.SHIPPED)
    assert about["provenance"].items() <= record["provenance"].items()
    assert record["provenance"]["command"].startswith("python -m mpsae.clip --steps ")
    assert record["provenance"]["commit"] and not record["provenance"]["dirty"]


def test_shipped_tables_belong_to_the_scenes_of_the_seed(shipped, drawn):
    stored, about = shipped
    assert {name: rows.tolist() for name, rows in stored["labels"].items()} == {
        name: numbers.tolist() for name, numbers in scenes.labels(drawn.factors).items()
    }
    assert about["label_names"] == {name: list(names) for name, names in scenes.NAMES.items()}
    said = np.array(about["captions"])
    assert said[stored["pairs"]["text"]].tolist() == captions(drawn.factors, "full")
    assert stored["pairs"]["image"].tolist() == list(range(len(drawn.factors)))
    assert said[np.array(about["chains"])].tolist() == chain(drawn.factors[drawn.seen :])
    assert len(set(said)) == len(said) == len(stored["text"]["rows"])
    out = scenes.held_out(drawn.factors)
    assert np.flatnonzero(~out).tolist() == about["splits"]["train"]
    assert np.flatnonzero(out).tolist() == about["splits"]["held_out"]


def test_shipped_rows_hold_three_trees_at_every_level(shipped, drawn):
    """Read from images of combinations that training never saw. The texture tree is not one of the three."""
    stored, _ = shipped
    images = stored["image"]["rows"].astype(np.float32)
    texts = stored["text"]["rows"][stored["pairs"]["text"]].astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-3)
    seen = drawn.seen
    fitted = {name: rows[:seen] for name, rows in stored["labels"].items()}
    asked = {name: rows[seen:] for name, rows in stored["labels"].items()}
    read = accuracies(images[:seen], fitted, images[seen:], asked)
    for parents, leaf in (({"domain", "family"}, "kind"), ({"warmth"}, "hue"), ({"setting"}, "place")):
        assert read[leaf] >= 0.8
        assert min(read[parent] for parent in parents) >= 0.9
    assert read["texture"] < 0.8
    pairs = pairing(images[seen:], texts[seen:])
    assert pairs["image_to_text"] >= 0.75
    assert pairs["text_to_image"] >= 0.75
    assert pairs["gap"] >= 0.4


def test_shipped_weights_give_the_shipped_rows(shipped, drawn):
    """Images are drawn again from the seed, captions said again: float16 and another CPU's round-off remain."""
    clip_package.needed()
    clip, (stored, about) = model.load(artefact.SHIPPED), shipped
    picked = np.r_[:24, len(drawn.factors) - 24 : len(drawn.factors)]
    images = model.encode_images(clip, draw(drawn.factors[picked], drawn.jitter[picked]))
    np.testing.assert_allclose(images, stored["image"]["rows"][picked], atol=2e-3)
    last = len(about["captions"]) - 24
    texts = model.encode_captions(clip, about["captions"][last:])
    np.testing.assert_allclose(texts, stored["text"]["rows"][last:], atol=2e-3)


def test_written_twice_gives_the_same_bytes(tmp_path):
    clip_package.needed()
    chosen = artefact.scenes(7, seen=6, unseen=3)
    for name in ("one", "two"):
        artefact.write(tmp_path / name, fresh(), chosen, artefact.provenance("test", seed=7))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    stored = tables(tmp_path / "one")
    assert stored["image"]["rows"].shape == (9, 64)
    assert stored["image"]["rows"].dtype == np.float16
    about = json.loads((tmp_path / "one" / artefact.ABOUT).read_text())
    assert [len(levels) for levels in about["chains"]] == [5, 5, 5]
    assert about["captions"][:9] == captions(chosen.factors, "full")
