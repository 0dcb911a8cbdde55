"""Made-up rows with known verdicts: statuses, scales, what stands beside a number, and question C3."""

import math

import pytest
from made_up_rows import experiment, groups, of

from mpsae import rows
from mpsae.claim import Claim, Compare
from mpsae.evidence import counts, sentence, strongest, study


@pytest.fixture
def store(tmp_path):
    """A function that stores groups, and the root they are stored below."""

    def put(*many):
        for group in (one for some in many for one in some):
            rows.append(tmp_path / "mine" / group.run["scale"] / "rows.jsonl", group)
        return tmp_path

    return put


def at_most(high, **more):
    return Claim(f"at most {high}", "nmse", of("MP"), high=high, about="C7", setting="here", **more)


def test_statuses_by_the_interval_and_their_counts(store):
    root = store(groups("MP", {"nmse": [1.0, 2.0, 3.0]}))
    claims = [at_most(4.0), at_most(2.5), at_most(0.5), Claim("gone", "ev", of("MP"), high=1.0, about="C7")]
    claims += [at_most(1.5, required=True)]  # its median alone would fail
    found = study(experiment(*claims), root).findings["C7"]
    assert {one.claim.text: one.status for one in found} == {
        "at most 4.0": "holds", "at most 2.5": "undecided", "at most 0.5": "fails", "gone": "no data",
        "at most 1.5": "undecided",
    }  # fmt: skip
    assert counts(found) == {"holds": 1, "fails": 1, "undecided": 2, "no data": 1}
    assert sentence(found) == "holds in 1 of 4 tests, fails in 1, undecided in 2; 1 test without data"
    assert sentence(found[:1]) == "holds in 1 of 1 test, fails in 0, undecided in 0"
    assert sentence([one for one in found if one.status == "no data"]).endswith("none of 1 test has data")
    assert sentence([]).startswith("no evidence yet")


def test_without_rows_there_is_no_study_and_claims_about_nothing_are_left_out(store):
    claim = Claim("about nothing", "nmse", of("MP"), high=1.0)
    root = store([])
    assert study(experiment(claim), root) is None
    store(groups("MP", {"nmse": [1.0]}))
    assert study(experiment(claim), root, ("quick",)) is None
    assert not any(study(experiment(claim), root).findings.values())


def test_each_claim_is_judged_at_its_largest_scale_with_data(store):
    quick = groups("MP", {"nmse": [5.0], "ev": [7.0]}, "quick")
    root = store(groups("MP", {"nmse": [1.0]}), quick)
    claims = [at_most(9.0), Claim("only quick", "ev", of("MP"), high=9.0, about="C7", setting="there")]
    claims += [at_most(8.0, scales=("quick",))]
    full, small, only = study(experiment(*claims), root).findings["C7"][0:3]
    assert (full.scale, full.verdict.value) == ("full", 1.0)
    assert (small.scale, small.verdict.value) == ("quick", 5.0)  # same setting as the first: beside it
    assert (only.scale, only.verdict.value) == ("quick", 7.0)
    restricted = study(experiment(claims[0]), root, ("quick",)).findings["C7"][0]
    assert (restricted.scale, restricted.verdict.value) == ("quick", 5.0)


def test_fvu_and_l0_beside_a_number_are_of_the_same_runs(store):
    mp = groups("MP", {"nmse": [1.0, 2.0, 3.0], "fvu": [0.1, 0.2, 0.3], "l0": [2.0, 2.0, 9.0]})
    topk = groups("TopK", {"nmse": [2.0, 4.0, 6.0], "fvu": [0.2, 0.5, 0.5], "l0": [3.0, 4.0, 5.0]})
    stray = groups("stray", {"nmse": [0.0], "fvu": [9.0], "l0": [9.0]})
    compare = Compare("MP wins", "nmse", of("MP"), of("TopK"), "lower", about="C7")
    claim = Claim("MP is small", "nmse", of("MP"), high=4.0, about="C7")
    one, other = study(experiment(compare, claim), store(mp, topk, stray)).findings["C7"]
    assert one.verdict.value == -2.0 and one.data == ("tree",)
    assert [one.fvu.value, one.fvu.low, one.fvu.high] == pytest.approx([-0.2, -0.3, -0.1])
    assert one.l0 == (2.0, 4.0)
    assert other.fvu.value == pytest.approx(0.2) and other.l0 == (2.0,)


def test_strongest_is_farthest_from_the_bound_in_half_widths(store):
    values = {
        "wide": [1.0, 2.0, 3.0],  # 8 from its bound, half width 1
        "narrow": [4.0, 4.5, 5.0],  # 5.5, half width .5: 11
        "pair": [1.0, 1.0],  # no width, but two seeds
        "failing": [11.0, 12.0, 13.0],
    }
    root = store(*(groups(name, {"nmse": given}) for name, given in values.items()))
    claims = [Claim(name, "nmse", of(name), high=10.0, about="C7") for name in values]
    found = {one.claim.text: one for one in study(experiment(*claims), root).findings["C7"]}
    assert found["wide"].strength == pytest.approx(8.0)
    assert found["narrow"].strength == pytest.approx(11.0)
    assert found["pair"].strength == math.inf
    assert found["failing"].strength == pytest.approx(2.0)
    assert strongest(list(found.values()), "holds").claim.text == "narrow"
    assert strongest(list(found.values()), "fails").claim.text == "failing"
    assert found["pair"].status == "undecided"  # however clear: two seeds decide nothing
    assert strongest([found["pair"]], "holds") is None


def test_an_interval_of_few_seeds_is_not_the_strongest_by_luck(store):
    values = {"lucky": [1.0, 1.0, 1.0], "many": [1.0, 2.0, 3.0, 2.0, 2.5]}
    root = store(*(groups(name, {"nmse": given}) for name, given in values.items()))
    claims = [Claim(name, "nmse", of(name), high=10.0, about="C7") for name in values]
    found = {one.claim.text: one for one in study(experiment(*claims), root).findings["C7"]}
    assert found["lucky"].strength > found["many"].strength
    assert strongest(list(found.values()), "holds").claim.text == "many"
    assert strongest([found["lucky"]], "holds").claim.text == "lucky"


def test_an_effect_on_its_bound_has_no_strength(store):
    same = {"nmse": [1.0, 1.0, 1.0]}
    compare = Compare("MP wins", "nmse", of("MP"), of("TopK"), "lower", about="C7")
    (one,) = study(experiment(compare), store(groups("MP", same), groups("TopK", same))).findings["C7"]
    assert (one.status, one.strength) == ("fails", 0.0)


GOOD, BAD = [0.9, 0.91, 0.92], [0.5, 0.51, 0.52]
LOW, HIGH = [0.1, 0.11, 0.12], [0.3, 0.31, 0.32]


@pytest.mark.parametrize(
    ("mp", "topk", "status", "text"),
    [
        ((GOOD, LOW), (BAD, HIGH), "holds", "MP reconstructs better than TopK: its matched cosine is higher"),
        ((BAD, LOW), (GOOD, HIGH), "fails", "MP reconstructs better than TopK: its matched cosine is higher"),
        ((BAD, HIGH), (GOOD, LOW), "holds", "TopK reconstructs better than MP: its matched cosine is higher"),
        ((GOOD, HIGH), (BAD, LOW), "fails", "TopK reconstructs better than MP: its matched cosine is higher"),
        (([0.5, 0.7, 0.9], LOW), ([0.7, 0.7, 0.7], HIGH), "undecided", "MP reconstructs better than TopK:"),
        ((GOOD, LOW), (BAD, [0.05, 0.31, 0.32]), None, ""),  # nobody reconstructs better
    ],
)
def test_the_better_reconstructor_is_asked_whether_it_recovers_better(mp, topk, status, text, store):
    root = store(*(
        groups(label, {"mcc_signed": mcc, "fvu": fvu, "l0": [l0] * 3})
        for label, (mcc, fvu), l0 in (("MP", mp, 2.0), ("TopK", topk, 2.03))
    ))  # fmt: skip
    claim = Compare("MP recovers", "mcc_signed", of("MP"), of("TopK"), "higher", margin=0.3, setting="here")
    found = study(experiment(claim), root)
    if status is None:
        assert found.findings["C3"] == [] and found.unjudged == 1
        return
    (one,) = found.findings["C3"]
    assert (one.status, one.claim.setting, found.unjudged) == (status, "here", 0)
    assert one.claim.text.startswith(text)
    assert one.fvu.high < 0 and one.claim.margin == 0


@pytest.mark.parametrize(("l0", "judged"), [(2.0, True), (2.3, True), (1.97, True), (1.95, False)])
def test_a_better_reconstruction_that_more_atoms_bought_is_not_judged(l0, judged, store):
    root = store(
        groups("MP", {"mcc_signed": GOOD, "fvu": LOW, "l0": [2.0] * 3}),
        groups("TopK", {"mcc_signed": BAD, "fvu": HIGH, "l0": [l0] * 3}),
    )
    found = study(experiment(Compare("recovers", "mcc_signed", of("MP"), of("TopK"), "higher")), root)
    assert (len(found.findings["C3"]), found.unjudged) == ((1, 0) if judged else (0, 1))


def test_without_a_known_truth_c3_is_not_judged(store):
    root = store(
        groups("MP", {"mcc_signed": GOOD, "nmse": GOOD, "fvu": LOW, "l0": [2.3] * 3}),
        groups("TopK", {"mcc_signed": BAD, "nmse": BAD, "fvu": HIGH, "l0": [2.0] * 3}),
    )
    recovery = Compare("recovers", "mcc_signed", of("MP"), of("TopK"), "higher")
    other = Compare("else", "nmse", of("MP"), of("TopK"), "higher")
    nobody = Compare("no data", "mcc_signed", of("MP"), of("ReLU"), "higher")
    found = study(experiment(recovery, other, nobody), root)
    assert found.findings["C3"] == [] and found.unjudged == 1


def test_settings_stay_together_in_the_order_they_are_first_stated(store):
    claims = [
        Claim(f"{place}{i}", "nmse", of("MP"), high=4.0, about="C7", setting=setting)
        for i, (place, setting) in enumerate([("b", "b"), ("a", "a"), ("b", "b"), ("a", "a")])
    ]
    found = study(experiment(*claims), store(groups("MP", {"nmse": [1.0]}))).findings["C7"]
    assert [one.claim.text for one in found] == ["b0", "b2", "a1", "a3"]


def test_the_origin_names_commits_by_first_use_and_their_days(store):
    root = store(
        groups("late", {"nmse": [1.0]}, commit="0" * 40, day="2026-02-01"),
        groups("MP", {"nmse": [1.0]}, day="2026-01-02"),
        groups("MP2", {"nmse": [1.0]}, day="2026-01-05"),
        groups("odd", {"nmse": [1.0]}, commit=None, day="2026-03-01", dirty=True),
    )
    assert study(experiment(), root).tables["full"].origin == (
        "4 runs of commits aaaaaaa (2026-01-02 to 2026-01-05), 0000000 (2026-02-01),"
        " unknown with changes (2026-03-01)"
    )


def test_damaged_rows_are_refused(store):
    root = store(groups("MP", {"nmse": [1.0]}))
    path = root / "mine/full/rows.jsonl"
    path.write_bytes(path.read_bytes().replace(b"nmse", b"nmsf"))
    with pytest.raises(ValueError, match="rows.jsonl.*damaged"):
        study(experiment(at_most(1.0)), root)
