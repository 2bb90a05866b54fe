"""Numbers and names as people read them. The only place where anything is rounded."""

import math
from collections.abc import Sequence

from reports.wording.layout import UNKNOWN

GIBIBYTE = 2**30
SHORTER = {"mmlu_pro_computer_science": "mmlu_pro_cs", "computer_science": "cs"}
SPEED_NAMES = {
    "time_to_first_token": "TTFT",
    "time_per_output_token": "TPOT",
    "inter_token_latency": "ITL",
    "request_latency": "latency",
    "output_tokens_per_second": "output tokens/s",
    "total_tokens_per_second": "total tokens/s",
    "requests_per_second": "requests/s",
}
IN_MILLISECONDS = ("time_to_first_token", "time_per_output_token", "inter_token_latency", "request_latency")


def points(share: float | None) -> str:
    """54.5: percentage points of a share of 1."""
    return UNKNOWN if share is None else f"{100 * share:.1f}"


def fine_points(share: float | None) -> str:
    """82.93: with a second decimal, as for one run of some hundred questions."""
    return UNKNOWN if share is None else f"{100 * share:.2f}"


def amount(number: float | None) -> str:
    """340, or 28.5 where points are fractions."""
    if number is None:
        return UNKNOWN
    return f"{number:,.0f}" if abs(number - round(number)) < 0.005 else f"{number:,.2f}"  # noqa: PLR2004 - it rounds


def signed_points(share: float | None) -> str:
    """+3.2; what rounds to zero is +0.0."""
    return UNKNOWN if share is None else f"{round(100 * share, 1) + 0.0:+.1f}"


def spread(mean: float | None, deviation: float | None) -> str:
    """61.2 ± 0.4."""
    return UNKNOWN if mean is None else f"{points(mean)} ± {points(deviation)}"


def count(number: float | None) -> str:
    """1,234,567."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def rate(per_second: float | None) -> str:
    """12.3, or 1,234 where decimals say nothing, or 0.0081 where they say all."""
    if per_second is None:
        return UNKNOWN
    if 0 < per_second < 1:
        return f"{per_second:.2g}"
    return f"{per_second:,.1f}" if per_second < 100 else f"{per_second:,.0f}"  # noqa: PLR2004 - three digits are enough


def figure(number: float | None, decimals: int | None = None) -> str:
    """Three digits, or two below 1: 1,234 12.3 0.012; or as many decimals as asked for."""
    if number is None:
        return UNKNOWN
    wanted = _decimals(number, 3 if abs(number) >= 1 else 2) if decimals is None else decimals
    return f"{number:,.{wanted}f}"


def figure_spread(mean: float | None, deviation: float | None) -> str:
    """182 ± 3, or 182.3 ± 0.2: as many decimals as the deviation makes meaningful, five digits at most."""
    if mean is None:
        return UNKNOWN
    wanted = _decimals(mean, 3 if abs(mean) >= 1 else 2)
    if deviation:
        wanted = max(wanted, min(_decimals(deviation, 1), _decimals(mean, 5)))
    return f"{figure(mean, wanted)} ± {figure(deviation, wanted)}"


def milliseconds(seconds: float | None) -> str:
    """0.0123 s is 12.3."""
    return UNKNOWN if seconds is None else figure(1000 * seconds)


def speed_unit(metric: str, unit: str | None) -> str:
    """What a speed is shown in: milliseconds where its seconds are small."""
    return "ms" if unit == "s" and metric in IN_MILLISECONDS else unit or UNKNOWN


def in_speed_unit(number: float | None, metric: str, unit: str | None) -> float | None:
    """A number of `unit` in what `speed_unit` says."""
    return None if number is None else 1000 * number if speed_unit(metric, unit) == "ms" else number


def speed_name(name: str) -> str:
    """TTFT p95, for "time_to_first_token.p95"."""
    metric, _, statistic = name.partition(".")
    return f"{SPEED_NAMES.get(metric, metric.replace('_', ' '))} {statistic}".rstrip()


def percent(share: float | None) -> str:
    """12.3%."""
    return UNKNOWN if share is None else f"{100 * share:.1f}%"


def signed_percent(share: float | None) -> str:
    """+12.3%, or -0.04% where one decimal would hide the sign."""
    if share is None:
        return UNKNOWN
    decimals = max(1, _decimals(100 * share, 1)) if abs(share) > 1e-6 else 1  # noqa: PLR2004 - closer is as good as 0
    return f"{round(100 * share, decimals) + 0.0:+.{decimals}f}%"


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


def beginning_left_out(names: Sequence[str], kind: str = "Task") -> list[str]:
    """A note under a table that shows `task_names` of these; none where they are shown whole."""
    left_out = shared_beginning(list(dict.fromkeys(names)))
    return [f"{kind} names are shown without {left_out} at their beginning."] if left_out else []


def _decimals(number: float, digits: int) -> int:
    """Decimals that show so many digits of a number, none for 0."""
    return max(0, digits - 1 - math.floor(math.log10(abs(number)))) if number else 0
