"""Pairs of an image and a text that show some of the same concepts, with every cross moment known."""

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from synthetic.gamma import unit_gamma

SAMPLED = 2**13  # pairs behind the means of rows of length 1, which have no closed form
AT_ONCE = 2**10


class PairedWorld(struct.PyTreeNode):
    """Concepts shared by two modalities or private to one, and the law of pairs of rows.

    In modality m (0 image, 1 text) feature i has coefficient gain[m, i] · s where its concept
    is present in the pair and shown in that modality, else 0; s is gamma with mean 1 and
    standard deviation kappa. A row is y = z D + place[m] + noise_std[m] N(0, 1); then x = y,
    or both x and z are divided by ‖y‖ (`norm` = unit); last, centre[m] is taken off x. So
    x = z D + place[m] - centre[m] + noise without `norm`.

    A shared concept whose directions agree is one feature. One that looks different in the two
    modalities is two features of one concept, each other's `partner`: one is shown in images
    only, the other in texts only. Where `draw` of both modalities agrees they have the same s.

    Closed forms are float64 numpy; those of the codes are of codes before `norm`, which
    changes no support. Only `concepts`, `draws` and `norm` are static, so worlds of one shape stack.
    """

    atoms: Float[Array, "features dim"]
    concept: Int[Array, " features"]
    partner: Int[Array, " features"]  # the other feature of its concept, itself where there is none
    present: Float[Array, " features"]  # P(the concept is in the pair)
    shown: Float[Array, "2 features"]  # P(shown in modality m | present)
    gain: Float[Array, "2 features"]
    draw: Int[Array, "2 features"]  # which s, in range(draws)
    kappa: Float[Array, ""]
    place: Float[Array, "2 dim"]
    noise_std: Float[Array, "2"]
    centre: Float[Array, "2 dim"]
    row_means: Float[Array, "2 dim"]  # E x per modality: exact, or of a fixed large sample (`norm` = unit)
    parent: Int[Array, " features"]  # -1: there is no tree
    level: Int[Array, " features"]  # 0
    group: Int[Array, " features"]  # -1: no siblings
    prob: Float[Array, " features"]  # P(z_i > 0) in a row of either modality
    mean: Float[Array, " features"]  # E(z_i | z_i > 0) over both modalities
    offset: Float[Array, " dim"]  # E(x - z D) over both modalities, as exact as `row_means`
    true_l0: Float[Array, ""]  # E[number of z_i > 0] over both modalities, exact
    concepts: int = struct.field(pytree_node=False)
    draws: int = struct.field(pytree_node=False)
    norm: str = struct.field(pytree_node=False)

    def sample(self, key: Array, n: int) -> tuple[Float[Array, "n dim"], Float[Array, "n features"]]:
        """n rows x [n, dim] and their codes z [n, features]: row 2j an image, row 2j + 1 its text.

        Pure in (world, key). Raises ValueError for an odd n.
        """
        if n % 2:
            raise ValueError(f"n = {n}: must be even, rows come as an image and its text")
        present_key, shown_key, size_key, noise_key = jax.random.split(key, 4)
        features, dim = self.atoms.shape
        present = (
            jax.random.uniform(present_key, (self.concepts, n // 2))[self.concept] < self.present[:, None]
        )
        shown = jax.random.uniform(shown_key, (2, features, n // 2)) < self.shown[:, :, None]
        size = unit_gamma(size_key, self.kappa, (self.draws, n // 2))[self.draw]
        codes = jnp.where(present & shown, self.gain[:, :, None] * size, 0.0)
        codes = codes.transpose(2, 0, 1).reshape(n, features)
        clean = jnp.matmul(codes, self.atoms, precision=jax.lax.Precision.HIGHEST)
        rows = clean.reshape(-1, 2, dim) + self.place
        noisy = jax.lax.cond(jnp.any(self.noise_std > 0), _noisy, _clean, rows, self.noise_std, noise_key)
        x, codes = NORMS[self.norm](noisy.reshape(n, dim), codes)
        return (x.reshape(-1, 2, dim) - self.centre).reshape(n, dim), codes

    def shifted(self, by: Float[np.ndarray, "2 dim"]) -> "PairedWorld":
        """The same world with by[m] taken off every row of modality m as well."""
        centre = jnp.asarray(by, jnp.float32)
        return self.replace(
            centre=self.centre + centre,
            row_means=self.row_means - centre,
            offset=self.offset - centre.mean(0),
        )

    @property
    def expected(self) -> Float[np.ndarray, "2 features"]:
        """E z per modality: π · shown · gain."""
        return _exact(self.present) * _exact(self.shown) * _exact(self.gain)

    @property
    def modality_linear(self) -> Float[np.ndarray, " features"]:
        """α g^I / (α g^I + β g^T): the share of the mean code that is image, in [0, 1]."""
        image, text = self.expected
        return image / (image + text)

    @property
    def modality_squared(self) -> Float[np.ndarray, " features"]:
        """α (g^I)² / (α (g^I)² + β (g^T)²): the share of the energy that is image, in [0, 1]."""
        image, text = self.expected * _exact(self.gain)
        return image / (image + text)

    def cross_moment(self, *, centred: bool = False) -> Float[np.ndarray, "features features"]:
        """Γ_ij = E z_i^I z_j^T; `centred`: Cov(z_i^I, z_j^T), which is 0 between concepts.

        Between concepts π_i α_i g_i^I · π_j β_j g_j^T; within one π α_i β_j g_i^I g_j^T, times
        1 + κ² where both have the same draw of s.
        """
        image, text = self.expected
        apart = np.outer(image, text)
        concept, (image_draw, text_draw) = np.asarray(self.concept), np.asarray(self.draw)
        together = apart / _exact(self.present)[:, None]
        same_draw = image_draw[:, None] == text_draw
        together = together * (1.0 + _exact(self.kappa) ** 2 * same_draw)
        moment = np.where(concept[:, None] == concept, together, apart)
        return moment - apart if centred else moment

    def bridge(self, *, centred: bool = False) -> Float[np.ndarray, "features features"]:
        """B = Γ ⊙ (D Dᵀ); ΣB = E⟨z^I D, z^T D⟩, exactly, or the same of centred codes."""
        atoms = _exact(self.atoms)
        return self.cross_moment(centred=centred) * (atoms @ atoms.T)

    @property
    def gap(self) -> Float[np.ndarray, " dim"]:
        """E x^I - E x^T, what `centre` took off included."""
        return _exact(self.row_means[0]) - _exact(self.row_means[1])


def paired_world(
    key: Array, *, atoms, concept, present, shown, gain, draw, kappa, place, noise_std, norm="free"
) -> PairedWorld:
    """The world of features given one by one; the arguments are the fields of `PairedWorld`.

    `key` draws the fixed sample behind `row_means` and `offset` where `norm` is unit, else nothing.
    Raises ValueError for numbers that are no such law.
    """
    given = {"atoms": atoms, "present": present, "shown": shown, "gain": gain, "kappa": kappa}
    floats = {name: np.asarray(value, np.float64) for name, value in given.items()}
    floats |= {"place": np.asarray(place, np.float64), "noise_std": np.asarray(noise_std, np.float64)}
    concept, draw = np.asarray(concept, np.int32), np.asarray(draw, np.int32)
    _refuse_malformed(floats, concept, norm)
    on = floats["present"] * floats["shown"] * (floats["gain"] > 0)
    codes = on * floats["gain"]
    floats |= {
        "centre": np.zeros_like(floats["place"]),
        "row_means": codes @ floats["atoms"] + floats["place"],
    }
    floats |= {"prob": on.mean(0), "mean": codes.sum(0) / on.sum(0), "true_l0": on.mean(0).sum()}
    floats |= {"offset": floats["place"].mean(0)}
    whole = {"concept": concept, "draw": draw, "partner": _partners(concept)}
    whole |= {"parent": np.full(len(concept), -1), "level": 0 * concept, "group": np.full(len(concept), -1)}
    world = PairedWorld(
        concepts=int(concept.max()) + 1,
        draws=int(draw.max()) + 1,
        norm=norm,
        **{name: jnp.asarray(value, jnp.float32) for name, value in floats.items()},
        **{name: jnp.asarray(value, jnp.int32) for name, value in whole.items()},
    )
    return world if norm == "free" else _with_sampled_means(world, key)


def _with_sampled_means(world: PairedWorld, key: Array) -> PairedWorld:
    """`row_means` and `offset` for rows of length 1, from a fixed sample.

    The rows y before `norm` have a known mean and are nearly parallel to x = y/‖y‖: what is averaged is
    x - c y, c the regression of x on y, which varies far less than x does.
    """
    exact = np.stack([_exact(world.row_means), _exact(world.place)])  # of y and of y - z D
    free = world.replace(norm="free")
    sums, inner, square = np.zeros((2, *exact.shape)), 0.0, 0.0
    for part in range(SAMPLED // AT_ONCE):
        rows, codes = free.sample(jax.random.fold_in(key, part), 2 * AT_ONCE)
        rest = rows - jnp.matmul(codes, world.atoms, precision=jax.lax.Precision.HIGHEST)
        x, scaled = NORMS[world.norm](rows, rest)
        inner, square = inner + float((x * rows).sum()), square + float(jnp.square(rows).sum())
        for total, pair in zip(sums, ((x, scaled), (rows, rest)), strict=True):
            total += [_exact(part).reshape(AT_ONCE, *world.place.shape).sum(0) for part in pair]
    divided, plain = sums / SAMPLED
    means = jnp.asarray(divided + inner / square * (exact - plain), jnp.float32)
    return world.replace(row_means=means[0], offset=means[1].mean(0))


def _noisy(rows: Array, noise_std: Array, key: Array) -> Array:
    return rows + noise_std[:, None] * jax.random.normal(key, rows.shape)


def _clean(rows: Array, noise_std: Array, key: Array) -> Array:
    return rows


def _free(rows: Array, codes: Array) -> tuple[Array, Array]:
    return rows, codes


def _unit(rows: Array, codes: Array) -> tuple[Array, Array]:
    length = jnp.linalg.norm(rows, axis=1, keepdims=True)
    length = jnp.where(length > 0, length, 1.0)
    return rows / length, codes / length


NORMS = {"free": _free, "unit": _unit}


def _exact(values: Array) -> np.ndarray:
    return np.asarray(values, np.float64)


def _partners(concept: np.ndarray) -> np.ndarray:
    partner = np.arange(len(concept))
    for one in np.unique(concept):
        nodes = np.flatnonzero(concept == one)
        partner[nodes] = nodes[::-1]
    return partner


def _refuse_malformed(floats: dict[str, np.ndarray], concept: np.ndarray, norm: str) -> None:
    features, dim = floats["atoms"].shape
    shapes = {"present": (features,), "shown": (2, features), "gain": (2, features)}
    shapes |= {"kappa": (), "place": (2, dim), "noise_std": (2,)}
    for name, shape in shapes.items():
        if floats[name].shape != shape:
            raise ValueError(f"{name} has shape {list(floats[name].shape)}: must have {list(shape)}")
    if norm not in NORMS:
        raise ValueError(f"norm = {norm!r}: must be one of {', '.join(NORMS)}")
    kappa = floats["kappa"]
    if not (kappa == 0 or 1e-3 <= kappa <= 1):
        raise ValueError(f"kappa = {kappa}: must be 0, or from 0.001 to 1")
    for name, bad, allowed in [
        ("present", ~((floats["present"] > 0) & (floats["present"] <= 1)), "a probability in (0, 1]"),
        ("shown", ~((floats["shown"] >= 0) & (floats["shown"] <= 1)), "a probability in [0, 1]"),
        ("gain", ~((floats["gain"] >= 0) & np.isfinite(floats["gain"])), "a finite number of at least 0"),
        ("noise_std", ~((floats["noise_std"] >= 0) & np.isfinite(floats["noise_std"])), "at least 0"),
    ]:
        if bad.any():
            place = np.argwhere(bad)[0].tolist()
            raise ValueError(f"{name}{place} = {floats[name][tuple(place)]}: must be {allowed}")
    silent = ~(floats["shown"] * floats["gain"] > 0).any(0)
    if silent.any():
        raise ValueError(f"shown, gain: feature {np.argmax(silent)} appears in no modality: must in one")
    if np.bincount(concept).max() > 2:
        raise ValueError(f"concept {np.bincount(concept).argmax()}: must have one feature or two")
