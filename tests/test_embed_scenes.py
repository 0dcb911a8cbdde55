"""`mpsae embed --world scenes`: a collection that draws on demand, a CLIP trained and used from one command."""

import clip_package
import numpy as np
import pytest

from mpsae import cli
from mpsae.cast import making as cast_making
from mpsae.cast import vision, weights
from mpsae.cast.training import fresh
from mpsae.cast.vision import Vision
from mpsae.clip import making, model
from mpsae.embed.scenes import SHIPPED, drawn, scenes
from mpsae.store import Writer, read
from synthetic.scene_captions import captions
from synthetic.scene_drawing import draw


def test_scenes_are_those_of_the_seed_and_draw_by_slices():
    images = drawn(3, seen=6, unseen=4)
    assert len(images) == 10
    np.testing.assert_array_equal(images[2:5], draw(images.factors, images.wobble)[2:5])
    np.testing.assert_array_equal(drawn(3, seen=6, unseen=4).factors, images.factors)
    assert not np.array_equal(drawn(4, seen=6, unseen=4).factors, images.factors)


def test_a_collection_says_which_caption_is_whose():
    made = scenes(3, seen=6, unseen=4)
    full = captions(made.images.factors, "full")
    assert [made.captions[row] for row in made.pairs[:, 1]] == full
    assert made.labels.chains.shape == (4, 5)
    assert [made.captions[row] for row in made.labels.chains[:, -1]] == full[6:]
    made.labels.check({"image": 10, "text": len(made.captions)}, "scenes")


def test_training_then_embedding_in_one_command(tmp_path, capsys, monkeypatch):
    clip_package.needed()
    monkeypatch.setattr(making, "FITTED", 300)
    monkeypatch.setattr(making, "ASKED", 100)
    monkeypatch.setattr("mpsae.embed.scenes.HELD_OUT", 20)
    words = ["embed", "--world", "scenes", "--train", "--steps", "2", "--scenes", "30", "--half"]
    words += ["--clip", str(tmp_path / "clip"), "--out", str(tmp_path / "rows")]
    assert cli.main(words) == 0
    assert "image_to_text" in capsys.readouterr().out
    store, record = read(tmp_path / "rows"), model.read_record(tmp_path / "clip")
    assert store.counts["image"] == 50 and len(store.pairs) == 50
    assert store.record["model"]["weights_sha256"] == record["weights"]["sha256"]
    assert (record["provenance"]["steps"], record["provenance"]["seed"]) == (2, 0)
    expected = model.encode_images(model.load(tmp_path / "clip"), drawn(0, seen=30, unseen=20)[:4])
    np.testing.assert_allclose(np.asarray(store.rows["image"][:4], np.float32), expected, atol=2e-3)


def test_tuning_then_embedding_in_one_command(tmp_path, capsys, monkeypatch):
    clip_package.needed()
    monkeypatch.setattr(making, "HELD_OUT", 20)
    monkeypatch.setattr("mpsae.embed.scenes.HELD_OUT", 20)
    words = ["embed", "--world", "scenes", "--tune", "radial", "--steps", "3", "--scenes", "30"]
    words += ["--clip", str(tmp_path / "clip"), "--out", str(tmp_path / "rows")]
    assert cli.main(words) == 0
    assert capsys.readouterr().out.split()[:2] == ["before", "after"]
    store, record = read(tmp_path / "rows"), model.read_record(tmp_path / "clip")
    assert store.record["model"]["weights_sha256"] == record["weights"]["sha256"]
    made = record["provenance"]
    assert (made["steps"], made["seed"], made["tuned"]["by"]) == (3, 0, "radial")
    assert made["chains"]["before"] != made["chains"]["after"]
    plain = model.load(SHIPPED)
    images, texts = (np.asarray(store.rows[name][:4]) for name in ("image", "text"))
    np.testing.assert_allclose(
        model.encode_images(plain, drawn(0, seen=30, unseen=20)[:4]), images, atol=1e-5
    )
    assert np.abs(model.encode_captions(plain, store.captions[:4]) - texts).max() > 1e-3


def test_a_cast_is_trained_and_sees_the_images_beside_the_captions_that_ship(tmp_path, capsys, monkeypatch):
    """Both the training and the report have tests of their own."""
    params = fresh(1)
    monkeypatch.setattr(cast_making.training, "train", lambda given, tower, **how: (params, [1.0]))
    monkeypatch.setattr(cast_making, "report", lambda vision, tower, scenes, **how: {"seen": len(scenes)})
    monkeypatch.setattr(cast_making, "text", str)
    monkeypatch.setattr("mpsae.embed.scenes.HELD_OUT", 20)
    monkeypatch.setattr(vision, "BATCH", 4)
    words = ["embed", "--world", "scenes", "--backbone", "cast", "--train", "--steps", "3", "--scenes", "30"]
    words += ["--clip", str(tmp_path / "cast"), "--out", str(tmp_path / "rows")]
    assert cli.main(words) == 0
    assert "{'seen': 2500}" in capsys.readouterr().out
    store, record = read(tmp_path / "rows"), weights.read_record(tmp_path / "cast")
    assert store.record["model"] == {"name": "cast", "weights_sha256": record["weights"]["sha256"]}
    made = store.record["provenance"]["trained"]
    assert made == record["provenance"] and (made["steps"], made["seed"]) == (3, 0)
    assert made["report"] == {"seen": 2500}
    assert made["texts_sha256"] == model.read_record(SHIPPED)["weights"]["sha256"]
    expected = Vision(weights.load(tmp_path / "cast")).rows(drawn(0, seen=30, unseen=20)[:4])
    np.testing.assert_allclose(np.asarray(store.rows["image"][:4]), expected, atol=1e-5)
    plain = dict(
        zip((shipped := read(SHIPPED / "embeddings")).captions, np.asarray(shipped.rows["text"]), strict=True)
    )
    both = [
        (row, plain[said])
        for row, said in zip(store.rows["text"][:], store.captions, strict=True)
        if said in plain
    ]
    assert both
    for row, there in both:
        np.testing.assert_allclose(row, there, atol=2e-3)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--world", "scenes", "--train"], "--train: say where the trained CLIP goes, --clip FOLDER"),
        (["--world", "scenes", "--tune", "radial"], "--tune: say where the tuned CLIP goes, --clip FOLDER"),
        (["--world", "scenes", "--train", "--tune", "radial"], "--train and --tune: choose one"),
        (
            ["--tune", "radial", "--model", "x"],
            "--train, --tune, --backbone and --clip are about the models of",
        ),
        (
            ["--backbone", "cast", "--model", "x"],
            "--train, --tune, --backbone and --clip are about the models of",
        ),
        (
            ["--world", "scenes", "--backbone", "cast"],
            "--backbone cast: none ships, say where its weights are or go",
        ),
        (
            ["--world", "scenes", "--backbone", "cast", "--tune", "radial", "--clip", "x"],
            "--backbone cast: leave --tune away",
        ),
        (["--world", "scenes", "--steps", "5"], "--steps: is the length of a training"),
        (["--world", "scenes", "--model", "x"], "--world scenes brings its own images, captions and model"),
        (["--world", "scenes", "--device", "cpu"], "leave --device and --skip-bad away"),
        (["--world", "scenes", "--skip-bad"], "leave --device and --skip-bad away"),
        (["--world", "scenes", "--scenes", "0"], "--scenes 0: must be at least 1"),
        (
            ["--train", "--model", "x"],
            "--train, --tune, --backbone and --clip are about the models of --world scenes",
        ),
        (["--images", "x"], "--model NAME: which model is to embed"),
    ],
)
def test_words_that_do_not_go_together(tmp_path, capsys, words, message):
    assert cli.main(["embed", *words, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_where_the_rows_go_is_refused_before_the_training(tmp_path, capsys, monkeypatch):
    def never(*_, **__):
        raise AssertionError("trained")

    monkeypatch.setattr(making, "make", never)
    begun = {"model": "x", "inputs": scenes(1, seen=30, unseen=1000).inputs, "shard": 4096}
    with Writer(tmp_path / "rows", request=begun) as writer:
        writer.add("image", np.eye(3, dtype=np.float32), np.arange(3))
    (tmp_path / "file").write_text("")
    words = ["embed", "--world", "scenes", "--train", "--scenes", "30", "--clip", str(tmp_path / "clip")]
    for out, message in (
        ("clip", "clip: must be another folder than --clip"),
        ("file/rows", "file/rows: cannot be a folder of embeddings"),
        ("rows", "inputs"),
    ):
        assert cli.main([*words, "--out", str(tmp_path / out)]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "rows"]
