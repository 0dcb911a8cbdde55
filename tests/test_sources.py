"""Each family of sources: real files read right, broken ones refused in one sentence."""

import io
import warnings

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

from mpsae.source import find_source
from mpsae.store import Labels, Rows, Store, write
from mpsae.store.labels import Tree
from mpsae.store.memory import no_pairs

KEY = jax.random.key(0)
ROWS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


def all_rows(source):
    held = [source.held_out(i)[0] for i in range(source.blocks)]
    return np.concatenate([source.rows, *held])


def as_set(rows):
    return set(map(bytes, np.ascontiguousarray(rows)))


def arrays(path, **fields):
    return find_source("arrays")(path=str(path), **({"held_out": 10} | fields)).build(0)


def test_toy_matryoshka_source():
    source = find_source("toy_matryoshka")(held_out=2000).build(3)
    x, z = source.held_out(1)
    assert (source.dim, source.blocks) == (20, 2)
    assert float(source.truth.true_l0) == pytest.approx(1.12, rel=1e-6)
    np.testing.assert_allclose(x, np.asarray(z) @ np.asarray(source.truth.atoms), atol=1e-5)


def test_digits_are_the_shipped_ones_with_a_fixed_split():
    source = find_source("digits")().build(0)
    assert source.rows.shape == (1500, 64)
    assert (source.dim, source.block, source.blocks, source.rows_held_out) == (64, 297, 1, 297)
    shipped = (load_digits().data / 16).astype(np.float32)
    together = all_rows(source)
    order = np.lexsort(together.T), np.lexsort(shipped.T)
    np.testing.assert_array_equal(together[order[0]], shipped[order[1]])
    assert together.min() == 0 and together.max() == 1
    assert find_source("digits")().build(5).fingerprint() == source.fingerprint()
    batch = np.asarray(source.batch(KEY, 0, 1500))
    assert as_set(batch) == as_set(source.rows)
    assert not as_set(batch) & as_set(source.held)  # no two of the 1797 images are equal


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors"])
def test_arrays_read_every_format_alike(tmp_path, kind):
    path = tmp_path / f"rows.{kind}"
    {
        "npy": lambda: np.save(path, ROWS),
        "npz": lambda: np.savez(path, x=ROWS),
        "safetensors": lambda: save_file({"x": ROWS}, path),
    }[kind]()
    source = arrays(path)
    assert (source.rows.shape, source.block, source.blocks) == ((50, 4), 10, 1)
    assert as_set(all_rows(source)) == as_set(ROWS)
    assert not as_set(source.rows) & as_set(source.held)
    np.save(tmp_path / "reference.npy", ROWS)
    assert source.fingerprint() == arrays(tmp_path / "reference.npy").fingerprint()


def test_arrays_are_centred_by_the_rows_trained_on_and_scaled_before(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, ROWS)
    plain, unit = arrays(path), arrays(path, norm="unit")
    lengths = np.linalg.norm(plain.rows, axis=1, keepdims=True)
    np.testing.assert_allclose(unit.rows, plain.rows / lengths, rtol=1e-6)
    centred = arrays(path, norm="unit", centring="global")
    np.testing.assert_allclose(centred.rows, unit.rows - np.mean(unit.rows, 0), atol=1e-6)
    np.testing.assert_allclose(centred.held, unit.held - np.mean(unit.rows, 0), atol=1e-6)


def test_arrays_options(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, ROWS.astype(np.float64) / 3)
    assert as_set(all_rows(arrays(path, cast="float32"))) == as_set(
        (ROWS.astype(np.float64) / 3).astype("f4")
    )
    np.save(path, np.arange(1, 61)[:, None])
    assert sorted(all_rows(arrays(path, cast="float32"))[:, 0]) == list(range(1, 61))
    np.save(path, ROWS.astype(np.float16))
    assert as_set(all_rows(arrays(path))) == as_set(ROWS.astype(np.float16).astype(np.float32))
    holes = np.concatenate([ROWS, np.zeros((3, 4), np.float32)])
    np.save(path, holes)
    assert len(arrays(path, zero_rows="drop").rows) == 50
    assert as_set(all_rows(arrays(path, zero_rows="drop"))) == as_set(ROWS)
    assert len(arrays(path, zero_rows="keep").rows) == 53
    many = tmp_path / "many.npz"
    np.savez(many, a=ROWS, b=ROWS[:20])
    assert len(arrays(many, array="b").rows) == 10


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_arrays_read_a_folder_of_rows(tmp_path, kind):
    rows = {"image": ROWS.astype(kind), "text": ROWS[:20].astype(kind)}
    for name, chosen in {"one": ["image"], "two": ["image", "text"]}.items():
        write(
            tmp_path / name,
            Store(
                rows={modality: Rows([rows[modality]]) for modality in chosen},
                ids={modality: np.arange(len(rows[modality])) for modality in chosen},
                pairs=no_pairs(),
                items={},
                labels=Labels(),
                record={"model": {}, "preprocess": {}, "provenance": {}, "left_out": []},
                fingerprint="f00d",
            ),
            shard_rows=7,
        )
    np.save(tmp_path / "reference.npy", ROWS.astype(kind))
    reference = arrays(tmp_path / "reference.npy").fingerprint()
    assert arrays(tmp_path / "one").fingerprint() == reference
    assert arrays(tmp_path / "two", array="image").fingerprint() == reference
    assert len(arrays(tmp_path / "two", array="text").rows) == 10
    with pytest.raises(ValueError, match="must name one of the arrays in .*two: image, text"):
        arrays(tmp_path / "two")
    assert find_source("arrays")(path=f"{tmp_path / 'one'}/").title == "one"


def test_a_folder_of_rows_brings_its_labels(tmp_path):
    kind = np.arange(60) % 4
    known = Labels(
        classes={"kind": ("a", "b", "c", "d"), "family": ("ab", "cd")},
        values={"image": {"kind": kind, "family": kind // 2}},
        trees={"kind": Tree("family", np.array([0, 0, 1, 1]))},
    )
    record = {"model": {}, "preprocess": {}, "provenance": {}, "left_out": []}
    write(
        tmp_path / "folder",
        Store(
            rows={"image": Rows([ROWS])}, ids={"image": np.arange(60)}, pairs=no_pairs(), items={}, labels=known,
            record=record, fingerprint="f00d",
        ),
    )  # fmt: skip
    source = arrays(tmp_path / "folder")
    numbers = [np.flatnonzero((row == ROWS).all(1)).item() for row in np.asarray(source.held)]
    assert [source.labels.names("kind")[c] for c in source.labels.of["kind"]] == [
        "abcd"[i % 4] for i in numbers
    ]
    assert source.labels.parent == (("kind", "family"),)
    (tmp_path / "own.csv").write_text("size\n" + "s\nl\n" * 30)
    assert set(arrays(tmp_path / "folder", labels=str(tmp_path / "own.csv")).labels.of) == {"size"}


def test_arrays_read_bfloat16(tmp_path):
    import ml_dtypes

    path, rows = tmp_path / "rows.safetensors", ROWS.astype(ml_dtypes.bfloat16)
    save_file({"x": rows}, path)
    assert as_set(all_rows(arrays(path))) == as_set(rows.astype(np.float32))


def broken(value, row=5, column=2):
    rows = ROWS.copy()
    rows[row, column] = value
    return rows


def zeroed(row):
    rows = ROWS.copy()
    rows[row] = 0
    return rows


def stored(kind, **named):
    buffer = io.BytesIO()
    np.save(buffer, named["x"], allow_pickle=True) if kind == "npy" else np.savez(buffer, **named)
    return buffer.getvalue()


BAD = {
    "nan": ("npy", stored("npy", x=broken(np.nan)), {}, ["row 5, column 2", "nan", "finite"]),
    "inf": ("npy", stored("npy", x=broken(-np.inf)), {}, ["row 5, column 2", "-inf", "finite"]),
    "overflow": (
        "npy",
        stored("npy", x=broken(1).astype(np.float64) * 1e39),
        {"cast": "float32"},
        ["row 0, column 2", "inf", "finite float32"],
    ),
    "zero row": ("npy", stored("npy", x=zeroed(7)), {}, ["row 7", "zero_rows='drop' or 'keep'"]),
    "one dimension": ("npy", stored("npy", x=ROWS[0]), {}, ["shape [4]", "[rows, dim]"]),
    "three dimensions": ("npy", stored("npy", x=ROWS[None]), {}, ["shape [1, 60, 4]", "[rows, dim]"]),
    "no rows": ("npy", stored("npy", x=ROWS[:0]), {}, ["shape [0, 4]", "[rows, dim]"]),
    "float64": ("npy", stored("npy", x=ROWS.astype(np.float64)), {}, ["float64", "float32", "cast="]),
    "integers": ("npy", stored("npy", x=np.ones((60, 4), int)), {}, ["int64", "float32", "cast="]),
    "complex": ("npy", stored("npy", x=ROWS.astype(complex)), {"cast": "float32"}, ["complex128", "float32"]),
    "text": ("npy", stored("npy", x=np.full((60, 4), "a")), {}, ["<U1", "float32"]),
    "objects": ("npy", stored("npy", x=ROWS.astype(object)), {}, ["cannot be read", "Object arrays"]),
    "truncated npy": ("npy", stored("npy", x=ROWS)[:-100], {}, ["cannot be read", "complete"]),
    "header only": ("npy", stored("npy", x=ROWS)[:20], {}, ["cannot be read", "complete"]),
    "empty file": ("npy", b"", {}, ["cannot be read", "complete"]),
    "text file": ("npy", b"a,b\n1,2\n", {}, ["cannot be read", "complete"]),
    "truncated npz": ("npz", stored("npz", x=ROWS)[:-100], {}, ["cannot be read", "complete"]),
    "damaged npz": (
        "npz",
        stored("npz", x=ROWS)[:400] + b"\xff" * 8 + stored("npz", x=ROWS)[408:],
        {},
        ["cannot be read", "complete"],
    ),
    "npy as npz": ("npz", stored("npy", x=ROWS), {}, ["cannot be read", ".npy"]),
    "npz as npy": ("npy", stored("npz", x=ROWS), {}, ["cannot be read", ".npz"]),
    "two arrays": ("npz", stored("npz", x=ROWS, y=ROWS), {}, ["arrays.array = ''", "x, y"]),
    "no such array": ("npz", stored("npz", x=ROWS, y=ROWS), {"array": "z"}, ["arrays.array = 'z'", "x, y"]),
    "no array": ("npz", stored("npz"), {}, ["arrays.array = ''", "none"]),
    "truncated safetensors": ("safetensors", b"\x40\0\0\0\0\0\0\0{}", {}, ["cannot be read", "complete"]),
    "all held out": ("npy", stored("npy", x=ROWS), {"held_out": 60}, ["held_out = 60", "less than 60"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_sentence(tmp_path, case):
    kind, content, fields, words = BAD[case]
    path = tmp_path / f"rows.{kind}"
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        arrays(path, **fields)
    text = str(error.value)
    assert str(path) in text and "\n" not in text and "must" in text, text
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"path": "nowhere.npy"}, ["nowhere.npy", "existing"]),
        ({"path": "rows.csv"}, ["arrays.path = 'rows.csv'", ".npy, .npz, .safetensors"]),
        ({"path": "a.npy", "zero_rows": "skip"}, ["arrays.zero_rows = 'skip'", "refuse, drop, keep"]),
        ({"path": "a.npy", "cast": "int8"}, ["arrays.cast = 'int8'", "refuse, float32"]),
        ({"path": "a.npy", "held_out": 1001}, ["held_out = 1001", "multiple of 1000"]),
        ({"path": "a.npy", "norm": "max"}, ["arrays.norm = 'max'", "keep, unit"]),
        ({"path": "a.npy", "centring": "modality"}, ["arrays.centring = 'modality'", "none, global"]),
        ({"path": 3}, ["arrays.path = 3", "str"]),
    ],
)
def test_bad_fields_of_arrays_are_refused(fields, words):
    with pytest.raises(ValueError) as error:
        find_source("arrays")(**fields).build(0)
    assert all(word in str(error.value) for word in words), str(error.value)


def write_mnist(path, **changes):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
    np.savez(path, **{"x_train": pixels[:20], "x_test": pixels[20:]} | changes)
    return pixels


def test_mnist_reads_the_widely_used_layout(tmp_path):
    pixels = write_mnist(tmp_path / "mnist.npz")
    source = find_source("mnist")(path=str(tmp_path / "mnist.npz"), train_rows=15).build(0)
    flat = pixels.reshape(30, 784).astype(np.float32) / 255
    assert (source.dim, source.rows.shape, source.rows_held_out) == (784, (15, 784), 10)
    assert as_set(source.rows) < as_set(flat[:20])
    assert as_set(source.held) == as_set(flat[20:])


@pytest.mark.parametrize(
    ("changes", "fields", "words"),
    [
        ({}, {"train_rows": 21}, ["mnist.train_rows = 21", "at most 20"]),
        ({"x_test": np.zeros((4, 784), np.uint8)}, {}, ["x_test", "[4, 784]", "[rows, 28, 28]"]),
        ({"x_train": np.zeros((4, 28, 28))}, {}, ["x_train", "float64", "uint8"]),
        ({"x_train": np.array([{}], object)}, {}, ["cannot be read", "Object arrays"]),
    ],
)
def test_bad_mnist_files_are_refused(tmp_path, changes, fields, words):
    path = tmp_path / "mnist.npz"
    write_mnist(path, **changes)
    with pytest.raises(ValueError) as error:
        find_source("mnist")(path=str(path), **({"train_rows": 2} | fields)).build(0)
    assert all(word in str(error.value) for word in [*words, str(path), "must"]), str(error.value)


def test_absent_truncated_and_foreign_mnist_files_are_refused(tmp_path):
    path = tmp_path / "mnist.npz"
    config = find_source("mnist")(path=str(path), train_rows=5)
    with pytest.raises(ValueError, match="no such file"):
        config.build(0)
    write_mnist(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="mnist.npz cannot be read"):
        config.build(0)
    np.savez(path, images=ROWS)
    with pytest.raises(ValueError, match="holds images: must hold x_train and x_test"):
        config.build(0)
    with pytest.raises(ValueError, match=r"mnist.train_rows = 0: must be at least 1"):
        find_source("mnist")(path=str(path), train_rows=0).build(0)


def test_mnist_itself(shared_data):
    path = shared_data / "mnist_png" / "mnist_png.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    source = find_source("mnist")(path=str(path)).build(0)
    assert (source.rows.shape, source.dim, source.block, source.blocks) == ((50_000, 784), 784, 1000, 10)
    rows = np.asarray(source.rows)
    # the widely quoted pixel mean and deviation of the MNIST training set
    assert rows.mean() == pytest.approx(0.1307, abs=5e-4)
    assert rows.std() == pytest.approx(0.3081, abs=5e-4)
    assert rows.min() == 0 and rows.max() == 1
    # no block of held-out rows is one class only: its mean image is close to that of all
    held = np.asarray(source.held)
    means = held.reshape(10, 1000, 784).mean(1)
    assert np.abs(means - held.mean(0)).max() < 0.1


def test_reading_leaves_no_open_file(tmp_path):
    write_mnist(tmp_path / "mnist.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        find_source("mnist")(path=str(tmp_path / "mnist.npz"), train_rows=5).build(0)


def test_labels_of_arrays_stay_with_their_rows(tmp_path):
    """The class of a row says which it is, through the dropped row and the permutation."""
    path, table, graph = tmp_path / "rows.npy", tmp_path / "labels.csv", tmp_path / "graph.txt"
    rows = ROWS.copy()
    rows[7] = 0
    np.save(path, rows)
    table.write_text("class,half\n" + "".join(f"c{i:02},{'low' if i < 30 else ''}\n" for i in range(60)))
    graph.write_text(
        "root even\nroot odd\n" + "".join(f"{('even', 'odd')[i % 2]} c{i:02}\n" for i in range(60))
    )
    given = {"labels": str(table), "class_graph": str(graph), "class_levels": "1"}
    source = arrays(path, zero_rows="drop", centring="global", **given)
    bare = arrays(path, zero_rows="drop")
    numbers = [np.flatnonzero((rows == row).all(1)).item() for row in np.asarray(bare.held)]
    assert [source.labels.names("class")[c] for c in source.labels.of["class"]] == [
        f"c{i:02}" for i in numbers
    ]
    np.testing.assert_array_equal(source.labels.of["half"], [0 if i < 30 else -1 for i in numbers])
    np.testing.assert_array_equal(source.labels.of["class_1"], [i % 2 for i in numbers])
    assert source.labels.between["class"].shape == (10, 10)  # of those that are scored
    assert bare.labels is None
    told = [arrays(path, zero_rows="drop", **fields) for fields in ({}, {"labels": str(table)})]
    assert len({one.fingerprint() for one in told}) == 2 and told[0].fingerprint() == bare.fingerprint()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"labels": "labels.csv"}, ["labels.csv", "59 lines"]),
        ({"class_graph": "graph.txt"}, ["rows.npy has no factor 'class'"]),
        ({"labels": "labels.csv", "class_levels": "2"}, ["give arrays.class_graph too"]),
        (
            {"labels": "labels.csv", "class_graph": "g.txt", "class_levels": "x"},
            ["class_levels = 'x'", "rising"],
        ),
        ({"labels": "whole.csv", "class_graph": "g.txt"}, ["whole.csv has no factor 'class'"]),
        ({"class_path": "up"}, ["arrays.class_path = 'up'", "graph, tree"]),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, monkeypatch, fields, words):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", ROWS)
    (tmp_path / "labels.csv").write_text("kind\n" + "a\n" * 59)
    (tmp_path / "whole.csv").write_text("kind\n" + "a\n" * 60)
    with pytest.raises(ValueError) as error:
        arrays("rows.npy", **fields)
    assert all(word in str(error.value) for word in words), error.value
