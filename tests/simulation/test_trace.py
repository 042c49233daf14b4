"""Traces: what is read is what was recorded, and what is no trace is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from heijunka.errors import InvalidOption
from heijunka.simulation import SHAPES, Trace, read_trace, shape
from heijunka.simulation.trace import Gaps

HEAD = "timestamp,value\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "load.csv"
    path.write_text(text)
    return path


def test_counts_are_played_as_rates(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "2020-01-01 00:00:00,120\n2020-01-01 00:05:00,30\n2020-01-01 00:10:00,0\n")

    assert Trace("load", (2.0, 0.5, 0.0), 60) == read_trace(path)
    assert (1.0, 0.25, 0.0) == read_trace(path, bin_s=120).rates


def test_moments_may_be_seconds_and_columns_in_any_order(tmp_path: Path) -> None:
    assert (1.0, 2.0) == read_trace(written(tmp_path, "value,host,timestamp\n60,a,0\n120,a,300\n")).rates


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: has no header"),
        ("when,what\n1,2\n", "line 1: has no header"),
        (HEAD + "0,1\n60,many\n", "line 3: 'many' is no number"),
        (HEAD + "0,1\n60,-2\n", "line 3: -2 is no count"),
        (HEAD + "0,1\n60,nan\n", "line 3: nan is no count"),
        (HEAD + "0,1\n60,inf\n", "line 3: inf is no count"),
        (HEAD + "0,1\nnoon,2\n", "line 3: 'noon' is no moment"),
        (HEAD + "0,1\n60\n", "line 3: has 1 of 2 columns"),
        (HEAD + "0,1\n60,1\n60,1\n", "line 4: is not later than the line before"),
        (HEAD + "0,1\n60,1\n30,1\n", "line 4: is not later than the line before"),
        (HEAD + "0,1\n60,1\n120,1\n300,1\n", "line 5: comes 180 s after the line before.*there is a gap"),
        (HEAD + "0,1\n", "has 1 bins, and needs two"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        read_trace(written(tmp_path, text))


@pytest.mark.parametrize(
    ("gaps", "rates"), [("skip", (1, 2, 3, 4)), ("hold", (1, 2, 3, 3, 3, 4)), ("zero", (1, 2, 3, 0, 0, 4))]
)
def test_gaps_are_what_was_asked_for(tmp_path: Path, gaps: Gaps, rates: tuple[float, ...]) -> None:
    path = written(tmp_path, HEAD + "0,60\n60,120\n120,180\n300,240\n")

    assert rates == read_trace(path, gaps=gaps).rates


def test_a_gap_of_no_whole_number_of_bins_is_refused_however_gaps_are_filled(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="line 5"):
        read_trace(written(tmp_path, HEAD + "0,1\n60,1\n120,1\n210,1\n"), gaps="hold")


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "load.csv"):
        with pytest.raises(InvalidOption, match="cannot be read"):
            read_trace(path)


def test_the_peak_of_a_scaled_trace_is_its_995th_permille() -> None:
    trace = Trace("up", tuple(float(rate) for rate in range(1, 1_001))).scaled(400.0)

    assert 400.0 == trace.rates[994]
    assert trace.rates[-1] > 400.0


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_rise_to_their_peak(name: str) -> None:
    trace = shape(name, peak=50.0, bins=96)

    assert 50.0 == pytest.approx(max(trace.rates), rel=0.01)
    assert min(trace.rates) >= 0
    assert 96 * 60 == trace.seconds


def test_unknown_shapes_and_empty_ones_are_refused() -> None:
    with pytest.raises(InvalidOption, match="no shape"):
        shape("cliff", peak=1.0)
    with pytest.raises(InvalidOption, match="peak above 0"):
        shape("step", peak=0.0)
    with pytest.raises(InvalidOption, match="no load to scale"):
        Trace("flat", (0.0, 0.0)).scaled(4.0)
