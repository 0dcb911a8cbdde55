"""The number everything else rests on, in one run: MP recovers the paper's tree exactly at correlation 0."""

from mpsae.optim import PAPER_TOY
from mpsae.sae import presets
from mpsae.score import score
from mpsae.sources.tree20 import Tree20
from mpsae.train import fit, member


def test_matching_pursuit_recovers_the_tree_and_its_code_length():
    source = Tree20(correlation=0.0, held_out=5000).build(0)
    sae = presets()["mp_paper_toy"]
    (trained,) = fit([member(sae, PAPER_TOY, data=0, init=0, dropout=0)], [source], width=20)
    frozen, params = sae.freeze(trained.params, trained.state)
    scores = score(frozen, params, source, metrics=("flat_mse", "hier_mse", "l0", "absorb_cos", "mcc_signed"))
    assert scores.value("flat_mse") < 1e-5 and scores.value("hier_mse") < 1e-5
    assert abs(scores.value("l0") - 1.36) < 0.03
    assert abs(scores.value("absorb_cos")) < 0.01
    assert scores.value("mcc_signed") > 0.999
