"""The contract: what a sparse autoencoder is, and the registry of those known."""

import dataclasses
import typing
from typing import ClassVar

import flax.struct as struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from mpsae.code import Code
from mpsae.fields import check, leaf, static
from mpsae.norms import NORMS
from mpsae.registry import load_all, pick, presets_of, refuse_twice

REGISTRY: dict[str, type["SAE"]] = {}


class Context(struct.PyTreeNode):
    """Where training stands: this step, all steps, a key of this step, the variant's state."""

    step: Array | int
    steps: Array | int
    key: Array
    state: PyTree


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(static, leaf, struct.field))
class SAE(struct.PyTreeNode):
    """A sparse autoencoder: frozen hyperparameters and pure functions of (params, x).

    Subclass it and write `encode`; everything else has a default. `params` is a
    plain dict of float32 arrays, holds at least `atoms [width, dim]`, and all of
    it is trained by gradient. What is learned otherwise lives in `state`, which
    `encode` never sees. Training calls the class itself; evaluation only ever
    calls what `freeze` returned.
    """

    name: ClassVar[str] = "sae"
    couples_batch: ClassVar[bool] = False  # training codes of a row depend on other rows
    orders_atoms: ClassVar[bool] = False  # latents are not exchangeable
    idle: ClassVar[tuple[str, ...]] = ()  # params that may get no gradient on a small batch

    norm: str = static(default="tangent", choices=tuple(NORMS))

    @property
    def nested(self) -> bool:
        """Whether the code at k is the first k entries of the code at any larger k."""
        return False

    def __init_subclass__(cls, *, name: str | None = None, abstract: bool = False, **kwargs):
        super().__init_subclass__(**({"kw_only": True} | kwargs))
        _refuse_static_redeclared(cls)
        cls.name = name or cls.__name__.lower()
        if not abstract:
            refuse_twice(REGISTRY.get(cls.name), cls, cls.name, "variant id")
            REGISTRY[cls.name] = cls

    def init(self, key: Array, dim: int, width: int) -> dict[str, Array]:
        """Fresh params: `atoms [width, dim]` of Gaussian direction and unit norm, `bias [dim]` 0."""
        rows = jax.random.normal(key, (width, dim))
        rows = rows / jnp.linalg.norm(rows, axis=1, keepdims=True)
        return {"atoms": rows, "bias": jnp.zeros(dim)}

    def init_state(self, params: dict[str, Array]) -> PyTree:
        """What is learned without a gradient: thresholds, counters, controllers."""
        return {}

    def encode(self, params: dict[str, Array], x: Float[Array, "batch dim"]) -> Code:
        """The code of each row of x; at evaluation no row may depend on another."""
        raise TypeError(f"{type(self).__name__} does not define encode(params, x)")

    def decode(self, params: dict[str, Array], code: Code) -> Float[Array, "batch dim"]:
        """x̂ = Σ_i z_i d_i + bias (params without a bias have none)."""
        return code.decode(params["atoms"]) + params.get("bias", 0.0)

    def penalty(self, params: dict[str, Array], x: Array, code: Code, ctx: Context) -> Array | float:
        """What the loss adds to the squared error, as a mean over rows."""
        return 0.0

    def loss(self, params: dict[str, Array], x: Array, ctx: Context) -> tuple[Array, Code]:
        """Mean over rows of ‖x - x̂‖² (summed over dims) + penalty, and the code it used."""
        code = self.encode(params, x)
        error = jnp.square(x - self.decode(params, code)).sum(-1).mean()
        return error + self.penalty(params, x, code, ctx), code

    def update(self, params: dict[str, Array], x: Array, code: Code, ctx: Context) -> PyTree:
        """The state after this step, from the step's batch and code."""
        return ctx.state

    def project(self, params: dict[str, Array]) -> dict[str, Array]:
        """Params put back on the atom-norm constraint named by `norm`."""
        return params | {"atoms": NORMS[self.norm].project(params["atoms"])}

    def project_grad(self, params: dict[str, Array], grads: dict[str, Array]) -> dict[str, Array]:
        """The gradient as the constraint lets it act, before the optimiser sees it."""
        return grads | {"atoms": NORMS[self.norm].project_grad(params["atoms"], grads["atoms"])}

    def improve(
        self, params: dict[str, Array], opt: PyTree, x: Array, ctx: Context, tx
    ) -> tuple[dict[str, Array], PyTree, PyTree, dict[str, Array]]:
        """One training step: (params, optimiser state, state, log of scalars)."""
        (loss, code), grads = jax.value_and_grad(self.loss, has_aux=True)(params, x, ctx)
        updates, opt = tx.update(self.project_grad(params, grads), opt, params)
        new = self.project(optax.apply_updates(params, updates))
        return new, opt, self.update(params, x, code, ctx), {"loss": loss, "l0": code.l0().mean()}

    def freeze(self, params: dict[str, Array], state: PyTree) -> tuple["SAE", dict[str, Array]]:
        """The inference form: a registered variant and its params, independent of `state`."""
        return self, params

    def at_k(self, k: int) -> "SAE | None":
        """The same params asked for k atoms a row; None where the codes exist only as they are."""
        return self.replace(k=k) if isinstance(getattr(self, "k", None), int) else None

    def validate(self, dim: int, width: int) -> None:
        """Refuse hyperparameters that cannot work, by ValueError; called once at the border."""
        if width < 1:
            raise ValueError(f"width = {width}: an SAE needs at least 1 atom")
        if dim < 1:
            raise ValueError(f"dim = {dim}: inputs need at least 1 dimension")
        for field in dataclasses.fields(self):
            check("sae", field, getattr(self, field.name))
        k = getattr(self, "k", 0)
        if k > width:
            raise ValueError(f"sae.k = {k}: at most the number of atoms, width = {width}")


def known() -> dict[str, type[SAE]]:
    """Every registered variant by id: the package's own and those of installed plug-ins."""
    import mpsae.saes as package

    load_all(package, "mpsae.saes")
    return dict(REGISTRY)


def presets() -> dict[str, SAE]:
    """Hyperparameters that reproduce published forms, by name: the `PRESETS` of variant modules."""
    return presets_of(known().values())


def find(name: str) -> type[SAE]:
    """The variant with this id. Raises ValueError with the nearest spelling."""
    return pick(known(), name, "variant")


def _refuse_static_redeclared(cls: type[SAE]) -> None:
    for base in cls.__mro__[1:]:
        for name, old in getattr(base, "__dataclass_fields__", {}).items():
            was_static = not old.metadata.get("pytree_node", True)
            now_static = not cls.__dataclass_fields__[name].metadata.get("pytree_node", True)
            if was_static and not now_static:
                default = cls.__dataclass_fields__[name].default
                raise ValueError(
                    f"{cls.__name__}.{name}: {base.__name__} declares it static, a bare override"
                    f" would make it a traced number; write {name} = static(default={default!r})"
                )
