"""Monosemanticity by labels and class trees, against closed forms."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scoring import Identity

from mpsae.labels import Labels
from mpsae.metrics.labelled import factors, leaf_trees
from mpsae.metrics.mono import entropies, linear, squared
from mpsae.pairs import paired_arrays
from mpsae.ranking import Ranked
from mpsae.score import score

# kind 0-3 are of family 0, 0, 1, 1, all families of domain 0; kind 4 is alone in family 2, domain 1.
KIND = np.repeat(np.arange(5), 12)
FAMILY, DOMAIN = np.array([0, 0, 1, 1, 2])[KIND], np.array([0, 0, 0, 0, 1])[KIND]
TREE = (("kind", "family"), ("family", "domain"))


def labels(parent=TREE, **of):
    of = {"kind": KIND, "family": FAMILY, "domain": DOMAIN} | of
    return Labels(of, classes=(("kind", tuple("abcde")),), parent=parent)


def found(image, text=None, known=None, metrics=("mono", "mono1")):
    text = image if text is None else text
    pairs = np.repeat(np.arange(len(image))[:, None], 2, axis=1)
    source = paired_arrays(image, text, pairs, pairs, labels=labels() if known is None else known)
    return score(Identity(), {"atoms": np.eye(image.shape[1], dtype=np.float32)}, source, metrics=metrics)


def tree(known):
    class Parts:
        items = len(KIND)

    return {one.name: one for one in leaf_trees(factors(Parts, known), known)}


def test_two_classes_by_the_closed_form():
    f, between = np.array([[2.0, 1.0]]), np.array([[0.0, 3.0], [3.0, 0.0]])
    assert squared(f, between) == pytest.approx([2.4]) and linear(f, between) == pytest.approx([4 / 3])


def test_equal_classes_by_the_closed_form():
    between = np.array([[0, 2, 4], [2, 0, 6], [4, 6, 0.0]])
    off = between.sum() / 6
    assert squared(np.ones((1, 3)), between) == pytest.approx([2 * off])
    assert linear(np.ones((1, 3)), between) == pytest.approx([2 / 3 * off])


def test_distances_are_shortest_paths_over_a_root():
    trees = tree(labels(size=KIND % 3))
    assert set(trees) == {"kind", "size"}
    expected = [[0, 2, 4, 4, 6], [2, 0, 4, 4, 6], [4, 4, 0, 2, 6], [4, 4, 2, 0, 6], [6, 6, 6, 6, 0]]
    np.testing.assert_array_equal(trees["kind"].between, expected)
    np.testing.assert_array_equal(trees["size"].between, 2 * (1 - np.eye(3)))


def test_a_graph_of_the_classes_goes_before_the_coarser_factors():
    between = np.array(
        [[0, 1, 7, 7, 7], [1, 0, 3, 7, 7], [7, 3, 0, 2, 7], [7, 7, 2, 0, 7], [7, 7, 7, 7, 0.0]]
    )
    known = labels().replace(between={"kind": between, "family": 5 * (1 - np.eye(3))})
    assert set(tree(known)) == {"kind", "family"}
    codes = (2.0 * (KIND == 1) + (KIND == 2))[:, None]
    scores = found(codes, known=known)
    at = {"factor": "kind", "side": "image"}
    assert scores.value("mono", at) == pytest.approx(2 * 2 * 3 / 5)
    assert scores.value("mono1", at) == pytest.approx(2 * 2 * 3 / 9)
    at = {"factor": "family", "side": "text"}  # kinds 0, 1 are family 0; kind 2 is half of family 1
    assert scores.value("mono", at) == pytest.approx(2 * 1 * 0.5 * 5 / (1 + 0.25))


def test_a_class_of_two_coarser_classes_is_refused():
    family = FAMILY.copy()
    family[0] = 1
    with pytest.raises(ValueError, match="class 'a' of 'kind' is found with several classes of 'family'"):
        tree(labels(family=family))


def test_latents_of_one_class_and_of_two():
    codes = np.stack([KIND == 1, 2.0 * (KIND == 0) + (KIND == 2), 0 * KIND], axis=1).astype(float)
    scores = found(codes, text=-3 * codes)
    for side in ("image", "text"):  # activation is |code|, and scale is nothing
        at = {"factor": "kind", "side": side}
        assert scores.value("mono", at) == pytest.approx(np.mean([0, 2 * 2 * 1 * 4 / 5]))
        assert scores.value("mono1", at) == pytest.approx(np.mean([0, 2 * 2 * 1 * 4 / 9]))
    assert all(value.count == 2 for _, value in scores.rows)  # the dead one is left out


def test_a_class_weighs_by_its_mean_not_by_its_size():
    few = np.concatenate([np.arange(60)[KIND != 0], [0, 1]])
    known = Labels({"kind": KIND[few], "family": FAMILY[few], "domain": DOMAIN[few]}, parent=TREE)
    codes = (KIND[few] < 2)[:, None].astype(float)
    scores = found(codes, known=known)
    assert scores.value("mono", {"factor": "kind", "side": "image"}) == pytest.approx(2 * 2 / 2)


def test_shuffled_labels_and_neurons():
    rng = np.random.default_rng(0)
    codes = np.maximum(rng.normal(size=(60, 30)), 0)
    names = ("mono1", "mono1_null", "mono_neurons", "mono", "label_entropy_null", "mono_null", "mono1_gain")
    scores = found(codes, metrics=names)
    at = {"factor": "kind", "side": "image"}
    assert scores.value("mono1", at) == pytest.approx(scores.value("mono1_null", at), abs=0.15)
    assert scores.value("mono_neurons", at) == pytest.approx(scores.value("mono", at))  # x = z >= 0 here
    assert scores.value("mono1_gain", at) == pytest.approx(0)
    pure = found(np.eye(5)[KIND], metrics=names)
    assert pure.value("mono1", at) == 0 and pure.value("mono1_null", at) > 2
    assert pure.value("label_entropy_null", at) > 1


def test_pairs_of_unknown_class_are_ignored():
    unknown = np.where(np.arange(60) % 4 == 0, -1, DOMAIN)
    codes = (KIND == 0)[:, None] + np.zeros((60, 1))
    garbage = np.where(unknown[:, None] < 0, 9.0, codes)
    values = [found(z, known=labels(domain=unknown)).rows for z in (codes, garbage)]
    assert values[0] == values[1] and values[0][0][1].value == 0


def test_the_entropy_of_the_top_rows():
    label = np.array([0] * 10 + [1] * 10 + [2] * 5)
    codes = np.zeros((25, 4))
    codes[:10, 0], codes[10:20, 0], codes[20:, 0] = 3.0, 1.0, 0.5  # past the top 20
    codes[:9, 1] = 1.0  # too few
    codes[:10, 2], codes[20:, 2] = 1.0, -1.0
    value = entropies(Ranked(csr_array(codes)), label)
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert expected == pytest.approx(0.5623, abs=1e-4)
    np.testing.assert_allclose(value, [expected, np.nan, 0, np.nan], atol=1e-12)
    many = entropies(Ranked(csr_array(np.ones((20, 1)))), np.arange(20))
    assert many == pytest.approx([np.log(20)])


def test_label_entropy_counts_the_latents_it_is_defined_for():
    codes = np.stack([KIND == 0, KIND < 2, np.arange(60) < 9], axis=1).astype(float)
    scores = found(codes, metrics=("label_entropy",))
    row = next(value for _, value in scores.rows if value.at == {"factor": "kind", "side": "image"})
    # Of equal codes the first 20 rows count: 12 of kind 0, 8 of kind 1.
    both = -(0.6 * np.log(0.6) + 0.4 * np.log(0.4))
    assert row.count == 2 and row.value == pytest.approx(both / 2)


def test_broken_codes_are_left_out():
    codes = np.stack([KIND == 1, KIND == 2], axis=1).astype(float)
    codes[0, 0] = np.nan
    names = ("mono", "mono1", "mono1_gain", "mono1_lift", "label_entropy", "ms", "ms_labels", "mms")
    scores = found(codes, metrics=names)
    assert {value.count for name, value in scores.rows if name in ("mono", "mono1")} == {1}
    broken = found(codes * np.nan, metrics=names)
    assert all(value.value is None and value.note for _, value in broken.rows)


def test_what_is_gained_over_neurons_and_over_chance_is_the_difference_of_both_scores():
    signed = np.random.default_rng(1).normal(size=(60, 6)) + np.eye(6)[KIND]
    names = ("mono1", "mono1_neurons", "mono1_gain", "mono1_null", "mono1_lift")
    scores = found(signed, text=-signed, metrics=names)
    for side in ("image", "text"):
        latents, neurons, gain, chance, lift = (
            scores.value(name, {"factor": "kind", "side": side}) for name in names
        )
        assert gain == pytest.approx(neurons - latents) and gain != 0
        assert lift == pytest.approx(chance - latents) and lift > 0
