"""Zero-shot: classes named by texts are right, at chance, or undefined where that is known."""

import numpy as np
import pytest
from scoring import Identity

from mpsae.labels import Labels
from mpsae.metrics.labelled import Factor
from mpsae.metrics.zero_shot import named_by_texts
from mpsae.pairs import paired_arrays
from mpsae.score import score

RNG = np.random.default_rng(6)
N = 400
KIND = RNG.integers(0, 4, N)
HALVES = np.stack([np.arange(N) % 2 == 0, np.arange(N) % 2 == 1])
NAMES = ("zero_shot_x", "zero_shot_xhat", "intervene_zero_shot")


def one_hot(label, count=4):
    return (label[:, None] == np.arange(count)).astype(float)


def named(image, text, label=KIND):
    return named_by_texts(image, text, Factor("kind", label, label), HALVES, {})


def test_planted_classes_are_named_and_shuffled_texts_name_by_chance():
    exact = one_hot(KIND) + 0.1 * RNG.random((N, 4))
    value = named(exact, 7 * exact)
    assert value.value == 1 and value.count == N // 2 and value.at == {"factor": "kind"}
    shuffled = RNG.permutation(KIND)
    assert named(exact, one_hot(shuffled)).value < 0.5


def test_classes_swapped_between_modalities_are_all_named_wrong():
    assert named(one_hot(KIND), one_hot((KIND + 1) % 4)).value == 0


def test_a_tie_or_a_zero_row_names_nothing():
    exact = one_hot(KIND)
    assert named(exact, np.ones((N, 4))).value == 0
    dark = np.where(np.arange(N)[:, None] % 4 == 1, 0, exact)  # half of the images that are asked for
    assert named(dark, exact).value == pytest.approx(0.5)


def test_unknown_labels_count_nowhere_and_one_class_is_no_question():
    known = np.where(np.arange(N) % 3 == 0, -1, KIND)
    exact = one_hot(KIND)
    garbage = np.where(known[:, None] < 0, RNG.normal(size=(N, 4)), exact)
    assert named(garbage, garbage, known).value == 1
    assert named(garbage, garbage, known).count == int((HALVES[1] & (known >= 0)).sum())
    assert named(exact, exact, np.zeros(N, int)).value is None


def test_latents_of_one_modality_name_no_image():
    """Latents 0-3 on both, 4 on images, 5 on texts: what is shared names, what is not names nothing."""
    always = np.ones((N, 1))
    image = np.hstack([one_hot(KIND), 3 * always, 0 * always])
    text = np.hstack([one_hot(KIND), 0 * always, 3 * always])
    pairs = np.repeat(np.arange(N)[:, None], 2, axis=1)
    labels = Labels(
        {"kind": KIND, "family": KIND // 2},
        classes=(("kind", tuple("abcd")), ("family", ("ab", "cd"))),
        parent=(("kind", "family"),),
    )
    source = paired_arrays(image, text, pairs, pairs, labels=labels)
    scores = score(Identity(), {"atoms": np.eye(6, dtype=np.float32)}, source, metrics=NAMES)
    for metric in NAMES[:2]:
        assert scores.value(metric, {"factor": "kind"}) == 1
        assert {value.at["factor"] for name, value in scores.rows if name == metric} == {"kind"}  # the finest
    wanted = {"all": 1, "bimodal": 1, "not_unimodal": 1, "unimodal": 0, "image": 0, "text": 0}
    for keep, value in wanted.items():
        assert scores.value("intervene_zero_shot", {"keep": keep, "factor": "kind"}) == value
    assert scores.value("intervene_zero_shot", {"baseline": "gap_shifted", "factor": "kind"}) == 1
