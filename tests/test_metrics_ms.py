"""Likeness of the rows of a latent, against double sums over pairs."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from mpsae.labels import Labels
from mpsae.metrics.base import METRICS, Parts, Pool, Side, known_metrics
from mpsae.metrics.labelled import factors
from mpsae.metrics.ms import label_rows, scores
from mpsae.overlap import normalised

known_metrics()
RNG = np.random.default_rng(0)


def brute(a, x):
    """MS of one latent by its definition, NaN where it has none."""
    if np.ptp(a) == 0:
        return np.nan
    a, unit = (a - a.min()) / np.ptp(a), normalised(x)
    above, below = 0.0, 0.0
    for i in range(len(a)):
        for j in range(i + 1, len(a)):
            above, below = above + a[i] * a[j] * (unit[i] @ unit[j]), below + a[i] * a[j]
    return above / below if below > 0 else np.nan


def codes_of(n=15, p=6):
    z = np.where(RNG.random((n, p)) < 0.5, RNG.normal(size=(n, p)), 0.0)
    z[:, 0], z[:, 1], z[:, 2] = 0.0, np.arange(n) == 4, np.abs(z[:, 2]) + 1
    return z


def side(z, x):
    return Side(x, x, csr_array(z))


def test_one_pair_has_its_cosine():
    x = RNG.normal(size=(5, 3))
    z = np.array([0.0, 2, 0, 2, 0])[:, None]
    unit = normalised(x)
    assert scores(csr_array(z), unit) == pytest.approx([unit[1] @ unit[3]])


def test_signed_codes_dense_latents_and_a_zero_row_against_the_double_sum():
    z, x = codes_of(), RNG.normal(size=(15, 4)) + 0.5
    x[3] = 0
    expected = [brute(z[:, latent], x) for latent in range(6)]
    assert np.isnan(expected[:2]).all()  # constant, and active on one row
    np.testing.assert_allclose(scores(csr_array(z), normalised(x)), expected, atol=1e-12)


def test_means_count_the_latents_they_go_over():
    z, x = codes_of(), RNG.normal(size=(15, 4))
    pool = Pool(side(z, x), side(0 * z, x), np.zeros(4))
    image, text = METRICS["ms"].function(pool)
    assert image.count == 4
    assert image.value == pytest.approx(np.nanmean([brute(z[:, latent], x) for latent in range(6)]))
    assert text.value is None and text.count == 0 and text.note


def test_codes_that_say_nothing_reach_the_floor():
    x = RNG.normal(size=(15, 4)) + 0.5
    floor = METRICS["ms_floor"].function(Pool(side(codes_of(), x), side(codes_of(), x), np.zeros(4)))[0]
    unit = normalised(x)
    assert floor.value == pytest.approx(np.mean((unit @ unit.T)[~np.eye(15, dtype=bool)]))


def test_mms_against_the_double_sum():
    z, x, w, y = codes_of(), RNG.normal(size=(15, 4)), codes_of(), RNG.normal(size=(15, 4))
    value = METRICS["mms"].function(Pool(side(z, x), side(w, y), np.zeros(4)))
    cos, expected = normalised(x) @ normalised(y).T, []
    for latent in range(1, 6):
        a, b = ((c[:, latent] - c[:, latent].min()) / np.ptp(c[:, latent]) for c in (z, w))
        expected.append(a @ cos @ b / (a.sum() * b.sum()))
    assert value.count == 5 and value.value == pytest.approx(np.mean(expected))
    swapped = METRICS["mms"].function(Pool(side(w, y), side(z, x), np.zeros(4)))
    assert swapped.value == pytest.approx(value.value)


def test_labels_as_the_other_encoder():
    kind, size = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, -1, -1])
    x = RNG.normal(size=(5, 3))
    z = np.array([[1.0, 1, 0, 0, 0], [0, 0, 1.0, 1, 0], [1.0, 0, 1, 0, 0]]).T
    rows = side(z, x)
    pool, parts = Pool(rows, rows, np.zeros(3)), Parts({"image": rows, "text": rows}, np.zeros(3))
    rows = label_rows(factors(parts, Labels({"kind": kind, "size": size})))
    image, _ = METRICS["ms_labels"].function(pool, rows)
    # One of two factors agrees; the kind alone is known of one; the size agrees.
    assert image.value == pytest.approx(np.mean([1 / 2, 1 / np.sqrt(2), 1 / 2])) and image.count == 3
