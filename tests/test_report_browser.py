"""The page in a real browser: sorted, filtered and searched by mouse and keys, on a desk and on a phone."""

import pytest
from browser import browser, installed
from made_up_rows import groups
from test_report import EVIL, EXPERIMENT, results

from mpsae import cli, rows

pytestmark = [
    pytest.mark.skipif(installed() is None, reason="no Chromium or Chrome on this machine"),
    pytest.mark.xdist_group("browser"),
]
SAES = "[...document.querySelectorAll('#sheet tbody tr')].map(row => row.cells[0].textContent)"
TESTS = "[...document.querySelectorAll('details.tests tbody tr')].filter(row => row.checkVisibility()).length"
FOCUS = "document.activeElement.textContent"
THERE = """new Promise(done => {
  const look = () => document.getElementById('filters').hidden ? setTimeout(look, 10) : done();
  look();
})"""  # the rows are unpacked after the page has loaded
SORT = "document.querySelector('#sheet th[aria-sort]')?.ariaSort"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    """The page of made-up rows, in a browser."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "experiments").mkdir()
        patch.setattr("mpsae.experiment.places", lambda: [folder / "experiments"])
        (folder / "experiments/mine.py").write_text(EXPERIMENT)
        results(folder / "results")
        for label, l0, correlation in (("TopK", 10.0, 0.3), ("TopK", 9.0, 0.0)):
            for group in groups(label, {"l0": [l0] * 3, "fvu": [0.05] * 3}):
                group.run["source"]["correlation"] = correlation
                group.run["run"] += f"-{correlation}"
                rows.append(folder / "results/mine/full/rows.jsonl", group)
        for group in groups("MP", {"l0": [3.0] * 2, "fvu": [0.4] * 2}, scale="quick"):
            rows.append(folder / "results/mine/quick/rows.jsonl", group)
        assert cli.main(["report"]) == 0
    with browser(folder / "profile") as page:
        page.open(folder / "report.html")
        yield page


@pytest.fixture
def page(tab):
    """The page opened anew; whatever the browser complained of is a failure."""
    tab.prefers("light")
    tab.size(1280, 900)
    tab.reload()
    tab.run(THERE)
    yield tab
    assert tab.complaints == []


def click(page, selector):
    page.run(f"document.querySelector({selector!r}).click()")


def fill(page, selector, text):
    page.run(f"document.querySelector({selector!r}).focus()")
    page.run("document.activeElement.select?.()")
    page.press(text)


def choose(page, selector, value):
    happen = "['input', 'change'].forEach(kind => one.dispatchEvent(new Event(kind, {bubbles: true})))"
    page.run(f"(one => {{ one.value = {value!r}; {happen} }})(document.querySelector({selector!r}))")


def test_an_ugly_label_is_shown_and_not_run(page):
    assert page.run(SAES) == ["TopK", "TopK", EVIL, "MP"]
    assert page.run("document.querySelectorAll('img[onerror]').length") == 0


def test_heads_sort_by_number_both_ways_with_nothing_last(page):
    l0 = "document.querySelectorAll('#sheet th button')[4]"
    assert page.run(f"{l0}.textContent") == "l0"
    page.run(f"{l0}.click()")
    assert (page.run(SAES), page.run(SORT)) == (["MP", EVIL, "TopK", "TopK"], "ascending")
    page.run(f"{l0}.click()")
    assert (page.run(SAES), page.run(SORT)) == (["TopK", "TopK", EVIL, "MP"], "descending")
    mcc = "[...document.querySelectorAll('#sheet th button')].find(one => one.textContent === 'mcc_signed')"
    for first in (EVIL, "MP"):
        page.run(f"{mcc}.click()")
        assert page.run(SAES)[0] == first and page.run(SAES)[2:] == ["TopK", "TopK"]


def test_a_head_is_reached_and_turned_by_keys_and_keeps_the_focus(page):
    page.run("document.querySelector('#sheet').parentElement.focus()")
    page.press("Tab", "Enter")
    assert (page.run(FOCUS), page.run(SORT)) == ("SAE", "ascending")
    page.press(" ")
    assert (page.run(FOCUS), page.run(SORT)) == ("SAE", "descending")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Tab")
    assert page.run(FOCUS) == "data"


def test_rows_are_filtered_by_sae_setting_l0_and_words_and_come_back(page):
    count = "document.querySelector('#filters output').textContent"
    assert page.run(count) == "4 of 4 rows"
    click(page, "input[name=sae][value=MP]")
    assert page.run(SAES) == ["TopK", "TopK", EVIL]
    fill(page, "#filters [name=least]", "9.5")
    assert page.run(SAES) == ["TopK"] and page.run(count) == "1 of 4 rows"
    click(page, "#filters [type=reset]")
    assert len(page.run(SAES)) == 4
    choose(page, "[data-name=correlation]", "0")
    assert page.run(SAES) == ["TopK"]
    click(page, "#filters [type=reset]")
    fill(page, "#filters [name=words]", "topk 0.3")
    assert page.run(SAES) == ["TopK"]


def test_another_experiment_brings_its_own_rows_and_stays_when_filters_are_taken_back(page):
    choose(page, "[name=sheet]", "1")
    assert page.run(SAES) == ["MP"]
    assert (
        page.run("document.getElementById('truth').checkVisibility()") is True
    )  # nothing to recover is known
    fill(page, "#filters [name=words]", "nobody")
    assert page.run(SAES) == []
    click(page, "#filters [type=reset]")
    assert page.run(SAES) == ["MP"] and page.run("document.querySelector('[name=sheet]').value") == "1"
    choose(page, "[name=sheet]", "0")
    assert len(page.run(SAES)) == 4


def test_columns_are_chosen_but_recovery_stays_beside_reconstruction(page):
    heads = "[...document.querySelectorAll('#sheet th')].slice(4).map(head => head.textContent)"
    assert page.run(heads) == ["l0", "fvu", "mcc_signed"]
    page.run("[...document.querySelectorAll('[name=column]')].forEach(box => box.click())")
    assert page.run(heads) == ["l0", "fvu", "ev", "nmse", "mcc_signed"]


def test_tests_are_searched_and_filtered_across_claims(page):
    assert page.run(TESTS) == 2
    fill(page, "#tests [name=words]", "small")
    assert page.run(TESTS) == 1
    assert page.run("document.querySelector('#tests output').textContent") == "1 of 2 tests"
    open_folds = "[...document.querySelectorAll('details.tests[open]')].map(one => one.closest('article').id)"
    assert page.run(open_folds) == ["C7"]  # where something is found
    fill(page, "#tests [name=words]", " ")
    click(page, "#tests [value=holds]")
    assert page.run(TESTS) == 1
    click(page, "#tests [value=holds]")
    assert page.run(TESTS) == 2 and page.run(open_folds) == ["C1", "C7"]


def test_a_figure_is_enlarged_and_put_back_by_keys(page):
    page.run("document.querySelector('.zoom').focus()")
    page.press("Enter")
    assert (
        page.run("document.getElementById('large').open && document.querySelector('#large img').naturalWidth")
        == 9
    )
    page.press("Escape")
    assert page.run("document.getElementById('large').open") is False
    assert page.run("document.activeElement.className") == "zoom"


def test_the_theme_is_that_of_the_system_until_one_is_chosen(page):
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.run(paper)
    page.prefers("dark")
    dark = page.run(paper)
    assert light != dark
    click(page, "#theme")
    assert (
        page.run(paper) == light
        and page.run("document.getElementById('theme').textContent") == "Theme: light"
    )
    page.reload()
    assert page.run(paper) == light  # it is remembered
    click(page, "#theme")
    page.prefers("light")
    assert page.run(paper) == dark
    page.prefers("light", media="print")
    assert page.run(paper) == light  # paper is white
    click(page, "#theme")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_width_scrolls_sideways(page, width):
    page.size(width, 800)
    page.reload()
    page.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.run("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_its_ground_are_far_apart(page, theme):
    """Contrast of at least 4.5 to 1 (WCAG 2, AA)."""
    page.prefers(theme)
    for name in ("ink", "muted", "accent", "holds", "fails"):
        for ground in ("page", "card"):
            colours = [_colour(page, one) for one in (name, ground)]
            low, high = sorted(map(_luminance, colours))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (theme, name, ground)


def _colour(page, name):
    code = (
        "(name => { const one = document.createElement('i'); one.style.color = `var(--${name})`;"
        " document.body.append(one); const found = getComputedStyle(one).color; one.remove();"
        " return found.match(/\\d+/g).map(Number) })"
    )
    return page.run(f"{code}({name!r})")


def _luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
