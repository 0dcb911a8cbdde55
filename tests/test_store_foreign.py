"""Embeddings of somebody else's making are read alike from every format, or refused by file and row."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from mpsae.store import from_files, read, write
from mpsae.store.describe import describe

IMAGE = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
TEXT = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)


def put(path, array):
    {
        ".npy": lambda: np.save(path, array),
        ".npz": lambda: np.savez(path, x=array),
        ".safetensors": lambda: save_file({"x": array}, path),
        ".bin": lambda: path.write_bytes(array.astype("<f4").tobytes()),
    }[path.suffix]()
    return path


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


def test_every_format_gives_the_same_store(tmp_path):
    stores = [
        from_files(put(tmp_path / f"i{end}", IMAGE), put(tmp_path / f"t{end}", TEXT), dim=4)
        for end in (".npy", ".npz", ".safetensors", ".bin")
    ]
    np.savez(tmp_path / "both.npz", image=IMAGE, text=TEXT, more=np.arange(3))
    stores.append(from_files(both=put(tmp_path / "both.npy", np.stack([IMAGE, TEXT]))))
    stores.append(from_files(both=tmp_path / "both.npz"))
    stores.append(from_files(tmp_path / "both.npz", tmp_path / "both.npz"))  # named like the modality
    assert len({store.fingerprint for store in stores}) == 1
    for store in stores:
        np.testing.assert_array_equal(store.rows["image"], IMAGE)
        np.testing.assert_array_equal(store.rows["text"], TEXT)
        np.testing.assert_array_equal(store.pairs, np.stack([np.arange(6)] * 2, axis=1))
        assert store.captions is None and not store.labels
    assert stores[0].record["provenance"] == {"files": ["i.npy", "t.npy"]}
    write(tmp_path / "store", stores[0], shard_rows=4)
    np.testing.assert_array_equal(read(tmp_path / "store").rows["text"], TEXT)


def test_one_modality_has_no_pairs(tmp_path):
    store = from_files(text=put(tmp_path / "t.npy", TEXT.astype(np.float16)))
    assert store.counts == {"text": 6} and len(store.pairs) == 0
    np.testing.assert_array_equal(store.rows["text"], TEXT.astype(np.float16).astype(np.float32))
    write(tmp_path / "store", store)
    assert len(read(tmp_path / "store").pairs) == 0


def test_zero_rows_are_dropped_with_their_pairs_and_counted(tmp_path):
    image = put(tmp_path / "i.npy", changed(IMAGE, [1, 4], 0))
    text = put(tmp_path / "t.npy", changed(TEXT, [0], 0))
    store = from_files(image, text, zero_rows="drop")
    assert store.counts == {"image": 4, "text": 5}
    assert store.record["left_out"] == ["2 image rows that are 0", "1 text rows that are 0"]
    np.testing.assert_array_equal(store.ids["image"], [0, 2, 3, 5])
    paired = store.ids["image"][store.pairs[:, 0]], store.ids["text"][store.pairs[:, 1]]
    np.testing.assert_array_equal(paired, [[2, 3, 5]] * 2)
    with pytest.raises(ValueError, match=r"i.npy, image row 1: all columns are 0 \(2 such rows\)"):
        from_files(image, text)
    with pytest.raises(ValueError, match="i.npy: every row is 0"):
        from_files(put(tmp_path / "i.npy", 0 * IMAGE), zero_rows="drop")


def test_float64_only_when_rounding_is_allowed(tmp_path):
    path = put(tmp_path / "i.npy", IMAGE.astype(np.float64) / 3)
    with pytest.raises(ValueError, match="i.npy has dtype float64: must be .* or set cast='float32'"):
        from_files(path)
    rounded = (IMAGE.astype(np.float64) / 3).astype(np.float32)
    np.testing.assert_array_equal(from_files(path, cast="float32").rows["image"], rounded)


@pytest.mark.parametrize(
    ("image", "text", "message"),
    [
        (changed(IMAGE, (2, 3), np.nan), TEXT, "i.npy, row 2, column 3: nan must be a finite"),
        (IMAGE, changed(TEXT, (5, 0), -np.inf), "t.npy, row 5, column 0: -inf must be a finite"),
        (IMAGE, TEXT[:5], "i.npy and .*t.npy: 6 image rows and 5 text rows"),
        (IMAGE, TEXT[:, :3], "image rows have 4 values, text rows 3"),
        (IMAGE[:0], TEXT, r"i.npy has shape \[0, 4\]: must be \[rows, dim\]"),
        (IMAGE[0], TEXT, r"i.npy has shape \[4\]: must be \[rows, dim\]"),
    ],
)
def test_bad_rows_are_refused_by_file_and_row(tmp_path, image, text, message):
    with pytest.raises(ValueError, match=message):
        from_files(put(tmp_path / "i.npy", image), put(tmp_path / "t.npy", text))


def test_files_that_hold_something_else_are_refused(tmp_path):
    image = put(tmp_path / "i.npy", IMAGE)
    np.savez(tmp_path / "many.npz", a=IMAGE, b=TEXT)
    (tmp_path / "odd.bin").write_bytes(b"12345")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for call, message in [
        (lambda: from_files(), "give either files of image and text rows or one file of both"),
        (lambda: from_files(image, both=image), "give either"),
        (lambda: from_files(tmp_path / "none.npy"), "none.npy: no such file"),
        (lambda: from_files(tmp_path / "rows.csv"), "rows.csv: must end in .npy"),
        (lambda: from_files(tmp_path / "objects.npy"), "objects.npy cannot be read"),
        (lambda: from_files(tmp_path / "many.npz"), "many.npz: must hold one array or one named 'image'"),
        (lambda: from_files(both=tmp_path / "many.npz"), r"many.npz: must hold \[2, n, dim\]"),
        (lambda: from_files(both=image), r"i.npy: must hold \[2, n, dim\] or arrays named image and text"),
        (lambda: from_files(tmp_path / "odd.bin"), "odd.bin cannot be read.*needs dim"),
        (lambda: from_files(tmp_path / "odd.bin", dim=2), "odd.bin cannot be read.*5 bytes are not a whole"),
        (lambda: from_files(image, zero_rows="keep"), "zero_rows = 'keep': must be one of refuse, drop"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_real_pairs(shared_data):
    store = from_files(both=shared_data / "coco500_pairs_vitb16" / "features_clip.npy")
    assert store.counts == {"image": 500, "text": 500} and store.dim == 512
    image, text = (
        np.asarray(store.rows[modality])[column]
        for modality, column in zip(("image", "text"), store.pairs.T, strict=True)
    )
    assert (image * text).sum(1).mean() == pytest.approx(0.310, abs=5e-4)
    assert "norm 0.999" in describe(store)[0]


def test_real_rows_with_a_zero_row_and_duplicates(shared_data):
    path = shared_data / "met1500_image_vitb32" / "embeddings.bin"
    with pytest.raises(ValueError, match=r"embeddings.bin, image row 322: all columns are 0 \(1 such"):
        from_files(path, dim=512)
    store = from_files(path, dim=512, zero_rows="drop")
    assert store.counts == {"image": 1499}
    assert describe(store)[0].endswith("26 duplicates")  # 1474 unique rows, the zero row among them
