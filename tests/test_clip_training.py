"""A few steps of training."""

import clip_package
import numpy as np

from mpsae.clip.training import batch, fresh, train
from synthetic.scenes import held_out


def test_a_batch_depends_on_seed_and_step_alone():
    first, again, other = batch(3, 0, groups=2), batch(3, 0, groups=2), batch(4, 0, groups=2)
    assert np.array_equal(first[1], again[1])
    assert first[2] == again[2]
    assert not np.array_equal(first[0], other[0])
    assert len(first[0]) == len(first[1]) == len(first[2]) == 32
    assert not held_out(first[0]).any()


def test_training_lowers_the_loss_and_repeats_itself():
    torch = clip_package.needed()
    shown = []

    class Shown:
        def show(self, text):
            shown.append(text)

    clip, twin = fresh(seed=1), fresh(seed=1)
    losses = train(clip, steps=10, seed=5, groups=3, progress=Shown())
    assert losses == train(twin, steps=10, seed=5, groups=3)
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.2
    assert np.isfinite(losses).all()
    assert not clip.net.training
    assert all(torch.equal(a, b) for a, b in zip(clip.net.parameters(), twin.net.parameters(), strict=True))
    assert len(shown) == 10
    assert shown[-1].startswith("clip: step 10 of 10, loss ")
