"""The GPU kernels as routes of a pursuit, interpreted: the same path as the residual route."""

import jax.numpy as jnp
import numpy as np
import pytest
from pursuit_oracle import unit_rows

from mpsae.pursuit import pursue
from mpsae.routes.rule import Encoder, Rule

ATOMS = np.float32(unit_rows(0, 40, 9))
ROWS = np.float32(np.random.default_rng(1).normal(size=(21, 9)))


@pytest.mark.parametrize("route", ["fused", "resident"])
@pytest.mark.parametrize(
    "rule, tol", [(Rule(4), 0.0), (Rule(4, on_repeat="stop"), 0.9), (Rule(4, tol_kind="relative"), 0.5)]
)
def test_same_path_as_the_residual_route(route, rule, tol):
    one, two = (pursue(rule, ROWS, ATOMS, None, tol, route=name) for name in ("residual", route))
    taken = np.asarray(one.values) != 0  # a step of value 0 names an atom of no meaning
    np.testing.assert_array_equal(one.indices[taken], two.indices[taken])
    np.testing.assert_allclose(one.values, two.values, atol=1e-5)
    np.testing.assert_allclose(one.residual, two.residual, atol=1e-5)
    assert (np.asarray(one.values) != 0).any()


@pytest.mark.parametrize("route, select", [("fused", "abs"), ("fused", "max"), ("resident", "relu_max")])
def test_with_rows_of_their_own_and_an_offset(route, select):
    encoder = Encoder(jnp.asarray(ATOMS + 0.1), 0.1 * jnp.arange(40.0) / 40)
    one, two = (pursue(Rule(3, select), ROWS, ATOMS, encoder, route=name) for name in ("residual", route))
    taken = np.asarray(one.values) != 0  # a step of value 0 names an atom of no meaning
    np.testing.assert_array_equal(one.indices[taken], two.indices[taken])
    np.testing.assert_allclose(one.values, two.values, atol=1e-5)


@pytest.mark.parametrize("route", ["fused", "resident"])
@pytest.mark.parametrize("rule", [Rule(2, on_repeat="ban"), Rule(2, slices=2)])
def test_what_a_kernel_cannot_do_is_refused(route, rule):
    with pytest.raises(ValueError, match="cannot follow"):
        pursue(rule, ROWS, ATOMS, route=route)
