"""The audit as people do it: plan, draw, hand out worksheets, take findings back.

``audit/<agency>/<draw>/worksheets/``  one XLSX and CSV file per auditor, and the registrar's
``audit/<agency>/findings/``           delivered readings, one CSV file per draw and auditor: a
                                       source like any other, landed by the next extraction

The estimate is part of the build (`cdi.audit.results`).
"""

import csv
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.datasets import READINGS
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.audit import rates
from cdi.audit.design import Options, plan_logs
from cdi.audit.findings import differing_logs
from cdi.audit.predictions import MATURE_DAYS, Frame, Period, predict_frame, read_published
from cdi.audit.rates import list_domains
from cdi.audit.register import ADJUDICATOR, Draw, Register, draw_audit, load_draw
from cdi.build.version import read_current
from cdi.errors import AuditError
from cdi.landing.extract import read_file_as_batch
from cdi.people import audit_sheet
from cdi.people.audit_sheet import read_audit_sheet, write_audit_sheet
from cdi.sql import connect, fetch_dicts

LOGS = 1_500  # of an audit, unless another number is given
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Delivery:
    """What became of one delivered worksheet.

    Attributes:
        draw_id: The draw.
        auditor: Who read.
        read: Logs read, by this sheet.
        given: Logs that the auditor was given.
        undecided: Logs of the draw on which two auditors differ.
        sheets: The registrar's worksheet, if there is something to decide.
    """

    draw_id: str
    auditor: str
    read: int
    given: int
    undecided: int
    sheets: list[Path]


def choose_period(
    agency: Agency, universe: str, starts: date | None = None, ends: date | None = None
) -> Period:
    """The period to audit.

    Args:
        agency: Whose calls.
        universe: frame or all.
        starts: First local day; with `ends`.
        ends: First local day after it. By default the newest whole quarter that is mature in the
            published version or, of a shorter history, all its whole mature months.

    Raises:
        AuditError: AUDIT-PERIOD if universe or days are none, or no month is mature yet.
    """
    if universe not in ("frame", "all"):
        raise AuditError("AUDIT-PERIOD", f"universe '{universe}'", "give frame or all")
    if (starts is None) != (ends is None) or (starts and ends and starts >= ends):
        raise AuditError(
            "AUDIT-PERIOD",
            f"days from {starts} to {ends}",
            "give both: the first day, and the first day after the period",
        )
    if starts is None or ends is None:
        starts, ends = _newest(agency)
    interval = Interval.of_days(agency, starts, ends)
    return Period(universe, interval.start.replace(tzinfo=None), interval.end.replace(tzinfo=None))


def _newest(agency: Agency) -> tuple[date, date]:
    """The newest whole mature quarter, or all whole mature months."""
    with connect(_published(agency), read_only=True) as con:
        (row,) = fetch_dicts(
            con,
            "select any_value(release.as_of) as as_of, min(calls.received_at) as first_at "
            "from release left join fct_calls as calls on true",
        )
    mature = (row["as_of"] - timedelta(days=MATURE_DAYS)).replace(tzinfo=UTC)
    last = mature.astimezone(agency.zone).date().replace(day=1)
    first_at = (row["first_at"] or row["as_of"]).replace(tzinfo=UTC).astimezone(agency.zone)
    first = first_at.date().replace(day=1)
    if first_at.day > 1:
        first = add_months(first, 1)
    quarter = last.replace(month=last.month - (last.month - 1) % 3)
    if add_months(quarter, -3) >= first:
        return add_months(quarter, -3), quarter
    if first >= last:
        raise AuditError(
            "AUDIT-PERIOD",
            f"no whole month of {agency.agency} ended {MATURE_DAYS} days before {row['as_of']}",
            "wait, or give the days of a period that did",
        )
    return first, last


def add_months(day: date, months: int) -> date:
    """First day of the month that comes so many months after a day's."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _published(agency: Agency) -> Path:
    """The published file.

    Raises:
        AuditError: AUDIT-UNPUBLISHED if there is none.
    """
    if read_current(agency.agency) is None:
        raise AuditError(
            "AUDIT-UNPUBLISHED",
            f"no version of {agency.agency} is published to draw from",
            f"run the pipeline first: make run AGENCY={agency.agency}",
        )
    return paths.published(agency.agency) / "current" / "recording.duckdb"


def predict_period(agency: Agency, of: Period) -> Frame:
    """The logs of a period in the published version, with predictions."""
    return predict_frame(read_published(_published(agency), of))


def plan_audit(agency: Agency, of: Period, points: float, domain: str = rates.FORCE) -> int:
    """How many logs to audit for a rate to within +/- some percentage points.

    Args:
        agency: Whose audit.
        of: The period.
        points: Half-width of the interval at 95%, in percentage points.
        domain: The force, or a group of offences, rape, domestic_abuse, `district NAME`.

    Raises:
        AuditError: AUDIT-DOMAIN if the period has no such domain.
    """
    made = predict_period(agency, of)
    share = None
    if domain != rates.FORCE:
        parts = {part.name: part.share for part in list_domains(made)}
        if domain not in parts:
            raise AuditError(
                "AUDIT-DOMAIN", f"{of.name} has no domain {domain}",
                f"choose one of: {rates.FORCE}, {', '.join(sorted(parts))}",
            )  # fmt: skip
        share = parts[domain]
    return plan_logs(made, Options(LOGS), points, share)


def draw_period(
    agency: Agency,
    of: Period,
    auditors: Sequence[str],
    *,
    logs: int = LOGS,
    reason: str | None = None,
    seed: int | None = None,
) -> Draw:
    """Draw an audit from the published version; see `cdi.audit.register.draw_audit`."""
    made = predict_period(agency, of)
    version = (read_current(agency.agency) or {})["version"]
    return draw_audit(
        agency.agency, version, of, made, Options(logs), auditors, _now(),
        seed=seed, reason=reason,
    )  # fmt: skip


def summarise_draw(made: Draw) -> str:
    """A few lines for people: what was drawn, with the register's line to keep elsewhere."""
    facts = made.facts
    return "\n".join(
        [
            f"draw {made.draw_id}: {len(made.positions):,} of {len(made.frame.logs):,} logs",
            f"- from version {facts['version']}, in {len(facts['population'])} strata, "
            f"{sum(map(bool, made.seconds))} logs read twice",
            f"- auditors {', '.join(facts['auditors'])}"
            + (f"; drawn again: {facts['reason']}" if facts["reason"] else ""),
            f"- seed {facts['seed']}, register line {facts['hash']}: keep it where nobody can "
            "change it",
        ]
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def find_draw(agency: Agency, draw_id: str | None = None) -> Draw:
    """A draw by its name, or the newest one; proven to be as it was."""
    if draw_id is None:
        draws = Register(agency.agency).draws()
        draw_id = draws[-1]["draw_id"] if draws else "(none)"
    return load_draw(agency.agency, draw_id)


# ---------------------------------------------------------------------- worksheets

SHEET = """
with said as (
    select
        call_id,
        string_agg(entry, chr(10) order by entry_number) filter (part = 'account') as account,
        string_agg(entry, chr(10) order by entry_number) filter (part = 'closing') as closing
    from disclosure.int_disclosure__log_entries
    where call_id in (select unnest($ids))
    group by call_id
)

select
    calls.call_id,
    timezone($zone, timezone('UTC', calls.received_at)) as received_at,
    concat_ws(' ', calls.initial_type_code, coalesce(calls.initial_type_name, opened.name))
        as opened_as,
    concat_ws(' ', calls.final_type_code, coalesce(calls.final_type_name, closed.name))
        as closed_as,
    concat_ws(' ', calls.disposition_code, coalesce(calls.disposition_name, closures.name))
        as result,
    logs.qualifiers, said.account, said.closing
from fct_calls as calls
left join disclosure.int_disclosure__logs as logs on calls.call_id = logs.call_id
left join said on calls.call_id = said.call_id
left join codes.call_types as opened on calls.initial_type_code = opened.code
left join codes.call_types as closed on calls.final_type_code = closed.code
left join codes.closures as closures on calls.disposition_code = closures.code
where calls.call_id in (select unnest($ids))
order by calls.call_id
"""

CODES = """
select offences.code, offences.name
from codes.offences as offences
inner join rules.offence_groups as groups on offences.offence_group = groups.offence_group
where groups.is_headline
order by offences.code
"""


def write_draw_worksheets(agency: Agency, made: Draw) -> list[Path]:
    """Write the sheets of a draw: one XLSX and one CSV file per auditor.

    Logs that are read twice stand in the second auditor's sheet among the others, unmarked.
    """
    shown, codes = _shown(agency, made)
    files = []
    for auditor in made.facts["auditors"]:
        rows = zip(made.call_ids, made.auditors, made.seconds, strict=True)
        own = sorted(c for c, *readers in rows if c in shown and auditor in readers)
        files += write_audit_sheet(
            _sheets(agency, made), _facts(agency, made, auditor), [shown[c] for c in own], codes
        )
    return files


def _sheets(agency: Agency, made: Draw) -> Path:
    return paths.audit(agency.agency) / made.draw_id / "worksheets"


def _facts(agency: Agency, made: Draw, auditor: str) -> dict[str, Any]:
    return {
        "agency": agency.agency,
        "draw_id": made.draw_id,
        "auditor": auditor,
        "is_simulated": agency.is_simulated,
    }


def _shown(agency: Agency, made: Draw) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str]]]:
    """What a sheet shows of each drawn log, and the offence codes."""
    # as it was at the draw, if that version is still kept
    kept = paths.published(agency.agency) / "versions" / made.facts["version"]
    file = kept / "recording.duckdb"
    ids = [call_id for call_id in made.call_ids if call_id is not None]
    with connect(file if file.is_file() else _published(agency), read_only=True) as con:
        rows = fetch_dicts(con, SHEET, {"ids": ids, "zone": agency.timezone})
        codes = con.execute(CODES).fetchall()
    return {row["call_id"]: row for row in rows}, [(str(c), str(n)) for c, n in codes]


# ---------------------------------------------------------------------- findings


def deliver_worksheet(agency: Agency, file: Path) -> Delivery:
    """Take a filled-in worksheet: check it by the landing's rules and put it where they are read.

    Args:
        agency: Whose audit.
        file: An XLSX or CSV worksheet; logs that were not read yet may be blank.

    Raises:
        AuditError: AUDIT-SHEET if it is no worksheet of one draw and auditor, AUDIT-REFUSED with
            the rules that it breaks, AUDIT-AGREED if the registrar decides what two auditors do not
            differ on; nothing is kept then.
    """
    rows = read_audit_sheet(file)
    names = {(row["draw_id"], row["auditor_code"]) for row in rows}
    if len(names) != 1:
        raise AuditError(
            "AUDIT-SHEET", f"{file.name} has readings of {len(names)} draws and auditors",
            "deliver a sheet per auditor, with at least one log that was read",
        )  # fmt: skip
    ((draw_id, auditor),) = names
    made = load_draw(agency.agency, draw_id)
    folder = paths.audit(agency.agency) / "findings"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{draw_id}_{auditor}.csv"
    written = target.with_suffix(".next")
    try:
        with written.open("w", newline="", encoding="utf-8") as handle:
            out = csv.DictWriter(handle, audit_sheet.HEADER, lineterminator="\n")
            out.writeheader()
            out.writerows(rows)
        _check(agency, file.name, written)
        if auditor == ADJUDICATOR:
            _refuse_agreed(agency, made, rows)
        # a later delivery takes an earlier one's place; the register tells of both
        digest = hashlib.sha256(written.read_bytes()).hexdigest()
        Register(agency.agency).append(
            "delivery", _now(), draw_id=draw_id, auditor=auditor, rows=len(rows), sha256=digest
        )
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)
    logs, differ = _differing(agency, made)
    decided = {row["call_id"] for row in logs if row["auditor_code"] == ADJUDICATOR}
    undecided = sum(call_id not in decided for call_id, *_ in differ)
    readers = zip(made.call_ids, made.auditors, made.seconds, strict=True)
    return Delivery(
        draw_id,
        auditor,
        sum(row["crime_number"] == "0" for row in rows),
        sum(
            c is not None and auditor in ((first, second, ADJUDICATOR) if second else (first,))
            for c, first, second in readers
        ),
        undecided,
        # with those decided before: a delivery takes the place of the one before it
        _write_adjudication(agency, made, differ) if undecided else [],
    )


def _check(agency: Agency, name: str, written: Path) -> None:
    """The landing's rules, before anything is kept."""
    from cdi.quality.checks import find_refusals  # Great Expectations takes seconds to import

    with tempfile.TemporaryDirectory(prefix="cdi-") as scratch:
        batch = read_file_as_batch(agency, READINGS, written, Path(scratch))
        told = find_refusals(agency, batch)
    if told:
        raise AuditError(
            "AUDIT-REFUSED",
            f"{name} was not taken:\n    " + "\n    ".join(sorted({*chain(*told.values())})),
            "correct the worksheet and deliver it again",
        )


def read_delivered(agency: Agency, draw_id: str) -> tuple[list[Row], list[Row]]:
    """The delivered readings of a draw, as `cdi.audit.findings` takes them: logs, crimes."""
    logs: list[Row] = []
    crimes: list[Row] = []
    for file in sorted((paths.audit(agency.agency) / "findings").glob(f"{draw_id}_*.csv")):
        with file.open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                made: dict[str, Any] = {**row, "call_id": row["call_reference"]}
                made["is_recorded"] = row["recorded_code"] == "Y"
                (logs if row["crime_number"] == "0" else crimes).append(made)
    return logs, crimes


def _differing(
    agency: Agency, made: Draw
) -> tuple[list[Row], list[tuple[str, list[Row], list[Row]]]]:  # fmt: skip
    """The delivered readings, and the logs on which two auditors differ in what counts."""
    logs, crimes = read_delivered(agency, made.draw_id)
    with connect(_published(agency), read_only=True) as con:
        counted = {str(code) for code, _ in con.execute(CODES).fetchall()}
    told = [row for row in crimes if row["offence_code"] in counted]
    return logs, differing_logs(made, logs, told)


def _refuse_agreed(agency: Agency, made: Draw, rows: Sequence[Row]) -> None:
    _, differ = _differing(agency, made)
    other = {row["call_reference"] for row in rows} - {call_id for call_id, *_ in differ}
    if other:
        raise AuditError(
            "AUDIT-AGREED",
            f"no two auditors differ on {len(other)} logs of this sheet, first {min(other)}",
            f"leave them blank: {ADJUDICATOR} decides where two readings differ, and nowhere else",
        )


def _write_adjudication(
    agency: Agency, made: Draw, differ: list[tuple[str, list[Row], list[Row]]]
) -> list[Path]:
    """The registrar's sheet: logs on which two auditors differ, with what each found."""
    shown, codes = _shown(agency, made)
    logs = [
        {
            **shown[call_id],
            "first_reading": _tell_delivery(first),
            "second_reading": _tell_delivery(second),
        }
        for call_id, first, second in differ
    ]
    facts = _facts(agency, made, ADJUDICATOR)
    return write_audit_sheet(_sheets(agency, made), facts, logs, codes)


def _tell_delivery(crimes: Sequence[Row]) -> str:
    lines = [
        f"{c['crime_number']}: {c['offence_code']}, recorded {c['recorded_code']} "
        f"{c['record_reference']}".strip()
        for c in crimes
    ]
    return "\n".join(lines) or "no crime"


# ---------------------------------------------------------------------- the estimate


def read_audited_rates(agency: Agency, draw_id: str | None = None) -> list[dict[str, Any]]:
    """The rates of an audit in the published version, the force first.

    Args:
        agency: Whose audit.
        draw_id: The draw; the newest by default.

    Raises:
        AuditError: The reason why it tells no rate, or AUDIT-UNPUBLISHED if its findings are in no
            published version yet.
    """
    made = find_draw(agency, draw_id)
    of = {"draw": made.draw_id}
    with connect(_published(agency), read_only=True) as con:
        audits = fetch_dicts(con, "from audits where draw_id = $draw", of)
        rows = fetch_dicts(
            con,
            "from audited_rates where draw_id = $draw order by domain <> 'force', domain",
            of,
        )
    if not audits:
        raise AuditError(
            "AUDIT-UNPUBLISHED",
            f"no findings of {made.draw_id} are in the published version",
            f"deliver them ({paths.CDI} audit findings) and run the agency's DAGs",
        )
    parts = [audits[0][n] for n in ("withheld_rule_id", "withheld_reason", "next_step")]
    if parts[0]:
        raise AuditError(*parts)
    return rows
