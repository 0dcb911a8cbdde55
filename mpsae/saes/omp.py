"""Orthogonal matching pursuit SAE: after each atom, all coefficients are fitted anew."""

import jax.numpy as jnp

from mpsae.orthogonal import SCORES, orthogonal_pursuit
from mpsae.pursuit import Path
from mpsae.refit import FITS
from mpsae.sae import static
from mpsae.stepwise import Stepwise


class OrthogonalPursuit(Stepwise, name="omp"):
    """k steps: i = argmax ⟨d_i, r⟩ / ‖d_i‖ over atoms not taken, z = fit of x - bias by all taken, r = the rest.

    The support at k is a prefix of the support at any larger k, the coefficients are not.

    fit: `least_squares` (signed) or `nonnegative`. select: the largest product (`max`) or the largest
    magnitude (`abs`, only with signed coefficients). `steps` gives the final coefficients.

    Codes are constants in the derivative, so atoms and bias learn through decode only. For the squared
    error that is the whole gradient: at the best coefficients of a support the error does not change
    with them to first order. Source: arXiv 2506.03093 for the family, Batch-OMP for the computation.
    """

    fit: str = static(default="least_squares", choices=tuple(FITS))
    select: str = static(default="max", choices=tuple(SCORES))

    def path(self, params, x, *, table=None) -> Path:
        """The pursuit of x: indices, values, residual; table: the Gram matrix of the unit atoms, if known."""
        atoms = params["atoms"]
        x = x.astype(jnp.result_type(x, atoms))  # a narrow row would tie products that differ
        centred = x - params.get("bias", 0.0)
        return orthogonal_pursuit(
            centred, atoms, self.k, select=self.select, fit=self.fit, tol=self.tol, table=table
        )

    def validate(self, dim, width):
        super().validate(dim, width)
        if self.fit == "nonnegative" and self.select == "abs":
            raise ValueError(
                "sae.select = 'abs': fit 'nonnegative' cannot use an atom whose product is negative; use 'max'"
            )
