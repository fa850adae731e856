"""What is decided at the desk counts from the next version, and taken back it no longer does."""

import io
import json
import re
from datetime import UTC, datetime

from openpyxl import load_workbook

from cdi.people.alert_situation import read_situation
from tests.conftest import SmallAgency
from tests.desk import Clerk, sign_in, words_of

CALL, MISSED = "T-0002", "T-0005"


def outcome_of(agency: SmallAgency) -> tuple[object, ...]:
    """Status, outcome and reason of the crime, in the published version."""
    (row,) = agency.rows(
        "select crimes.status, crimes.outcome, crimes.reason_code, listed.decided_by "
        "from fct_reported_crimes as crimes "
        "left join unrecorded_crimes as listed using (reported_crime_id) "
        f"where crimes.reported_crime_id = '{CALL}#1'"
    )
    return row


def compared(agency: SmallAgency) -> tuple[list[str], str]:
    """What the version says of the version before: causes, and the text of its report."""
    said = json.loads((agency.published / "comparison.json").read_text(encoding="utf-8"))
    report = (agency.published / "report.html").read_text(encoding="utf-8")
    return said["causes"], words_of(report)


def due_of(agency: SmallAgency) -> datetime:
    """When the crime was to be recorded."""
    (row,) = agency.rows(f"select due_at from unrecorded_crimes where call_id = '{CALL}'")
    return row[0].replace(tzinfo=UTC)


def deadline_of(clerk: Clerk, call: str) -> str:
    """What the queue says of the time limit of a log."""
    found = re.search(
        rf'<span class="time[^>]*>([^<]+)</span>\s*<span><a[^>]*>{call}<', clerk.get().text
    )
    assert found is not None
    return found[1]


def test_a_decision_counts_from_the_next_version_until_it_is_taken_back(ran: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    assert CALL in clerk.listed()
    due = deadline_of(clerk, CALL)
    assert due.startswith("Overdue since")
    assert outcome_of(ran)[:2] == ("suspected", "unrecorded")

    page = words_of(clerk.decide(CALL, "dismissed", reason_code="GOOD_INTENT").text)
    assert f"Crime 1 of {CALL}: dismissed. A decision takes effect in the next version" in page
    shown = re.search("no longer says “(Version [^”]+)”", page)
    assert shown is not None
    assert CALL not in clerk.listed()
    assert outcome_of(ran)[:2] == ("suspected", "unrecorded")  # of the version that is published

    log = words_of(clerk.open_log(CALL))
    assert "A decision takes effect in the next version" in log
    assert "counts in this version" not in log

    clerk.decide(MISSED, "confirmed")
    assert f"{shown[1]}. " in words_of(clerk.get().text)
    assert ran.run()
    assert shown[1] not in words_of(clerk.get().text)  # so the reader sees that it counts
    assert outcome_of(ran) == ("dismissed", "justified", "GOOD_INTENT", "reader.one")
    log = words_of(clerk.open_log(CALL))
    assert "The newest decision counts in this version." in log
    assert "in the next version" not in log
    causes, report = compared(ran)
    assert causes == ["decisions of people"]
    assert "decisions of people" in report
    assert CALL not in clerk.listed()
    assert clerk.listed(list="dismissed") == [CALL]

    # what was confirmed comes back to the team as feedback, for those who manage
    registrar = sign_in("registrar")
    page = words_of(registrar.get("feedback", month="2026-01").text)
    assert "1 0" in page[page.index("Why it was not recorded Confirmed Recorded since") :]
    assert "Download the sheet of all teams" in page
    assert "Nothing is confirmed here" in registrar.get("feedback", month="2025-12").text
    assert registrar.get("feedback", month="January").status_code == 400
    sheet = load_workbook(io.BytesIO(registrar.get("feedback.xlsx", month="2026-01").content))
    assert [row[2].value for row in sheet["feedback"].iter_rows(min_row=2)] == [MISSED]
    for path in ("feedback", "feedback.xlsx"):
        assert clerk.get(path).status_code == 403
    assert "Feedback" not in clerk.get().text

    clerk.decide(CALL, "undone")
    assert CALL in clerk.listed()
    assert deadline_of(clerk, CALL) == due  # the version knows of the dismissal alone
    now = datetime(2026, 1, 7, tzinfo=UTC)
    due_times = [crime.due_at for crime in read_situation(ran.agency, ran.published, now).crimes]
    assert due_of(ran) in due_times  # nor do messages to people leave it out
    assert ran.run()
    assert outcome_of(ran) == ("suspected", "unrecorded", None, None)
    assert compared(ran)[0] == ["decisions of people"]
    assert CALL in clerk.listed()
