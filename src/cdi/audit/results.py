"""The results of the audits that are published with each version, as rows of its tables.

``audits``           what was drawn, and why it gives no rate if it gives none
``audited_rates``    the rates of the force and its domains, with limits, of each complete audit
``audited_changes``  changes of these rates since the audit before
``audited_logs``, ``audit_strata``  what the rates were worked out from, for whoever checks them

Frame, predictions and strata are read as they were frozen at the draw, and never predicted again.
An audit that is not complete or cannot be trusted has a reason in place of rates; the version is
published all the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from cdi.audit.draws import Draw, load_draw
from cdi.audit.findings import Findings, complete_findings, match_counts
from cdi.audit.intervals import change_in_points, unrecorded_limits
from cdi.audit.rates import (
    FORCE,
    Assistance,
    audit_figures,
    known_totals,
    list_domains,
    measure_errors,
)
from cdi.audit.register import Register
from cdi.audit.tables import TABLES
from cdi.errors import AuditError
from cdi.sql import fetch_dicts, read_query

Row = dict[str, Any]
SQL = Path(__file__).parent / "sql"


@dataclass(frozen=True)
class Audit:
    """A complete audit.

    Attributes:
        draw: As it was frozen.
        findings: What the auditors found.
        rates: Its rates, see `estimate_rates`.
    """

    draw: Draw
    findings: Findings
    rates: list[Row]


def result_rows(
    con: duckdb.DuckDBPyConnection, agency: str, cancelled: Iterable[str]
) -> dict[str, list[Row]]:
    """Work out the rows of all tables from the staged readings and the frozen draws.

    Args:
        con: The build's private file, which still has the schemas `staging` and `codes`.
        agency: Name of the agency.
        cancelled: Status codes of a crime record that was cancelled.

    Returns:
        Rows by table, see `cdi.audit.tables`.
    """
    readings = fetch_dicts(con, read_query(SQL / "delivered_readings.sql"))
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    for draw_id in sorted({row["draw_id"] for row in readings}):
        of_draw = [row for row in readings if row["draw_id"] == draw_id]
        audit, audit_row = _read_audit(agency, draw_id, of_draw)
        rows["audits"].append(audit_row)
        if audit is not None:
            recorded = _count_recorded_year(
                con, audit_row["period_end"], _end_of_knowledge(audit_row["drawn_from"]), cancelled
            )
            rows["audited_rates"] += [
                _add_unrecorded(rate, audit_row, recorded) for rate in audit.rates
            ]
            rows["audited_logs"] += _rows_of_logs(audit)
            rows["audit_strata"] += _rows_of_strata(audit)
    _mark_headline(rows["audits"], rows["audited_rates"])
    rows["audited_changes"] = list(_list_changes(rows["audits"], rows["audited_rates"]))
    return rows


def _read_audit(agency: str, draw_id: str, readings: list[Row]) -> tuple[Audit | None, Row]:
    """Read one audit; None if it gives no rate. Its row of `audits` is given in any case."""
    row: Row = dict.fromkeys(TABLES["audits"]["columns"]) | {
        "draw_id": draw_id,
        "is_headline": False,
    }
    logs = [reading for reading in readings if reading["crime_number"] == 0]
    crimes = [reading for reading in readings if reading["crime_number"] > 0]
    try:
        draw = load_draw(agency, draw_id)
        row |= _describe_draw(agency, draw, logs)
        match_counts(logs, crimes)
        # A crime of an offence group that is not in the headline counts neither as due nor as
        # recorded. Only now are such crimes left out, as the auditors' own counts include them.
        findings = complete_findings(
            draw, logs, [crime for crime in crimes if crime["is_headline"]]
        )
    except AuditError as error:
        return None, row | {
            "withheld_rule_id": error.rule_id,
            "withheld_reason": error.message,
            "next_step": error.fix,
        }
    row |= {"kappa": findings.kappa, "erased_count": findings.erased}
    if findings.second is not None:
        y, m = findings.found[FORCE]
        row |= measure_errors(findings.second, findings.design.weight, y, m)
    return Audit(draw, findings, estimate_rates(draw, findings)), row


def estimate_rates(draw: Draw, findings: Findings) -> list[Row]:
    """Work out all rates of a complete audit; see `cdi.audit.rates.audit_figures`.

    Args:
        draw: As it was frozen.
        findings: What the auditors found.
    """
    # The design is that of the logs which still count: some may have been erased.
    by = replace(
        Assistance.of(draw.frame, draw.strata),
        design=findings.design,
        is_counted=draw.is_counted,
    )
    domains = list_domains(draw.frame)
    return audit_figures(findings.positions, findings.found, by, domains, findings.second)


def _describe_draw(agency: str, draw: Draw, logs: list[Row]) -> Row:
    """Describe a draw and how far its audit has got, as columns of `audits`."""
    facts = draw.facts
    read = {(row["call_id"], row["auditor_code"]) for row in logs}
    readers_by_log = zip(draw.call_ids, draw.auditors, draw.seconds, strict=True)
    return {
        "universe": facts["period"].split("_")[0],
        "period_start": facts["starts_at"],
        "period_end": facts["ends_at"],
        "drawn_at": facts["at"],
        "drawn_from": facts["version"],
        "reason": facts["reason"],
        "frame_count": len(draw.frame.logs),
        "drawn_count": len(draw.positions),
        "read_count": sum(
            all((call_id, auditor) in read for auditor in readers if auditor)
            for call_id, *readers in readers_by_log
        ),
        "double_count": sum(map(bool, draw.seconds)),
        "delivery_count": sum(
            line["kind"] == "delivery" and line["draw_id"] == draw.draw_id
            for line in Register(agency).entries()
        ),
        "erased_count": sum(call_id is None for call_id in draw.call_ids),
        "seed": facts["seed"],
        "register_hash": facts["hash"],
    }


def _end_of_knowledge(version: str) -> datetime:
    """Read from a version's name, which begins with its as_of, when the next minute began."""
    return datetime.strptime(version.split("-")[0], "%Y%m%dT%H%M") + timedelta(minutes=1)


def _count_recorded_year(
    con: duckdb.DuckDBPyConnection,
    period_end: str,
    known_before: datetime,
    cancelled: Iterable[str],
) -> dict[str, Row]:
    """Count the recorded crime of the year to the end of an audit's period, by domain.

    What was recorded or cancelled later than it was known of when the audit was drawn is left out.
    """
    values = {
        "period_end": period_end,
        "known_before": known_before,
        "cancelled": list(cancelled),
    }
    rows = fetch_dicts(con, read_query(SQL / "recorded_year.sql"), values)
    return {row["domain"]: row for row in rows}


def _add_unrecorded(rate: Row, audit: Row, recorded_by_domain: Mapping[str, Row]) -> Row:
    """Add to a rate the crimes never recorded in a year, with limits.

    Only the force and groups of offences have them: records do not tell which other domain a crime
    belongs to.
    """
    year = recorded_by_domain.get(rate["domain"], {})
    recorded = year.get("recorded")
    half_width = None
    unrecorded: tuple[int | None, ...] = (None, None, None)
    if rate["recording_rate"] is not None:
        half_width = 50 * (rate["upper_limit"] - rate["lower_limit"])
        if recorded is not None:
            limits = (rate["recording_rate"], rate["lower_limit"], rate["upper_limit"])
            estimates = np.array(unrecorded_limits(recorded, *limits))
            # If the rate may be 0, the unrecorded crimes have no upper limit.
            if np.isfinite(estimates).all():
                # Rounded first, so that 12 - 1e-12 does not become 11.
                unrecorded = tuple(map(int, np.floor(estimates.round(6))))
    names = ("unrecorded_year_count", "unrecorded_year_lower", "unrecorded_year_upper")
    return {
        **rate,
        "draw_id": audit["draw_id"],
        "universe": audit["universe"],
        "half_width": half_width,
        "recorded_year_count": recorded,
        "recorded_months": year.get("months"),
        **dict(zip(names, unrecorded, strict=True)),
    }


def _rows_of_logs(audit: Audit) -> list[Row]:
    """Describe each audited log: what was found in it, beside what was predicted."""
    y, m = audit.findings.found[FORCE]
    second = _describe_second(audit.findings)
    predictions = known_totals(audit.draw.frame)
    call_ids = audit.draw.frame.logs["call_id"].to_pylist()
    return [
        {
            "draw_id": audit.draw.draw_id,
            "call_id": call_ids[position],
            "stratum": int(audit.findings.design.stratum[place]),
            "due_count": int(m[place]),
            "recorded_count": int(y[place]),
            **second[place],
            **_name_predictions(predictions[position]),
        }
        for place, position in enumerate(audit.findings.positions.tolist())
    ]


def _describe_second(findings: Findings) -> list[Row]:
    """Describe what second readings add to what is known of each audited log."""
    names = ("first_due_count", "first_recorded_count", "second_stratum", "is_read_twice")
    second = findings.second
    if second is None:
        return [dict.fromkeys((*names, "expected_change"))] * len(findings.positions)
    y, m = second.first[FORCE]
    twice = set(second.draw.places.tolist())
    return [
        {
            "first_due_count": int(m[place]),
            "first_recorded_count": int(y[place]),
            "second_stratum": int(second.draw.of_log[place]),
            "is_read_twice": place in twice,
            "expected_change": float(second.expected[place]),
        }
        for place in range(len(findings.positions))
    ]


def _name_predictions(values: Any) -> Row:
    names = ("predicted_recorded", "predicted_due", "predicted_missed")
    return dict(zip(names, map(float, values), strict=True))


def _rows_of_strata(audit: Audit) -> list[Row]:
    """Describe each stratum: its size, the audited logs and the sums of predictions."""
    frame, strata = audit.draw.frame, audit.draw.strata
    predictions = known_totals(frame) * audit.draw.is_counted[:, None]
    sums = np.stack([np.bincount(strata.of_log, values) for values in predictions.T], axis=1)
    variance = np.bincount(strata.of_log, frame.column("variance")) / strata.population
    design = audit.findings.design
    return [
        {
            "draw_id": audit.draw.draw_id,
            "stratum": stratum,
            "log_count": int(population),
            "audited_count": int(design.drawn[stratum]),
            "predicted_variance": float(variance[stratum]),
            **_name_predictions(sums[stratum]),
        }
        for stratum, population in enumerate(design.population)
        if population  # all logs of a stratum that was drawn whole may be erased
    ]


def _mark_headline(audits: list[Row], rates: list[Row]) -> None:
    """Mark the audit that the report leads with.

    It is that of the newest period of the frame and, of several draws of this period, the last. An
    audit that is too small for a rate of the whole force does not take the place of one with a
    rate.
    """
    in_frame = [
        row for row in audits if row["withheld_reason"] is None and row["universe"] == "frame"
    ]
    with_rate = {
        rate["draw_id"]
        for rate in rates
        if rate["domain"] == FORCE and rate["recording_rate"] is not None
    }
    rated = [row for row in in_frame if row["draw_id"] in with_rate]
    if in_frame:
        max(rated or in_frame, key=_period_end_and_draw)["is_headline"] = True


def _period_end_and_draw(audit: Row) -> tuple[str, str]:
    return audit["period_end"], audit["drawn_at"]


def _list_changes(audits: list[Row], rates: list[Row]) -> Iterable[Row]:
    """List the changes since the audit before, of the same universe.

    The two audits have no day in common: a day that counts in both would make them depend on each
    other.
    """
    by_draw_and_domain = {
        (row["draw_id"], row["domain"]): row for row in rates if row["recording_rate"] is not None
    }
    complete = [row for row in audits if row["withheld_reason"] is None]
    complete.sort(key=lambda row: (row["period_start"], row["drawn_at"]))
    for later in complete:
        earlier = [
            row
            for row in complete
            if row["universe"] == later["universe"] and row["period_end"] <= later["period_start"]
        ]
        if not earlier:
            continue
        before = max(earlier, key=_period_end_and_draw)
        for (draw_id, domain), new in by_draw_and_domain.items():
            old = by_draw_and_domain.get((before["draw_id"], domain))
            if draw_id == later["draw_id"] and old is not None:
                yield {
                    "draw_id": draw_id,
                    "before_draw_id": before["draw_id"],
                    "domain": domain,
                    **change_in_points(_rate_and_limits(old), _rate_and_limits(new)),
                }


def _rate_and_limits(row: Row) -> list[Any]:
    return [row[name] for name in ("recording_rate", "lower_limit", "upper_limit")]
