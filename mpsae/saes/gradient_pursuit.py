"""Gradient pursuit SAE: after each atom, all coefficients take one exact step down the error."""

import jax.numpy as jnp

from mpsae.gradient import gradient_pursuit
from mpsae.pursuit import Path
from mpsae.stepwise import Stepwise


class GradientPursuit(Stepwise, name="gradient_pursuit"):
    """k steps: i = argmax ⟨d_i, r⟩ / ‖d_i‖ over atoms not taken, then z ← max(z + a g, 0) on all taken.

    g are the products of the atoms taken with the residual r, a the step along g that leaves the least
    error before the cut at 0 (`mpsae.gradient`). The support at k is part of the support at any larger k
    but for coefficients that were cut, the coefficients change. `steps` gives the final coefficients.

    Codes are constants in the derivative, as for `omp`, so atoms and bias learn through decode only. Here
    that is not the whole gradient of the error, because the coefficients are not the best of their support.
    """

    def path(self, params, x, *, table=None) -> Path:
        """The pursuit of x: indices, values, residual; table: the Gram matrix of the unit atoms, if known."""
        atoms = params["atoms"]
        x = x.astype(jnp.result_type(x, atoms))  # a narrow row would tie products that differ
        return gradient_pursuit(x - params.get("bias", 0.0), atoms, self.k, tol=self.tol, table=table)
