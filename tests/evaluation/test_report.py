"""The report is one whole, safe file, in two languages, with what there is and nothing that is not."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import re
from html.parser import HTMLParser
from string import Formatter

import numpy as np
import pytest
from PIL import Image

from kunstkammer.errors import KunstkammerError, ResourceError
from kunstkammer.evaluation.cases import find_cases
from kunstkammer.evaluation.evaluate import evaluate_predictions
from kunstkammer.evaluation.notes import LANGUAGES, Note, translations
from kunstkammer.evaluation.report import Card, DataFacts, Making, ReportContent, charts, embed, words, write_report
from kunstkammer.evaluation.report.verdict import verdict
from kunstkammer.evaluation.report.write import render
from kunstkammer.registry import names

from .conftest import make, softmax

VOID = {"meta", "img", "input", "br", "hr", "link"}
SECTIONS = {
    "headline",
    "warnings",
    "metrics",
    "learning",
    "classes",
    "calibration",
    "pictures",
    "data",
    "making",
    "use",
}
HOSTILE = '<script>alert("1")</script>&\'"{{7*7}}'


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order, every id is there once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without its beginning"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def sections(self) -> set[str]:
        ids = [a["id"] for _, a in self.elements if a.get("id")]
        assert len(ids) == len(set(ids))
        return {i.removeprefix("h-") for i in ids if i.startswith("h-")}

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def cards(predictions, cases, size=(640, 480)) -> list[Card]:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    return [Card(case, picture, picture.rotate(180)) for case in cases]


def full(predictions, **more) -> ReportContent:
    cases = find_cases(predictions, 4)
    labels = predictions.label_names
    return ReportContent(
        title=more.pop("title", "Comic or manga"),
        evaluation=evaluate_predictions(predictions, prior=np.full(len(labels), 1 / len(labels)), resamples=20),
        model="SketchNet",
        created="2026-11-21",
        data_name="pages",
        warnings=[Note("leaks", count=1234), Note("test_is_validation")],
        history=[
            {"epoch": e, "train_loss": 1 / e, "train_accuracy": 1 - 0.5 / e, "validation_loss": 1.1 / e,
             "validation_accuracy": 1 - 0.6 / e}
            for e in range(1, 8)
        ],
        best_epoch=5,
        best=cards(predictions, cases.best),
        worst=cards(predictions, cases.worst),
        doubtful=cards(predictions, cases.doubtful),
        examples={label: cards(predictions, found) for label, found in cases.per_class.items()},
        explainer="Grad-CAM",
        data=DataFacts(
            "pages", {"train": dict.fromkeys(labels, 1500), "test": dict.fromkeys(labels, 100)}, groups=7,
            grouped_by="title", duplicates=3, unreadable=["a.jpg"], licences=["CC BY-NC 4.0"],
        ),
        making=Making("name: comic-manga\n", {"torch": "2.13.0"}, 7, 431.0, 30, 699305, "CPU"),
        usage=["kunstkammer predict runs/cm PICTURES"],
        **more,
    )  # fmt: skip


def bare(predictions, **more) -> ReportContent:
    evaluation = evaluate_predictions(predictions, resamples=20)
    return ReportContent(title="A model from elsewhere", evaluation=evaluation, part="all", **more)


class TestWhole:
    def test_it_is_well_formed_and_has_every_section(self, good):
        page = Page(render(full(good)))
        assert page.sections == SECTIONS
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == 1
        assert len(page.all("main")) == 1

    def test_headings_go_down_one_level_at_a_time(self, good):
        levels = [int(tag[1]) for tag, _ in Page(render(full(good))).elements if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))

    @pytest.mark.parametrize("kind", ["good", "many", "collapsed"])
    def test_without_history_recipe_data_or_pictures_those_sections_vanish(self, kind, request):
        page = Page(render(bare(request.getfixturevalue(kind))))
        assert not page.sections & {"learning", "pictures", "data", "making", "use", "warnings"}
        assert {"headline", "metrics", "classes"} <= page.sections
        assert ("calibration" in page.sections) == (kind != "many")
        assert not page.all("img")

    def test_every_picture_has_alternative_text_in_both_languages(self, good):
        pictures = Page(render(full(good))).all("img")
        assert len(pictures) == 2 * (4 + 4 + 4 + 2 * 3)
        for picture in pictures:
            assert picture["alt"]
            assert picture["data-alt-en"] == picture["alt"] != picture["data-alt-de"]
        assert all(svg.get("aria-label") for svg in Page(render(full(good))).all("svg"))

    def test_captions_are_those_of_system_a(self, good):
        content = full(good)
        text = Page(render(content)).text
        case = content.worst[0].case
        assert f"GT: {case.truth[0]}; PRED: {case.predicted[0]}" in text
        assert f"{100 * case.probability:.1f}%" in text

    def test_it_is_written_whole_or_not_at_all(self, good, tmp_path):
        assert (
            write_report(tmp_path / "new" / "report.html", bare(good)).read_text(encoding="utf-8").endswith("</html>")
        )
        (tmp_path / "file").write_text("")
        with pytest.raises(ResourceError):
            write_report(tmp_path / "file" / "report.html", bare(good))


class TestAlone:
    def test_nothing_is_loaded_from_anywhere(self, good):
        text = render(full(good))
        for tag, attributes in Page(text).elements:
            assert tag not in {"link", "iframe", "object", "embed", "base"}
            for name in ("src", "href", "srcset", "action", "poster", "data", "xlink:href"):
                assert (attributes.get(name) or "#").startswith(("data:image/", "#")), (tag, name)
        assert not re.search(r"https?://|@import|url\(", text)

    def test_the_page_forbids_the_browser_to_load_anything_and_to_run_any_other_script(self, good):
        text = render(full(good))
        policy = next(a["content"] for a in Page(text).all("meta") if a.get("http-equiv") == "Content-Security-Policy")
        script = re.search(r"<script>(.*?)</script>", text, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert "default-src 'none'" in policy
        assert f"script-src 'sha256-{digest}'" in policy
        assert "script-src 'unsafe-inline'" not in policy
        assert not [a for _, a in Page(text).elements if any(name.startswith("on") for name in a)]

    def test_pictures_are_small_and_within_the_budget(self):
        noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
        uris = embed.data_uris([Image.fromarray(noise)] * 40, budget=400_000)
        assert sum(map(len, uris)) <= 400_000
        head, data = embed.data_uris([Image.fromarray(noise)])[0].split(",")
        assert re.fullmatch(r"data:image/(webp|jpeg);base64", head)
        assert max(Image.open(io.BytesIO(base64.b64decode(data))).size) == 320

    @pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "I;16", "CMYK"])
    def test_pictures_of_every_mode_are_taken(self, mode):
        assert embed.data_uris([Image.new(mode, (50, 400))])[0].startswith("data:image/")


class TestHostile:
    def test_labels_names_and_files_are_only_text(self, good):
        predictions = make(good.targets, good.probabilities, (HOSTILE, "</style><img src=x onerror=alert(2)>"))
        predictions.files = [f"{i}{HOSTILE}.png" for i in range(len(good))]
        content = full(predictions, title=HOSTILE)
        content.model = content.data_name = content.created = HOSTILE
        content.usage, content.warnings = [HOSTILE], [Note("small_classes", names=HOSTILE)]
        content.data.licences, content.data.name, content.making.recipe = [HOSTILE], HOSTILE, HOSTILE
        page = Page(render(content))
        assert len(page.all("script")) == 1
        assert not [a for a in page.all("img") if not a["src"].startswith("data:image/")]
        assert HOSTILE in page.text

    def test_a_name_with_braces_in_a_note(self, good):
        content = bare(good)
        content.warnings = [Note("small_classes", names="{0} {names}")]
        assert "{0} {names}" in Page(render(content)).text


class TestLanguages:
    def test_every_sentence_is_there_in_both_with_the_same_blanks(self):
        for key, sentences in translations().items():
            assert set(sentences) == set(LANGUAGES), key
            blanks = [{name for _, name, _, _ in Formatter().parse(s) if name is not None} for s in sentences.values()]
            assert blanks[0] == blanks[1], key
            assert all(s.strip() == s and s for s in sentences.values()), key

    def test_every_metric_has_a_name_and_a_line_of_explanation(self):
        for name in names("metrics"):
            assert {f"metric.{name}", f"metric.{name}.hint"} <= set(translations())

    def test_both_languages_are_on_the_page_and_numbers_follow_them(self, good):
        content = full(good)
        text = render(content)
        value = content.evaluation.metrics["accuracy"].value
        assert f'<span lang="en">{value:.3f}</span><span lang="de">{value:.3f}</span>'.replace(
            f'de">{value:.3f}', f'de">{value:.3f}'.replace(".", ",")
        ) in text  # fmt: skip
        for key in ("section.classes", "section.data", "switch.language"):
            for language in LANGUAGES:
                assert f'<span lang="{language}">{translations()[key][language]}</span>' in text
        assert "1,234" in text
        assert "1.234" in text

    def test_numbers(self):
        assert words.percent(0.9174) == words.Both("91.7%", "91,7\u202f%")
        assert words.whole(1234567) == words.Both("1,234,567", "1.234.567")
        assert words.decimal(-0.5, 2) == words.Both("\u22120.50", "\u22120,50")
        assert words.duration(5400) == words.Both("1.5 h", "1,5 h")
        assert words.duration(12.2).en == "12 s"

    def test_the_languages_can_be_switched_without_a_script(self, good):
        text = render(bare(good))
        assert ':root:has(#lang-de:checked) body [lang="en"]:not(.kept) { display: none; }' in text
        assert {a["id"] for a in Page(text).all("input")} >= {
            "lang-en",
            "lang-de",
            "theme-auto",
            "theme-light",
            "theme-dark",
        }

    def test_an_unknown_sentence_is_refused_with_a_guess(self):
        with pytest.raises(KunstkammerError, match="Did you mean 'leaks'"):
            Note("leak", count=1)
        with pytest.raises(KunstkammerError, match=r"verdict\.better"):
            words.word("verdict.beter")


class TestVerdict:
    def test_a_good_model(self, good):
        found = verdict(evaluate_predictions(good, prior=np.array([0.4, 0.6]), resamples=100))
        assert found.level == "good"
        assert found.lead.en.startswith("Better than ZeroR")
        assert found.lead.de.startswith("Besser als ZeroR")

    def test_a_collapsed_model_is_named_in_red_with_how_much_it_moves(self, collapsed):
        content = bare(collapsed)
        text = render(content)
        assert '<p class="lead bad">' in text
        assert "This model has collapsed" in text
        assert "Dieses Modell ist kollabiert" in text
        assert f"move by {100 * content.evaluation.collapse.movement:.1f}%" in Page(text).text

    def test_guessing_is_not_called_good(self):
        rng = np.random.default_rng(0)
        found = verdict(evaluate_predictions(make(rng.integers(0, 2, 100), softmax(rng.normal(size=(100, 2))))))
        assert found.level != "good"

    def test_always_wrong_is_called_worse(self):
        targets = np.arange(100) % 2
        found = verdict(evaluate_predictions(make(targets, np.eye(2)[1 - targets]), prior=np.array([0.5, 0.5])))
        assert found.level == "bad"
        assert found.lead.en.startswith("Worse than ZeroR")

    def test_confidence_is_put_into_words(self):
        targets = np.arange(200) % 2
        said = np.where(np.arange(200) % 10 < 7, targets, 1 - targets)  # right in 70 of 100
        for sure, words_said in ((0.99, "too sure"), (0.7, "at their word"), (0.55, "better than it believes")):
            p = np.where(np.eye(2)[said] == 1, sure, 1 - sure)
            sentences = verdict(
                evaluate_predictions(make(targets, p), prior=np.array([0.5, 0.5]), resamples=20)
            ).sentences
            assert any(words_said in sentence.en for sentence in sentences)

    def test_only_a_perfect_model_is_right_for_100_of_100(self):
        targets = np.arange(1000) % 2
        said = targets.copy()
        said[0] = 1 - said[0]
        found = verdict(evaluate_predictions(make(targets, np.eye(2)[said]), prior=np.array([0.5, 0.5]), resamples=20))
        assert "about 99;" in found.sentences[0].en


class TestCharts:
    def test_a_single_epoch_and_missing_values_are_drawn(self):
        one = charts.curves([{"epoch": 1, "train_loss": 0.5}], "loss", None)
        assert [line.key for line in one.lines] == ["train"]
        broken = charts.curves(
            [{"epoch": 1, "train_loss": float("nan")}, {"epoch": 2, "train_loss": 0.4}, {"epoch": 3}], "loss", 2
        )
        assert len(broken.lines[0].points) == 1
        assert charts.curves([{"epoch": 1}], "accuracy", None) is None

    def test_points_lie_inside_the_frame_and_the_best_epoch_on_its_place(self, good):
        chart = charts.curves(full(good).history, "accuracy", 5)
        left, top, right, bottom = chart.frame
        points = [point for line in chart.lines for point in line.points]
        assert all(left <= p.x <= right and top <= p.y <= bottom for p in points)
        assert chart.best == chart.lines[0].points[4].x
        assert chart.lines[0].points[-1].y < chart.lines[0].points[0].y  # better is higher

    def test_ticks_are_round_and_within(self, good):
        chart = charts.curves(full(good).history, "loss", 5)
        assert chart.y_ticks[0].text.en in {"0", "0.0", "0.00"}
        assert all(float(tick.text.en).is_integer() for tick in chart.x_ticks)

    def test_many_classes_give_pairs_instead_of_a_matrix(self):
        rng = np.random.default_rng(0)
        targets = np.arange(300) % 25
        logits = rng.normal(size=(300, 25)) + 3 * np.eye(25)[targets]
        logits[targets == 3, 7] += 9  # class 3 is taken for class 7
        result = evaluate_predictions(make(targets, softmax(logits)), resamples=5)
        assert charts.matrix(result) is None
        first = charts.confused_pairs(result)[0]
        assert (first.truth, first.predicted) == ("class 3", "class 7")
        assert first.share > 0.9
        assert "What is confused most" in Page(render(ReportContent("Many", result))).text

    def test_the_matrix_shows_shares_of_the_rows(self, good):
        for _, cells in charts.matrix(evaluate_predictions(good, resamples=5)):
            assert sum(cell.share for cell in cells) == pytest.approx(1)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_text_has_the_contrast_of_wcag_aa_in_both_themes(good):
    text = render(bare(good))
    themes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r"color-scheme: \w+;[^}]*", text)
    ]
    assert len(themes) >= 3
    for theme in themes[:3]:
        for ink in ("ink", "soft", "accent", "good", "warn", "bad"):
            for ground in ("paper", "sheet"):
                assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
        for wash in ("good-wash", "warn-wash", "bad-wash", "heat", "heat-wrong"):
            assert contrast(theme["ink"], theme[wash]) >= 4.5, wash
        for mark in ("accent", "second"):
            assert contrast(theme[mark], theme["paper"]) >= 3, mark
