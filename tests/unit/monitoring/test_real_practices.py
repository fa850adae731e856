"""Changes of practice in real logs: New Orleans renamed its types of calls in a week of 2022."""

from datetime import date

import duckdb
import pytest

from cdi.monitoring.practices import find_changes
from tests.conftest import NOPD_DATA

CALLS = NOPD_DATA / "calls_for_service_2022_rtcc_sample.csv.gz"
pytestmark = pytest.mark.skipif(
    not CALLS.exists(),
    reason="the real data of New Orleans (../shared/data/nopd) is not on this machine",
)
# With the week of 26 September 2022 the file has other names: AUTO ACCIDENT ends, ACCIDENT -
# PROPERTY DAMAGE begins, and so on.
RENAMED_ON = date(2022, 9, 26)


def closing_codes(column: str) -> duckdb.DuckDBPyRelation:
    """Of each code and week: logs closed with it, of all logs."""
    return duckdb.sql(
        f"""
        with logs as (
            select {column} as code,
                date_trunc('week', strptime(split_part(TimeCreate, ' ', 1), '%m/%d/%Y'))::date
                    as week_on
            from read_csv('{CALLS}', all_varchar = true)
        ),
        codes as (select distinct code from logs where code is not null),
        weeks as (select week_on, count(*) as base_count from logs group by all),
        counts as (select week_on, code, count(*) as case_count from logs group by all)
        select 'closing_code' as practice, code as subject, weeks.week_on,
            coalesce(case_count, 0) as case_count, base_count
        from codes cross join weeks left join counts using (week_on, code)
        order by all
        """
    )


def test_the_week_in_which_all_types_get_other_names_is_noticed_at_once() -> None:
    rows = list(find_changes(closing_codes("TypeText").to_arrow_table()))
    noticed = {row["subject"] for row in rows if row["is_new"] and row["week_on"] == RENAMED_ON}
    assert {"AUTO ACCIDENT", "ACCIDENT - PROPERTY DAMAGE"} <= noticed
    assert len(noticed) >= 10
    before = [row for row in rows if row["is_new"] and row["week_on"] < RENAMED_ON]
    assert len(before) <= 3, before


def test_dispositions_which_did_not_change_give_no_signal() -> None:
    counts = closing_codes("Disposition").to_arrow_table()
    assert len(set(counts["week_on"].to_pylist())) > 40
    assert not list(find_changes(counts))
