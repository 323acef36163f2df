"""The report as people read it."""

import dataclasses

import numpy as np
import pytest

import smalti
from smalti.report import Report


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(1)
    return smalti.compress(rng.integers(0, 256, (60, 60, 3), np.uint8), k=64)


def row(report, name):
    """Return the lines of one row of the report, as one."""
    lines = str(report).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"  {name} "))
    more = [line for line in lines[first + 1 :] if line.startswith(" " * 12)]
    return [lines[first], *more]


def changed(report: Report, **fields):
    return dataclasses.replace(report, **fields)


def test_rows_fit_79_columns_even_with_swatches(report):
    stages = dict.fromkeys(("decode", "histogram", "palette", "map", "encode"), 12345.0)
    note = "word " * 40
    long = changed(report, milliseconds=stages, notes=(note.strip(),), bytes_in=10**9)

    for line in str(long).splitlines():
        assert len(line) + 2 * line.count("#") <= 79


def test_a_stage_and_its_time_stay_on_one_line(report):
    stages = {f"stage{i}": 100.0 + i for i in range(9)}

    lines = row(changed(report, milliseconds=stages), "time")

    assert len(lines) == 2
    assert all(not line.endswith(tuple(stages)) for line in lines)
    assert "\N{NO-BREAK SPACE}" not in "".join(lines)


def test_stages_too_short_to_measure_are_left_out(report):
    text = row(changed(report, milliseconds={"decode": 3.0, "map": 0.2}), "time")

    assert text == ["  time      3 ms: decode 3"]


def test_at_least_one_color_is_shown_and_the_rest_counted(report):
    text = row(report, "palette")[0]

    shown = text.count("#")
    assert shown >= 3
    assert text.endswith(f"and {report.colors_used - shown} more")


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("max_iter", "7 iterations, stopped at max_iter"),
        ("converged", "7 iterations, until nothing moved any more"),
        ("searched", "7 iterations, a search of effort best"),
    ],
)
def test_why_k_means_stopped_reads_as_no_failure(report, reason, text):
    ended = changed(report, stop_reason=reason, iterations=7, effort="best")

    assert row(ended, "k-means")[0].endswith(text)


def test_the_summary_names_the_output_without_its_folder(report):
    summary = changed(report, source="in/a.png", target="out/sub/a.png", bytes_in=10**6).summary()

    assert summary.startswith("in/a.png → a.png  ")
    assert " % smaller, " in summary
    assert "out" not in summary
