"""Gradient pursuit SAE: after each atom, all coefficients take one exact step down the error."""

import jax.numpy as jnp

from mpsae.gradient import gradient_pursuit
from mpsae.pursuit import Path
from mpsae.stepwise import Stepwise


class GradientPursuit(Stepwise, name="gradient_pursuit"):
    """k steps: i = argmax ⟨d_i, r⟩ / ‖d_i‖ over atoms not taken, then z ← max(z + a g, 0) on all taken.

    g are the products ⟨d_i, r⟩ of the atoms taken, a the step along g that leaves the least error before
    the cut at 0; for atoms of any length, both are those of the unit atoms (`mpsae.gradient`). The atoms
    taken at k are the first k of those at any larger k, the coefficients change. `steps` gives the final ones.

    Codes are constants in the derivative, as for `omp`, so atoms and bias learn through decode only. Here
    that is not the whole gradient of the error, because the coefficients are not the best of their support.
    """

    def path(self, params, x, *, table=None) -> Path:
        """The pursuit of x: indices, values, residual; table: the Gram matrix of the unit atoms, if known."""
        atoms = params["atoms"]
        x = x.astype(jnp.result_type(x, atoms))  # a narrow row would tie products that differ
        return gradient_pursuit(x - params.get("bias", 0.0), atoms, self.k, tol=self.tol, table=table)
