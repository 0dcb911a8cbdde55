"""The published numbers, the rules that scale them, and what is refused."""

import dataclasses

import numpy as np
import pytest

from synthetic.ssb_recipe import Recipe


def test_the_published_probabilities_and_means():
    recipe = Recipe()
    p = recipe.base_prob
    assert p.shape == (16384,) and p[0] == pytest.approx(0.4) and p[-1] == pytest.approx(5e-4)
    assert np.all(np.diff(p) < 0)
    # u_4 = 1/2 and u_N = 1/128
    assert p[3] == pytest.approx(5e-4 + 0.3995 * (0.5 - 1 / 128) / (1 - 1 / 128), rel=1e-12)
    assert recipe.size_mean[[0, -1]].tolist() == [5, 4]
    assert recipe.size_mean[:3] == pytest.approx([5, 5 - 1 / 16383, 5 - 2 / 16383])
    assert recipe.forest.size == 10880 and recipe.features - recipe.forest.size == 5504
    assert recipe.forest.compensated(p).max() < 1  # no gate is clamped


@pytest.mark.parametrize(
    ("s", "features", "dim", "roots", "top_prob"),
    [(2, 8192, 384, 64, 0.283), (4, 4096, 192, 32, 0.2), (8, 2048, 96, 16, 0.141), (16, 1024, 48, 8, 0.1)],
)
def test_a_smaller_world_keeps_interference(s, features, dim, roots, top_prob):
    small = Recipe().scaled(s)
    assert (small.features, small.dim, small.roots) == (features, dim, roots)
    assert small.top_prob == pytest.approx(top_prob, abs=5e-4)
    same = dataclasses.replace(small, features=16384, dim=768, roots=128, top_prob=0.4)
    assert same == Recipe()
    small.check()
    assert small.forest.compensated(small.base_prob).max() < 1


def test_the_other_rule_keeps_the_probability():
    small = Recipe().scaled(8, rule="fixed_probability")
    assert small == dataclasses.replace(Recipe().scaled(8), top_prob=0.4)
    assert Recipe().scaled(1) == Recipe()


@pytest.mark.parametrize(
    ("s", "rule", "words"),
    [
        (3, "fixed_interference", ["s = 3", "features = 16384, dim = 768, roots = 128"]),
        (0, "fixed_interference", ["s = 0"]),
        (2, "fixed", ["rule = 'fixed'", "fixed_interference, fixed_probability"]),
    ],
)
def test_a_scale_that_does_not_fit_is_refused(s, rule, words):
    with pytest.raises(ValueError) as error:
        Recipe().scaled(s, rule=rule)
    assert all(word in str(error.value) for word in [*words, "must"]), str(error.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"features": 1}, ["features = 1", "at least 2"]),
        ({"dim": 1}, ["dim = 1", "at least 2"]),
        ({"roots": -1}, ["roots = -1", "at least 0"]),
        ({"branching": 0}, ["branching = 0", "at least 1"]),
        ({"depth": -1}, ["depth = -1", "at least 0"]),
        ({"rank": 0}, ["rank = 0", "at least 1"]),
        ({"apart_steps": -1}, ["apart_steps = -1", "at least 0"]),
        ({"low_prob": 0.0}, ["low_prob = 0", "above 0"]),
        ({"low_prob": 0.5}, ["top_prob = 0.4", "low_prob"]),
        ({"top_prob": 1.0}, ["top_prob = 1", "below 1"]),
        ({"exponent": 0.0}, ["exponent = 0", "above 0"]),
        ({"last_mean": 0.0}, ["last_mean = 0", "above 0"]),
        ({"loading": -0.1}, ["loading = -0.1", "at least 0"]),
        ({"spread": float("nan")}, ["spread = nan", "finite"]),
        ({"offset": float("inf")}, ["offset = inf", "finite"]),
        ({"roots": 200}, ["roots = 200", "fit 16384 features"]),
        ({"depth": 10**9}, ["depth = 1000000000", "fit"]),
    ],
)
def test_bad_numbers_are_refused(fields, words):
    with pytest.raises(ValueError) as error:
        Recipe(**fields).check()
    assert all(word in str(error.value) for word in [*words, "must"]), str(error.value)
    assert "\n" not in str(error.value)
