"""What the audits say, published with each version: tables in ``recording.duckdb``.

``audits``          what was drawn, and whether it tells a rate
``audited_rates``   of each complete audit: the force's rate and its domains', with limits
``audited_changes`` between an audit and the one before it
``audited_logs``, ``audit_strata``   what the rates were worked out from, for whoever checks them

Frame, predictions and strata are read back as they were frozen, never anew. An audit that cannot be
trusted or is not complete has a reason in place of rates and keeps no version from being published.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np

from cdi.audit import tables
from cdi.audit.findings import Findings, complete_findings, match_counts
from cdi.audit.intervals import square_and_add, unrecorded_limits
from cdi.audit.rates import FORCE, Assistance, audit_figures, known_totals, list_domains
from cdi.audit.register import Draw, Register, load_draw
from cdi.errors import AuditError
from cdi.sql import fetch_dicts

Row = dict[str, Any]

READINGS = """
select
    readings.draw_id, readings.call_id, readings.auditor_code, readings.crime_number,
    readings.audited_at, readings.is_recorded, readings.due_count, readings.recorded_count,
    offences.offence_group, offences.is_rape,
    coalesce(readings.is_domestic_abuse, offences.is_domestic_abuse) as is_domestic_abuse,
    coalesce(groups.is_headline, false) as is_headline
from staging.stg_audit_readings as readings
left join codes.offences as offences on readings.offence_code = offences.code
left join rules.offence_groups as groups on offences.offence_group = groups.offence_group
where not readings.is_withdrawn
order by readings.audit_reading_id
"""

# HMICFRS's base: recorded crime of the twelve months to the end of the audit period
RECORDED = """
with records as (
    select
        offences.offence_group,
        coalesce(records.reported_at, records.recorded_at, records.occurred_at) as reported_at
    from staging.stg_crime_records as records
    inner join codes.offences as offences on records.offence_code = offences.code
    inner join rules.offence_groups as groups
        on offences.offence_group = groups.offence_group and groups.is_headline
    where not records.is_withdrawn
        and not list_contains($cancelled, coalesce(records.status_code, ''))
),

covered as (
    select
        *,
        least(12.0, date_diff('day', min(reported_at) over (), $period_end) / (365.25 / 12))
            as months
    from records
    where reported_at > $period_end - interval 12 month and reported_at <= $period_end
)

select
    coalesce(offence_group, 'force') as domain,
    cast(round(count(*) * if(any_value(months) < 11.95, 12 / any_value(months), 1)) as bigint)
        as recorded,
    any_value(months) as months
from covered
group by grouping sets ((), (offence_group))
"""


@dataclass(frozen=True)
class Audit:
    """A draw and its complete findings."""

    draw: Draw
    findings: Findings
    rates: list[Row]


def result_rows(
    con: duckdb.DuckDBPyConnection, agency: str, cancelled: Iterable[str]
) -> dict[str, list[Row]]:
    """Rows of the tables of the audits, from the staged readings and the frozen draws.

    Args:
        con: The build's private file, with staging and codes still in it.
        agency: Whose audits.
        cancelled: Status codes of a crime record that was cancelled.

    Returns:
        By table, see `cdi.audit.tables`.
    """
    readings = fetch_dicts(con, READINGS)
    made: dict[str, list[Row]] = {name: [] for name in tables.TABLES}
    complete: list[Audit] = []
    for draw_id in sorted({row["draw_id"] for row in readings}):
        own = [row for row in readings if row["draw_id"] == draw_id]
        audit, row = _read(agency, draw_id, own)
        made["audits"].append(row)
        if audit is not None:
            complete.append(audit)
            base = _recorded(con, row, cancelled)
            made["audited_rates"] += [_with_total(rate, row, base) for rate in audit.rates]
            made["audited_logs"] += _logs(audit)
            made["audit_strata"] += _strata(audit)
    _mark_headline(made["audits"])
    made["audited_changes"] = list(_changes(made["audits"], made["audited_rates"]))
    return made


def _read(agency: str, draw_id: str, readings: list[Row]) -> tuple[Audit | None, Row]:
    """One audit and its row of `audits`; no audit if it tells no rate."""
    row: Row = dict.fromkeys(tables.AUDITS) | {"draw_id": draw_id, "is_headline": False}
    logs = [r for r in readings if r["crime_number"] == 0]
    crimes = [r for r in readings if r["crime_number"] > 0]
    try:
        draw = load_draw(agency, draw_id)
        row |= _facts(agency, draw, logs)
        match_counts(logs, crimes)
        # what is no crime of the headline counts neither as due nor as recorded
        found = complete_findings(draw, logs, [r for r in crimes if r["is_headline"]])
    except AuditError as error:
        return None, row | {
            "withheld_rule_id": error.rule_id,
            "withheld_reason": error.message,
            "next_step": error.fix,
        }
    row |= {"kappa": found.kappa, "erased_count": found.erased}
    return Audit(draw, found, estimate_rates(draw, found)), row


def estimate_rates(draw: Draw, found: Findings) -> list[Row]:
    """All rates of a complete audit; see `cdi.audit.rates.audit_figures`."""
    by = replace(Assistance.of(draw.frame, draw.strata), design=found.design)
    return audit_figures(found.positions, found.found, by, list_domains(draw.frame))


def _facts(agency: str, draw: Draw, logs: list[Row]) -> Row:
    facts = draw.facts
    read = {(row["call_id"], row["auditor_code"]) for row in logs}
    readers = zip(draw.call_ids, draw.auditors, draw.seconds, strict=True)
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
            all((call_id, who) in read for who in both if who) for call_id, *both in readers
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


def _recorded(con: duckdb.DuckDBPyConnection, row: Row, cancelled: Iterable[str]) -> dict[str, Row]:
    values = {"period_end": row["period_end"], "cancelled": list(cancelled)}
    sql = RECORDED.replace("$period_end", "$period_end::timestamp")
    return {r["domain"]: r for r in fetch_dicts(con, sql, values)}


def _with_total(rate: Row, audit: Row, base: Mapping[str, Row]) -> Row:
    """A rate with crimes never recorded in a year; only of the force and of groups of offences."""
    year = base.get(rate["domain"], {})
    recorded = year.get("recorded")
    made = {**rate, "draw_id": audit["draw_id"], "universe": audit["universe"]}
    totals: tuple[int | None, ...] = (None, None, None)
    half = None
    if rate["recording_rate"] is not None:
        half = 50 * (rate["upper_limit"] - rate["lower_limit"])
        if recorded is not None:
            limits = (rate["recording_rate"], rate["lower_limit"], rate["upper_limit"])
            missed = np.array(unrecorded_limits(recorded, *limits))
            if np.isfinite(missed).all():  # of a rate that may be 0 there is no telling
                totals = tuple(map(int, np.floor(missed.round(6))))
    names = ("unrecorded_year_count", "unrecorded_year_lower", "unrecorded_year_upper")
    made |= {"half_width": half, "recorded_year_count": recorded}
    made["recorded_months"] = year.get("months")
    return made | dict(zip(names, totals, strict=True))


def _logs(audit: Audit) -> list[Row]:
    y, m = audit.findings.found[FORCE]
    known = known_totals(audit.draw.frame)
    ids = audit.draw.frame.logs["call_id"].to_pylist()
    return [
        {
            "draw_id": audit.draw.draw_id,
            "call_id": ids[position],
            "stratum": int(audit.findings.design.stratum[place]),
            "due_count": int(m[place]),
            "recorded_count": int(y[place]),
            **_predicted(known[position]),
        }
        for place, position in enumerate(audit.findings.positions.tolist())
    ]


def _predicted(values: Any) -> Row:
    names = ("predicted_recorded", "predicted_due", "predicted_missed")
    return dict(zip(names, map(float, values), strict=True))


def _strata(audit: Audit) -> list[Row]:
    frame, strata = audit.draw.frame, audit.draw.strata
    known = known_totals(frame)
    sums = np.stack([np.bincount(strata.of_log, values) for values in known.T], axis=1)
    variance = np.bincount(strata.of_log, frame.column("variance")) / strata.population
    drawn = audit.findings.design.drawn
    return [
        {
            "draw_id": audit.draw.draw_id,
            "stratum": stratum,
            "log_count": int(population),
            "audited_count": int(drawn[stratum]),
            "predicted_variance": float(variance[stratum]),
            **_predicted(sums[stratum]),
        }
        for stratum, population in enumerate(strata.population)
    ]


def _mark_headline(audits: list[Row]) -> None:
    """Of the frame, the newest period; of several draws of it, the last."""
    told = [row for row in audits if row["withheld_reason"] is None and row["universe"] == "frame"]
    if told:
        max(told, key=lambda row: (row["period_end"], row["drawn_at"]))["is_headline"] = True


def _changes(audits: list[Row], found: list[Row]) -> Iterable[Row]:
    """Between neighbouring periods of a universe that have no day in common."""
    by = {
        (row["draw_id"], row["domain"]): row for row in found if row["recording_rate"] is not None
    }
    told = [row for row in audits if row["withheld_reason"] is None]
    told.sort(key=lambda row: (row["period_start"], row["drawn_at"]))
    for after in told:
        earlier = [
            row for row in told
            if row["universe"] == after["universe"] and row["period_end"] <= after["period_start"]
        ]  # fmt: skip
        if not earlier:
            continue
        before = max(earlier, key=lambda row: (row["period_end"], row["drawn_at"]))
        for (draw_id, domain), new in by.items():
            old = by.get((before["draw_id"], domain))
            if draw_id == after["draw_id"] and old is not None:
                yield {
                    "draw_id": draw_id,
                    "before_draw_id": before["draw_id"],
                    "domain": domain,
                    **_change(old, new),
                }


def _change(old: Row, new: Row) -> Row:
    limits = ("recording_rate", "lower_limit", "upper_limit")
    values = square_and_add([old[n] for n in limits], [new[n] for n in limits])
    names = ("change_points", "lower_limit", "upper_limit")
    return {name: 100 * float(value) for name, value in zip(names, values, strict=True)}
