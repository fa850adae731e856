"""The audit as people do it: plan, draw, take findings back.

The sheets that they fill in are in `cdi.people.worksheets`. Auditors also read at the desk, without
worksheets (`cdi.people.open_draws`). What they found is kept in the same place by both roads
(`cdi.people.saved_readings`). The rates are estimated by the build (`cdi.audit.results`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

from dateutil.relativedelta import relativedelta

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.audit.design import Options, plan_logs
from cdi.audit.draws import ADJUDICATOR, Draw, draw_audit, load_draw
from cdi.audit.findings import refuse_expired
from cdi.audit.predictions import MATURE_DAYS, Frame, Period, predict_frame, read_published
from cdi.audit.rates import FORCE, list_domains
from cdi.audit.register import Register, utc_now
from cdi.audit.second_readings import plan_second_readings
from cdi.build.version import read_current, verify_current
from cdi.errors import AuditError
from cdi.people.audit_sheet import SECOND, read_audit_sheet
from cdi.people.drawn_logs import published_file
from cdi.people.saved_readings import (
    draw_second_if_due,
    keep_others_out,
    keep_readings,
    read_differing,
    refuse_bad_rows,
    split_parts,
)
from cdi.people.worksheets import (
    count_undecided,
    list_registrars_sheet,
    list_second_sheets,
    write_sheets,
)
from cdi.sql import connect, fetch_dicts

LOGS = 1_500  # logs of an audit, unless another number is given


@dataclass(frozen=True)
class Delivery:
    """What became of one delivered worksheet.

    Attributes:
        draw_id: Name of the draw.
        auditor: Who read the logs.
        read: Number of logs read, by this sheet.
        given: Number of logs that were given to the auditor.
        undecided: Number of logs of the draw on which two auditors differ and nobody has decided.
        sheets: The registrar's worksheet, if there is something to decide.
        twice: Number of logs that are read a second time, if this delivery was the last of the
            first readings; else 0.
        second_sheets: Worksheets of these second readings.
    """

    draw_id: str
    auditor: str
    read: int
    given: int
    undecided: int
    sheets: list[Path]
    twice: int = 0
    second_sheets: list[Path] = field(default_factory=list)


def choose_period(
    agency: Agency, universe: str, starts: date | None = None, ends: date | None = None
) -> Period:
    """Choose the period to audit.

    Args:
        agency: Whose calls are audited.
        universe: `frame` (logs with a crime code) or `all`.
        starts: First local day; give it together with `ends`.
        ends: First local day after the period. By default the newest whole quarter that is mature
            in the published version or, where the history is too short for one, all whole mature
            months.

    Raises:
        AuditError: AUDIT-PERIOD if there is no such universe, the days make no period, or no month
            is mature yet.
    """
    if universe not in ("frame", "all"):
        raise AuditError(
            "AUDIT-PERIOD",
            f"'{universe}' is not a set of logs",
            "give 'frame' (crime-coded logs) or 'all'",
        )
    if (starts is None) != (ends is None) or (starts and ends and starts >= ends):
        raise AuditError(
            "AUDIT-PERIOD",
            f"days from {starts} to {ends}",
            "give both: the first day, and the first day after the period",
        )
    if starts is None or ends is None:
        starts, ends = _find_newest_period(agency)
    interval = Interval.of_days(agency, starts, ends)
    return Period(universe, interval.start.replace(tzinfo=None), interval.end.replace(tzinfo=None))


def _find_newest_period(agency: Agency) -> tuple[date, date]:
    """Find the newest whole mature quarter or, without one, all whole mature months."""
    with connect(published_file(agency), read_only=True) as con:
        (row,) = fetch_dicts(
            con,
            "select any_value(release.as_of) as as_of, min(calls.received_at) as first_at "
            "from release left join fct_calls as calls on true",
        )
    # A month is mature if it ended MATURE_DAYS before the version's as_of.
    mature_at = (row["as_of"] - timedelta(days=MATURE_DAYS)).replace(tzinfo=UTC)
    mature_until = first_of_month(mature_at.astimezone(agency.zone).date())
    # A month is whole if calls were received from its first day on.
    first_at = (row["first_at"] or row["as_of"]).replace(tzinfo=UTC).astimezone(agency.zone)
    first_month = first_of_month(first_at.date(), months=1 if first_at.day > 1 else 0)
    quarter = first_of_month(mature_until, months=-((mature_until.month - 1) % 3))
    quarter_before = first_of_month(quarter, months=-3)
    if quarter_before >= first_month:
        return quarter_before, quarter
    if first_month >= mature_until:
        raise AuditError(
            "AUDIT-PERIOD",
            f"no whole month of {agency.agency} ended {MATURE_DAYS} days before {row['as_of']}",
            "wait, or give the days of a period that did",
        )
    return first_month, mature_until


def first_of_month(day: date, months: int = 0) -> date:
    """Give the first day of a day's month, or of a month so many months after it.

    Args:
        day: In the month to count from.
        months: Number of months after it; negative for a month before it.
    """
    return day + relativedelta(day=1, months=months)


def predict_period(agency: Agency, period: Period) -> Frame:
    """Read the logs of a period from the published version, and predict what is missed in them.

    Args:
        agency: Whose logs.
        period: Must be mature in the published version.

    Raises:
        StateError: PUBLISHED-DAMAGED if the published version is not as it was published.
    """
    file = published_file(agency)
    verify_current(agency.agency)  # a frame is frozen for good
    return predict_frame(read_published(file, period))


def plan_audit(
    agency: Agency, period: Period, points: float, domain: str, error: float = 0.0
) -> int:
    """Tell how many logs to audit for a rate to within +/- some percentage points.

    Args:
        agency: Whose audit.
        period: The period to audit.
        points: Half-width of the interval at 95%, in percentage points.
        domain: The force, or a group of offences, rape, domestic_abuse, `district NAME`.
        error: Share of readings that are expected to be wrong; the part of the logs that is read
            twice corrects for them, and leaves some of it open.

    Raises:
        AuditError: AUDIT-DOMAIN if the period has no such domain.
    """
    frame = predict_period(agency, period)
    share = None
    if domain != FORCE:
        shares = {part.name: part.share for part in list_domains(frame)}
        if domain not in shares:
            raise AuditError(
                "AUDIT-DOMAIN",
                f"{period.name} has no domain {domain}",
                f"choose one of: {FORCE}, {', '.join(sorted(shares))}",
            )
        share = shares[domain]
    if error:
        return plan_second_readings(frame, Options(LOGS), points, share, error=error)
    return plan_logs(frame, Options(LOGS), points, share)


def draw_period(
    agency: Agency,
    period: Period,
    auditors: Sequence[str],
    *,
    logs: int = LOGS,
    reason: str | None = None,
    seed: int | None = None,
) -> Draw:
    """Draw an audit from the published version; see `cdi.audit.draws.draw_audit`.

    Args:
        agency: Whose audit.
        period: The period to audit.
        auditors: Who will read: two at least.
        logs: Number of logs to audit.
        reason: Why a period is drawn again of which days were drawn before.
        seed: Of the random numbers; chosen at random by default.
    """
    frame = predict_period(agency, period)
    version = (read_current(agency.agency) or {})["version"]
    return draw_audit(
        agency.agency,
        version,
        period,
        frame,
        Options(logs),
        auditors,
        utc_now(),
        seed=seed,
        reason=reason,
    )


def summarise_draw(draw: Draw) -> str:
    """Describe a draw in a few lines, with the register's line to keep elsewhere.

    Args:
        draw: The draw.
    """
    facts = draw.facts
    return "\n".join(
        [
            f"draw {draw.draw_id}: {len(draw.positions):,} of {len(draw.frame.logs):,} logs",
            f"- from version {facts['version']}, in {len(facts['population'])} strata; "
            f"{facts['double_blind']:.0%} of the logs are read twice, once all were read",
            f"- auditors {', '.join(facts['auditors'])}"
            + (f"; drawn again: {facts['reason']}" if facts["reason"] else ""),
            f"- seed {facts['seed']}, register line {facts['hash']}: keep it where nobody can "
            "change it",
        ]
    )


def find_draw(agency: Agency, draw_id: str | None = None) -> Draw:
    """Read a draw by its name, or the newest one; it is proven to be unchanged.

    Args:
        agency: Whose audit.
        draw_id: Name of the draw; the newest by default.
    """
    if draw_id is None:
        draws = Register(agency.agency).draws()
        draw_id = draws[-1]["draw_id"] if draws else "(none)"
    return load_draw(agency.agency, draw_id)


# ---------------------------------------------------------------------- findings


def deliver_worksheet(
    agency: Agency, file: Path, note_sheets: Callable[[str], None] | None = None
) -> Delivery:
    """Take in a filled-in worksheet: check it by the landing's rules, then put it into the source.

    Args:
        agency: Whose audit.
        file: An XLSX or CSV worksheet; logs that were not read yet may be blank.
        note_sheets: Is called with the draw's name before further sheets are written, as they show
            logs.

    Raises:
        AuditError: AUDIT-SHEET if it is not the worksheet of one draw and one auditor;
            AUDIT-REFUSED, with the rules that it breaks; AUDIT-SECOND if it changes a first
            reading after the second ones were drawn; AUDIT-AGREED if the registrar decides a log on
            which no two auditors differ. Nothing is kept then.
    """
    rows = read_audit_sheet(file)
    sheets = {(row["draw_id"], row["auditor_code"]) for row in rows}
    if len(sheets) != 1:
        raise AuditError(
            "AUDIT-SHEET",
            f"{file.name} has readings of {len(sheets)} draws and auditors",
            "deliver one sheet per auditor, with at least one log that was read",
        )
    ((draw_id, auditor),) = sheets
    with keep_others_out(agency):
        draw = load_draw(agency.agency, draw_id)
        refuse_bad_rows(agency, file.name, rows)
        parts = split_parts(draw, auditor, rows)
        keep_readings(agency, draw, auditor, rows, "delivery")
        was_waiting = draw.awaits_second
        draw = draw_second_if_due(agency, draw)
    logs, differing = read_differing(agency, draw)
    undecided = count_undecided(logs, differing)
    is_drawn_now = was_waiting and not draw.awaits_second
    # The registrar's sheet also has the logs that were decided before, to be decided anew.
    registrars = list_registrars_sheet(agency, draw, differing) if undecided else []
    seconds = list_second_sheets(agency, draw) if is_drawn_now else []
    if note_sheets and (registrars or seconds):
        note_sheets(draw_id)
    return Delivery(
        draw_id=draw_id,
        auditor=auditor,
        read=sum(row["crime_number"] == "0" for row in rows),
        given=_count_given(draw, auditor, parts),
        undecided=undecided,
        sheets=write_sheets(agency, registrars),
        twice=sum(map(bool, draw.seconds)) if is_drawn_now else 0,
        second_sheets=write_sheets(agency, seconds),
    )


def _count_given(draw: Draw, auditor: str, parts: Iterable[str]) -> int:
    """Count the logs of the sheets that were filled in; the registrar has those read twice."""
    rows = [row for row in zip(draw.call_ids, draw.auditors, draw.seconds, strict=True) if row[0]]
    if auditor == ADJUDICATOR:
        return sum(bool(second) for _, _, second in rows)
    has_second_sheet = draw.first_counts is not None
    return sum(
        (first == auditor and "" in parts)
        or (second == auditor and (SECOND in parts or not has_second_sheet))
        for _, first, second in rows
    )


# ---------------------------------------------------------------------- the estimate


def read_audited_rates(agency: Agency, draw_id: str | None = None) -> list[dict[str, Any]]:
    """Read the rates of an audit from the published version, the force first.

    Args:
        agency: Whose audit.
        draw_id: Name of the draw; the newest by default.

    Raises:
        AuditError: The reason why the audit gives no rate, such as AUDIT-EXPIRED, or
            AUDIT-UNPUBLISHED if its findings are not in a published version yet.
    """
    draw = find_draw(agency, draw_id)
    values = {"draw": draw.draw_id}
    with connect(published_file(agency), read_only=True) as con:
        audits = fetch_dicts(con, "from audits where draw_id = $draw", values)
        rates = fetch_dicts(
            con,
            "from audited_rates where draw_id = $draw order by domain <> 'force', domain",
            values,
        )
    if not audits:
        refuse_expired(draw)
        raise AuditError(
            "AUDIT-UNPUBLISHED",
            f"no findings of {draw.draw_id} are in the published version",
            f"deliver them ({paths.CDI} audit findings) and run the agency's DAGs",
        )
    (audit,) = audits
    if audit["withheld_rule_id"]:
        raise AuditError(audit["withheld_rule_id"], audit["withheld_reason"], audit["next_step"])
    return rates
