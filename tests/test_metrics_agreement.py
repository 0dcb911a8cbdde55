"""Common latents and neighbours: identical pairs, nulls, and oracles that follow the definitions."""

import numpy as np
import pytest
from scoring import Identity, PairedRows

from mpsae.metrics.agreement import alignment, derangement, hsic, kernel
from mpsae.score import score

RNG = np.random.default_rng(6)
NAMES = ("jaccard_pairs", "top1_agree", "cknna")
ALL = tuple(name + end for name in NAMES for end in ("", "_null"))


def codes(count=60, width=30):
    return RNG.gamma(1.0, size=(count, width)) * (RNG.random((count, width)) < 0.2)


def scores(image, text, metrics=ALL):
    params = {"atoms": np.eye(np.shape(image)[1], dtype=np.float32)}
    return score(Identity(), params, PairedRows(image, text), metrics=metrics)


def test_identical_pairs_agree_and_their_nulls_do_not():
    z = codes()
    found = scores(z, z)
    assert found.value("jaccard_pairs") == found.value("top1_agree") == 1
    assert found.value("jaccard_pairs_null") < 0.2 and found.value("top1_agree_null") < 0.2
    for of in ("x", "xhat", "code"):
        assert found.value("cknna", {"of": of}) == pytest.approx(1)
        assert abs(found.value("cknna_null", {"of": of})) < 0.15


def test_shuffled_pairs_are_at_the_null():
    z = codes(400)
    found, shuffled = scores(z, z), scores(z, z[RNG.permutation(400)])
    for name in ("jaccard_pairs", "top1_agree"):
        assert shuffled.value(name) == pytest.approx(found.value(name + "_null"), abs=0.05)


def test_jaccard_and_top_latents_against_sets():
    image, text = codes(), codes()
    text[:30] = image[:30] * (RNG.random((30, 30)) < 0.7)
    image[0] = text[0] = 0
    text[1] = 0
    supports = [[set(np.flatnonzero(row)) for row in z] for z in (image, text)]
    pairs = [(one, other) for one, other in zip(*supports, strict=True) if one | other]
    found = dict(scores(image, text, ("jaccard_pairs", "top1_agree")).rows)
    expected = np.mean([len(one & other) / len(one | other) for one, other in pairs])
    assert found["jaccard_pairs"].value == pytest.approx(expected) and found["jaccard_pairs"].count == len(
        pairs
    )
    same = [
        one.any() and other.any() and one.argmax() == other.argmax()
        for one, other in zip(image, text, strict=True)
    ]
    assert found["top1_agree"].value == pytest.approx(np.sum(same) / len(pairs))


def test_the_top_latent_is_that_of_largest_size_and_ties_must_be_shared():
    image = np.array([[1.0, -3, 0], [2, 2, 0], [2, 2, 0]])
    text = np.array([[0.0, 5, 1], [2, 2, 1], [2, 0, 0]])
    assert scores(image, text, ("top1_agree",)).value("top1_agree") == pytest.approx(2 / 3)


def reference_cknna(one, other, k):
    """The definition, row by row: an edge counts where both kernels have it."""

    def near(kernel):
        return [
            set(sorted(set(range(len(kernel))) - {i}, key=lambda j: -kernel[i, j])[:k])
            for i in range(len(kernel))
        ]

    def masked(kernel, edges):
        return np.array(
            [[kernel[i, j] if j in edges[i] else 0.0 for j in range(len(kernel))] for i in range(len(kernel))]
        )

    def unbiased(a, b):
        n, ones = len(a), np.ones(len(a))
        middle = ones @ a @ ones * (ones @ b @ ones) / ((n - 1) * (n - 2)) - 2 * ones @ a @ b @ ones / (n - 2)
        return (np.trace(a @ b) + middle) / (n * (n - 3))

    edges = near(one), near(other)
    mutual = [a & b for a, b in zip(*edges, strict=True)]
    own = [masked(one, edges[0]), masked(other, edges[1])]
    top = unbiased(masked(one, mutual), masked(other, mutual))
    return top / np.sqrt(unbiased(own[0], own[0]) * unbiased(own[1], own[1]))


def test_cknna_against_its_definition():
    rows = RNG.normal(size=(40, 5))
    other = rows + RNG.normal(size=rows.shape)
    cos = [x @ x.T for x in (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, other))]
    expected = reference_cknna(*cos, 10)
    assert 0.05 < expected < 0.95
    assert alignment(*map(kernel, cos)).value == pytest.approx(expected)
    found = scores(rows, other, ("cknna",))
    assert found.value("cknna", {"of": "x"}) == pytest.approx(expected, abs=1e-5)


def test_hsic_is_unbiased():
    draws = []
    for _ in range(200):
        one, other = (x @ x.T for x in RNG.normal(size=(2, 12, 3)))
        for table in (one, other):
            np.fill_diagonal(table, 0)
        draws.append(hsic(one, other))
    assert abs(np.mean(draws)) < 4 * np.std(draws) / np.sqrt(len(draws))


@pytest.mark.parametrize("count", [2, 3, 50])
def test_a_derangement_moves_every_row(count):
    order = derangement(count)
    assert sorted(order) == list(range(count)) and not (order == np.arange(count)).any()


def test_one_pair_has_no_null():
    found = dict(scores(codes(1) + 1, codes(1) + 1).rows)
    assert found["jaccard_pairs"].value == 1
    for name in ("jaccard_pairs_null", "top1_agree_null", "cknna_null"):
        assert found[name].value is None and found[name].note


def test_silence_and_few_pairs_are_null():
    found = scores(np.zeros((20, 3)), np.zeros((20, 3)))
    for name, value in found.rows:
        assert value.value is None and value.note, name
    few = scores(codes(11), codes(11), ("cknna",))
    assert all("fewer than 12 pairs" in value.note for _, value in few.rows)
    assert [value.at["of"] for _, value in few.rows] == ["x", "xhat", "code"]
