"""Words and latents: planted mappings are exact, chance is as stated, parts of words are not words."""

import numpy as np
import pytest
from caption_samples import NUMBERS, said
from scipy import stats
from scipy.sparse import csr_array
from scoring import Identity, Rows
from sklearn.metrics import roc_auc_score

from mpsae.metrics.base import METRICS, Parts, Pool, Side, known_metrics
from mpsae.metrics.labelled import halves, sides
from mpsae.metrics.pool import pool
from mpsae.metrics.words import LEVEL, chances, correlations, names, spoken
from mpsae.pairs import paired_arrays
from mpsae.score import score
from mpsae.word_graph import word_graph

RNG = np.random.default_rng(0)
N = 400
PRESENT = RNG.random((N, len(NUMBERS))) < 0.3
ORDER = RNG.permutation(len(NUMBERS))
ALPHABET = sorted(NUMBERS)
NAMES = [
    name for name, formula in known_metrics().items() if formula.function.__module__ == "mpsae.metrics.words"
]


def planted():
    """Codes [N, 12]: latent j is active where the caption has word ORDER[j], with random strength."""
    return PRESENT[:, ORDER] * (0.5 + RNG.random(PRESENT.shape))


def found(image, text=None, captions=None, metrics=tuple(NAMES)):
    text = image if text is None else text
    pairs = np.repeat(np.arange(len(image))[:, None], 2, axis=1)
    source = paired_arrays(image, text, pairs, pairs, captions=captions or said(PRESENT))
    return score(Identity(), {"atoms": np.eye(image.shape[1], dtype=np.float32)}, source, metrics=metrics)


def pool_of(codes):
    return Pool(*(Side(codes, codes, csr_array(codes)) for _ in range(2)), np.zeros(codes.shape[1]))


def test_a_planted_mapping_is_exact():
    scores = found(planted())
    for side in ("image", "text"):
        for mode in ("folded", "whole"):
            assert scores.value("word_corr", {"side": side, "mode": mode}) == pytest.approx(1)
        for name in ("word_corr_significant", "name_auroc", "name_purity"):
            assert scores.value(name, {"side": side}) == pytest.approx(1), name
    table = scores.matrices["word_table"].array
    assert table.shape == (2, 12, 12)
    right = [ALPHABET.index(NUMBERS[word]) for word in ORDER]
    np.testing.assert_array_equal(table[0].argmax(0), right)
    np.testing.assert_allclose(table[1].max(0), 1)
    graph = word_graph(table[0], 0.5)
    assert graph.matching and len(graph.word) == 12
    np.testing.assert_array_equal(graph.word[np.argsort(graph.latent)], right)
    at = {"word": "seven"}
    assert scores.value("word_count", at) == pytest.approx(PRESENT[:, NUMBERS.index("seven")].mean())


def test_shuffled_captions_leave_chance():
    scores = found(planted())
    for side in ("image", "text"):
        assert scores.value("word_corr_null", {"side": side}) < 0.2
        assert scores.value("word_corr_significant_null", {"side": side}) == 0
        assert scores.value("name_auroc_null", {"side": side}) == pytest.approx(0.5, abs=0.04)
        assert scores.value("name_purity_null", {"side": side}) == pytest.approx(PRESENT.mean(), abs=0.05)


def test_correlation_is_pearsons_and_its_ends_are_one_and_minus_one():
    codes = RNG.normal(size=(50, 3)) * (RNG.random((50, 3)) < 0.4)
    present = RNG.random((50, 2)) < 0.3
    expected = np.corrcoef(present.T.astype(float), (codes != 0).T.astype(float))[:2, 2:]
    np.testing.assert_allclose(correlations(present, csr_array(codes)), expected, atol=1e-12)
    word = present[:, :1]
    both = np.concatenate([word, ~word], axis=1).astype(float)
    np.testing.assert_allclose(correlations(word, csr_array(both)), [[1, -1]], atol=1e-12)


def test_what_never_changes_correlates_with_nothing_and_names_nothing():
    codes = np.array([[0, 1, 2.0], [0, 3, 0], [0, 1, 1]])
    present = np.array([[True, True], [True, False], [True, True]])
    np.testing.assert_array_equal(correlations(present, csr_array(codes))[:, :2], 0)
    np.testing.assert_array_equal(correlations(present, csr_array(codes))[0], 0)
    assert names(present, csr_array(codes)).tolist() == [-1, -1, 1]
    assert names(present[:, :0], csr_array(codes)).tolist() == [-1, -1, -1]


def test_one_deviation_by_chance_is_one_over_root_n():
    n = 4000
    present, active = RNG.random((n, 40)) < 0.2, RNG.random((n, 60)) < 0.3
    table = correlations(present, csr_array(active.astype(float)))
    assert table.std() * np.sqrt(n) == pytest.approx(1, abs=0.05)
    assert abs(table.mean()) * np.sqrt(n) < 0.1


def test_chance_is_the_binomial_tail_which_is_above_the_exact_one():
    present = RNG.random((60, 3)) < [0.1, 0.3, 0.6]
    alike = present ^ (RNG.random((60, 3)) < 0.2)
    codes = csr_array(np.concatenate([alike, RNG.random((60, 3)) < [0.0, 0.3, 1.0]], axis=1).astype(float))
    both, word, active = (present.T.astype(float) @ codes.toarray(), present.sum(0), codes.sum(0))
    expected = stats.binom.sf(both - 1, active, word[:, None] / 60)
    np.testing.assert_allclose(chances(present, codes), np.where(both > 0, expected, 1), rtol=1e-9)
    exact = stats.hypergeom.sf(both - 1, 60, word[:, None], active)
    likely = (both > word[:, None] * active / 60 + 1) & (active < 60)
    assert likely.sum() >= 2 and (chances(present, codes) >= exact)[likely].all()


def test_rare_words_are_significant_by_a_normal_law_and_not_by_ours():
    n = 1000
    wrong = {"normal": 0, "ours": 0}
    for _ in range(5):
        present, active = RNG.random((n, 60)) < 0.015, RNG.random((n, 100)) < 0.015
        codes = csr_array(active.astype(float))
        level = LEVEL / (60 * 100)
        wrong["normal"] += (correlations(present, codes) * np.sqrt(n) > stats.norm.isf(level)).sum()
        wrong["ours"] += (chances(present, codes) <= level).sum()
    assert wrong["normal"] > 20 and wrong["ours"] <= 1


def test_a_part_of_a_word_is_no_word_but_for_substring_mode():
    hair, air = RNG.random(N) < 0.4, RNG.random(N) < 0.1
    captions = [
        f"it is {'hair' if one else 'none'} {'air' if other else 'earth'}"
        for one, other in zip(hair, air, strict=True)
    ]
    codes = np.stack([hair, RNG.random(N) < 0.2], axis=1).astype(float)
    both = pool_of(codes)
    words = spoken(both, captions)
    best = {mode: correlations(one.present, both.text.z)[:, 0] for mode, one in words.by.items()}
    in_mode = {mode: best[mode][words.by[mode].words.index("air")] for mode in best}
    assert abs(in_mode["whole"]) < 0.2 and abs(in_mode["folded"]) < 0.2
    assert in_mode["substring"] > 0.6
    assert words.words[names(words.present, both.text.z)[0]] == "hair"


def test_names_are_chosen_on_one_half_and_judged_on_the_other():
    codes = planted() + np.maximum(RNG.normal(size=PRESENT.shape) - 0.8, 0)
    rows = Side(codes, codes, csr_array(codes))
    kept = Parts({"image": rows, "text": rows}, np.zeros(codes.shape[1]))
    words, parts = spoken(pool(kept), said(PRESENT)), halves(kept)
    areas, purities = [], []
    for chosen, scored in (parts, parts[::-1]):
        table = np.corrcoef(words.present[chosen].T, (codes[chosen] != 0).T)[:12, 12:]
        name = table.argmax(0)
        there = [words.present[scored][:, word] for word in name]
        areas.append([roc_auc_score(t, z) for t, z in zip(there, codes[scored].T, strict=True)])
        purities.append([t[z > 0].mean() for t, z in zip(there, codes[scored].T, strict=True)])
    for name, expected in (("name_auroc", areas), ("name_purity", purities)):
        value = METRICS[name].function(sides(kept), words, parts)[1]
        assert value.at == {"side": "text"} and value.count == 12
        assert value.value == pytest.approx(np.mean(expected), abs=1e-9)


def test_the_order_of_latents_and_dead_latents_change_nothing():
    z = planted() + 0.3 * np.maximum(RNG.normal(size=PRESENT.shape), 0)
    pooled = [name for name in NAMES if name != "word_table"]
    before = found(z, metrics=pooled).rows
    after = found(np.pad(z[:, RNG.permutation(12)], ((0, 0), (0, 5))), metrics=pooled).rows
    ours, theirs = ([(name, value.at, value.count) for name, value in rows] for rows in (before, after))
    assert ours == theirs
    np.testing.assert_allclose([v.value for _, v in before], [v.value for _, v in after], atol=1e-9)


def test_what_is_not_there_is_said():
    codes = planted()
    params = {"atoms": np.eye(12, dtype=np.float32)}
    pairs = np.repeat(np.arange(N)[:, None], 2, axis=1)
    silent = paired_arrays(codes, codes, pairs, pairs)
    notes = {value.note for _, value in score(Identity(), params, silent, metrics=NAMES).rows}
    assert notes == {"no captions"}
    assert not {name for name, _ in score(Identity(), params, silent).rows} & set(NAMES)
    single = score(Identity(), params, Rows(codes), metrics=NAMES)
    assert {value.note for _, value in single.rows} <= {
        "rows are not pairs of an image and a text", "no captions",
    }  # fmt: skip
    dead = found(0 * codes)
    assert all(value.value is None and value.note for name, value in dead.rows if name != "word_count")
    same = found(codes, captions=["a word"] * N)
    assert all(value.value is None and value.note for _, value in same.rows)
