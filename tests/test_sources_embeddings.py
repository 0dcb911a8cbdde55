"""Paired embeddings as a source: who is held out, which text stands for an image, labels and chains in order."""

import dataclasses
import hashlib
import json

import jax
import numpy as np
import pytest

from mpsae.optim import Optim
from mpsae.pairs import split
from mpsae.record import sealed
from mpsae.saes.topk import TopK
from mpsae.source import find_source
from mpsae.sources.embeddings import Embeddings
from mpsae.store import Labels, Rows, Store, Tree, write
from mpsae.store.index import fingerprint
from mpsae.train import fit, member

DIM, IMAGES = 6, 10
RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(IMAGES, DIM)).astype(np.float32)
TEXT = RNG.normal(size=(2 * IMAGES + 1, DIM)).astype(np.float32)  # the last one is nobody's
PAIRS = np.array([[i, 2 * i + c] for i in range(IMAGES) for c in (1, 0)])  # the second text comes first
KIND = np.arange(IMAGES) % 3
ABOUT = {"model": {}, "preprocess": {}, "provenance": {}, "left_out": []}


def store(labels=None, pairs=PAIRS):
    rows = {"image": Rows([IMAGE]), "text": Rows([TEXT])}
    return Store(
        rows=rows,
        ids={name: np.arange(len(part)) for name, part in rows.items()},
        pairs=pairs,
        items={},
        labels=labels or Labels(),
        record=ABOUT,
        fingerprint="",
    )


def labelled(**more):
    classes = {"kind": ("cat", "dog", "fern"), "family": ("animal", "plant"), "split": ("train", "held_out")}
    values = {"kind": KIND, "family": (KIND == 2).astype(np.int64)} | more
    kept = {name: names for name, names in classes.items() if name in values}
    chains = np.array([[20, 2 * i + 1] for i in range(IMAGES)])
    trees = {"kind": Tree("family", np.array([0, 0, 1]))}
    return Labels(classes=kept, values={"image": values}, trees=trees, chains=chains)


@pytest.fixture
def folder(tmp_path):
    def make(made):
        write(tmp_path / "pets", made)
        return str(tmp_path / "pets")

    return make


def test_held_out_images_come_once_with_their_first_text(folder):
    path = folder(store())
    source = Embeddings(path=path, held_out=0.4).build(0)
    image, text = split(np.asarray(source.held))
    images = [int(np.abs(IMAGE - row).sum(1).argmin()) for row in image]
    assert len(set(images)) == 4 and source.rows_held_out == 8
    np.testing.assert_array_equal(text, TEXT[2 * np.array(images) + 1])
    trained = {int(i) for i in source.pairs[:, 0]}
    assert trained == set(range(IMAGES)) - set(images) and len(source.pairs) == 12
    assert Embeddings(path=path).title == "pets"
    again = Embeddings(path=path, held_out=0.4).build(7)  # no seed changes who is held out
    assert again.fingerprint() == source.fingerprint()


def test_without_held_out_rows_the_pairs_trained_on_are_scored(folder):
    source = Embeddings(path=folder(store()), held_out=0).build(0)
    assert len(source.pairs) == 20 and source.rows_held_out == 20


def test_a_split_factor_decides_and_is_no_label(folder):
    told = np.zeros(IMAGES, np.int64)
    told[[1, 5, 8]] = 1
    source = Embeddings(path=folder(store(labelled(split=told))), held_out=0.4).build(0)
    np.testing.assert_array_equal(split(np.asarray(source.held))[0], IMAGE[[1, 5, 8]])
    assert sorted(source.labels.of) == ["family", "kind"]
    np.testing.assert_array_equal(source.labels.of["kind"], KIND[[1, 5, 8]])
    assert source.labels.names("kind") == ("cat", "dog", "fern")
    assert source.labels.parent == (("kind", "family"),)
    np.testing.assert_array_equal(source.chains, TEXT[[[20, 3], [20, 11], [20, 17]]])


def test_norm_and_centring(folder):
    path = folder(store())
    unit = Embeddings(path=path, held_out=0.4, norm="unit").build(0)
    np.testing.assert_allclose(np.linalg.norm(unit.held, axis=1), 1, rtol=1e-5)
    centred = Embeddings(path=path, held_out=0.4, centring="modality").build(0)
    image, text = split(np.asarray(centred.batch(jax.random.key(0), 0, 24)))  # one epoch
    np.testing.assert_allclose([image.mean(0), text.mean(0)], 0, atol=1e-5)
    assert len({one.fingerprint() for one in (unit, centred)}) == 2


@pytest.mark.parametrize("norm, centring", [("keep", "none"), ("unit", "global"), ("keep", "modality")])
def test_rows_on_disk_are_the_same_source_to_the_bit(tmp_path, norm, centring):
    """Batches over three epochs, also of several members at once, held-out blocks, chains and fingerprint."""
    told = np.zeros(IMAGES, np.int64)
    told[[1, 5, 8]] = 1
    write(tmp_path / "pets", store(labelled(split=told)), shard_rows=3)
    memory, disk = (
        Embeddings(path=str(tmp_path / "pets"), norm=norm, centring=centring, rows=rows).build(0)
        for rows in ("memory", "disk")
    )
    assert isinstance(memory.image, jax.Array) and not jax.tree.leaves((disk.image, disk.text, disk.held))
    draw = jax.jit(lambda source, keys, step: jax.vmap(lambda key: source.batch(key, step, 6))(keys))
    keys = jax.random.split(jax.random.key(0), 2)
    for step in range(15):
        one, two = (np.asarray(draw(source, keys, step)) for source in (memory, disk))
        assert one.tobytes() == two.tobytes()
    assert [len(part.reader.begun) for part in (disk.image, disk.text)] == [1, 1]  # each was the next one
    for field in ("chains", "chain_images"):
        np.testing.assert_array_equal(getattr(memory, field), getattr(disk, field))
    np.testing.assert_array_equal(memory.held_out(0)[0], disk.held_out(0)[0])
    assert memory.fingerprint() == disk.fingerprint()
    assert (memory.rows_held_out, memory.block, memory.dim) == (disk.rows_held_out, disk.block, disk.dim)


def test_held_out_blocks_come_from_disk_in_any_order(tmp_path):
    rows = RNG.normal(size=(2, 1500, 2)).astype(np.float32)
    parts = {name: Rows([part]) for name, part in zip(("image", "text"), rows, strict=True)}
    ids, pairs = {name: np.arange(1500) for name in parts}, np.repeat(np.arange(1500)[:, None], 2, axis=1)
    made = {"ids": ids, "pairs": pairs, "items": {}, "labels": Labels(), "record": ABOUT, "fingerprint": ""}
    write(tmp_path / "many", Store(rows=parts, **made), shard_rows=400)
    memory, disk = (
        Embeddings(path=str(tmp_path / "many"), held_out=0, rows=name).build(0) for name in ("memory", "disk")
    )
    assert disk.blocks == 3
    for block in (0, 1, 2, 0):
        np.testing.assert_array_equal(disk.held_out(block)[0], np.asarray(memory.held)[1000 * block :][:1000])
    assert len(disk.held.reader.begun) == 1  # each was the next one
    np.testing.assert_array_equal(disk.held_out(2)[0], memory.held_out(2)[0])


def test_training_from_disk_gives_the_same_params_to_the_bit(folder):
    path = folder(store())
    optim = Optim(steps=25, batch=8, lr=1e-2)
    members = [member(TopK(k=2), optim, data=seed, init=0, dropout=0) for seed in (0, 1, 1)]
    trained = []
    for rows in ("memory", "disk"):
        source = Embeddings(path=path, rows=rows).build(0)
        trained.append([one.params for one in fit(members, [source] * 3, width=5)])
    for one, two in zip(*map(jax.tree.leaves, trained), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(two).tobytes()


def test_a_row_that_is_not_finite_is_refused_by_shard_and_row(tmp_path):
    """Also where the folder's digests say that it is as it was written."""
    write(tmp_path / "pets", store(), shard_rows=4)
    shard, index = tmp_path / "pets" / "image-00001.safetensors", tmp_path / "pets" / "store.json"
    data, place = shard.read_bytes(), shard.read_bytes().index(IMAGE[6, 2].tobytes())
    shard.write_bytes(data[:place] + np.float32(np.inf).tobytes() + data[place + 4 :])
    record = json.loads(index.read_text())
    record["modalities"]["image"]["shards"][1]["sha256"] = hashlib.sha256(shard.read_bytes()).hexdigest()
    record["fingerprint"] = fingerprint(record)
    index.write_text(sealed(record))
    with pytest.raises(ValueError, match="image-00001.safetensors, row 2, column 2: inf must be a finite"):
        Embeddings(path=str(tmp_path / "pets"), rows="disk").build(0)


def test_images_repeated_row_by_row_are_one_image_each(tmp_path):
    """[2, n, dim] with two captions an image: no scored image is trained on, and each counts once."""
    twice = np.repeat(IMAGE, 2, axis=0)
    twice[::2, 0], twice[1::2, 0] = 0.0, -0.0  # which are equal
    np.save(tmp_path / "both.npy", np.stack([twice, TEXT[:20]]))
    source = Embeddings(path=str(tmp_path / "both.npy"), held_out=0.4).build(0)
    image, text = split(np.asarray(source.held))
    assert len(np.unique(image, axis=0)) == len(image) == 4 and len(source.pairs) == 12
    trained = np.asarray(source.image)[source.pairs[:, 0]]
    assert not (trained[:, None] == image).all(-1).any()
    firsts = [int((row == twice[::2]).all(1).argmax()) for row in image]
    np.testing.assert_array_equal(text, TEXT[2 * np.array(firsts)])
    scored = Embeddings(path=str(tmp_path / "both.npy"), held_out=0).build(0)
    assert scored.rows_held_out == 20 and len(scored.pairs) == 20
    with pytest.raises(ValueError, match="rows = 'disk': .*both.npy is a file, which is read whole; only"):
        Embeddings(path=str(tmp_path / "both.npy"), rows="disk").build(0)


def test_a_caption_of_a_held_out_image_is_not_trained_on(tmp_path):
    text = TEXT[:IMAGES].copy()
    told = np.zeros(IMAGES, np.int64)
    told[[1, 5]] = 1
    text[[2, 3]] = text[5]  # the same words under two other images
    rows = {"image": Rows([IMAGE]), "text": Rows([text])}
    pairs = np.repeat(np.arange(IMAGES)[:, None], 2, axis=1)
    labels = Labels(classes={"split": ("train", "held_out")}, values={"image": {"split": told}})
    ids = {name: np.arange(IMAGES) for name in rows}
    made = Store(rows=rows, ids=ids, pairs=pairs, items={}, labels=labels, record=ABOUT, fingerprint="")
    write(tmp_path / "words", made)
    source = Embeddings(path=str(tmp_path / "words")).build(0)
    assert sorted(source.pairs[:, 0].tolist()) == [0, 4, 6, 7, 8, 9]


@pytest.mark.parametrize("images, scored", [(500, 500), (700, 500), (1203, 1000)])
def test_what_is_scored_fills_whole_blocks(tmp_path, images, scored):
    """Of any number of images, by held_out = 0 and by a split factor."""
    rows = RNG.normal(size=(2, images + 3, 2)).astype(np.float32)
    np.save(tmp_path / "both.npy", rows[:, :images])
    source = Embeddings(path=str(tmp_path / "both.npy"), held_out=0).build(0)
    assert source.rows_held_out == 2 * scored and len(source.pairs) == images
    told = (np.arange(images + 3) >= 3).astype(np.int64)
    parts = {name: Rows([part]) for name, part in zip(("image", "text"), rows, strict=True)}
    made = Store(
        rows=parts,
        ids={name: np.arange(images + 3) for name in parts},
        pairs=np.repeat(np.arange(images + 3)[:, None], 2, axis=1),
        items={},
        labels=Labels(classes={"split": ("train", "held_out")}, values={"image": {"split": told}}),
        record=ABOUT,
        fingerprint="",
    )
    write(tmp_path / "split", made)
    source = Embeddings(path=str(tmp_path / "split")).build(0)
    assert source.rows_held_out == 2 * scored and len(source.pairs) == 3


@pytest.mark.parametrize(
    "classes, told, message",
    [
        (("train", "test"), 1, "the factor 'split' must have a class 'held_out', found train, test"),
        (("train", "held_out"), 0, "the factor 'split' holds no paired image out"),
        (("train", "held_out"), 1, "every pair has an image or a text that is held out, none is left"),
    ],
)
def test_a_split_that_splits_nothing_is_refused(folder, classes, told, message):
    labels = Labels(classes={"split": classes}, values={"image": {"split": np.full(IMAGES, told)}})
    with pytest.raises(ValueError, match=message):
        Embeddings(path=folder(store(labels))).build(0)


def test_what_is_not_known_of_an_image_is_known_of_its_text(folder):
    some = np.where(np.arange(IMAGES) < 5, KIND, -1)
    labels = Labels(
        classes={"kind": ("cat", "dog", "fern")},
        values={"image": {"kind": some}, "text": {"kind": np.full(len(TEXT), 2)}},
    )
    source = Embeddings(path=folder(store(labels)), held_out=0).build(0)
    np.testing.assert_array_equal(source.labels.of["kind"], np.where(some >= 0, some, 2))


def test_the_advice_about_a_file_can_be_followed(tmp_path):
    both = np.stack([IMAGE, TEXT[:IMAGES]]).astype(np.float64)
    both[1, 3] = 0
    np.save(tmp_path / "both.npy", both)
    path = str(tmp_path / "both.npy")
    with pytest.raises(ValueError, match="cast='float32'"):
        Embeddings(path=path).build(0)
    with pytest.raises(ValueError, match="zero_rows='drop'"):
        Embeddings(path=path, cast="float32").build(0)
    source = Embeddings(path=path, cast="float32", zero_rows="drop", held_out=0).build(0)
    assert len(source.pairs) == IMAGES - 1


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"centring": "both"}, "embeddings.centring = 'both': must be one of none, global, modality"),
        ({"norm": "l1"}, "embeddings.norm = 'l1': must be one of keep, unit"),
        ({"held_out": 1.0}, "embeddings.held_out = 1.0: must be a share, from 0 to below 1"),
        ({"cast": "int8"}, "embeddings.cast = 'int8': must be one of refuse, float32"),
        ({"rows": "drive"}, "embeddings.rows = 'drive': must be one of memory, disk"),
        ({"held_out": 0.05}, "embeddings.held_out = 0.05: leaves none of 10 paired images apart in"),
    ],
)
def test_what_is_refused(folder, fields, message):
    with pytest.raises(ValueError, match=message):
        Embeddings(path=folder(store()), **fields).build(0)


def test_rows_without_pairs_are_refused(folder):
    with pytest.raises(ValueError, match="pets: has no pairs of an image and a text"):
        Embeddings(path=folder(store(pairs=np.zeros((0, 2), np.int64)))).build(0)


def test_a_path_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="^nowhere: no such folder or file$"):
        Embeddings(path="nowhere").build(0)


def test_someone_elses_file(tmp_path):
    np.save(tmp_path / "both.npy", np.stack([IMAGE, TEXT[:IMAGES]]))
    source = Embeddings(path=str(tmp_path / "both.npy"), held_out=0).build(0)
    assert source.labels is None and source.chains is None and len(source.pairs) == IMAGES
    np.testing.assert_array_equal(split(np.asarray(source.held))[1], TEXT[:IMAGES])


def test_the_empty_caption_is_the_root_of_chains(tmp_path):
    items = {"text": [{"text": "" if row == 20 else f"text {row}"} for row in range(len(TEXT))]}
    made = dataclasses.replace(store(labelled()), items=items)
    for name, one in (("chains", made), ("none", dataclasses.replace(made, labels=Labels()))):
        write(tmp_path / name, one)
    np.testing.assert_array_equal(Embeddings(path=str(tmp_path / "chains")).build(0).root, TEXT[20])
    assert Embeddings(path=str(tmp_path / "none")).build(0).root is None


def test_classes_and_their_graph_from_files(folder, tmp_path):
    told = np.zeros(IMAGES, np.int64)
    told[[1, 5, 8]] = 1
    path = folder(store(labelled(split=told)))
    (tmp_path / "classes.txt").write_text("\n".join(["tabby", "", "lion", "oak", "oak"] * 2) + "\n")
    graph = "cat\ttabby\nbig cat\tlion\ncat\tbig cat\nthing\toak\nthing\tcat\nbig cat\ttabby\n"
    (tmp_path / "graph.txt").write_text(graph)
    files = {"classes": str(tmp_path / "classes.txt"), "class_graph": str(tmp_path / "graph.txt")}
    source = Embeddings(path=path, **files).build(0)
    assert source.labels.names("class") == ("lion", "oak", "tabby")
    np.testing.assert_array_equal(source.labels.of["class"], [-1, 2, 1])
    np.testing.assert_array_equal(source.labels.of["kind"], KIND[[1, 5, 8]])
    np.testing.assert_array_equal(source.labels.between["class"], [[0, 4, 2], [4, 0, 3], [2, 3, 0]])
    tree = Embeddings(path=path, class_path="tree", **files).build(0)
    np.testing.assert_array_equal(tree.labels.between["class"], [[0, 4, 2], [4, 0, 4], [2, 4, 0]])
    plain = Embeddings(path=path).build(0)
    assert len({one.fingerprint() for one in (source, tree, plain)}) == 3


@pytest.mark.parametrize(
    "fields, lines, message",
    [
        ({"class_graph": "graph.txt"}, 10, "class_graph = 'graph.txt': .*pets has no factor 'class'; give"),
        ({"classes": "classes.txt"}, 9, "classes.txt: 9 lines for the 10 image rows of .*pets"),
        ({"class_path": "forest"}, 10, "embeddings.class_path = 'forest': must be one of graph, tree"),
    ],
)
def test_classes_that_do_not_fit_are_refused(folder, tmp_path, monkeypatch, fields, lines, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classes.txt").write_text("oak\n" * lines)
    with pytest.raises(ValueError, match=message):
        Embeddings(path=folder(store()), **fields).build(0)


def test_a_factor_of_classes_is_not_replaced(folder, tmp_path):
    labels = Labels(classes={"class": ("cat",)}, values={"image": {"class": np.zeros(IMAGES, np.int64)}})
    with pytest.raises(ValueError, match="pets has a factor 'class' of its own"):
        Embeddings(path=folder(store(labels)), classes=str(tmp_path / "none.txt")).build(0)


def test_real_pairs(shared_data):
    config = Embeddings(path=str(shared_data / "coco500_pairs_vitb16" / "features_clip.npy"), held_out=0)
    image, text = split(np.asarray(config.build(0).held))
    assert image.shape == (500, 512)
    gap = np.linalg.norm(image.mean(0) - text.mean(0))
    assert (round(float(gap), 3), round(float((image * text).sum(1).mean()), 3)) == (0.851, 0.310)


def test_scenes_of_the_tuned_backbone_have_other_texts_and_the_same_rest():
    plain, tuned = (find_source("scenes")(backbone=name) for name in ("plain", "radial"))
    assert (plain.title, tuned.title) == ("scenes", "scenes_radial")
    before, after = plain.store(), tuned.store()
    assert before.rows["image"] is not None and after.captions == before.captions
    np.testing.assert_array_equal(np.asarray(after.rows["image"]), np.asarray(before.rows["image"]))
    old, new = (np.asarray(store.rows["text"], np.float64) for store in (before, after))
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1, atol=1e-3)
    cosine = (old * new).sum(1)
    assert 0.5 < np.median(cosine) < 0.98  # moved, and not far
    one, other = plain.build(0), tuned.build(0)
    assert one.fingerprint() != other.fingerprint()
    assert (one.captions.speaker is None, other.captions.speaker is None) == (False, True)
    made = after.record["provenance"]
    assert made["trained"]["tuned"]["by"] == "radial" and not made["trained"]["dirty"]
    assert made["trained"]["tuned"]["weights_sha256"] == before.record["model"]["weights_sha256"]


def test_scenes_of_the_cast_have_other_images_and_the_same_rest():
    plain, cast = (find_source("scenes")(backbone=name) for name in ("plain", "cast"))
    assert cast.title == "scenes_cast"
    before, after = plain.store(), cast.store()
    np.testing.assert_array_equal(np.asarray(after.rows["text"]), np.asarray(before.rows["text"]))
    images = np.asarray(after.rows["image"], np.float64)
    assert images.shape == before.rows["image"].shape
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-3)
    own = (images * np.asarray(after.rows["text"], np.float64)[after.pairs[:, 1]]).sum(1)
    assert np.median(own) > 0.4  # it was trained to meet them
    one, other = plain.build(0), cast.build(0)
    assert one.fingerprint() != other.fingerprint()
    assert other.captions.speaker.encoder == one.captions.speaker.encoder
    made = after.record["provenance"]
    assert made["trained"]["texts_sha256"] == before.record["model"]["weights_sha256"]
    assert made["commit"] and not made["dirty"] and not made["trained"]["dirty"]
    assert made["inputs"] == before.record["provenance"]["inputs"]


def test_scenes_are_known_by_id():
    assert find_source("scenes")(centring="modality").title == "scenes"
    with pytest.raises(ValueError, match="scenes.norm = 'l2': must be one of keep, unit"):
        find_source("scenes")(norm="l2").validate()
    with pytest.raises(ValueError, match="scenes.backbone = 'radail': must be one of plain, radial, cast"):
        find_source("scenes")(backbone="radail").validate()
