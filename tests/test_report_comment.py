import re

import pytest

from reports.pull_request import LONGEST, comment

WHERE = "report.json"


def table(rows: int, width: int = 40) -> str:
    body = "\n".join(f"| row {number} | {'x' * width} |" for number in range(rows))
    return f"| name | value |\n|---|---|\n{body}"


def report(*parts: tuple[str, str]) -> str:
    return (
        "\n\n".join(["## Weighbridge: s1", "hardware: cpu", *(f"### {title}\n\n{body}" for title, body in parts)])
        + "\n"
    )


def size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_a_short_report_stays_as_it_is() -> None:
    told = report(("Ranking", table(3)), ("By task", table(5)), ("Not passed", "```text\n### no heading\n```"))

    assert comment(told, WHERE) == told


def test_the_longest_parts_are_folded_and_the_first_stays_open() -> None:
    told = comment(report(("Ranking", table(300)), ("By task", table(500)), ("Load", table(5))), WHERE)

    assert re.findall("<summary>(.*)</summary>", told) == ["By task"]
    assert "### Ranking" in told
    assert "### Load" in told
    assert size(told) <= LONGEST


def test_what_is_folded_already_stays_so_with_the_headings_inside() -> None:
    fold = f"<details><summary>Load</summary>\n\n### Load\n\n{table(500)}\n\n</details>"
    told = report(("Ranking", f"{table(3)}\n\n{fold}"), ("By task", table(4)))

    assert comment(told, WHERE) == told


def test_what_is_folded_already_is_shortened_inside_its_fold() -> None:
    fold = f"<details><summary>Load</summary>\n\n{table(3000)}\n\n</details>"

    told = comment(report(("Ranking", f"{table(3)}\n\n{fold}"), ("By task", table(4))), WHERE)

    assert size(told) <= LONGEST
    assert "more lines: report.json*\n\n</details>\n\n### By task" in told


def test_the_body_of_a_folded_part_is_markdown_still() -> None:
    told = comment(report(("Ranking", table(2)), ("By task", table(500))), WHERE)

    assert "<summary>By task</summary>\n\n| name | value |" in told
    assert told.endswith("|\n\n</details>\n")


def test_a_folded_heading_is_shown_as_it_was_meant() -> None:
    told = comment(report(("Ranking", table(2)), (r"a \| b \*c\* &lt;i> 🙂", table(500))), WHERE)

    assert "<summary>a | b *c* &lt;i&gt; 🙂</summary>" in told


def test_a_report_that_is_too_long_loses_rows_of_its_longest_tables_and_says_so() -> None:
    told = comment(report(("Ranking", table(100)), ("By task", table(9000))), WHERE)

    assert LONGEST - 1000 < size(told) <= LONGEST
    (more,) = re.findall(r"… and ([\d,]+) more lines: report.json", told)
    assert told.count("| row ") + int(more.replace(",", "")) == 9100


def test_blocks_of_code_are_kept_or_left_out_whole() -> None:
    blocks = "\n\n".join(f"```text\nverdict {number}\n\n### {'y' * 300}\n```" for number in range(500))

    told = comment(report(("Ranking", table(3)), ("Not passed", blocks)), WHERE)

    assert size(told) <= LONGEST
    assert told.count("```text") == told.count("\n```\n")
    assert "more lines: report.json" in told


def test_letters_beyond_the_basic_plane_count_twice() -> None:
    told = comment(report(("Ranking", table(3)), ("By task", "\n\n".join(["🙂" * 100] * 600))), WHERE)

    assert size(told) <= LONGEST


@pytest.mark.parametrize("title", ["Ranking", "By task"])
def test_one_block_without_an_end_is_cut_with_a_word(title: str) -> None:
    told = comment(report((title, "z" * 200_000)), WHERE)

    assert size(told) <= LONGEST
    assert "report.json" in told
