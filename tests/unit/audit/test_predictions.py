"""The frame as a published file has it, and what is learnt from earlier audits."""

from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest

from cdi.audit import predictions
from cdi.audit.design import Options, plan_logs, stratify_frame
from cdi.audit.predictions import Frame, Period, predict_frame, read_published
from cdi.audit.rates import known_totals, list_domains
from cdi.errors import AuditError

START, END = datetime(2017, 1, 1), datetime(2017, 5, 31)
# 400 logs of the period and 10 after it. Of four logs one has no crime code; in the others the text
# is sure of a crime in every second; of these, half are recorded.
LOGS = """
    select
        n, 'L' || lpad(n::varchar, 4, '0') as call_id, n % 4 <> 3 as is_in_frame,
        n % 4 <> 3 and n % 2 = 0 as is_told, n % 4 = 0 as is_recorded,
        case when n < 400 then timestamp '2017-03-01' else timestamp '2017-06-15' end as received_at
    from range(410) as t (n)
"""
# 300 logs of the year before: told or not; half of the told ones recorded, and one in ten of the
# others hides a crime
AUDITED = """
    select
        'A' || lpad(n::varchar, 4, '0') as call_id, n % 2 = 0 as is_told,
        (n % 2 = 0 or n % 20 = 1)::int as due, (n % 4 = 0)::int as recorded
    from range(300) as t (n)
"""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "recording.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute(f"""
            create schema rules; create schema staging;
            create schema disclosure; create schema codes;
            create table logs as {LOGS};
            create table audited as {AUDITED};
            create table release as select timestamp '2017-07-01' as as_of;
            create table rules.offence_groups as
            from (values ('theft', true), ('fraud', false)) as t (offence_group, is_headline);
            create table codes.call_types as
            from (values ('CR01', 'theft'), ('IN01', null)) as t (code, offence_group);
            create table fct_calls as
            select
                call_id, md5_number_lower(call_id) as call_no, 'h' || n as row_hash,
                is_in_frame, 'CR01' as initial_type_code,
                case when n % 2 = 0 then 'NORTH' end as district, received_at
            from logs order by call_id desc;
            create table fct_reported_crimes as
            select
                call_id || '#1' as reported_crime_id, call_id, 'theft' as offence_group,
                false as is_rape, n % 8 = 0 as is_domestic_abuse,
                case when is_recorded then 'recorded' else 'unrecorded' end as outcome_standard
            from logs where is_told
            union all
            select call_id || '#2', call_id, 'fraud', false, false, 'unrecorded'
            from logs where is_told
            union all
            select call_id || '#3', call_id, 'theft', false, false, 'justified'
            from logs where n % 4 = 1;
            create table disclosure.int_disclosure__audit_labels as
            select
                md5_number_lower(call_id) as call_id, call_id as published_call_id,
                'CR01' as initial_type_code, 'IN01' as final_type_code,
                due as crimes, recorded as recorded_crimes
            from audited;
            create table disclosure.int_disclosure__text_reading as
            select
                md5_number_lower(call_id) as call_id,
                case when is_told then 0.9 else 0.05 end as crime_probability,
                0.1 as second_probability
            from (select call_id, is_told from logs union all select call_id, is_told from audited);
        """)
    return file


def frame(recording: Path, universe: str = "frame") -> Frame:
    return predict_frame(read_published(recording, Period(universe, START, END)))


def test_the_frame_holds_the_periods_logs_of_its_universe(recording: Path) -> None:
    assert len(frame(recording).logs) == 300
    everything = frame(recording, "all")
    ids = everything.logs["call_id"].to_pylist()
    assert ids == sorted(ids)
    assert len(ids) == 400


def test_crimes_are_counted_by_log_without_fraud_and_justified_ones(recording: Path) -> None:
    predicted = frame(recording)
    assert predicted.column("due").sum() == 200
    assert predicted.column("recorded").sum() == 100
    assert predicted.is_flagged.sum() == 100
    position = np.asarray(predicted.crimes["position"])
    assert len(position) == 200
    assert (np.bincount(position, minlength=300) == predicted.column("due")).all()
    assert predicted.has("is_domestic_abuse").sum() == 50
    assert set(predicted.logs["district"].to_pylist()) == {"NORTH", "unknown"}


def test_what_is_missed_is_learnt_from_the_audit_of_the_year_before(recording: Path) -> None:
    """Of 75 audited logs told and unrecorded all hid a crime, of 150 not told 15."""
    predicted = frame(recording)
    missed, variance = predicted.column("missed"), predicted.column("variance")
    is_told = predicted.column("due") > 0
    open_ = is_told & (predicted.column("recorded") == 0)
    assert missed[open_].mean() == pytest.approx(1.0, abs=0.05)
    assert missed[~is_told].mean() == pytest.approx(0.1, abs=0.02)
    # a recorded log hides no second crime in 75 audited ones; too few cases to be sure of it
    assert missed[is_told & ~open_].mean() == pytest.approx(0.05, abs=0.001)
    assert (variance > 0).all()
    assert variance[~is_told].mean() > 2 * variance[open_].mean()


def test_an_audited_log_without_an_opening_code_teaches_as_well(recording: Path) -> None:
    """All audited logs were closed under a code that is no crime's."""
    before = frame(recording).column("missed")
    with duckdb.connect(str(recording)) as con:
        con.execute("""
            update disclosure.int_disclosure__audit_labels set initial_type_code = null
            where published_call_id = 'A0001'
        """)
    after = frame(recording).column("missed")
    assert after == pytest.approx(before, abs=0.05)
    assert (after != before).any()  # it teaches as a log outside the frame


def test_without_an_audit_logs_that_are_suspected_count_as_uncertain(recording: Path) -> None:
    with duckdb.connect(str(recording)) as con:
        con.execute("delete from disclosure.int_disclosure__audit_labels")
    predicted = frame(recording)
    flagged = predicted.is_flagged
    assert set(predicted.column("missed")[flagged]) == {0.5}
    assert set(predicted.column("missed")[~flagged]) == {0.05}


@pytest.mark.parametrize(
    ("logs", "cases", "is_learnt"),
    [(200, 100, True), (199, 100, False), (200, 8, True), (200, 7, False)],
)
def test_nothing_is_learnt_from_fewer_than_200_logs_or_8_misses(
    recording: Path, logs: int, cases: int, *, is_learnt: bool
) -> None:
    """As docs/estimation.md says; of logs without a record, as only these can be told apart."""
    with duckdb.connect(str(recording)) as con:
        con.execute("delete from disclosure.int_disclosure__audit_labels")
        add_labels(con, "A", logs, f"n < {cases}")
    flagged = frame(recording).is_flagged
    missed = frame(recording).column("missed")
    unlearnt = set(missed[flagged]) == {0.5} and set(missed[~flagged]) == {0.05}
    assert unlearnt is not is_learnt


@pytest.mark.parametrize(("logs", "is_alone"), [(200, True), (199, False)])
def test_from_200_audited_logs_of_this_force_on_these_alone_teach(
    recording: Path, logs: int, *, is_alone: bool
) -> None:
    """In the year before no told log hid a crime, and in this force each of them does."""
    with duckdb.connect(str(recording)) as con:
        con.execute("update disclosure.int_disclosure__audit_labels set crimes = recorded_crimes")
        add_labels(con, "L", logs, "n % 2 = 0")
    predicted = frame(recording)
    told = predicted.column("missed")[predicted.is_flagged].mean()
    assert bool(told > 0.9) is is_alone
    # With fewer, these teach beside those of the year before: 0.5 is where nothing is learnt.
    assert told > 0.52


def add_labels(con: duckdb.DuckDBPyConnection, letter: str, logs: int, has_crime: str) -> None:
    """Add labels of the first logs of a year, none of them recorded."""
    con.execute(
        "insert into disclosure.int_disclosure__audit_labels select md5_number_lower(call_id), "
        f"call_id, 'CR01', 'IN01', ({has_crime})::int, 0 from "
        f"(select n, '{letter}' || lpad(n::varchar, 4, '0') as call_id from range({logs}) as t (n))"
    )


def test_no_log_is_taken_to_be_surer_than_the_audited_logs_of_its_universe_allow() -> None:
    """The rule of three (Hanley and Lippman-Hand 1983): of n logs, no nearer than 3 in n.

    400 audited logs of the frame and 60 others, told and missed or neither; so the regression
    alone is all but certain of both.
    """
    is_told = np.arange(460) % 2 == 0
    is_in_frame = np.arange(460) < 400
    features = np.column_stack([np.where(is_told, 9.0, -9.0), is_in_frame])
    logs = np.array([[9.0, 1], [-9.0, 1], [9.0, 0], [-9.0, 0]])
    chance = predictions._fit_and_predict(features, is_told, logs)
    assert chance == pytest.approx([1 - 0.01, 0.01, 1 - 3 / 60, 3 / 60])
    # 150 logs allow 3 in 150, and five logs no more than one half
    rows = np.r_[:150, 400:405]
    chance = predictions._fit_and_predict(features[rows], is_told[rows], logs)
    assert chance == pytest.approx([1 - 0.02, 0.02, 0.5, 0.5])


@pytest.mark.parametrize("outcome", ["unrecorded", "justified"])
def test_a_period_without_a_recorded_crime_can_be_planned_and_drawn(
    recording: Path, outcome: str
) -> None:
    with duckdb.connect(str(recording)) as con:
        con.execute("update fct_reported_crimes set outcome_standard = ?", [outcome])
    predicted = frame(recording)
    assert predicted.column("recorded").sum() == 0
    assert (predicted.column("variance") > 0).all()
    strata = stratify_frame(predicted, Options(200))
    assert strata.audited.sum() == 200
    assert 0 < plan_logs(predicted, Options(0), points=2.0) <= 300


def test_labels_of_this_force_teach_what_suspicion_is_worth(recording: Path) -> None:
    """400 logs of the period audited: of the suspected ones every second one is a false alarm."""
    with duckdb.connect(str(recording)) as con:
        con.execute("""
            delete from disclosure.int_disclosure__audit_labels;
            insert into disclosure.int_disclosure__audit_labels
            select
                md5_number_lower(call_id), call_id, 'CR01', 'IN01',
                (is_told and (is_recorded or n % 8 = 2))::int,
                (is_told and is_recorded)::int
            from logs where n < 400;
        """)
    predicted = frame(recording)
    suspected = predicted.is_flagged
    assert predicted.column("missed")[suspected].mean() == pytest.approx(0.5, abs=0.05)
    rest = ~suspected & (predicted.column("recorded") == 0)
    assert predicted.column("missed")[rest].mean() < 0.05


def test_a_period_whose_records_still_come_in_is_refused(recording: Path) -> None:
    with pytest.raises(AuditError, match="AUDIT-IMMATURE"):
        read_published(recording, Period("frame", START, datetime(2017, 6, 2)))


def test_a_period_without_logs_is_refused(recording: Path) -> None:
    empty = Period("frame", datetime(2015, 1, 1), datetime(2015, 2, 1))
    with pytest.raises(AuditError, match="AUDIT-EMPTY"):
        read_published(recording, empty)


def test_domains_add_up_to_the_force(recording: Path) -> None:
    predicted = frame(recording)
    whole = known_totals(predicted)
    parts = {domain.name: domain for domain in list_domains(predicted)}
    assert set(parts) == {"theft", "rape", "domestic_abuse", "district NORTH", "district unknown"}
    assert parts["theft"].known == pytest.approx(whole)
    both = parts["district NORTH"].known + parts["district unknown"].known
    assert both == pytest.approx(whole)
    assert parts["domestic_abuse"].known[:, 1].sum() == 50
