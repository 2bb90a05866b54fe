"""How figures are drawn: standing alone, harmless, readable by the colour-blind and in grey, and fast enough."""

import json
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from test_figures import HOSTILE, Answered, by_name, parts, published, rows_with

from reports.figures import Figure, complete, figures, javascript, png, svg, theme
from reports.figures.labels import Point, beside
from reports.figures.names import LONGEST, distinct, drawable, shortened
from reports.figures.theme import COLOURS, DASHES, SHAPES, looks
from reports.figures.ties import groups
from reports.summary import Summary

STUDIES = ("mmlu-pro-cs-2024", "three-model-study")
OUTSIDE = re.compile(r"(?:href|src)\s*=|url\((?!#)|@import|<script|<image|<foreignObject|javascript:|\son\w+\s*=")
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


@pytest.fixture
def answered() -> Answered:
    return Answered()


@pytest.mark.parametrize("study", STUDIES)
def test_every_figure_of_a_study_is_a_whole_svg_that_refers_to_nothing_outside(study: str) -> None:
    for figure in published(study).values():
        drawn = svg(figure)

        assert ET.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
        assert OUTSIDE.search(drawn) is None, figure.name
        assert set(re.findall(r"https?://[^\"'\s<]+", drawn)) <= NAMESPACES


def test_an_svg_says_its_title_and_its_caption(answered: Answered) -> None:
    answered.run("m", 20)

    drawn = svg(answered.figures["ranking"])
    assert ">Ranking by accuracy on gsm8k<" in drawn
    assert "95\u00a0% interval about other questions" in drawn


def test_a_png_is_as_large_as_it_is_asked_to_be(answered: Answered) -> None:
    answered.run("m", 20)

    figure = answered.figures["ranking"]
    small, large = png(figure, 1.0), png(figure)
    assert small[:8] == large[:8] == b"\x89PNG\r\n\x1a\n"
    widths = [int.from_bytes(one[16:20], "big") for one in (small, large)]
    assert widths[1] == pytest.approx(2 * widths[0], abs=2)


def hostile_names(answered: Answered) -> Summary:
    for model in (HOSTILE, f"{HOSTILE}2", "", "{{7*7}} ${x}", '"><svg onload=alert(1)>', "datum['name']"):
        answered.run(model, 20)
        answered.run(model, 21, task="a|b\n<b>")
        answered.run(model, 20, task="gsm8k", quantization="fp8")
    return answered.summary


def test_hostile_names_are_text_in_every_figure(answered: Answered) -> None:
    found = figures(hostile_names(answered))

    assert len(found) == 6
    for figure in found:
        drawn = svg(figure)
        ET.fromstring(drawn)  # noqa: S314 - our own
        assert OUTSIDE.search(re.sub(r">[^<]*<|aria-label=\"[^\"]*\"", "", drawn)) is None
        assert "&lt;svg onload" in drawn or "<svg onload" not in drawn


def test_names_neither_break_lines_nor_turn_their_neighbours_around_nor_hold_halves_of_pairs() -> None:
    assert drawable("a\u202eb\u2066\n\tc\x00\ud800 🦙👩\u200d🚀") == "ab c \ufffd 🦙👩\u200d🚀"


def test_a_long_name_loses_its_middle_and_its_tooltip_has_the_whole(answered: Answered) -> None:
    answered.run("m" * 300, 20)

    (row,) = rows_with(answered.figures["ranking"], "mean")
    assert len(row["name"]) == LONGEST
    assert "…" in row["name"]
    assert "m" * 300 in row["whole"]


def test_a_wide_letter_counts_twice() -> None:
    assert shortened("长" * 40, 11) == "长长长…长长"


def test_names_that_are_shortened_to_the_same_are_numbered() -> None:
    assert distinct({"a": "x", "b": "x", "c": "y", "d": ""}) == {"a": "x (1)", "b": "x (2)", "c": "y", "d": "—"}


def test_neither_text_nor_background_has_a_colour_of_its_own_so_that_a_page_may_be_dark() -> None:
    for study in STUDIES:
        for figure in published(study).values():
            assert not {"config", "background", "title"} & set(figure.spec)
            told = json.dumps(figure.spec)
            assert not re.search(r"#(?:fff|000)(?![0-9a-fA-F])", told)


def test_the_dark_theme_differs_from_the_light_one_in_colours_alone() -> None:
    def plain(dark: bool) -> str:
        return re.sub(r"#[0-9a-f]{6}", "#", json.dumps(theme(dark=dark)))

    assert plain(dark=True) == plain(dark=False)
    assert theme(dark=True) != theme()


def test_56_names_differ_in_colour_or_shape_and_neighbours_in_both() -> None:
    look = looks([str(number) for number in range(len(COLOURS) * len(SHAPES))])

    pairs = list(zip(look["colour"], look["shape"], strict=True))
    assert len(set(pairs)) == len(pairs) == 56
    assert all(one[0] != other[0] and one[1] != other[1] for one, other in pairwise(pairs))
    assert len(set(DASHES)) == len(DASHES)


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_background(dark: bool) -> None:
    told = theme(dark=dark)
    for style in ("label", "note", "ink"):
        lights = sorted([luminance(told["style"][style]["color"]), luminance(told["background"])])
        assert (lights[1] + 0.05) / (lights[0] + 0.05) > 4.5  # WCAG 2.2, 1.4.3


@pytest.mark.parametrize("dark", [False, True])
def test_marks_stand_out_from_either_background(dark: bool) -> None:
    background = luminance(theme(dark=dark)["background"])
    for colour in COLOURS:
        lights = sorted([luminance(colour), background])
        assert (lights[1] + 0.05) / (lights[0] + 0.05) > 2


def test_names_beside_points_cover_neither_each_other_nor_a_point() -> None:
    points = [Point(200 + 25.0 * (number % 5), 100 + 25.0 * (number // 5), f"point {number}") for number in range(20)]

    places = [place for place in beside(points, (600, 400)) if place is not None]
    assert len(places) == 20
    rows = sorted((place.y, place.x, place.align) for place in places)
    same = [(one, other) for one, other in pairwise(rows) if abs(one[0] - other[0]) < 11]
    assert all(abs(one[1] - other[1]) > 9 for one, other in same)
    assert all(abs(place.x - point.x) + abs(place.y - point.y) > 5 for place in places for point in points)


def test_where_there_is_no_room_a_name_is_left_out() -> None:
    assert beside([Point(5, 5, "far too long a name")], (20, 10)) == [None]


def test_two_share_a_group_exactly_if_they_are_tied() -> None:
    ties = {"a": {"b", "c"}, "b": {"a", "c", "d"}, "c": {"a", "b"}, "d": {"b"}, "e": set[str]()}

    found = groups(ties, list(ties))
    shared = {(one, other) for group in found for one in group for other in group if one != other}
    assert shared == {(one, other) for one, others in ties.items() for other in others}
    assert all("e" not in group for group in found)


def test_the_same_summary_has_the_same_figures(answered: Answered) -> None:
    for model, task in (("a", "gsm8k"), ("a", "arc"), ("b", "gsm8k"), ("b", "arc")):
        answered.run(model, 20, task=task)

    assert figures(answered.summary) == figures(answered.summary)


@pytest.mark.parametrize("study", STUDIES)
def test_a_legend_that_filters_belongs_to_the_first_layer_that_has_it(study: str) -> None:
    for figure in published(study).values():
        for choice in figure.spec.get("params", ()):
            (field,) = choice["select"]["fields"]
            shown = [
                part.get("name")
                for part in parts(figure.spec)
                if {field} & {one.get("field") for one in part.get("encoding", {}).values() if "legend" in one}
            ]
            assert choice["views"] == shown[:1], figure.name


def test_data_stand_in_the_spec_and_nothing_is_loaded(answered: Answered) -> None:
    answered.run("m", 20)

    told = json.loads(json.dumps(complete(answered.figures["ranking"])))
    assert not any("url" in part for part in parts(told))


def test_the_script_of_the_page_sets_what_it_needs_and_loads_nothing() -> None:
    script = javascript()

    assert script.startswith("(()=>{")
    assert all(f"window.{name}=" in script for name in ("vega", "vegaLite", "vegaEmbed"))
    assert "</script" not in script.lower()
    assert not re.search(r"\bimport\s*(?:\(|[\w{*])[^;]*https?:", script)
    assert len(script) < 1_200_000


def test_nothing_that_draws_is_imported_before_something_is_drawn() -> None:
    code = "import sys, reports.figures, reports.commands.figures; print({'altair', 'vl_convert'} & {*sys.modules})"
    command = [sys.executable, "-c", code]

    told = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


@pytest.fixture(scope="module")
def many() -> Summary:
    """60 combinations x 6 tasks."""
    answered = Answered()
    for number in range(60):
        for task in range(6):
            right, tokens = 5 + (number * 7 + task * 3) % 33, 5 + number * 3 % 50
            answered.run(f"model-{number}-instruct-of-somebody", right, task=f"task_{task}", tokens=tokens)
    return answered.summary


@pytest.fixture(scope="module")
def drawn(many: Summary) -> dict[str, Figure]:
    return by_name(figures(many))


def test_60_combinations_of_6_tasks_are_drawn_in_few_seconds(many: Summary) -> None:
    began = time.process_time()
    found = by_name(figures(many))
    specs = time.process_time() - began
    sizes = {name: len(svg(figure)) for name, figure in found.items()}
    seconds = time.process_time() - began

    assert len(found) == 5
    assert specs < 6
    assert seconds < 25
    assert max(sizes.values()) < 1_000_000


def test_every_one_of_60_combinations_has_its_line_and_its_name(drawn: dict[str, Figure]) -> None:
    assert len(rows_with(drawn["ranking"], "mean", "n")) == 60
    named = {row["name"] for row in rows_with(drawn["accuracy-throughput"], "align")}
    assert len(named) >= 57


def test_the_specs_of_60_combinations_leave_room_in_a_page_of_3_mb(drawn: dict[str, Figure]) -> None:
    size = sum(len(json.dumps(figure.spec)) for figure in drawn.values())

    assert size + len(javascript()) < 1_800_000
