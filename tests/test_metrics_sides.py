"""Each modality is explained about its own mean."""

import numpy as np
import pytest
from scoring import Affine, PairedRows

from mpsae.score import score

RNG = np.random.default_rng(2)
IMAGE, TEXT = RNG.normal(size=(80, 4)) + 5, 2 * RNG.normal(size=(80, 4)) - 5


def scores(scale, shift, image=IMAGE):
    params = {"atoms": np.eye(4), "scale": np.full(4, scale), "shift": np.full(4, shift)}
    return score(Affine(), params, PairedRows(image, TEXT), metrics=("ev_image", "ev_text"))


def test_against_float64():
    found = scores(0.9, 0.3)
    for name, x in (("ev_image", IMAGE), ("ev_text", TEXT)):
        expected = 1 - np.square(x - 0.9 * x - 0.3).sum() / np.square(x - x.mean(0)).sum()
        assert found.value(name) == pytest.approx(expected, rel=1e-5)
    assert scores(1.0, 0.0).value("ev_image") == 1


def test_knowing_the_modality_alone_explains_nothing():
    """The mean of each modality as x̂: ev of all rows is high, of each side it is 0."""

    def of_side(x):
        means = np.where(np.arange(len(x))[:, None] % 2, TEXT.mean(0), IMAGE.mean(0))
        return np.asarray(means, np.float32)

    class Means(Affine):
        def decode(self, params, code):
            return params["means"]

    params = {"atoms": np.eye(4), "means": of_side(np.empty((160, 4)))}
    found = score(Means(), params, PairedRows(IMAGE, TEXT), metrics=("ev", "ev_image", "ev_text"))
    assert found.value("ev") > 0.8
    assert [found.value(name) for name in ("ev_image", "ev_text")] == pytest.approx([0, 0], abs=1e-5)


def test_constant_rows_are_null():
    value = dict(scores(1.0, 0.0, image=np.ones((80, 4))).rows)["ev_image"]
    assert value.value is None and "no spread" in value.note
