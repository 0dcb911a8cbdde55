"""An embedding folder comes back the same, or is refused by file name; a killed writer loses one shard."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from mpsae.canonical import digest
from mpsae.record import sealed
from mpsae.store import Labels, Rows, Store, Tree, Writer, read, with_rows_of, write
from mpsae.store.describe import describe
from mpsae.store.index import fingerprint

DIM = 8
CHAINS = np.array([[0, 1], [0, 2]])
LABELS = Labels(
    classes={"kind": ("cat", "fern"), "family": ("animal", "plant")},
    values={
        "image": {"kind": np.array([0, 1, 0, 1, 0]), "family": np.array([0, 1, 0, 1, 0])},
        "text": {"kind": np.array([-1, 0, 1]), "family": np.array([0, 0, 1])},
    },
    trees={"kind": Tree("family", np.array([0, 1]))},
    chains=CHAINS,
)
ABOUT = {"model": {"name": "tiny"}, "preprocess": {}, "provenance": {"command": "made"}, "left_out": []}


def unit_rows(n, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def store(**changes):
    rows = {"image": unit_rows(5), "text": unit_rows(3, 1)}
    plain = {
        "rows": {name: Rows([array]) for name, array in rows.items()},
        "ids": {"image": np.arange(5) * 7, "text": np.arange(3)},
        "pairs": np.array([[0, 0], [0, 1], [4, 2]]),
        "items": {
            "image": [{"name": f"{i}.png"} for i in range(5)],
            "text": [{"text": f"né {i}"} for i in "abc"],
        },
        "labels": LABELS,
        "record": ABOUT,
        "fingerprint": "f00d",
    }
    return Store(**plain | changes)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "store", store(), shard_rows=2)
    return tmp_path / "store"


@pytest.mark.parametrize(("modality", "rest"), [("text", "image"), ("image", "text")])
def test_rows_of_another_model_need_no_more_than_the_index_and_themselves(tmp_path, modality, rest):
    count = store().counts[modality]
    other = unit_rows(count, 9)
    write(tmp_path / "other", store(rows=store().rows | {modality: Rows([other])}), shard_rows=2)
    for path in (tmp_path / "other").iterdir():
        if not path.name.startswith((modality, "store")):
            path.unlink()
    mixed = with_rows_of(store(), tmp_path / "other", modality)
    np.testing.assert_array_equal(np.asarray(mixed.rows[modality]), other)
    np.testing.assert_array_equal(np.asarray(mixed.rows[rest]), np.asarray(store().rows[rest]))
    assert mixed.captions == store().captions and mixed.fingerprint == mixed.record["fingerprint"] != "f00d"
    wider = store(rows=store().rows | {modality: Rows([np.eye(count, 9, dtype=np.float32)])})
    with pytest.raises(
        ValueError, match=rf"store\.json: must hold {count} {modality} rows of 9, found {count} of 8"
    ):
        with_rows_of(wider, tmp_path / "other", modality)
    turned = store(ids=store().ids | {modality: store().ids[modality][::-1]})
    with pytest.raises(ValueError, match=f"its {modality} rows are of other items, or in another order"):
        with_rows_of(turned, tmp_path / "other", modality)
    (tmp_path / "other" / f"{modality}-00001.safetensors").unlink()
    with pytest.raises(ValueError, match=rf"{modality}-00001\.safetensors: this file is missing"):
        with_rows_of(store(), tmp_path / "other", modality)


def reseal(folder, change):
    """The index changed by someone who also mends its digest."""
    record = json.loads((folder / "store.json").read_text())
    change(record)
    (folder / "store.json").write_text(sealed(record))


def test_it_comes_back_the_same(folder):
    made, back = store(), read(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"image-0000{i}.safetensors" for i in range(3)),
        *("items.jsonl", "labels.safetensors", "pairs.safetensors", "store.json"),
        *(f"text-0000{i}.safetensors" for i in range(2)),
    ]
    for modality in ("image", "text"):
        np.testing.assert_array_equal(back.rows[modality], made.rows[modality])
        np.testing.assert_array_equal(back.ids[modality], made.ids[modality])
        assert isinstance(back.rows[modality].parts[0], np.memmap)
    np.testing.assert_array_equal(back.pairs, made.pairs)
    assert back.items == made.items and back.captions == ["né a", "né b", "né c"]
    assert (back.dim, back.counts) == (DIM, {"image": 5, "text": 3})
    assert back.labels.classes == LABELS.classes
    np.testing.assert_array_equal(back.labels.chains, CHAINS)
    np.testing.assert_array_equal(back.labels.values["text"]["kind"], [-1, 0, 1])
    assert back.labels.trees["kind"].parent == "family"
    assert {key: back.record[key] for key in ABOUT} == ABOUT
    assert back.record["unit_norm"] is True and back.record["verified"] is True
    assert read(folder, digests=False).record["verified"] is False


def test_labels_that_are_not_whole_numbers_are_refused_when_read(folder):
    path = folder / "labels.safetensors"
    tensors = safetensors.numpy.load_file(path)
    path.write_bytes(
        safetensors.numpy.save(tensors | {"image.kind": tensors["image.kind"].astype(np.float32)})
    )

    def change(record):
        data = path.read_bytes()
        record["labels"].update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        record["fingerprint"] = fingerprint(record)

    reseal(folder, change)
    with pytest.raises(
        ValueError, match=r"labels\.safetensors: image\.kind: must be int64 \[5\], found float32"
    ):
        read(folder)


def test_the_fingerprint_names_rows_pairs_and_labels_alone(folder, tmp_path):
    index = read(folder).record
    named = {key: index[key] for key in ("schema", "dim", "dtype")}
    named["shards"] = {m: [s["sha256"] for s in e["shards"]] for m, e in index["modalities"].items()}
    named["pairs"] = index["pairs"]["sha256"]
    named["labels"] = [index["labels"][key] for key in ("sha256", "classes", "trees")]
    assert read(folder).fingerprint == digest(named)
    same = {"items": {}, "record": ABOUT | {"model": {"name": "other"}}}
    other = [
        {"pairs": np.array([[0, 0]])},
        {"labels": Labels()},
        {"ids": {"image": np.arange(5), "text": np.arange(3)}},
    ]
    for number, changes in enumerate([same, *other]):
        write(tmp_path / str(number), store(**changes), shard_rows=2)
        assert (read(tmp_path / str(number)).fingerprint == read(folder).fingerprint) is (number == 0)


def test_rows_are_read_by_slice_number_and_mask_across_shards(folder):
    rows, whole = read(folder).rows["image"], np.asarray(store().rows["image"])
    assert rows.shape == (5, DIM) and len(rows) == 5
    for key in (slice(1, 4), slice(None, None, -2), [4, 0, 4], np.array([3]), whole[:, 0] > 0, [-1]):
        np.testing.assert_array_equal(rows[key], whole[key])
    np.testing.assert_array_equal(rows[2], whole[2:3])
    assert [(first, len(block)) for first, block in rows.blocks(1)] == [(i, 1) for i in range(5)]
    with pytest.raises(IndexError):
        rows[[5]]


def test_half_precision_and_rows_that_are_not_unit(tmp_path):
    rows = {name: Rows([3 * np.asarray(rows).astype(np.float16)]) for name, rows in store().rows.items()}
    write(tmp_path / "half", store(rows=rows))
    back = read(tmp_path / "half")
    assert back.rows["image"].dtype == np.float16 and back.record["dtype"] == "float16"
    assert back.record["unit_norm"] is False
    np.testing.assert_array_equal(back.rows["image"], rows["image"])


FILES = [
    *("store.json", "image-00000.safetensors", "image-00002.safetensors", "text-00001.safetensors"),
    *("pairs.safetensors", "items.jsonl", "labels.safetensors"),
]


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_truncation_and_missing_file_is_refused_by_name(folder, name):
    good = (folder / name).read_bytes()
    for number, place in enumerate(np.linspace(0, len(good) - 1, 20).astype(int)):
        bad = bytearray(good)
        bad[place] ^= 1 << number % 8
        (folder / name).write_bytes(bad)
        with pytest.raises(ValueError, match=name) as refused:
            read(folder)
        assert "\n" not in str(refused.value)
    for size in (0, len(good) // 2, len(good) - 1):
        (folder / name).write_bytes(good[:size])
        with pytest.raises(ValueError, match=f"{name}: damaged"):
            read(folder)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name}: this file is missing"):
        read(folder)


def test_swapped_shards_are_refused_and_without_digests_at_least_their_shape(folder):
    one, two, last = (folder / f"image-0000{i}.safetensors" for i in range(3))
    both = one.read_bytes(), two.read_bytes()
    one.write_bytes(both[1])
    two.write_bytes(both[0])
    with pytest.raises(ValueError, match="image-00000.safetensors: damaged, expected sha256"):
        read(folder)
    read(folder, digests=False)
    one.write_bytes(last.read_bytes())
    with pytest.raises(ValueError, match="image-00000.safetensors: must hold"):
        read(folder, digests=False)
    one.write_bytes(both[0][:-1])
    with pytest.raises(ValueError, match="image-00000.safetensors: damaged, shorter"):
        read(folder, digests=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(schema="mpsae.store/2"), "schema 'mpsae.store/2' is unknown"),
        (lambda r: r.pop("dtype"), "lacks dtype"),
        (lambda r: r.pop("model"), "lacks model"),
        (lambda r: r.update(fingerprint="f00d"), "its fingerprint should be"),
        (lambda r: r["modalities"]["image"].update(rows=6), "image has 6 rows, its shards 5"),
        (lambda r: r.update(complete=False), r"not complete \(5 image rows, 3 text rows so far\)"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(folder, change, message):
    reseal(folder, change)
    with pytest.raises(ValueError, match=rf"store.json: .*{message}"):
        read(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": np.array([[0, 0], [5, 0]])}, "pairs, pair 1: image row 5 does not exist, there are 5"),
        ({"pairs": np.array([[0, -1]])}, "pairs, pair 0: text row -1 does not exist, there are 3"),
        ({"pairs": np.array([[0, 1]], np.int32)}, "pairs: must be int64"),
        ({"labels": Labels(chains=np.array([[0, 1], [2, 3]]))}, "chains, row 1: 3 must be from 0 to 2"),
        ({"labels": Labels(values={"image": {"kind": np.zeros(5, int)}})}, "image.kind: no such factor"),
    ],
)
def test_pairs_and_labels_of_rows_that_do_not_exist_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        store(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": {"image": {"kind": np.array([0, 1, 0, 1])}}}, r"image.kind: must be int64 \[5\]"),
        (
            {"values": {"image": {"kind": np.array([0, 1, 0, 2, 0])}}},
            "image.kind, row 3: 2 must be from -1 to 1",
        ),
        ({"trees": {"kind": Tree("genus", np.array([0, 1]))}}, "tree.kind: no factor 'genus'"),
        ({"trees": {"kind": Tree("family", np.array([0, 2]))}}, "tree.kind, row 1: 2 must be from 0 to 1"),
        (
            {"trees": {a: Tree(b, np.array([0, 1])) for a, b in [("kind", "family"), ("family", "kind")]}},
            "tree.kind: kind < family < kind, a factor cannot lie above itself",
        ),
        (
            {"trees": {"kind": Tree("family", np.array([1, 0]))}},
            "image row 0: kind 'cat' belongs to family 'plant', not to 'animal'",
        ),
        ({"classes": {"kind": ("cat", "cat")}}, "factor 'kind' needs"),
        ({"classes": {"image.kind": ("cat",)}}, "factor 'image.kind' needs"),
    ],
)
def test_labels_that_contradict_themselves_are_refused(changes, message):
    fields = {name: getattr(LABELS, name) for name in ("classes", "values", "trees", "chains")}
    with pytest.raises(ValueError, match=message):
        store(labels=Labels(**fields | changes))


def test_bad_rows_are_refused_with_their_number_and_leave_nothing(tmp_path):
    good = unit_rows(3)
    for place, value, message in [
        ((2, 3), np.nan, "row 2, column 3: nan must be a finite"),
        ((0, 0), 7e4, "row 0, column 0: inf must be a finite"),
        ((1, slice(None)), 1e-9, r"row 1: all columns are 0 \(1 such rows\)"),
    ]:
        rows = good.copy()
        rows[place] = value
        with (
            pytest.raises(ValueError, match=f"image rows for .*s, {message}"),
            Writer(tmp_path / "s", request={}, dtype="float16") as writer,
        ):
            writer.add("image", rows, np.arange(3))
    for rows, message in [
        (good[:0], "neither 0"),
        (good.astype(float), "dtype float64"),
        (good[:, 0], "neither 0"),
    ]:
        with pytest.raises(ValueError, match=message), Writer(tmp_path / "s", request={}) as writer:
            writer.add("image", rows, np.arange(len(rows)))
    assert list(tmp_path.iterdir()) == []
    with Writer(tmp_path / "s", request={}) as writer:
        writer.add("image", good, np.arange(3))
        with pytest.raises(ValueError, match="text rows for .*: 4 values a row, the rows before have 8"):
            writer.add("text", good[:, :4], np.arange(3))
        with pytest.raises(ValueError, match="3 rows with 2 ids"):
            writer.add("image", good, np.arange(2))
        with pytest.raises(ValueError, match="modality 'sound': must be image or text"):
            writer.add("sound", good, np.arange(3))
        with pytest.raises(ValueError, match="row 3, column 0"):  # counted over the shards
            writer.add("image", good * np.inf, np.arange(3))


def test_a_folder_of_something_else_or_in_use_is_refused(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ValueError, match=r"mine: holds something else \(notes.txt\)"):
        write(tmp_path / "mine", store())
    with pytest.raises(ValueError, match="notes.txt: must be a folder, it is a file"):
        write(tmp_path / "mine" / "notes.txt", store())
    with pytest.raises(ValueError, match="store: was begun with shard 2, not 3; choose another folder"):
        write(folder, store(), shard_rows=3)
    with (
        Writer(tmp_path / "busy", request={}) as writer,
        pytest.raises(ValueError, match="busy: another process is writing"),
    ):
        writer.add("image", unit_rows(2), np.arange(2))
        write(tmp_path / "busy", store())
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    write(folder, store(), shard_rows=2)  # complete: nothing is done again
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_damaged_shard_is_not_built_upon(tmp_path):
    with Writer(tmp_path / "s", request={}) as writer:
        writer.add("image", unit_rows(2), np.arange(2))
    shard = tmp_path / "s" / "image-00000.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")
    with (
        pytest.raises(ValueError, match="image-00000.safetensors: damaged"),
        Writer(tmp_path / "s", request={}),
    ):
        pass


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
import mpsae.files, test_store
from mpsae.store import write
real, left = os.replace, [int(sys.argv[2])]
def replace(*names):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(*names)
os.replace = replace
write(sys.argv[1], test_store.store(), shard_rows=2)
"""


@pytest.mark.parametrize("renames", [0, 1, 2, 5, 9, 12])
def test_a_writer_killed_before_any_rename_is_taken_up_to_the_same_bytes(folder, tmp_path, renames):
    other = tmp_path / "killed"
    here = os.path.dirname(__file__)
    done = subprocess.run([sys.executable, "-c", KILLED, str(other), str(renames), here])
    assert done.returncode == -signal.SIGKILL
    assert [path for path in other.iterdir() if ".part-" in path.name]
    if renames > 1:
        with pytest.raises(ValueError, match="store.json: not complete"):
            read(other)
    write(other, store(), shard_rows=2)
    assert {p.name: p.read_bytes() for p in other.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }
    read(other)


def test_the_folder_can_move_and_is_described(folder, tmp_path):
    shutil.move(folder, tmp_path / "moved")
    twice = np.repeat(unit_rows(1), 2, axis=0)
    assert describe(read(tmp_path / "moved"))[2] == "3 pairs"
    lines = describe(store(rows={"image": Rows([2 * unit_rows(5)]), "text": Rows([twice, unit_rows(1, 3)])}))
    assert lines[0].startswith("image: 5 rows of 8 values, norm 2 to 2, |mean|/|std| ")
    assert lines[1].endswith("1 duplicates")


def test_the_store_is_read_without_jax_or_torch():
    code = "import sys, mpsae.store; sys.exit(bool({'jax', 'flax', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
