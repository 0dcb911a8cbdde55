"""A layout is read from its text, and refused where devices, rows or atoms do not divide."""

import pytest
from cli_calls import SOURCE, refuse, saved_in

from mpsae.layout import Layout
from mpsae.rows import load

RUN = ("sae:topk", "--sae.k", "2", *SOURCE, "--width", "512", "--optim.steps", "10", "--optim.batch", "32")


@pytest.mark.parametrize(
    "text, layout",
    [
        ("members=1,batch=2,atoms=4", Layout(1, 2, 4)),
        ("atoms=8", Layout(1, 1, 8)),
        ("batch=2, members=3", Layout(3, 2, 1)),
    ],
)
def test_a_layout_is_read_from_its_text_and_back(text, layout):
    assert Layout.parse(text) == layout == Layout.parse(str(layout))
    assert layout.devices == layout.members * layout.batch * layout.atoms


@pytest.mark.parametrize(
    "text, said",
    [
        ("atom=2", "unknown axis 'atom', known are members, batch, atoms; did you mean 'atoms'"),
        ("atoms=2,atoms=4", "names atoms twice"),
        ("atoms=0", "from 1, as atoms=2"),
        ("atoms=two", "from 1, as atoms=2"),
        ("atoms", "from 1, as atoms=2"),
        ("atoms=-1", "from 1, as atoms=2"),
        ("", "unknown axis ''"),
    ],
)
def test_what_is_no_layout_is_refused(text, said):
    with pytest.raises(ValueError, match="^mesh = ") as refused:
        Layout.parse(text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "layout, said",
    [
        (Layout(2, 2, 2), "needs 8 devices, here are 4"),
        (Layout(1, 3, 1), "optim.batch = 64 must be a multiple of 3"),
        (Layout(1, 1, 3), "width = 512 must be a multiple of 96"),
    ],
)
def test_what_does_not_divide_is_refused(layout, said):
    with pytest.raises(ValueError) as refused:
        layout.refuse_misfit(width=512, batch=64, devices=4)
    assert said in str(refused.value)


def test_what_divides_is_not_refused():
    Layout(1, 2, 2).refuse_misfit(width=512, batch=64, devices=4)
    Layout(2, 2, 1).refuse_misfit(width=20, batch=64, devices=4)  # whole dictionaries: of any width


@pytest.mark.usefixtures("cli_folder")
def test_train_lays_a_run_over_devices_without_changing_its_id(mpsae):
    code, out, err = mpsae("train", *RUN, "--mesh", "batch=2,atoms=2")
    assert code == 0, err
    folder = saved_in(out)
    (group,) = load(folder.parents[1]).groups
    assert group.run["provenance"]["device"]["mesh"] == "members=1,batch=2,atoms=2"
    code, out, err = mpsae("train", *RUN)
    assert code == 0 and saved_in(out) == folder
    assert any("already" in line for line in err)  # the same run, however it is computed


@pytest.mark.usefixtures("cli_folder")
def test_an_impossible_mesh_is_one_sentence(mpsae):
    refuse(mpsae, ("train", *RUN, "--mesh", "atoms=5"), "needs 5 devices, here are 4")
    refuse(mpsae, ("train", *RUN, "--mesh", "atom=2"), "did you mean 'atoms'")
    code, _, err = mpsae("run", "hierarchy", "--scale", "smoke", "--mesh", "atoms=4")
    assert code == 2 and "width = 20 must be a multiple of 128" in err[-1]


def test_several_processes_leave_no_device_out():
    Layout(1, 2, 2).refuse_idle(4, 2)
    Layout(1, 1, 2).refuse_idle(4, 1)
    with pytest.raises(
        ValueError, match="batch=1,atoms=2': 2 processes have 4 devices, all of which must be"
    ):
        Layout(1, 1, 2).refuse_idle(4, 2)
