"""The embedding loop: any inputs and any encoder, taken up after a kill to the same bytes."""

import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from mpsae.embed.collection import Collection
from mpsae.embed.encoder import Encoder
from mpsae.embed.loop import _so_far, embed
from mpsae.progress import Progress
from mpsae.store import Labels, read


def encode(inputs):
    """Rows that depend on their input alone."""
    return np.array([[len(str(one)), ord(str(one)[-1]), 1.0] for one in inputs], np.float32)


def encoder(**changes):
    plain = {
        "image": encode,
        "text": encode,
        "model": {"name": "toy", "weights_sha256": "f00d"},
        "preprocess": {"size": 3},
        "environment": {"device": "cpu"},
    }
    return Encoder(**plain | changes)


def collection(**changes):
    plain = {
        "images": [f"image {i}" for i in range(11)],
        "captions": [f"caption {i}" for i in range(7)],
        "ids": {"image": np.arange(11) + 100, "text": np.arange(7)},
        "items": {
            "image": [{"name": f"{i}.png"} for i in range(11)],
            "text": [{"text": str(i)} for i in range(7)],
        },
        "inputs": {"images": "1", "captions": "2"},
        "pairs": np.array([[10, 0], [3, 6]]),
        "labels": Labels(chains=np.array([[0, 1, 2]])),
        "left_out": ["line 3 (empty caption)"],
    }
    return Collection(**plain | changes)


def run(out, *, made=None, by=None, **options):
    said = io.StringIO()
    options = {"shard_rows": 4, "batch": 3, "command": "mpsae embed --images /photos/x"} | options
    embed(made or collection(), by or encoder(), out, progress=Progress(said), **options)
    return said.getvalue()


def rows_and_belongings(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "store.json"}


def test_everything_of_a_collection_arrives(tmp_path):
    run(tmp_path / "s")
    store, made = read(tmp_path / "s"), collection()
    np.testing.assert_array_equal(store.rows["image"], encode(made.images))
    np.testing.assert_array_equal(store.rows["text"], encode(made.captions))
    assert [len(part) for part in store.rows["image"].parts] == [4, 4, 3]
    np.testing.assert_array_equal(store.ids["image"], made.ids["image"])
    np.testing.assert_array_equal(store.pairs, made.pairs)
    np.testing.assert_array_equal(store.labels.chains, [[0, 1, 2]])
    assert store.items == made.items
    record = store.record
    assert record["model"]["name"] == "toy" and record["preprocess"] == {"size": 3}
    assert record["left_out"] == ["line 3 (empty caption)"]
    assert record["provenance"]["command"] == "mpsae embed --images x"
    assert record["provenance"]["inputs"] == made.inputs and record["provenance"]["device"] == "cpu"


def test_one_modality_alone_and_half_precision(tmp_path):
    images = collection(captions=(), pairs=np.zeros((0, 2), np.int64), labels=Labels())
    images = Collection(**vars(images) | {"items": {"image": images.items["image"]}})
    run(tmp_path / "s", made=images, by=encoder(text=None), dtype="float16")
    assert read(tmp_path / "s").counts == {"image": 11}
    assert read(tmp_path / "s").rows["image"].dtype == np.float16
    with pytest.raises(ValueError, match="rows of images alone"):
        run(tmp_path / "t", by=encoder(text=None))


def test_ctrl_c_keeps_finished_shards_and_only_the_rest_is_done_again(tmp_path):
    seen = []

    def interrupted(inputs):
        if inputs[0] == "image 8":
            raise KeyboardInterrupt
        return encode(inputs)

    def counted(inputs):
        seen.extend(inputs)
        return encode(inputs)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "s", by=encoder(image=interrupted))
    said = run(tmp_path / "s", by=encoder(image=counted), batch=2)
    assert seen == ["image 8", "image 9", "image 10"]
    assert "image: 8 of 11 are there already" in said
    run(tmp_path / "t")
    assert rows_and_belongings(tmp_path / "s") == rows_and_belongings(tmp_path / "t")
    assert read(tmp_path / "s").fingerprint == read(tmp_path / "t").fingerprint
    assert "is complete already" in run(tmp_path / "s", by=encoder(image=None))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"made": collection(inputs={"images": "other", "captions": "2"})}, "begun with inputs"),
        ({"by": encoder(model={"name": "other"})}, 'begun with model {"name":"toy",.*not {"name":"other"}'),
        ({"shard_rows": 5}, "begun with shard 4, not 5"),
        ({"dtype": "float16"}, 'begun with dtype "float32", not "float16"'),
    ],
)
def test_another_request_is_refused_and_changes_nothing(tmp_path, changes, message):
    run(tmp_path / "s")
    before = rows_and_belongings(tmp_path / "s")
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "s", **changes)
    assert rows_and_belongings(tmp_path / "s") == before
    read(tmp_path / "s")


def test_rows_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(ValueError, match="row 0, column 0: nan must be a finite"):
        run(tmp_path / "s", by=encoder(image=lambda inputs: encode(inputs) * np.nan))
    assert not (tmp_path / "s").exists()
    with pytest.raises(ValueError, match="text rows for .*: 2 values a row, the rows before have 3"):
        run(tmp_path / "s", by=encoder(text=lambda inputs: encode(inputs)[:, :2]))


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import test_embed_loop as here
def image(inputs):
    if inputs[0] == "image 4":
        print("ready", flush=True)
        signal.pause()
    return here.encode(inputs)
here.run(sys.argv[1], by=here.encoder(image=image))
"""


def test_a_kill_in_the_middle_loses_one_shard_at_most(tmp_path):
    words = [sys.executable, "-c", KILLED, str(tmp_path / "s"), os.path.dirname(__file__)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        with pytest.raises(ValueError, match="another process is writing"):
            run(tmp_path / "s")
        child.send_signal(signal.SIGKILL)
    with pytest.raises(ValueError, match=r"not complete \(4 image rows so far\)"):
        read(tmp_path / "s")
    run(tmp_path / "s")
    run(tmp_path / "t")
    assert rows_and_belongings(tmp_path / "s") == rows_and_belongings(tmp_path / "t")


def test_the_line_says_how_long_it_will_take():
    assert _so_far("image", 0, 100, 0, 0.0) == "image: 0 of 100"
    assert _so_far("image", 60, 100, 20, 10.0) == "image: 60 of 100, 2 a second, 20 s left"
    assert _so_far("image", 60, 1000, 20, 10.0).endswith("2 a second, 8 min left")
