"""Keeping the latents of one class: all is the identity, a class is what its codes decode to."""

import numpy as np
import pytest
from scoring import Affine, Identity, PairedRows, Pursuit

from mpsae.metrics.base import Value
from mpsae.metrics.intervene import Outcome, baselines, delta_r
from mpsae.score import score

RNG = np.random.default_rng(8)
NAMES = ("intervene_gap", "intervene_r1", "intervene_probe", "intervene_atoms", "delta_r")
ATOMS = np.linalg.qr(RNG.normal(size=(10, 10)))[0].astype(np.float32)


def codes(pairs=200):
    """Latents 0-2 on images, 3-5 on texts, 6-9 shared and equal in a pair; 0 and 3 always on: the gap."""
    image, text = (RNG.gamma(2.0, size=(pairs, 10)) * (RNG.random((pairs, 10)) < 0.7) for _ in range(2))
    text[:, 6:] = image[:, 6:]
    image[:, 3:6] = text[:, :3] = 0
    image[:, 0] = text[:, 3] = 4
    return image, text


IMAGE, TEXT = codes()


def scores(metrics=NAMES, image=IMAGE, text=TEXT):
    return score(Identity(), {"atoms": ATOMS}, PairedRows(image, text), metrics=metrics)


def test_keeping_all_is_xhat():
    found = scores((*NAMES, "gap_xhat", "retrieval_xhat", "probe_acc"))
    assert found.value("intervene_gap", {"keep": "all"}) == pytest.approx(found.value("gap_xhat"), rel=1e-5)
    for to in ("text", "image"):
        whole = found.value("retrieval_xhat", {"k": 1, "to": to})
        assert found.value("intervene_r1", {"keep": "all", "to": to}) == whole
    assert found.value("intervene_probe", {"keep": "all"}) == found.value("probe_acc", {"of": "xhat"})
    assert found.value("intervene_atoms", {"keep": "all"}) == 10


def test_shared_latents_alone_close_the_gap_and_keep_retrieval():
    found = scores()
    assert found.value("intervene_gap", {"keep": "bimodal"}) == pytest.approx(0, abs=1e-5)
    assert found.value("intervene_probe", {"keep": "bimodal"}) == pytest.approx(0.5, abs=0.12)
    counts = {"bimodal": 4, "unimodal": 6, "image": 3, "text": 3}
    for keep, count in counts.items():
        assert found.value("intervene_atoms", {"keep": keep}) == count
    for to in ("text", "image"):
        at = {"keep": "bimodal", "to": to}
        r1 = found.value("intervene_r1", at)
        assert r1 > 0.85 and found.value("delta_r", at) == pytest.approx(
            found.value("intervene_r1", {"keep": "all", "to": to}) - r1
        )
        assert found.value("intervene_r1", {"keep": "unimodal", "to": to}) < 0.1


def test_a_class_decodes_to_its_part_of_the_codes():
    found = scores(("intervene_gap",))
    for keep, which in (("image", slice(0, 3)), ("text", slice(3, 6)), ("unimodal", slice(0, 6))):
        apart = (IMAGE[:, which] - TEXT[:, which]).mean(0) @ ATOMS[which]
        assert found.value("intervene_gap", {"keep": keep}) == pytest.approx(np.linalg.norm(apart), rel=1e-5)


def test_rare_latents_are_kept_with_what_is_not_unimodal():
    image, text = IMAGE.copy(), TEXT.copy()
    image[:, 9] = text[:, 9] = np.arange(len(image)) < 3  # six activations
    image[:, 8] = text[:, 8] = 0
    found = scores(("intervene_atoms",), image, text)
    for keep, count in {"all": 9, "bimodal": 2, "unimodal": 6, "not_unimodal": 3}.items():
        assert found.value("intervene_atoms", {"keep": keep}) == count


def test_the_bias_stays():
    """x̂ = 2z + 3: what is left out is codes, never the bias; it moves no gap."""
    params = {"atoms": 2 * np.eye(10, dtype=np.float32), "scale": np.full(10, 2.0), "shift": np.full(10, 3.0)}
    found = score(Affine(), params, PairedRows(IMAGE, TEXT), metrics=("intervene_gap", "gap_xhat"))
    assert found.value("intervene_gap", {"keep": "all"}) == pytest.approx(found.value("gap_xhat"), rel=1e-5)


def test_baselines():
    image, text = RNG.normal(size=(2, 80, 5)) + [[[1.0]], [[-1.0]]]
    apart = image.mean(0) - text.mean(0)
    found = baselines(image, text)
    for name in ("means_removed", "gap_shifted"):
        one, other = found[name]
        np.testing.assert_allclose(one.mean(0), other.mean(0), atol=1e-12)
    moved = found["random_shifted"][1] - text
    assert np.linalg.norm(moved, axis=1) == pytest.approx(np.linalg.norm(apart))
    np.testing.assert_array_equal(moved.round(9), np.tile(moved[0].round(9), (80, 1)))
    rows = scores()
    assert rows.value("intervene_gap", {"baseline": "means_removed"}) == pytest.approx(0, abs=1e-9)
    assert rows.value("intervene_gap", {"baseline": "random_shifted"}) > 1
    assert rows.value("delta_r", {"baseline": "means_removed", "to": "text"}) <= 0


def test_an_empty_class_is_null_and_counted():
    shared = np.abs(IMAGE) * (np.arange(10) > 5)
    found = {(name, *value.at.items()): value for name, value in scores(image=shared, text=shared).rows}
    none = found["intervene_gap", ("keep", "image")]
    assert none.value is None and none.note == "no such latent"
    assert found["intervene_atoms", ("keep", "image")].value == 0
    assert found["delta_r", ("keep", "image"), ("to", "text")].value is None


def test_broken_codes_are_null():
    class Broken(Pursuit):
        def decode(self, params, code):
            return super().decode(params, code) * np.nan

    found = score(Broken(k=2), {"atoms": ATOMS}, PairedRows(IMAGE, TEXT), metrics=NAMES)
    values = {(name, *value.at.items()): value.value for name, value in found.rows}
    assert values["intervene_gap", ("keep", "all")] is None
    assert values["intervene_r1", ("keep", "all"), ("to", "text")] is None
    assert values["intervene_probe", ("keep", "all")] is None


def test_against_an_undefined_whole_the_difference_is_undefined():
    """x̂ overflows with all latents and does not with those of images."""
    recalled = [[Value(one, 9, at | {"to": "text"}, note)] for one, at, note in (
        (None, {"keep": "all"}, "not finite"), (0.5, {"keep": "image"}, None))]  # fmt: skip
    found = delta_r([Outcome({}, 1, Value(0.0), part, Value(0.0)) for part in recalled])
    assert found == [Value(None, 9, {"keep": "image", "to": "text"}, "not finite")]
