"""Statistics and metrics of somebody's own: how they are added, what they may read, what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest
from scoring import Mixed, Rows, family, mixed, orthonormal, sampled

from mpsae.metrics import base
from mpsae.metrics.base import STATISTICS, Matrix, Value, known_metrics, metric, shared, statistic
from mpsae.score import score

WORLD = family(orthonormal(5, 8))
X, Z = sampled(WORLD)
ATOMS = (np.asarray(WORLD.atoms) + 0.15 * np.random.default_rng(0).normal(size=(5, 8))).astype(np.float32)


def test_a_statistic_reads_shared_values_that_rest_on_no_statistic(registries):
    @shared
    def heaviest(atoms):
        return np.abs(atoms).sum(1).argmax()

    @shared
    def busiest(count_active):
        return count_active.argmax()

    @statistic(needs="heaviest")
    def sum_heaviest(b):
        return b.z[:, b.given["heaviest"]].sum()

    @statistic(needs="busiest")
    def sum_busiest(b):
        return b.z[:, b.given["busiest"]].sum()

    @metric
    def mean_heaviest(sum_heaviest, n):
        """Mean code of the atom with the largest sum; a number [code units]."""
        return sum_heaviest / n

    @metric
    def mean_busiest(sum_busiest, n):
        """Cannot be had in one pass; a number [code units]."""
        return sum_busiest / n

    params = mixed(WORLD, atoms=ATOMS)
    found = score(Mixed(), params, Rows(X, Z, WORLD), metrics=("mean_heaviest",))
    expected = Z[:, np.abs(ATOMS.astype(float)).sum(1).argmax()].mean()
    assert found.value("mean_heaviest") == pytest.approx(expected)
    with pytest.raises(ValueError, match="'busiest', which itself rests on count_active"):
        score(Mixed(), params, Rows(X, Z, WORLD), metrics=("mean_busiest",))


def test_a_plugin_is_a_statistic_and_a_metric(registries):
    @statistic(reduce="max")
    def largest_code(b):
        return jnp.abs(b.z).max(0)

    @shared
    def peak(largest_code):
        return largest_code.max()

    @metric
    def my_peak(peak, n):
        """Largest |code|; >= 0, code units."""
        return [Value(peak, count=n), Value(float("nan"), at={"t": 1}), Value(None, at={"t": 2})]

    @metric(name="my-codes")
    def my_codes(largest_code):
        """Largest |code| of each latent, an array."""
        return Matrix(largest_code)

    found = score(Mixed(), mixed(WORLD), Rows(X, Z, WORLD, 7), metrics=("my_peak", "my-codes"))
    assert found.value("my_peak") == pytest.approx(Z.max()) and found.n == len(X)
    assert (
        found.rows[1][1] == Value(None, None, {"t": 1}, "not finite") and found.rows[2][1].note == "undefined"
    )
    assert found.matrices["my-codes"].array == pytest.approx(Z.max(0))


def test_a_name_defined_twice_names_both_modules(registries):
    known_metrics()

    def ev(n):
        return n

    def sum_energy(b):
        return 0

    for register, function, old in (
        (metric, ev, "mpsae.metrics.reconstruction"),
        (statistic, sum_energy, "mpsae.metrics.sparsity"),
        (shared, sum_energy, "mpsae.metrics.sparsity"),
    ):
        with pytest.raises(ValueError, match=old) as error:
            register(function)
        assert __name__ in str(error.value)
    with pytest.raises(ValueError, match="atoms"):
        shared(lambda_named("atoms"))


def test_mistakes_are_named(registries):
    rows = Rows(X, Z, WORLD)
    with pytest.raises(ValueError, match="did you mean 'recovered'"):
        score(Mixed(), mixed(WORLD), rows, metrics=("recoverd",))

    @metric
    def lost(sum_enrgy):
        return sum_enrgy

    with pytest.raises(ValueError, match="did you mean 'sum_energy'"):
        score(Mixed(), mixed(WORLD), rows, metrics=("lost",))
    with pytest.raises(ValueError, match="reduce"):
        statistic(reduce="mean")
    with pytest.raises(ValueError, match="needs"):
        statistic(needs="luck")
    with pytest.raises(ValueError, match="no score 'ev'"):
        score(Mixed(), mixed(WORLD), rows, metrics=("l0",)).value("ev")


def test_every_metric_says_what_it_is():
    for name, formula in known_metrics().items():
        text = formula.function.__doc__ or ""
        assert len(text) > 30 and any(mark in text for mark in ("[", "=", "(", "count", "array")), name
        assert not set(formula.arguments) - set(STATISTICS) - set(base.SHARED) - set(base.CONSTANTS), name


def lambda_named(name):
    function = lambda n: n  # noqa: E731
    function.__name__ = name
    return function
