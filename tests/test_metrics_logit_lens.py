"""The label lens: planted atoms are named, swapped ones are not, silent ones do not count."""

import numpy as np
import pytest
from scoring import pooled

from mpsae.labels import Labels
from mpsae.metrics.labelled import Factor
from mpsae.metrics.logit_lens import logit_lens, logit_lens_chance

RNG = np.random.default_rng(9)
N = 400
KIND = RNG.integers(0, 4, N)
HALVES = np.stack([np.arange(N) % 2 == 0, np.arange(N) % 2 == 1])
ROWS = (KIND[:, None] == np.arange(4)).astype(float)
LABELS = Labels({"kind": KIND})


def lens(atoms, codes=ROWS, label=KIND, metric=logit_lens):
    factor = Factor("kind", label, RNG.permutation(label))
    pool = pooled(ROWS, 3 * ROWS, codes=(codes, codes))
    (found,) = metric(pool, np.asarray(atoms, float), [factor], LABELS, HALVES)
    return found


def test_planted_atoms_are_named_and_swapped_ones_are_not():
    found = lens(5 * np.eye(4))
    assert found.value == 1 and found.count == 4 and found.at == {"factor": "kind"}
    assert lens(np.roll(np.eye(4), 1, axis=0)).value == 0
    assert lens(np.eye(4)[[0, 1, 3, 2]]).value == pytest.approx(0.5)


def test_a_latent_that_fires_on_no_image_of_the_second_half_does_not_count():
    codes = np.hstack([ROWS, np.zeros((N, 1)), HALVES[0][:, None]])
    atoms = np.vstack([np.eye(4), np.ones((2, 4))])
    assert lens(atoms, codes).count == 4
    assert lens(atoms[4:], codes[:, 4:]).note == "no latent fires on images of a known class"


def test_shuffled_images_are_named_by_chance():
    atoms = np.eye(4)[RNG.integers(0, 4, 400)]
    codes = RNG.random((N, 400))
    assert lens(atoms, codes, metric=logit_lens_chance).value == pytest.approx(0.25, abs=0.1)


def test_unknown_labels_count_nowhere_and_one_class_is_no_question():
    known = np.where(np.arange(N) % 3 == 0, -1, KIND)
    assert lens(np.eye(4), label=known).value == 1
    assert lens(np.eye(4), label=np.zeros(N, int)).value is None


def test_codes_that_are_not_finite_are_null():
    codes = ROWS.copy()
    codes[1] = np.inf
    assert lens(np.eye(4), codes).note == "not finite"
