"""Whole numbers of a store: as narrow on disk as they can be, as wide as ever once read."""

import numpy as np
import pytest
import safetensors.numpy
from test_store import store

from mpsae.store import Labels, Rows, read, write


@pytest.mark.parametrize(
    ("kind", "last"), [(np.int8, 127), (np.int16, 128), (np.int16, 32767), (np.int32, 32768)]
)
def test_whole_numbers_are_no_wider_on_disk_than_they_need_and_int64_once_read(tmp_path, kind, last):
    rows = np.ones((last + 1, 1), np.float32)
    told = np.array([-1, last], np.int64)
    labels = Labels(
        classes={"number": tuple(map(str, range(last + 1)))},
        values={"image": {"number": np.resize(told, last + 1)}},
        chains=np.array([[0, last]]),
    )
    made = store(
        rows={"image": Rows([rows]), "text": Rows([rows])},
        ids={"image": np.arange(last + 1), "text": np.arange(last + 1)},
        pairs=np.array([[last, 0], [0, last]]),
        items={},
        labels=labels,
    )
    write(tmp_path / "s", made)
    for name in ("pairs", "labels"):
        tensors = safetensors.numpy.load_file(tmp_path / "s" / f"{name}.safetensors")
        assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(kind)}
    back = read(tmp_path / "s")
    values = back.labels.values["image"]["number"]
    for found, given in (
        (back.pairs, made.pairs),
        (values, np.resize(told, last + 1)),
        (back.labels.chains, labels.chains),
    ):
        np.testing.assert_array_equal(found, given)
        assert found.dtype == np.int64
