"""The page on the domain gap: well formed, alone, in two languages, and it says what there is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from kunstkammer.evaluation.domain_gap import compare
from kunstkammer.evaluation.domain_shift import domain_auc, plane
from kunstkammer.evaluation.notes import Note
from kunstkammer.evaluation.report.gap import Contrast, GapContent, OneSet, render, write_gap_report
from kunstkammer.evaluation.report.gap_words import gap_verdict
from kunstkammer.metrics.classification import one_hot

from .conftest import EMOTIONS, PUBLISHED, calibrated, make
from .test_report import HOSTILE, Page

EVEN = np.full(8, 1 / 8)


def two(strength_b: float = 1.2, n: int = 240, names=EMOTIONS):
    a, b = (make(*calibrated(n, EVEN, s, i), names) for i, s in enumerate((2.5, strength_b)))
    b.files = [f"b{file}" for file in b.files]
    return a, b


def contrast(a, b, shift: float = 5.0, **names) -> Contrast:
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(len(p), 12)) + 3 * np.eye(12)[p.targets] for p in (a, b))
    second[:, 11] += shift
    laid = plane(first, second, most=60)
    width = len(a.label_names)
    return Contrast(
        compare(a, b, prior=EVEN, resamples=50, **names),
        domain_auc(first, second, a.targets, b.targets, resamples=50),
        laid,
        one_hot(a.targets[laid.rows_a], width),
        one_hot(b.targets[laid.rows_b], width),
        [Note("unknown_labels", name="drawings", names="boredom")],
    )


def content(*contrasts: Contrast, names=("photographs", "drawings")) -> GapContent:
    sets = [OneSet(name, "test", 240, f"{i}/report.html") for i, name in enumerate(names)]
    return GapContent(" / ".join(names), sets, contrasts, "SketchNet", "2026-11-21", ["kunstkammer evaluate run OTHER"])


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(content(contrast(*two(), name_a="photographs", name_b="drawings"))))


def test_it_is_well_formed_and_has_every_section(page):
    assert page.sections == {"headline", "warnings", "plane", "classes", "calibration", "metrics", "sets", "use"}
    assert len(page.all("h1")) == 1
    assert all(svg.get("aria-label") for svg in page.all("svg"))
    assert len(page.all("svg")) == 1 + 8 + 1


def test_it_says_how_much_is_lost_and_that_the_sets_are_told_apart(page):
    assert re.search(r"On drawings, accuracy is [\d.]+ points lower than on photographs", page.text)
    assert "are two worlds" in page.text
    assert "zwei Welten" in page.text
    assert "drawings has labels that the model does not know: boredom" in page.text
    assert "Most is lost at" in page.text


def test_it_loads_nothing_and_links_to_the_reports_beside_it(page):
    links = [a["href"] for a in page.all("a")]
    assert links == ["#main", "0/report.html", "1/report.html"]
    assert not page.all("img")
    assert len(page.all("script")) == 1


def test_several_contrasts_have_sections_of_their_own():
    a, b = two()
    _, c = two(2.5)
    text = Page(render(content(contrast(a, b), contrast(a, c, shift=0.0), names=("a", "b", "c"))))
    assert {"headline-1", "headline-2", "metrics-1", "metrics-2", "sets"} <= text.sections
    assert "No clear gap" in text.text
    assert "look alike" in text.text


def test_without_features_the_plane_is_left_out():
    found = contrast(*two())
    bare = Contrast(found.gap, notes=[Note("no_features", model="odd")])
    page = Page(render(content(bare)))
    assert "plane" not in page.sections
    assert "cannot be read" in page.text


def test_many_labels(many):
    from kunstkammer.evaluation.predictions import Predictions

    weaker = Predictions(
        [f"b{f}" for f in many.files], many.label_names, 0.6 * many.probabilities, many.targets, multi_label=True
    )
    page = Page(render(content(Contrast(compare(many, weaker, resamples=50)))))
    assert "calibration" not in page.sections
    assert "samples F1 is" in page.text


def test_names_are_only_text():
    a, b = two(names=(HOSTILE, *EMOTIONS[1:]))
    page = Page(render(content(contrast(a, b, name_a=HOSTILE, name_b=f"b{HOSTILE}"), names=(HOSTILE, "b"))))
    assert len(page.all("script")) == 1
    assert HOSTILE in page.text


def test_a_collapse_on_the_second_set_is_named_in_red():
    a, b = two()
    rng = np.random.default_rng(0)
    p = np.abs(PUBLISHED + rng.normal(size=(240, 8)) * 0.004)
    b.probabilities = p / p.sum(axis=1, keepdims=True)
    gap = compare(a, b, prior=EVEN, name_a="photographs", name_b="drawings", resamples=50)
    found = gap_verdict(gap, None)
    assert found.level == "bad"
    assert found.lead.en.startswith("On drawings the model has collapsed")
    assert "lower than on photographs" in found.sentences[0].en
    assert '<p class="lead bad">' in render(content(Contrast(gap)))


def test_the_colour_follows_what_is_lost():
    a, b = two()
    assert gap_verdict(compare(a, b, prior=EVEN, resamples=50), None).level == "warning"
    _, same = two(2.5)
    assert gap_verdict(compare(a, same, prior=EVEN, resamples=50), None).level == "good"


def test_it_is_written_whole(tmp_path):
    path = write_gap_report(tmp_path / "new" / "report.html", content(contrast(*two(n=60))))
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
