"""The report of a small agency: weeks that are not completed, practices that changed."""

import re
from datetime import date, timedelta

import duckdb

from cdi import paths
from cdi.monitoring.weeks import COLUMNS
from cdi.steps.build import check_marts, write_report
from tests.conftest import SmallAgency

FIRST = date(2017, 1, 2)
REASON = (
    "no forecast for the latest weeks: delays have changed, as records come in later than before"
)


def put_weeks(small: SmallAgency) -> None:
    """Put forty weeks into the built file; since the thirty-first the delays are others."""
    rows = []
    for week, count in [*((week, 1) for week in range(40)), (32, 8)]:
        has_changed = week > 30
        nowcast = (None, None, None) if has_changed else (0.8, 0.79, 0.81)
        described = {
            "universe": "frame",
            "reported_week_on": FIRST + timedelta(weeks=week),
            "week_count": count,
            "is_mature": week < 35 and count == 1,
            "recorded_count": 77 * count,
            "due_count": 100 * count,
            "rate_so_far": 0.77,
            **dict(zip(("nowcast_rate", "nowcast_low", "nowcast_high"), nowcast, strict=True)),
            "has_changed_delays": has_changed,
            "withheld_reason": REASON if has_changed else None,
        }
        rows.append([described.get(name) for name in COLUMNS])
    with duckdb.connect(str(small.built_file)) as con:
        con.execute("delete from measures.weekly_rates")
        places = ", ".join("?" for _ in COLUMNS)
        con.executemany(f"insert into measures.weekly_rates values ({places})", rows)


def read_section(name: str) -> str:
    """The text of a section of the report."""
    page = (paths.published("testville") / ".next" / "report.html").read_text(encoding="utf-8")
    _, _, section = page.partition(f'<h2 id="{name}">')
    section, _, _ = section.partition("<h2")
    section = re.sub(r"</?data[^>]*>", "", section)
    return " ".join(re.sub(r"<[^>]+>", " ", section).split())


def put_practices(small: SmallAgency, weeks: int, changes: list[tuple[str, str, int]]) -> None:
    """Put counts of so many weeks into the built file, and changes: practice, subject, week."""
    with duckdb.connect(str(small.built_file)) as con:
        con.execute("delete from measures.practice_weeks")
        con.execute("delete from measures.practice_changes")
        for week in range(weeks):
            con.execute(
                "insert into measures.practice_weeks values ('closing_code', 'NFA', ?, 1, 10)",
                [FIRST + timedelta(weeks=week)],
            )
        for practice, subject, week in changes:
            con.execute(
                "insert into measures.practice_changes values "
                "(?, ?, ?, 2, 42, 60, 0.7, 0.25, 6, 5, true)",
                [practice, subject, FIRST + timedelta(weeks=week)],
            )


def test_the_report_tells_what_is_done_differently_and_names_no_author(built: SmallAgency) -> None:
    check_marts("testville", built.built)
    put_practices(built, 23, [])
    write_report("testville", built.built)
    assert "too few weeks" in read_section("practice")
    put_practices(built, 40, [])
    write_report("testville", built.built)
    assert "Nothing that we compare has changed" in read_section("practice")
    changes = [
        ("closed_as_no_crime", "violence_against_the_person", 38),
        ("closed_as_no_crime", "theft, AS02", 38),
        ("not_recorded_in_three_days", "author 4711", 39),
        ("closing_code", "UNTRACED", 35),  # five weeks ago
    ]
    put_practices(built, 40, changes)
    write_report("testville", built.built)
    text = read_section("practice")
    assert (
        "logs opened as violence against the person that are closed as no crime "
        "went from 25.0% to 70.0% (42 of 60 in 2 weeks)"
    ) in text
    assert "logs opened as theft that are closed as no crime (AS02) went from 25.0%" in text
    assert "logs of one author opened as crime that have no crime record within three days" in text
    assert "these shares have changed" in text
    assert "4711" not in text
    assert "UNTRACED" not in text
    put_practices(built, 40, changes[:1])
    write_report("testville", built.built)
    assert "this share has changed" in read_section("practice")


def test_the_report_says_which_logs_its_figures_of_service_leave_out(built: SmallAgency) -> None:
    check_marts("testville", built.built)
    with duckdb.connect(str(built.built_file)) as con:
        con.execute(
            "insert into measures.service_given by name select 'any' as vulnerability, "
            "true as is_crime_disclosed, 'recorded' as recording, 10 as call_count, "
            "9 as attended_count, 0.9 as attended_share, 12 as median_minutes"
        )
    write_report("testville", built.built)
    text = read_section("service")
    assert "logs about a crime, crime-coded or not, but none that an officer raised" in text
    assert "a log with several marks is in the row of each" in text


def test_what_a_failed_check_found_is_not_called_rows(built: SmallAgency) -> None:
    """A check of deliveries finds files."""
    check_marts("testville", built.built)
    with duckdb.connect(str(built.built_file)) as con:
        con.executemany(
            "insert into data_quality by name select ? as rule_id, 'info' as severity, "
            "false as is_success, ? as unexpected_count, 'Files overlap.' as reason, "
            "'A. Person' as owner",
            [["FILE-28", 20], ["FILE-28", 3], ["FILE-29", 1], ["FILE-30", None]],
        )
    write_report("testville", built.built)
    text = read_section("quality")
    assert "FILE-28 (info, 2 checks: found 23 times): Files overlap." in text
    assert "FILE-29 (info, 1 check: found once): Files overlap." in text
    assert "FILE-30 (info, 1 check): Files overlap." in text


def test_where_delays_have_changed_the_report_says_what_is_recorded_and_why_no_more(
    built: SmallAgency,
) -> None:
    check_marts("testville", built.built)
    put_weeks(built)
    write_report("testville", built.built)
    text = read_section("weeks")
    assert "last eight weeks" not in text  # no audit taught what the rate is
    assert "No audit has trained the software yet, so all these rates are too low" in text
    with duckdb.connect(str(built.built_file)) as con:
        con.execute("update measures.release set text_model_version = 'taught'")
    write_report("testville", built.built)
    text = read_section("weeks")
    assert "No audit has taught" not in text
    assert "reported in the last eight weeks 77.0% are recorded so far." in text
    assert "How many will be recorded in the end is not known yet." in text
    assert "expected to be recorded" not in text
    assert f"{REASON[0].upper()}{REASON[1:]}." in text
    assert "squares will still rise, as records come in" in text
    assert text.count("delays have changed") == 9 + 1  # the weeks of the table, and the reason


def test_the_report_says_how_well_words_are_read_here_and_on_real_texts(built: SmallAgency) -> None:
    check_marts("testville", built.built)
    write_report("testville", built.built)
    section = read_section("quality")
    assert "No log of this agency was audited yet" in section
    # 117 are right, of 135 that were found and of 136 that are there
    assert "under types that are no crime lexicon alone 136 86.7% 86.0%" in section

    with duckdb.connect(str(built.built_file)) as con:
        con.execute(
            "insert into measures.text_quality by name select 'lexicon' as reader, "
            "'other' as universe, 200 as audited_count, 40 as crime_count, 25 as named_count, "
            "20 as named_rightly_count, 0.8 as precision, 0.5 as recall"
        )
    write_report("testville", built.built)
    section = read_section("quality")
    assert "No log of this agency was audited yet" not in section
    assert "audited logs without a crime code lexicon alone 40 80.0% 50.0%" in section


def test_the_report_names_whom_to_ask(built: SmallAgency) -> None:
    check_marts("testville", built.built)
    write_report("testville", built.built)
    page = (paths.published("testville") / ".next" / "report.html").read_text(encoding="utf-8")
    foot = page.partition("<footer>")[2]
    assert 'Questions: Tests, <a href="mailto:tests@example.org">' in foot
