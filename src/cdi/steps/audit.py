"""The steps of the audit DAG: draw an audit, and write the auditors' worksheets."""

from datetime import date

from cdi.agency.load import load_agency
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
        agency: Whose audit.
        universe: frame or all.
        logs: To be audited; 1,500 by default.
        starts_on: First local day of the period, with `ends_on`, the first day after it; by default
            the newest whole mature quarter, of which nothing is drawn twice.
        ends_on: See `starts_on`.
        auditors: Staff numbers, separated by commas; by default those of agency.yaml.
        reason: Why days that were drawn before are drawn again.
    """
    from cdi.errors import AuditError
    from cdi.people import audit as people_audit
    from cdi.people.audit import choose_period, draw_period, summarise_draw

    loaded = load_agency(agency)
    days = [date.fromisoformat(day) if day else None for day in (starts_on, ends_on)]
    names = [name.strip() for name in (auditors or "").split(",") if name.strip()]
    # a month without a new quarter, or too early for the first: nothing to do, nothing wrong
    is_default = starts_on is None and reason is None
    if is_default and not (names or loaded.auditors):
        return Step(False, f"nothing to draw: `auditors` of {loaded.folder}/agency.yaml names none")
    try:
        period = choose_period(loaded, universe, *days)
        made = draw_period(
            loaded,
            period,
            names or loaded.auditors,
            logs=int(logs or people_audit.LOGS),
            reason=reason,
        )
    except AuditError as error:
        if is_default and error.rule_id in ("AUDIT-REDRAWN", "AUDIT-PERIOD", "AUDIT-UNPUBLISHED"):
            return Step(False, f"nothing to draw: {error.message}")
        raise
    return Step(True, summarise_draw(made), made.draw_id)


def write_worksheets(agency: str, draw_id: str) -> Step:
    """Write the auditors' worksheets of a draw; see `cdi.people.audit`."""
    from cdi.people.audit import find_draw, write_draw_worksheets

    loaded = load_agency(agency)
    files = write_draw_worksheets(loaded, find_draw(loaded, draw_id))
    lines = [f"{len(files)} worksheets; give each to its auditor", *(f"- {f}" for f in files)]
    return Step(True, "\n".join(lines), draw_id)
