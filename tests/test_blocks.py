"""Blocks: equal, no more than asked, and nothing lost or moved."""

import numpy as np
import pytest

from mpsae import blocks


@pytest.mark.parametrize("batch, most", [(0, 4), (1, 4), (4, 4), (5, 4), (8, 4), (1000, 64)])
def test_join_undoes_cut(batch, most):
    tree = {"x": np.arange(3.0 * batch).reshape(batch, 3), "n": np.arange(batch)}
    parts = blocks.cut(tree, most)
    count, rows = parts["n"].shape
    assert rows <= most and count == max(1, -(-batch // most))
    assert parts["n"].sum() == tree["n"].sum()  # what fills up is 0
    for name, part in blocks.join(parts, batch).items():
        np.testing.assert_array_equal(part, tree[name])
