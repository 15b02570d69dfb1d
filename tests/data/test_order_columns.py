"""Order columns: dates and times of every unit and kind, and large integers."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emkit import DataError
from emkit.data.sequence_input import read_sequences

UNITS = {"s": timedelta(seconds=1), "ms": timedelta(milliseconds=1), "us": timedelta(microseconds=1)}
ZONES = [None, UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))]
DATES = st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), min_size=1, max_size=6, unique=True)


def order_of(frame):
    """The numbers of the rows in the order that they were put in."""
    return read_sequences(frame, order="t").x.ravel().astype(int).tolist()


def rows(values):
    return {"t": values, "v": np.arange(float(len(values)))}


def right(values):
    return sorted(range(len(values)), key=values.__getitem__)


@settings(max_examples=60, deadline=None)
@given(values=DATES, unit=st.sampled_from(list(UNITS)), zone=st.sampled_from(ZONES))
def test_dates_are_ordered_as_by_python(values, unit, zone):
    step = UNITS[unit]
    values = [v.replace(tzinfo=zone) for v in {v - (v - datetime.min) % step for v in values}]
    want = right(values)
    arrow = pa.array([v.astimezone(UTC) if zone else v for v in values], pa.timestamp(unit, "UTC" if zone else None))
    assert order_of(pa.table(rows(arrow))) == want
    assert order_of(pd.DataFrame(rows(pd.Series(arrow.to_pandas(date_as_object=False))))) == want
    assert order_of(pd.DataFrame(rows(pd.Series(arrow, dtype=pd.ArrowDtype(arrow.type))))) == want
    assert order_of(pd.DataFrame(rows(pd.Series(values, dtype=object)))) == want
    if unit != "s":  # polars has no seconds
        assert order_of(pl.DataFrame(rows(pl.from_arrow(arrow)))) == want


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1)), min_size=1, max_size=6, unique=True))
def test_nanoseconds(values):
    arrow = pa.array(values, pa.timestamp("ns"))
    for frame in (pa.table(rows(arrow)), pl.DataFrame(rows(pl.from_arrow(arrow))), pd.DataFrame(rows(arrow.to_pandas()))):
        assert order_of(frame) == right(values)
    stamps = [pd.Timestamp(v).as_unit("ns") for v in values]
    stamps.append(stamps[0] + pd.Timedelta(1, "ns"))
    assert order_of(pd.DataFrame(rows(pd.Series(stamps, dtype=object)))) == right(stamps)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.dates(), min_size=1, max_size=6, unique=True))
def test_days(values):
    want = right(values)
    for frame in (
        pd.DataFrame(rows(pd.Series(values, dtype=object))),
        pd.DataFrame(rows(pd.Series(values, dtype="date32[pyarrow]"))),
        pl.DataFrame(rows(values)),
        pa.table(rows(pa.array(values))),
        pa.table(rows(pa.array(values, pa.date64()))),
    ):
        assert order_of(frame) == want


def test_time_zones_are_ordered_by_the_instant():
    values = [
        datetime(2020, 1, 1, 12, tzinfo=ZONES[2]),
        datetime(2020, 1, 1, 8, tzinfo=UTC),
        datetime(2020, 1, 1, 1, tzinfo=ZONES[3]),
    ]
    assert order_of(pd.DataFrame(rows(pd.Series(values, dtype=object)))) == [0, 1, 2]
    edges = [datetime.max.replace(tzinfo=ZONES[3]), datetime.min.replace(tzinfo=ZONES[2])]
    assert order_of(pd.DataFrame(rows(pd.Series(edges, dtype=object)))) == [1, 0]


@pytest.mark.parametrize(
    "values",
    [
        [timedelta(3), timedelta(1), timedelta(2)],
        [time(3), time(1), time(2)],
        [pd.Period("2022-03", "M"), pd.Period("2022-01", "M"), pd.Period("2022-02", "M")],
        [2**62 + 2, 2**62, 2**62 + 1],
        [True + 2.5, 1.5, 2.5],
    ],
)
def test_of_other_kinds(values):
    assert order_of(pd.DataFrame(rows(pd.Series(values, dtype=object)))) == [1, 2, 0]


def test_integers_of_128_bits():
    assert order_of(pl.DataFrame(rows(pl.Series([3, 1, 2], dtype=pl.Int128)))) == [1, 2, 0]
    with pytest.raises(DataError, match="integers beyond 64 bits"):
        order_of(pl.DataFrame(rows(pl.Series([2**64, 1], dtype=pl.Int128))))
    with pytest.raises(DataError, match="integers beyond 64 bits"):
        order_of(pl.DataFrame(rows(pl.Series([2**63, 1], dtype=pl.UInt64))))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pd.array([1, pd.NA], dtype="Int64"), "column 't' row 1 is missing; every row needs its place"),
        (pd.Series([date(2020, 1, 1), None], dtype=object), "row 1 is missing"),
        (pd.Series([1, pd.NA], dtype=object), "row 1 is missing"),
        (pd.Series([date(2020, 1, 1), None], dtype="date32[pyarrow]"), "row 1 is missing"),
        (pd.to_datetime(pd.Series(["2020-01-01", None])), "row 1 is missing"),
        (pd.Series([1.0, np.nan]), "row 1 is missing"),
        (pd.Series(["a", "b"]), "must hold numbers or dates"),
        (pd.Series([date(2020, 1, 1), datetime(2020, 1, 1)], dtype=object), "mixes dates and dates with times without a time zone"),
        (pd.Series([datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1)], dtype=object), "mixes .* with a time zone and"),
        (pd.Series([date(2020, 1, 1)] * 2, dtype=object), "t = 2020-01-01 twice"),
        (pd.to_datetime(pd.Series(["2020-01-01"] * 2)), "t = 2020-01-01 00:00:00 twice"),
    ],
)
def test_refused(values, words):
    with pytest.raises(DataError, match=words):
        order_of(pd.DataFrame(rows(values)))
