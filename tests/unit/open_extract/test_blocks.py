"""The open extract of a planted version: what leaves it, what stays, what does not change."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from cdi.audit.tables import TABLES, create_audit_tables
from cdi.errors import CdiError, StateError
from cdi.open_extract.blocks import (
    ALL,
    SQL,
    Key,
    Quarter,
    build_system,
    count_quarter,
    release_quarter,
)
from cdi.open_extract.write import make_extract, open_for_extract, plan_releases
from cdi.sql import connect, fetch_dicts, ident, read_query
from cdi_proofs.attack import Cell, attack_extracts, count_differences, read_open_folder
from cdi_proofs.open_rehearsal import withhold_small_counts_alone

pytestmark = pytest.mark.usefixtures("state")  # a released quarter is sealed with a key

LIMITS = {
    "smallest_count": 5,
    "smallest_denominator": 20,
    "maturity_days": 30,
    "most_audited_percent": 50,
}
GROUPS = ("violence_against_the_person", "sexual_offences", "theft")
FIRST, SECOND = Quarter(date(2017, 1, 1)), Quarter(date(2017, 4, 1))
SECRET = "NMP-20170101-0001"  # stands in every column of a call or crime that may hold text


def crime(day: date, district: str | None, group: str, **other: Any) -> dict[str, Any]:
    """A crime reported at noon; recorded within an hour, unless it is said to be missed."""
    at = datetime(day.year, day.month, day.day, 12)
    outcome = other.get("outcome", "recorded")
    return {
        "call_id": f"{SECRET}-{day}-{district}",
        "district": district,
        "offence_group": group,
        "reported_at": at,
        "reported_month_on": day.replace(day=1),
        "recorded_at": at + timedelta(hours=1) if outcome == "recorded" else None,
        "is_rape": False,
        "is_domestic_abuse": False,
        "is_in_frame": True,
        "outcome": outcome,
        **{f"outcome_{ruleset}": outcome for ruleset in ("strict", "standard", "inclusive")},
        **other,
    }


def crimes(quarter: Quarter) -> list[dict[str, Any]]:
    """Twelve thefts a month in A and B, 7 of violence in A, 2 in B, and 3 missed thefts in A."""
    found = []
    for month in range(3):
        day = quarter.starts_on.replace(month=quarter.starts_on.month + month)
        for district in "AB":
            found += [crime(day, district, "theft") for _ in range(12)]
        found += [crime(day, "A", "theft", outcome="unrecorded") for _ in range(3)]
        found += [crime(day, "A", "violence_against_the_person") for _ in range(7)]
        found += [crime(day, "B", "violence_against_the_person") for _ in range(2)]
    return found


def version(
    file: Path,
    rows: list[dict[str, Any]],
    as_of: date,
    *,
    is_simulated: bool = True,
    is_taught: bool = True,
    more_groups: Sequence[str] = (),
) -> Path:
    """A version's file with what the extract reads; by default an audit has taught the software."""
    file.unlink(missing_ok=True)
    with connect(file) as con:
        con.execute(
            "create table release as select 'Testville' as agency_name, "
            "$simulated as is_simulated, 'UTC' as timezone, $as_of::timestamp as as_of, "
            "as_of as calls_as_of, as_of as crime_records_as_of, 'none' as licence, "
            "'1' as ruleset_version, if($taught, 'model', null) as text_model_version",
            {"simulated": is_simulated, "as_of": as_of, "taught": is_taught},
        )
        _fill(con, "fct_reported_crimes", rows)
        con.execute(
            "create table fct_calls as select call_id, reported_at as received_at, "
            "$secret as account_text from fct_reported_crimes",
            {"secret": SECRET},
        )
        con.execute(
            "create table rape_reports as select 'reported_incident' as kept_as, reported_at, "
            "$secret as rape_report_id from fct_reported_crimes where outcome = 'unrecorded'",
            {"secret": SECRET},
        )
        con.execute("create schema rules")
        _fill(
            con,
            "rules.offence_groups",
            [
                {"offence_group": name, "is_headline": name != "fraud", "sort_order": at}
                for at, name in enumerate((*GROUPS, *more_groups, "fraud"))
            ],
        )
        _fill(
            con,
            "rules.disclosure_limits",
            [{"limit_name": name, "limit_value": value} for name, value in LIMITS.items()],
        )
        _fill(
            con,
            "auditability",
            [
                {
                    "auditability_check": "known_route",
                    "description": "d",
                    "share": 0.987,
                    "min_share": 0.8,
                    "is_met": True,
                    "reason": "none",
                }
            ],
        )
        con.execute("create schema measures")
        create_audit_tables(con, {})
        for name in TABLES:
            con.execute(f"create view {ident(name)} as from measures.{ident(name)}")
    return file


def _fill(con: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    names = ", ".join(ident(name) for name in rows[0])
    marks = ", ".join("?" for _ in rows[0])
    values = [list(row.values()) for row in rows]
    con.execute(
        f"create table {table} as select * from (values ({marks})) as t({names})", values[0]
    )
    con.executemany(f"insert into {table} values ({marks})", values[1:] or [values[0]])
    if not values[1:]:
        con.execute(f"delete from {table} where rowid > 0")


def released(file: Path, kept: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Make the extract; its tables."""
    with open_for_extract(file) as con:
        make_extract(con, "testville", kept, folder)
    with connect(folder / "open.duckdb", read_only=True) as con:
        names = [name for (name,) in con.execute("show tables").fetchall()]
        return {name: con.sql(f"from {name}").to_arrow_table().to_pylist() for name in names}


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    return version(tmp_path / "recording.duckdb", crimes(FIRST), date(2017, 5, 2))


def counted(rows: list[dict[str, Any]], *place: str) -> list[int | None]:
    names = ("quarter", "month", "district", "offence_group")
    (row,) = [row for row in rows if tuple(row[name] for name in names) == place]
    return [row["due_count"], row["recorded_count"], row["missed_count"]]


def test_a_quarter_is_released_when_it_is_whole_and_thirty_days_old(tmp_path: Path) -> None:
    from_january = crimes(FIRST)
    from_february = [row for row in from_january if row["reported_at"].month > 1]
    for rows, as_of, quarters in (
        (from_january, date(2017, 4, 30), []),
        (from_january, date(2017, 5, 1), ["2017-Q1"]),
        (from_february, date(2017, 7, 30), []),
        (from_february, date(2017, 7, 31), ["2017-Q2"]),
    ):
        with open_for_extract(version(tmp_path / "v.duckdb", rows, as_of)) as con:
            assert [quarter.name for quarter in plan_releases(con, 30)[0]] == quarters


@pytest.mark.parametrize(
    ("zone", "first_at", "quarter"),
    [
        ("UTC", datetime(2017, 1, 1, 23), "2017-Q1"),
        ("UTC", datetime(2017, 1, 2), "2017-Q2"),
        ("UTC", datetime(2017, 1, 29, 12), "2017-Q2"),
        ("UTC", datetime(2016, 12, 29, 12), "2017-Q1"),
        ("Asia/Singapore", datetime(2016, 12, 31, 16), "2017-Q1"),
        ("Asia/Singapore", datetime(2017, 1, 1, 16), "2017-Q2"),
    ],
)
def test_a_quarter_whose_first_local_day_has_no_call_is_not_whole(
    tmp_path: Path, zone: str, first_at: datetime, quarter: str
) -> None:
    rows = crimes(SECOND)
    rows[0]["reported_at"] = first_at
    file = version(tmp_path / "v.duckdb", rows, date(2017, 8, 2))
    with connect(file) as con:
        con.execute("update release set timezone = ?", [zone])
    with open_for_extract(file) as con:
        assert plan_releases(con, 30)[0][0].name == quarter


def test_quarters_follow_each_other_over_the_year() -> None:
    last = Quarter(date(2016, 10, 1))
    assert (last.name, last.months) == ("2016-Q4", ["2016-10", "2016-11", "2016-12"])
    assert last.next == FIRST


def test_all_sums_hold_and_what_is_no_crime_of_the_frame_is_not_counted(tmp_path: Path) -> None:
    day = FIRST.starts_on
    others = [
        crime(day, "A", "theft", is_in_frame=False),
        crime(day, "A", "fraud"),
        crime(day, "A", "theft", outcome="justified"),
        crime(day, "A", "theft", outcome="too_recent"),
    ]
    file = version(tmp_path / "v.duckdb", crimes(FIRST) + others, date(2017, 5, 2))
    with open_for_extract(file) as con:
        found = count_quarter(con, FIRST)
    assert found[Key(ALL, ALL, ALL, ALL, "due")] == 3 * (12 + 12 + 3 + 7 + 2)
    assert found[Key(ALL, "A", "theft", ALL, "missed")] == 9
    assert found[Key("2017-02", "B", "violence_against_the_person", ALL, "recorded")] == 2
    assert found[Key("2017-02", "B", "sexual_offences", ALL, "due")] == 0
    system = build_system(found)
    # each of the 3 x 2 x 3 cells of each measure is a part of three lines
    assert system.sums.shape[0] > 3 * (2 * 3 + 3 * 3 + 3 * 2)
    assert not (system.sums @ system.values).any()


def test_small_counts_are_withheld_and_cannot_be_subtracted(planted: Path, tmp_path: Path) -> None:
    found = released(planted, tmp_path / "kept", tmp_path / "open")
    crimes_ = found["crimes"]
    assert len(crimes_) == 4 * 3 * 4
    violence = "violence_against_the_person"
    assert counted(crimes_, "2017-Q1", ALL, ALL, ALL) == [108, 99, 9]
    assert counted(crimes_, "2017-Q1", "2017-01", "B", violence)[0] is None
    # 9 in the month, 7 of them in A: so these are withheld too, or the total is
    assert None in (
        counted(crimes_, "2017-Q1", "2017-01", "A", violence)[0],
        counted(crimes_, "2017-Q1", "2017-01", ALL, violence)[0],
    )
    assert counted(crimes_, "2017-Q1", "2017-01", "A", "theft")[2] is None
    findings = attack_extracts([read_open_folder(tmp_path / "open")])
    assert len(findings.withheld) > 6
    assert findings.recovered == {}
    assert findings.told_small == []


def test_without_secondary_suppression_the_attack_succeeds(planted: Path, tmp_path: Path) -> None:
    with open_for_extract(planted) as con:
        withhold_small_counts_alone(con, tmp_path / "open")
    findings = attack_extracts([read_open_folder(tmp_path / "open")])
    place = Cell("2017-Q1", "2017-01", "B", "violence_against_the_person", ALL, "due")
    assert findings.recovered[place] == 2


def test_a_released_quarter_stays_as_it_was_and_a_new_one_joins_it(
    planted: Path, tmp_path: Path
) -> None:
    first = released(planted, tmp_path / "kept", tmp_path / "open")
    # one late record, and one crime more in B: the counts of 2 would be 3
    changed = [*crimes(FIRST), crime(FIRST.starts_on, "B", "violence_against_the_person")]
    changed[24] |= {"outcome": "recorded", "outcome_standard": "recorded"}
    later = version(tmp_path / "recording.duckdb", changed + crimes(SECOND), date(2017, 8, 2))
    second = released(later, tmp_path / "kept", tmp_path / "later")
    assert {row["quarter"] for row in second["crimes"]} == {"2017-Q1", "2017-Q2"}
    assert {row["quarter"]: row["as_of_on"] for row in second["quarters"]} == {
        "2017-Q1": date(2017, 5, 2),
        "2017-Q2": date(2017, 8, 2),
    }
    for name, rows in first.items():
        if name not in ("release", "auditability", "audited_rates"):
            assert rows
            assert [row for row in second[name] if row["quarter"] == "2017-Q1"] == rows, name
    both = [read_open_folder(tmp_path / folder) for folder in ("open", "later")]
    assert count_differences(*both) == {
        "counts_in_both": len(both[0].counts),
        "shown_in_one": 0,
        "changed": 0,
        "changed_by_a_small_count": 0,
    }
    findings = attack_extracts(both)
    assert findings.recovered == {}
    assert findings.told_small == []
    # counted anew, the total would have told of the one crime more
    anew = released(later, tmp_path / "other", tmp_path / "anew")
    assert counted(anew["crimes"], "2017-Q1", ALL, ALL, ALL) == [109, 101, 8]


@pytest.mark.parametrize("left", ["one call less", "the next quarter", "no call"])
def test_a_released_quarter_stays_when_its_calls_are_removed(
    planted: Path, tmp_path: Path, left: str
) -> None:
    """Retention removes the oldest calls, and an erasure may take the only one of the first day."""
    first = released(planted, tmp_path / "kept", tmp_path / "open")
    rows = crimes(FIRST) + crimes(SECOND)
    rows = {
        "one call less": [row for row in rows if row["reported_at"].date() != FIRST.starts_on],
        "the next quarter": crimes(SECOND),
        "no call": [],
    }[left]
    file = version(tmp_path / "later.duckdb", rows or crimes(FIRST), date(2017, 8, 2))
    if not rows:
        with connect(file) as con:
            con.execute("delete from fct_calls")
            con.execute("delete from fct_reported_crimes")
    with open_for_extract(file) as con:
        make_extract(
            con, "testville", tmp_path / "kept", tmp_path / "later", before=tmp_path / "open"
        )
    with connect(tmp_path / "later" / "open.duckdb", read_only=True) as con:
        shown = con.sql("from crimes where quarter = '2017-Q1'").to_arrow_table().to_pylist()
    assert shown == first["crimes"]
    said = (tmp_path / "later" / "datapackage.json").read_text()
    assert "withdrawn" not in said
    (tmp_path / "kept" / "2017-Q1.parquet").unlink()
    with pytest.raises(StateError, match=r"STATE-DAMAGED.*2017-Q1\.parquet is missing"):
        released(file, tmp_path / "kept", tmp_path / "later")


@pytest.mark.parametrize(
    ("zone", "as_of", "day"),
    [
        # midnight at the beginning of 2 May in summer time, and nine in the evening of 2 May
        ("Europe/London", datetime(2017, 5, 1, 23), date(2017, 5, 2)),
        ("America/Los_Angeles", datetime(2017, 5, 3, 4), date(2017, 5, 2)),
    ],
)
def test_the_day_of_a_release_is_that_of_the_agencys_calendar(
    zone: str, as_of: datetime, day: date, tmp_path: Path
) -> None:
    file = version(tmp_path / "recording.duckdb", crimes(FIRST), date(2017, 5, 2))
    with connect(file) as con:
        con.execute(
            "update release set timezone = ?, as_of = ?, calls_as_of = as_of", [zone, as_of]
        )
    found = released(file, tmp_path / "kept", tmp_path / "open")
    assert [row["as_of_on"] for row in found["release"]] == [day]
    assert [row["as_of_on"] for row in found["quarters"]] == [day]


def test_a_released_quarter_that_was_changed_or_lost_is_named_and_not_counted_anew(
    planted: Path, tmp_path: Path
) -> None:
    released(planted, tmp_path / "kept", tmp_path / "open")
    (quarter,) = (tmp_path / "kept").glob("*.parquet")
    quarter.chmod(0o600)
    for damage in (lambda: quarter.write_bytes(quarter.read_bytes()[:-1]), quarter.unlink):
        damage()
        with pytest.raises(StateError, match=r"STATE-DAMAGED.*2017-Q1\.parquet"):
            released(planted, tmp_path / "kept", tmp_path / "open")
    assert not quarter.exists()
    # docs/open-extract.md: whoever wants it counted anew removes the seal too
    quarter.with_name("2017-Q1.parquet.seal").unlink()
    later = version(tmp_path / "later.duckdb", crimes(FIRST), date(2017, 5, 9))
    anew = released(later, tmp_path / "kept", tmp_path / "open")
    assert [row["as_of_on"] for row in anew["quarters"]] == [date(2017, 5, 9)]
    assert quarter.is_file()


def test_an_earlier_state_of_knowledge_shows_no_later_quarter(
    planted: Path, tmp_path: Path
) -> None:
    later = version(tmp_path / "later.duckdb", crimes(FIRST) + crimes(SECOND), date(2017, 8, 2))
    released(later, tmp_path / "kept", tmp_path / "later")
    found = released(planted, tmp_path / "kept", tmp_path / "open")
    assert {row["quarter"] for row in found["crimes"]} == {"2017-Q1"}


def test_no_reference_text_or_day_leaves_it(planted: Path, tmp_path: Path) -> None:
    released(planted, tmp_path / "kept", tmp_path / "open")
    files = list((tmp_path / "open").iterdir())
    kinds = {".duckdb", ".parquet", ".csv", ".json", ".html", ".md"}
    assert {file.suffix for file in files} == kinds
    for file in files:
        assert SECRET.encode() not in file.read_bytes(), file
    with connect(tmp_path / "open" / "open.duckdb", read_only=True) as con:
        told = con.execute(
            "select table_name, column_name, data_type from duckdb_columns() where not internal"
        ).fetchall()
    assert len(told) > 40
    allowed = {"as_of_on", "starts_on", "ends_before_on"}  # of the release and of audits
    assert {name for _, name, kind in told if kind in ("DATE", "TIMESTAMP")} == allowed


def test_rape_stands_by_quarter_only_and_is_kept_from_its_group(tmp_path: Path) -> None:
    """12 of 14 sexual offences are rape: the 2 others must not be told by subtraction."""
    day = FIRST.starts_on
    rows = [crime(day, "A", "sexual_offences", is_rape=at < 12) for at in range(14)]
    file = version(tmp_path / "v.duckdb", crimes(FIRST) + rows, date(2017, 5, 2))
    found = released(file, tmp_path / "kept", tmp_path / "open")
    (rape,) = [row for row in found["sensitive_classes"] if row["class"] == "rape"]
    assert set(rape) == {
        "agency_name",
        "quarter",
        "class",
        "due_count",
        "recorded_count",
        "missed_count",
    }
    group = counted(found["crimes"], "2017-Q1", ALL, ALL, "sexual_offences")
    assert None in (group[0], rape["due_count"])


def sexual(*counts: int, **other: Any) -> list[dict[str, Any]]:
    """Sexual offences in A, so many recorded, unrecorded and wrongly cancelled."""
    outcomes = ("recorded", "unrecorded", "wrongly_cancelled")
    return [
        crime(FIRST.starts_on, "A", "sexual_offences", outcome=outcome, **other)
        for outcome, count in zip(outcomes, counts, strict=False)
        for _ in range(count)
    ]


def shown(folder: Path, rows: list[dict[str, Any]], table: str, **where: str) -> list[int | None]:
    """The counts of the one row of a table."""
    file = version(folder / "v.duckdb", rows, date(2017, 8, 2))
    found = released(file, folder / f"kept{len(list(folder.iterdir()))}", folder / "open")[table]
    (row,) = [row for row in found if row["quarter"] == "2017-Q1" and where.items() <= row.items()]
    assert attack_extracts([read_open_folder(folder / "open")]).told_small == []
    return [value for name, value in row.items() if name.endswith("_count")]


def test_a_withheld_n100_may_be_none(tmp_path: Path) -> None:
    recorded = [row for row in crimes(FIRST) if row["outcome"] == "recorded"]
    later = crime(SECOND.starts_on, "A", "theft", outcome="unrecorded")  # so that N100 is kept
    for count, value in ((0, None), (1, None), (4, None), (5, 5)):
        missed = [crime(FIRST.starts_on, "A", "theft", outcome="unrecorded")] * count
        assert shown(tmp_path, [*recorded, *missed, later], "n100_incidents") == [value]


def test_rapes_all_recorded_are_not_told_from_some_missed(tmp_path: Path) -> None:
    """Of 5 rapes 5 and 0 stay as unknown as 3 and 2: else both would be known to be small."""
    others = crimes(FIRST) + sexual(60, 30)
    for recorded, missed in ((3, 2), (5, 0), (0, 5)):
        rapes = sexual(recorded, missed, is_rape=True)
        found = shown(tmp_path, others + rapes, "sensitive_classes", **{"class": "rape"})
        assert found == [5, None, None]
    rapes = sexual(15, 7, is_rape=True)
    found = shown(tmp_path, others + rapes, "sensitive_classes", **{"class": "rape"})
    assert found == [22, 15, 7]


def test_crimes_missed_all_in_one_way_are_not_told_from_some_in_the_other(tmp_path: Path) -> None:
    for unrecorded, cancelled, parts in (
        (6, 3, [None, None]),
        (9, 0, [None, None]),
        (0, 9, [None, None]),
        (0, 0, [0, 0]),
    ):
        rows = crimes(FIRST) + sexual(60, unrecorded, cancelled)
        found = shown(tmp_path, rows, "missed_crimes", offence_group="sexual_offences")
        assert found[1:] == parts


def test_the_design_effect_does_not_tell_of_totals_that_are_withheld(
    planted: Path, tmp_path: Path
) -> None:
    """Two of 60 crimes are missed, in one call: above 1, the effect would say that some are."""
    day = FIRST.starts_on
    missed = [crime(day, "A", "theft", outcome="unrecorded", call_id="missed")] * 2
    rows = [crime(day, "A", "theft", call_id=f"call {number}") for number in range(58)] + missed
    file = version(tmp_path / "v.duckdb", rows, date(2017, 5, 2))
    found = released(file, tmp_path / "kept", tmp_path / "open")
    assert counted(found["crimes"], "2017-Q1", ALL, ALL, ALL) == [60, None, None]
    assert [row["design_effect"] for row in found["quarters"]] == [None]
    # 108, 99 and 9 are shown; calls differ by less than chance, so the effect is its least
    found = released(planted, tmp_path / "other", tmp_path / "open")
    assert [row["design_effect"] for row in found["quarters"]] == [1]
    for change in (
        "update quarters set design_effect = 1.2",
        "update crimes set missed_count = null where [month, district, offence_group] = "
        "['all', 'all', 'all']",
    ):
        read_open_folder(tmp_path / "open")
        with connect(tmp_path / "open" / "open.duckdb") as con:
            con.execute(change)
    with pytest.raises(CdiError, match=r"ATTACK-DESIGN-EFFECT.*2017-Q1"):
        read_open_folder(tmp_path / "open")


def test_a_band_without_a_crime_is_not_told_from_one_with_few(tmp_path: Path) -> None:
    for late in (0, 3):
        rows = crimes(FIRST)
        for row in rows[1 : 1 + late]:
            row["recorded_at"] = None
        assert shown(tmp_path, rows, "time_to_record", band="unknown") == [None]


def test_parts_of_0_do_not_tell_a_0_that_is_withheld(
    planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No violence was missed: unrecorded and wrongly cancelled would be shown for that alone."""
    violence = Key(ALL, ALL, "violence_against_the_person", ALL, "missed")

    def release() -> dict[str, float | None]:
        rows = release_quarter(con, FIRST, LIMITS)
        return {
            row["measure"]: row["value"]
            for row in rows
            if Key(*(row[name] for name in vars(violence) if name != "measure"), "missed")
            == violence
        }

    with open_for_extract(planted) as con:
        place = list(count_quarter(con, FIRST)).index(violence)
        parts = ("missed", "unrecorded", "wrongly_cancelled")
        assert [release()[name] for name in parts] == [0, 0, 0]
        monkeypatch.setattr(
            "cdi.open_extract.blocks.protect_system",
            lambda added, _: np.arange(len(added.values)) == place,
        )
        assert [release()[name] for name in parts] == [None, None, None]


def test_a_rate_is_of_twenty_crimes_and_hides_no_small_count(tmp_path: Path) -> None:
    file = version(tmp_path / "v.duckdb", crimes(FIRST), date(2017, 5, 2))
    found = released(file, tmp_path / "kept", tmp_path / "open")
    rates = {(row["district"], row["offence_group"]): row for row in found["rates"]}
    assert rates[ALL, ALL]["standard_rate"] == 0.92  # 99 of 108
    for row in found["crimes"]:
        place = (row["district"], row["offence_group"])
        if row["month"] == ALL and (row["due_count"] or 0) < 20:
            assert place not in rates
    assert {row["status"] for row in found["rates"]} == {"uncorrected indication"}


def by_ruleset(quarter: Quarter, district: str, *counts: tuple[int, int]) -> list[dict[str, Any]]:
    """Thefts, so many recorded and missed under the strict, standard and inclusive ruleset."""
    count = max(sum(of_ruleset) for of_ruleset in counts)
    rows = [crime(quarter.starts_on, district, "theft") for _ in range(count)]
    for ruleset, (recorded, missed) in zip(
        ("strict", "standard", "inclusive"), counts, strict=True
    ):
        outcomes = ["recorded"] * recorded + ["unrecorded"] * missed
        for row, outcome in zip_longest(rows, outcomes, fillvalue="not_reported"):
            row[f"outcome_{ruleset}"] = outcome
            if ruleset == "standard":
                row["outcome"] = outcome
    return rows


def list_strict_counts(rate: float, due: int, missed: int) -> set[tuple[int, int]]:
    """All crimes due and missed that the strict ruleset may count, as far as a reader knows.

    It counts no crime more than the standard ruleset does, due or missed. Its rate is to the whole
    percent, and is not shown of fewer than 20 crimes or of 1 to 4 recorded or missed ones.
    """
    return {
        (strict_due, strict_missed)
        for strict_due in range(20, due + 1)
        for strict_missed in range(min(missed, strict_due) + 1)
        if not any(0 < part < 5 for part in (strict_missed, strict_due - strict_missed))
        and round((strict_due - strict_missed) / strict_due, 2) == rate
    }


def test_two_rates_of_a_place_do_not_differ_by_a_small_count(tmp_path: Path) -> None:
    """Of 30 thefts 6 are missed, or strictly read 5 of 29: the two rates would tell the 1."""
    # whatever fits a strict rate of 83% has one missed crime less than the standard counts
    assert {missed for _, missed in list_strict_counts(0.83, due=30, missed=6)} == {5}
    cases = {
        "strict 1": ((24, 5), (24, 6), (False, True, True)),
        "none": ((24, 6), (24, 6), (True, True, True)),
        "inclusive 4": ((24, 6), (28, 6), (True, True, False)),
        "inclusive 5": ((24, 6), (29, 6), (True, True, True)),
        "inclusive 4 missed": ((24, 6), (24, 10), (True, True, False)),
        "inclusive 5 missed": ((24, 6), (24, 11), (True, True, True)),
        # 5 and 6 more missed and fewer recorded than by the standard: beside each other 1
        "both": ((19, 11), (18, 12), (False, True, False)),
        "both far": ((19, 11), (14, 16), (True, True, True)),
    }
    rows = [
        row
        for district, (strict, inclusive, _) in cases.items()
        for row in by_ruleset(FIRST, district, strict, (24, 6), inclusive)
    ]
    file = version(tmp_path / "v.duckdb", rows, date(2017, 5, 2))
    found = {
        row["district"]: [row[f"{name}_rate"] for name in ("strict", "standard", "inclusive")]
        for row in released(file, tmp_path / "kept", tmp_path / "open")["rates"]
    }
    for district, (_, _, is_shown) in cases.items():
        assert tuple(rate is not None for rate in found[district]) == is_shown, district
        assert found[district][1] == 0.8


def test_where_a_side_of_the_band_is_withheld_the_page_shows_no_band(tmp_path: Path) -> None:
    rows = [
        *by_ruleset(FIRST, "A", (224, 51), (224, 56), (224, 56)),
        *by_ruleset(SECOND, "A", (224, 55), (224, 56), (224, 56)),
    ]
    file = version(tmp_path / "v.duckdb", rows, date(2017, 8, 2))
    released(file, tmp_path / "kept", tmp_path / "open")
    with connect(tmp_path / "open" / "open.duckdb", read_only=True) as con:
        quarters = fetch_dicts(con, read_query(SQL / "shown_quarters.sql"))
    ends = {
        row["quarter"]: (row["lowest_rate"], row["highest_rate"])
        for row in quarters
        if row["offence_group"] == ALL
    }
    assert ends == {"2017-Q1": (0.8, 0.81), "2017-Q2": (None, None)}
    said = (tmp_path / "open" / "index.html").read_text(encoding="utf-8")
    assert "Read more or less strictly" not in said


def test_an_audited_rate_gives_no_small_count_away(planted: Path, tmp_path: Path) -> None:
    audited = {  # missed, of so many crimes, which are as sure as so many drawn simply
        "none missed": (0, 39, 39.0),
        "1 missed": (1, 39, 39.0),
        "4 missed": (4, 39, 39.0),
        "5 missed": (5, 39, 39.0),
        "4 recorded": (35, 39, 39.0),
        "none recorded": (39, 39, 39.0),
        "6 missed, shown as 3 of 30": (6, 60, 30.0),
        "4 missed, shown as 8 of 80": (4, 40, 80.0),
        "8 missed, shown as 16 of 80": (8, 40, 80.0),
    }
    with connect(planted) as con:
        con.execute(
            "insert into measures.audits (draw_id, period_start, period_end) "
            "values ('d', '2017-01-01', '2017-04-01')"
        )
        con.execute(  # the same days, drawn again
            "insert into measures.audits (draw_id, period_start, period_end) "
            "values ('d_2', '2017-01-01', '2017-04-01')"
        )
        con.execute(
            "insert into measures.audited_rates (draw_id, domain, recording_rate, audited_crimes, "
            "audited_share, effective_crimes) values ('d_2', 'none missed', 1, 39, 0.02, 39)"
        )
        con.executemany(
            "insert into measures.audited_rates (draw_id, domain, recording_rate, audited_crimes, "
            "audited_share, effective_crimes) values ('d', ?, ?, ?, 0.02, ?)",
            [[name, 1 - missed / of, of, sure] for name, (missed, of, sure) in audited.items()],
        )
    found = released(planted, tmp_path / "kept", tmp_path / "open")["audited_rates"]
    assert {(row["draw_id"], row["domain"]) for row in found} == {
        ("d", "none missed"),
        ("d", "5 missed"),
        ("d", "none recorded"),
        ("d", "8 missed, shown as 16 of 80"),
        ("d_2", "none missed"),
    }
    assert len(found) == 5


def test_an_audit_that_read_most_crimes_gives_away_no_part_by_subtraction(
    planted: Path, tmp_path: Path
) -> None:
    """All 300 crimes were audited: 300 less 200 and 97 leaves 3, of which 271 - 180 - 90 = 1."""
    audited = {  # due, recorded, and the share of all crimes that were read
        ("census", "force"): (300, 271, 1.0),
        ("census", "theft"): (200, 180, 1.0),
        ("census", "violence_against_the_person"): (97, 90, 1.0),
        ("census", "sexual_offences"): (3, 1, 1.0),
        ("sample", "force"): (300, 271, 0.2),
        ("sample", "theft"): (200, 180, 0.49),
        ("sample", "rape"): (40, 40, 0.5),  # all rapes are known to be recorded
    }
    with connect(planted) as con:
        con.execute(
            "insert into measures.audits (draw_id, period_start, period_end) values "
            "('census', '2017-01-01', '2017-02-01'), ('sample', '2017-02-01', '2017-04-01')"
        )
        con.executemany(
            "insert into measures.audited_rates (draw_id, domain, recording_rate, audited_crimes, "
            "effective_crimes, audited_share) values (?, ?, ?, ?, ?, ?)",
            [
                [*place, recorded / due, due, due, share]
                for place, (due, recorded, share) in audited.items()
            ],
        )
    found = released(planted, tmp_path / "kept", tmp_path / "open")["audited_rates"]
    assert {(row["draw_id"], row["domain"]) for row in found} == {
        ("census", "force"),
        ("sample", "force"),
        ("sample", "theft"),
    }


def test_where_the_data_cannot_carry_a_rate_none_is_shown(planted: Path, tmp_path: Path) -> None:
    with connect(planted) as con:
        con.execute("update auditability set is_met = false, reason = 'unknown routes'")
    found = released(planted, tmp_path / "kept", tmp_path / "open")
    assert found["rates"] == []
    assert found["release"][0]["withheld_reason"] == "unknown routes"
    assert counted(found["crimes"], "2017-Q1", ALL, ALL, ALL)[0] == 108


def test_every_table_and_column_is_explained_and_simulated_is_said(
    planted: Path, tmp_path: Path
) -> None:
    found = released(planted, tmp_path / "kept", tmp_path / "open")
    with connect(tmp_path / "open" / "open.duckdb", read_only=True) as con:
        tables_ = con.execute("select table_name, comment from duckdb_tables()").fetchall()
        columns = con.execute(
            "select table_name, column_name, comment from duckdb_columns() where not internal"
        ).fetchall()
        tags = con.execute("select tags from duckdb_databases() where database_name = 'open'")
        assert str(tags.fetchall()[0][0]["storage_version"]).startswith("v1.0")
    assert len(tables_) == len(found) == 10
    for name, meaning in tables_:
        assert meaning.startswith("SIMULATED. "), name
        assert meaning.rstrip(".").rpartition(". ")[2].startswith("One row"), name
        # the same table, as Parquet
        rows = duckdb.read_parquet(str(tmp_path / "open" / f"{name}.parquet"))
        assert rows.to_arrow_table().to_pylist() == found[name]
        assert all("SIMULATED" in row["agency_name"] for row in found[name])
    assert all(meaning for _, _, meaning in columns)
    readme = (tmp_path / "open" / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("**SIMULATED")
    assert all(f"`{column}`" in readme for _, column, _ in columns)


def test_a_real_agency_is_not_called_simulated(tmp_path: Path) -> None:
    file = version(tmp_path / "v.duckdb", crimes(FIRST), date(2017, 5, 2), is_simulated=False)
    found = released(file, tmp_path / "kept", tmp_path / "open")
    assert found["crimes"][0]["agency_name"] == "Testville"
    assert "SIMULATED:" not in (tmp_path / "open" / "README.md").read_text(encoding="utf-8")
