"""Numbers and names as people read them. The only place where anything is rounded."""

from collections.abc import Sequence

from reports.layout import UNKNOWN

GIBIBYTE = 2**30
SHORTER = {"mmlu_pro_computer_science": "mmlu_pro_cs", "computer_science": "cs"}


def points(share: float | None) -> str:
    """54.5: percentage points of a share of 1."""
    return UNKNOWN if share is None else f"{100 * share:.1f}"


def signed_points(share: float | None) -> str:
    """+3.2; what rounds to zero is +0.0."""
    return UNKNOWN if share is None else f"{round(100 * share, 1) + 0.0:+.1f}"


def spread(mean: float | None, deviation: float | None) -> str:
    """61.2 ± 0.4."""
    return UNKNOWN if mean is None else f"{points(mean)} ± {points(deviation)}"


def count(number: int | None) -> str:
    """1,234,567."""
    return UNKNOWN if number is None else f"{number:,}"


def rate(per_second: float | None) -> str:
    """12.3, or 1,234 where decimals say nothing, or 0.0081 where they say all."""
    if per_second is None:
        return UNKNOWN
    if 0 < per_second < 1:
        return f"{per_second:.2g}"
    return f"{per_second:,.1f}" if per_second < 100 else f"{per_second:,.0f}"  # noqa: PLR2004 - three digits are enough


def duration(seconds: float | None) -> str:
    """1:05, or 2:01:05 from an hour on."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def memory(size: int | None) -> str:
    """Bytes in GiB."""
    return UNKNOWN if size is None else f"{size / GIBIBYTE:.1f}"


def runs(number: int, earlier: int) -> str:
    """2, or 2 (+4 earlier)."""
    if not number and not earlier:
        return UNKNOWN
    return f"{number} (+{earlier} earlier)" if earlier else str(number)


def score_name(name: str, primary: str | None) -> str:
    """Of "metric,filter" what tells it apart from the task's primary score."""
    metric, _, found_by = name.partition(",")
    if found_by in {"", "none"}:
        return metric
    return found_by if metric == (primary or "").partition(",")[0] else f"{metric} {found_by}"


def task_names(names: Sequence[str]) -> dict[str, str]:
    """Short headings: without the words that all names begin with, and with known long names abbreviated."""
    rest = {name: name.removeprefix(shared_beginning(names)) for name in names}
    short = {name: SHORTER.get(word, word) for name, word in rest.items()}
    return short if len(set(short.values())) == len(short) else rest


def shared_beginning(names: Sequence[str]) -> str:
    """The words that all names begin with ("embedded_"), of which each keeps at least its last."""
    words = [name.split("_") for name in names]
    if len(words) < 2:  # noqa: PLR2004 - a single name shares nothing
        return ""
    most = min(map(len, words)) - 1
    same = next((i for i in range(most) if len({one[i] for one in words}) > 1), most)
    return "".join(f"{word}_" for word in words[0][:same])
