"""The steps of the audit DAG: draw an audit, and write the auditors' worksheets."""

from datetime import date

from cdi.agency.load import load_agency
from cdi.errors import AuditError
from cdi.publish.access import note_command
from cdi.steps.step import Step


def draw_audit(
    agency: str,
    universe: str = "frame",
    logs: str | int | None = None,
    starts_on: str | None = None,
    ends_on: str | None = None,
    auditors: str | None = None,
    reason: str | None = None,
) -> Step:
    """Draw an audit from the published version; see `cdi.people.audit`.

    Args:
        agency: The agency that is audited.
        universe: frame or all.
        logs: How many logs are to be audited; 1,500 by default.
        starts_on: The first local day of the period; by default the period is the newest whole
            quarter that is mature.
        ends_on: The first day after the period; given together with `starts_on`.
        auditors: Staff numbers, separated by commas; by default those of agency.yaml.
        reason: Why days that were drawn before are drawn again; without a reason none is.
    """
    # numpy, scipy and openpyxl take a second to import, and other steps need none of them
    from cdi.people.audit import LOGS, choose_period, draw_period, summarise_draw

    loaded = load_agency(agency)
    days = [date.fromisoformat(day) if day else None for day in (starts_on, ends_on)]
    names = [name.strip() for name in (auditors or "").split(",") if name.strip()]
    # The DAG runs every month. If no quarter became mature since the last draw, or none is mature
    # yet, then there is nothing to do and nothing is wrong.
    is_default = starts_on is None and reason is None
    if is_default and not (names or loaded.auditors):
        return Step(False, f"nothing to draw: `auditors` of {loaded.folder}/agency.yaml names none")
    try:
        period = choose_period(loaded, universe, *days)
        draw = draw_period(
            loaded, period, names or loaded.auditors, logs=int(logs or LOGS), reason=reason
        )
    except AuditError as error:
        if is_default and error.rule_id in ("AUDIT-REDRAWN", "AUDIT-PERIOD", "AUDIT-UNPUBLISHED"):
            return Step(False, f"nothing to draw: {error.message}")
        raise
    return Step(True, summarise_draw(draw), draw.draw_id)


def write_worksheets(agency: str, draw_id: str) -> Step:
    """Write the auditors' worksheets of a draw; see `cdi.people.worksheets`."""
    from cdi.people.audit import find_draw  # imports numpy, as above
    from cdi.people.worksheets import write_draw_worksheets

    loaded = load_agency(agency)
    note_command(agency, f"worksheets of the draw {draw_id}", "audit", road="audit DAG")
    files = write_draw_worksheets(loaded, find_draw(loaded, draw_id))
    lines = [f"{len(files)} worksheets; give each to its auditor"]
    lines += [f"- {file}" for file in files]
    return Step(True, "\n".join(lines), draw_id)
