"""Concepts: planted latents are found, shuffled labels are chance, what is unknown or dead changes nothing."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scoring import Identity, Rows
from sklearn.metrics import roc_auc_score

from mpsae import heldout, kept
from mpsae.labels import Labels
from mpsae.metrics.base import METRICS, Parts, Side, known_metrics
from mpsae.metrics.labelled import factors, halves, sides
from mpsae.pairs import paired_arrays
from mpsae.ranking import Ranked, auroc
from mpsae.score import score
from mpsae.source import array_source

RNG = np.random.default_rng(0)
N = 240
KIND = RNG.integers(0, 6, N)
LABELS = Labels(
    {"kind": KIND, "family": KIND // 2, "size": RNG.integers(0, 3, N)},
    classes=(("kind", tuple("abcdef")), ("family", ("ab", "cd", "ef")), ("size", ("s", "m", "l"))),
    parent=(("kind", "family"),),
)
NAMES = [
    name for name, formula in known_metrics().items()
    if formula.function.__module__ in ("mpsae.metrics.concepts", "mpsae.metrics.concept_probe")
]  # fmt: skip


def one_hot(label, count):
    return (label[:, None] == np.arange(count)).astype(float)


def planted(noise=0.0):
    """Codes [N, 9]: one latent for each kind and family, of random strength, and noise."""
    exact = np.concatenate([one_hot(KIND, 6), one_hot(KIND // 2, 3)], axis=1)
    strength = 0.5 + RNG.random(exact.shape)
    return exact * strength + noise * np.maximum(RNG.normal(size=exact.shape), 0)


def found(image, text=None, labels=LABELS, metrics=tuple(NAMES)):
    text = image if text is None else text
    pairs = np.repeat(np.arange(len(image))[:, None], 2, axis=1)
    source = paired_arrays(image, text, pairs, pairs, labels=labels)
    return score(Identity(), {"atoms": np.eye(image.shape[1], dtype=np.float32)}, source, metrics=metrics)


def everything(scores):
    return {(name, *value.at.items()): value.value for name, value in scores.rows}


def test_planted_latents_are_perfect_and_stand_for_their_classes():
    scores = found(planted())
    for side in ("image", "text", "both"):
        for name in ("concept_auroc", "concept_f1"):
            for factor in ("kind", "family"):
                assert scores.value(name, {"factor": factor, "side": side}) == pytest.approx(1), name
    assert scores.value("concept_latents", {"factor": "kind"}) == 1
    assert scores.value("concept_both", {"factor": "kind"}) == 1
    # Factors by their sorted names: family, kind, size.
    expected = [[1, number] for number in range(6)] + [[0, number] for number in range(3)]
    np.testing.assert_array_equal(scores.matrices["concept_of_latent"].array, expected)
    assert scores.value("concept_level_share", {"factor": "kind"}) == pytest.approx(6 / 9)
    assert scores.value("concept_level_share", {"factor": "family"}) == pytest.approx(3 / 9)
    assert scores.value("concept_level_share", {"factor": "size"}) == 0
    for of in ("code", "xhat", "x"):
        assert scores.value("concept_probe", {"factor": "kind", "side": "text", "of": of}) == 1
    chance = np.bincount(KIND).max() / N
    assert scores.value("concept_chance", {"factor": "kind"}) == pytest.approx(chance)


def test_plain_rows_are_scored_as_one_side():
    """As texts of pairs are, but of twice as many rows; what needs two sides is null."""
    z = planted(noise=0.5)
    source = array_source(z[:2], z, LABELS)
    plain = score(Identity(), {"atoms": np.eye(9, dtype=np.float32)}, source)
    paired = found(z, planted())
    names = ("concept_auroc", "concept_auroc_null", "concept_f1", "concept_f1_null")
    for name in names:
        for factor in ("kind", "family", "size"):
            of_rows = plain.value(name, {"factor": factor, "side": "rows"})
            assert of_rows == paired.value(name, {"factor": factor, "side": "image"}), name
    for of in ("code", "xhat", "x"):
        at = {"factor": "kind", "of": of}
        assert plain.value("concept_probe", at | {"side": "rows"}) == paired.value(
            "concept_probe", at | {"side": "image"}
        )
    assert plain.value("concept_level_share", {"factor": "kind"}) == pytest.approx(6 / 9)
    assert plain.matrices["concept_of_latent"].array.tolist()[:6] == [[1, number] for number in range(6)]
    assert plain.value("mono1", {"factor": "kind", "side": "rows"}) < plain.value(
        "mono1_null", {"factor": "kind", "side": "rows"}
    )
    there = {name for name, _ in plain.rows} | set(plain.matrices)
    assert not there & {"concept_both", "concept_both_null", "ms_labels", "zero_shot_x"}
    asked = score(Identity(), {"atoms": np.eye(9, dtype=np.float32)}, source, metrics=["concept_both"]).rows
    assert asked[0][1].value is None and asked[0][1].note == "rows are not pairs of an image and a text"


def test_labels_of_training_rows_alone_are_undecided():
    labels = Labels({"kind": np.full(N, -1)})
    source = array_source(planted()[:2], planted(), labels)
    rows = score(
        Identity(), {"atoms": np.eye(9, dtype=np.float32)}, source, metrics=["concept_level_share"]
    ).rows
    assert rows[0][1].value is None and rows[0][1].note == "no class has members and others in both halves"


def test_the_best_of_many_latents_is_not_best_by_luck():
    noise = np.maximum(RNG.normal(size=(N, 300)) - 1, 0)
    scores = found(noise)
    for name in ("concept_auroc", "concept_auroc_null"):
        assert scores.value(name, {"factor": "kind", "side": "image"}) == pytest.approx(0.5, abs=0.08), name
    # Chosen and scored on the same rows, the best of 300 looks like a find.
    biased = auroc(Ranked(csr_array(noise)), one_hot(KIND, 6) > 0).max(0).mean()
    assert biased > 0.58
    shuffled = found(planted())
    assert shuffled.value("concept_auroc_null", {"factor": "family", "side": "both"}) == pytest.approx(
        0.5, abs=0.08
    )
    assert shuffled.value("concept_f1_null", {"factor": "kind", "side": "both"}) < 0.35


def test_a_latent_is_best_on_both_sides_by_luck_as_often_as_the_null_says():
    """Codes of a pair that say nothing of its class, but agree on either side, or do not."""
    noise, other = (np.maximum(RNG.normal(size=(N, 60)), 0) for _ in range(2))
    names = ("concept_both", "concept_both_null")
    apart, alike = found(noise, other, metrics=names), found(noise, metrics=names)
    at = {"factor": "kind"}
    assert max(apart.value(name, at) for name in names) < 0.4
    assert alike.value("concept_both_null", at) == alike.value("concept_both", at) == 1
    planted_codes = found(planted(noise=0.5), planted(noise=0.5), metrics=names)
    assert planted_codes.value("concept_both", at) == 1 and planted_codes.value("concept_both_null", at) < 0.7


def test_the_held_out_protocol_step_by_step():
    z = planted(noise=0.7)
    rows = Side(z, z, csr_array(z))
    parts = Parts({"image": rows, "text": rows}, np.zeros(9))
    first, second = halves(parts)
    assert abs(first.sum() - second.sum()) <= 1 and not (first & second).any()
    values = []
    for chosen, scored in ((first, second), (second, first)):
        for number in range(6):
            area = [roc_auc_score(KIND[chosen] == number, z[chosen, latent]) for latent in range(9)]
            values.append(roc_auc_score(KIND[scored] == number, z[scored, np.argmax(area)]))
    value = METRICS["concept_auroc"].function(sides(parts), factors(parts, LABELS), (first, second))
    assert value[3].at == {"factor": "kind", "side": "image"} and value[3].count == 6
    assert value[3].value == pytest.approx(np.mean(values), abs=1e-12)


def test_a_latent_of_another_modality_is_no_shared_concept():
    image, text = planted(), planted()
    apart = np.concatenate([image, 0 * image], axis=1), np.concatenate([0 * text, text], axis=1)
    scores = found(*apart)
    assert scores.value("concept_both", {"factor": "kind"}) == 0
    assert scores.value("concept_auroc", {"factor": "kind", "side": "image"}) == pytest.approx(1)
    assert scores.value("concept_auroc", {"factor": "kind", "side": "both"}) < 0.9


@pytest.mark.parametrize(
    "z", [planted(noise=0.3), 1.0 * (RNG.random((N, 60)) < 0.03)], ids=["planted", "ties"]
)
def test_the_order_of_latents_and_dead_latents_change_nothing(z):
    order, width = RNG.permutation(z.shape[1]), z.shape[1]
    before, after = found(z), found(np.pad(z[:, order], ((0, 0), (0, 4))))
    ours, theirs = (
        {
            key: value
            for key, value in everything(scores).items()
            if key[-1] not in (("of", "x"), ("of", "xhat"))
        }
        for scores in (before, after)
    )  # x is the code here, so it has more dimensions too
    assert ours == pytest.approx(theirs, abs=1e-9)
    moved = after.matrices["concept_of_latent"].array
    np.testing.assert_array_equal(moved[:width], before.matrices["concept_of_latent"].array[order])
    assert (moved[width:] == -1).all()


def test_how_rows_are_cut_changes_nothing(monkeypatch):
    z = planted(noise=0.3)
    before = everything(found(z))
    monkeypatch.setattr(heldout, "rows_at_once", lambda width, dim: 7)
    monkeypatch.setattr(kept, "rows_at_once", lambda width, dim: 7)
    assert everything(found(z)) == pytest.approx(before, abs=1e-9)


def test_pairs_of_unknown_class_are_ignored():
    z = planted(noise=0.3)
    known = RNG.random(N) < 0.7
    garbage = np.where(known[:, None], z, 50 * RNG.random(z.shape))
    labels = Labels({"kind": np.where(known, KIND, -1)})
    names = [name for name in NAMES if "null" not in name]
    values = [everything(found(codes, labels=labels, metrics=names)) for codes in (z, garbage)]
    assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_factors_known_of_different_pairs_are_asked_about_their_own():
    """Two factors known alike in one half alone: what is fitted is the same, what is asked is not."""
    rows = Side(*[planted()] * 2, csr_array(planted()))
    first, _ = halves(Parts({"image": rows, "text": rows}, np.zeros(9)))
    one_half, some = np.where(first, KIND, -1), np.where(first | (np.arange(N) < 50), KIND, -1)
    labels = Labels({"all": KIND, "half": one_half, "some": some})
    rows = found(planted(), labels=labels, metrics=("concept_probe",)).rows
    values = {(value.at["factor"], value.at["of"]): value for _, value in rows if value.at["side"] == "text"}
    assert values["all", "code"].count == N and values["some", "code"].count == (some >= 0).sum()
    for of in ("code", "xhat", "x"):
        assert values["all", of].value == 1 and values["some", of].value > 0.9
        assert values["half", of].value is None
        assert values["half", of].note == "no class is known in both halves"


def test_a_class_without_members_in_both_halves_is_left_out_and_counted():
    rare = KIND.copy()
    rare[rare == 5] = 4
    rare[0] = 5
    scores = found(planted(), labels=Labels({"kind": rare}))
    for name in ("concept_auroc", "concept_f1"):
        row = next(value for row, value in scores.rows if row == name)
        assert row.count == 5 and row.value is not None


def test_one_class_no_class_and_no_live_latent_are_null():
    labels = Labels({"one": np.zeros(N, int), "none": np.full(N, -1)})
    scores = found(planted(), labels=labels)
    values = {(name, value.at.get("factor")): value for name, value in scores.rows}
    for name in ("concept_auroc", "concept_f1", "concept_latents", "concept_both"):
        for factor in ("one", "none"):
            assert values[name, factor].value is None and values[name, factor].note, name
    assert values["concept_chance", "one"].value == 1 and values["concept_chance", "none"].value is None
    silent = found(0 * planted())
    nulls = {name for name, value in silent.rows if value.value is None}
    assert nulls == set(NAMES) - {"concept_of_latent", "concept_chance"}
    assert silent.value("concept_probe", {"factor": "kind", "side": "image", "of": "x"}) < 0.3
    assert (silent.matrices["concept_of_latent"].array == -1).all()


def test_without_pairs_or_labels_the_reason_is_said():
    single = score(Identity(), {"atoms": np.eye(9, dtype=np.float32)}, Rows(planted()), metrics=NAMES)
    assert {value.note for _, value in single.rows} <= {
        "rows are not pairs of an image and a text",
        "no labels",
    }
    unlabelled = found(planted(), labels=None)
    assert {value.note for _, value in unlabelled.rows} == {"no labels"}


def test_duplicated_latents_are_equals_and_change_nothing():
    z = planted(noise=0.3)
    names = [name for name in NAMES if name not in ("concept_probe", "concept_of_latent")]
    once, twice = (everything(found(codes, metrics=names)) for codes in (z, np.concatenate([z, z], axis=1)))
    assert once == pytest.approx(twice, abs=1e-9)


def test_broken_codes_are_no_find():
    z = planted()
    z[3, 0] = np.nan
    scores = found(z)
    assert (scores.matrices["concept_of_latent"].array[0] == -1).all()
    at = {"factor": "kind", "side": "image"}
    assert scores.value("concept_f1", at) == pytest.approx(
        found(np.delete(planted(), 0, axis=1)).value("concept_f1", at), abs=0.1
    )
    assert scores.value("concept_probe", at | {"of": "code"}) > 0.9
    assert scores.value("concept_probe", at | {"of": "x"}) is None
    broken = found(z * np.nan)
    assert all(value.value is None for name, value in broken.rows if name != "concept_chance")
