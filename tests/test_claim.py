"""A claim is judged as its docstring says, at every edge."""

import pytest

from mpsae.claim import Claim, Compare, judge, verdict_lines


def rows(values, variant="mp", *, metric="mse", seeds=None, scale="quick"):
    return [
        {
            "run": f"{variant}-{seed}",
            "scale": scale,
            "variant": variant,
            "seed": {"data": seed},
            "metric": metric,
            "value": value,
            "at": {},
            "split": "held_out",
        }
        for seed, value in zip(seeds or range(len(values)), values, strict=False)
    ]


def of(variant):
    return lambda row: row["variant"] == variant


def status(values, **claim):
    return judge(Claim("c", "mse", of("mp"), **claim), rows(values), "quick").status


@pytest.mark.parametrize(
    ("values", "expected", "required"),
    [
        ([1.0, 2.0, 3.0], "pass", "pass"),  # interval [1, 3], bounds belong to the region
        ([0.9, 2.0, 3.0], "contested", "pass"),  # median inside, interval leaks
        ([0.0, 0.5, 1.5], "contested", "fail"),  # median outside, interval reaches in
        ([0.0, 0.5, 9.0], "contested", "fail"),  # the interval holds the whole region
        ([0.0, 0.5, 0.9], "fail", "fail"),
        ([4.0], "fail", "fail"),
        ([2.0], "pass", "pass"),
        ([], "no data", "no data"),
        ([None, None], "no data", "no data"),
        ([2.0, 2.0, None], "pass", "pass"),
        ([2.0, None], "contested", "contested"),  # half of the seeds have no value
        ([4.0, None], "fail", "fail"),
    ],
)
def test_statuses_of_a_two_sided_claim(values, expected, required):
    assert status(values, low=1.0, high=3.0) == expected
    assert status(values, low=1.0, high=3.0, required=True) == required


def test_one_sided_claims():
    assert status([1.0, 2.0], low=1.0) == "pass"
    assert status([1.0, 2.0], high=1.5) == "contested"
    assert status([1.0, 2.0], high=0.5) == "fail"


def test_other_metrics_variants_and_scales_do_not_count():
    mixed = rows([2.0]) + rows([9.0], "topk") + rows([9.0], metric="l0") + rows([9.0], scale="full")
    claim = Claim("c", "mse", of("mp"), high=3.0, scales=("quick",))
    assert judge(claim, mixed, "quick").value == 2.0
    assert judge(claim, mixed, "full").status == "not judged at this scale"
    assert judge(claim, mixed, "full").value is None


def test_the_mean_on_request():
    assert (
        judge(Claim("c", "mse", of("mp"), high=3.0, reduce="mean"), rows([0.0, 0.0, 6.0]), "quick").value
        == 2.0
    )


def test_the_order_of_rows_does_not_matter():
    given = rows([0.0, 1.0, 5.0, 9.0, 20.0]) + rows([3.0, 1.0, 0.0, 2.0, 7.0], "topk")
    claims = [Claim("c", "mse", of("mp"), high=3.0, reduce="mean")]
    claims += [Compare("c", "mse", of("mp"), of("topk"), "lower", reduce="mean")]
    for claim in claims:
        assert judge(claim, given, "quick") == judge(claim, given[::-1], "quick")


def test_two_rows_of_one_seed_are_refused():
    twice = rows([1.0, 2.0], seeds=[4, 4])
    with pytest.raises(ValueError, match="claim 'c' picks two rows of seed .*mp-4 at {} .*narrow its where"):
        judge(Claim("c", "mse", of("mp"), high=3.0), twice, "quick")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 20.0, 300.0], [2.0, 22.0, 303.0], "pass"),  # paired: -1, -2, -3
        ([2.0, 22.0, 303.0], [1.0, 20.0, 300.0], "fail"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], "fail"),  # equal is not lower
        ([1.0, 2.0, 3.0], [1.0, 3.0, 5.0], "contested"),  # 0, -1, -2
        ([1.0], [], "no data"),
    ],
)
def test_comparisons_are_paired_by_seed(a, b, expected):
    both = rows(a) + rows(b, "topk")
    lower = Compare("c", "mse", of("mp"), of("topk"), "lower")
    higher = Compare("c", "mse", of("topk"), of("mp"), "higher")
    assert judge(lower, both, "quick").status == expected
    assert judge(higher, both, "quick").status == expected


def test_a_margin_has_to_be_beaten():
    both = rows([1.0, 1.0]) + rows([3.0, 3.0], "topk")
    for margin, expected in ((1.9, "pass"), (2.0, "fail")):
        claim = Compare("c", "mse", of("mp"), of("topk"), "lower", margin=margin)
        assert judge(claim, both, "quick").status == expected


def test_without_a_shared_seed_the_medians_are_compared():
    both = rows([1.0, 2.0, 3.0]) + rows([7.0, 8.0], "topk", seeds=[10, 11])
    verdict = judge(Compare("c", "mse", of("mp"), of("topk"), "lower"), both, "quick")
    assert (verdict.status, verdict.value, verdict.low, verdict.high) == ("pass", -5.5, -7.0, -4.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Claim("c", "mse", of("mp")), "give low, high or both"),
        (lambda: Claim("c", "mse", of("mp"), low=2.0, high=1.0), "low = 2.0 is above high = 1.0"),
        (lambda: Claim("c", "mse", of("mp"), low=2.0, reduce="mode"), "reduce = 'mode'"),
        (lambda: Compare("c", "mse", of("a"), of("b"), "smaller"), "expect = 'smaller' must be one of lower"),
        (lambda: Compare("c", "mse", of("a"), of("b"), "lower", margin=-1), "margin = -1"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_lines_are_aligned_and_readable():
    claims = [
        Claim("MP finds it", "mse", of("mp"), high=0.02, source="Table 1", required=True),
        Claim("TopK does not", "mse", of("topk"), low=0.1),
        Compare("MP beats TopK", "mse", of("mp"), of("topk"), "lower", source="ours"),
        Claim("never measured", "f1", of("mp"), low=0.25, high=0.5),
    ]
    both = rows([0.01, 0.0125, 0.015]) + rows([0.5, None, 0.25], "topk")
    assert verdict_lines(judge(claim, both, "quick") for claim in claims).splitlines() == [
        "pass     0.0125 [0.01, 0.015]     3 seeds       at most 0.02 (Table 1), required  MP finds it",
        "pass     0.375 [0.25, 0.5]        2 of 3 seeds  at least 0.1 (measured)           TopK does not",
        "pass     -0.3625 [-0.49, -0.235]  2 of 3 seeds  a lower than b (ours)             MP beats TopK",
        "no data  -                        0 seeds       0.25 to 0.5 (measured)            never measured",
    ]
    assert verdict_lines([]) == ""
