"""The report of an encoder."""

import clip_package
import pytest

from mpsae.clip.report import report, text
from mpsae.clip.training import fresh
from mpsae.embed.scenes import drawn
from synthetic.scenes import NAMES


def test_report_of_an_untrained_model_finds_places_and_no_pairs():
    """Colours of a background survive a random net; which caption belongs to an image does not follow."""
    clip_package.needed()
    scenes = drawn(0, seen=600, unseen=200)
    found = report(fresh(), scenes.factors, scenes.wobble, seen=600)
    assert found["image"].keys() == found["text"].keys() == NAMES.keys()
    assert found["image"]["place"] > 0.9
    assert found["image"]["kind"] < 0.4
    assert found["pairing"]["image_to_text"] < 0.05
    shares = [share for tree in found["trees"].values() for share in tree["explained"].values()]
    assert 0 < min(shares) < sum(shares) < 1.1  # factors are sampled, so a little is counted twice
    shown = text(found).splitlines()
    assert len(shown) == 4 + 1 + len(NAMES) + 4
    assert shown[0].split() == ["image_to_text", f"{found['pairing']['image_to_text']:.3f}"]
    assert pytest.approx(found["image"]["kind"], abs=1e-3) == float(shown[5].split()[1])
