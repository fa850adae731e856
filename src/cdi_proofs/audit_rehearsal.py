"""Rehearsal of the audit on the simulated force: `make audit-rehearsal`.

Twelve simulated months are published in a state folder of their own. Then

1. the frame's mature months are drawn again and again, each time with another seed, read by
   auditors who know the truth, and estimated: how wide is the interval, does it hold the true rate?
2. a first round is drawn from the first months, delivered, landed, and the models learn from it;
   the months after it are drawn by the predictions of before and of after: is it narrower?

SIMULATED: it shows that the loop works, not what a real force would gain.
"""

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np

from cdi import paths
from cdi.agency.datasets import READINGS
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.audit.design import Options
from cdi.audit.estimators import Floats
from cdi.audit.findings import complete_findings
from cdi.audit.predictions import Frame, Period
from cdi.audit.register import Draw, draw_audit
from cdi.audit.results import estimate_rates
from cdi.local.run import default_interval
from cdi.people import audit
from cdi.people.audit import (
    choose_period,
    deliver_worksheet,
    draw_period,
    first_of_month,
    predict_period,
    read_audited_rates,
    write_draw_worksheets,
)
from cdi.steps.extract import check_landing, extract
from cdi.steps.run import run_directly
from cdi.steps.train import learn_text
from cdi_proofs.auditors import fill_in_sheet, true_readings
from cdi_proofs.published import run_simulated

SEEDS = 20
NAMES = ("AUD01", "AUD02", "AUD03")
READ_AT = datetime(2030, 1, 1, 9)  # after whatever day it is rehearsed on
FIRST_ROUND_MONTHS = 5
Say = Callable[[str], None]


def rehearse_audit(say: Say, seeds: int = SEEDS, logs: int = audit.LOGS) -> dict[str, Any]:
    """Rehearse; also to ``<state>/audit_rehearsal.json``.

    Args:
        say: Is told each step as it begins.
        seeds: Draws of each kind.
        logs: Audited in each.

    Returns:
        Figures of the draws, and of the two rounds.
    """
    target = paths.home() / "audit_rehearsal.json"
    with paths.environment(CDI_HOME=str(paths.home() / "audit_rehearsal")):
        _clear()
        run_simulated(say)
        agency = load_agency(paths.SIMULATED)
        starts, ends, middle = _days(agency)
        whole = choose_period(agency, "frame", starts, ends)
        first = choose_period(agency, "frame", starts, middle)
        second = choose_period(agency, "frame", middle, ends)
        say(f"{seeds} audits of {whole.name}")
        draws = _replicate(agency, whole, predict_period(agency, whole), seeds, logs)
        say(f"{seeds} audits of {second.name}, without a round before")
        before = _replicate(agency, second, predict_period(agency, second), seeds, logs)
        say(f"a first round, of {first.name}: drawn, read, landed, learnt from, published")
        told = _first_round(agency, first, logs)
        say(f"{seeds} audits of {second.name}, with what the first round taught")
        after = _replicate(agency, second, predict_period(agency, second), seeds, logs)
    widths = [np.mean([row["half_width"] for row in rows]) for rows in (before, after)]
    made = {
        "is_simulated": True,
        "variant": paths.variant(),
        "audited": logs,
        "one_round": {"period": whole.name, **_summary(draws), "draws": draws},
        "first_round": {"period": first.name, **told},
        "second_round": {
            "period": second.name,
            "without_first_round": {**_summary(before), "draws": before},
            "with_first_round": {**_summary(after), "draws": after},
            "half_width_ratio": round(float(widths[1] / widths[0]), 4),
        },
    }
    target.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return made


def _clear() -> None:
    """Forget earlier rehearsals: draws, findings, and what was learnt from them."""
    for folder in (
        paths.audit(paths.SIMULATED),
        paths.landing(paths.SIMULATED, READINGS),
        paths.weights(paths.SIMULATED),
        paths.published(paths.SIMULATED),
    ):
        shutil.rmtree(folder, ignore_errors=True)


def _days(agency: Agency) -> tuple[date, date, date]:
    """First day, end of what is mature, and the first day of the second round."""
    days = default_interval(agency).days(agency)
    ends = first_of_month(days[-1])  # the last month is not mature
    return days[0], ends, first_of_month(days[0], FIRST_ROUND_MONTHS)


def _summary(draws: Sequence[dict[str, Any]]) -> dict[str, Any]:
    widths = [row["half_width"] for row in draws]
    return {
        "true_rate": draws[0]["true_rate"],
        "covered": sum(row["covers"] for row in draws),
        "of": len(draws),
        "half_width_mean": round(float(np.mean(widths)), 4),
        "half_width_max": round(max(widths), 4),
    }


def _replicate(
    agency: Agency, period: Period, frame: Frame, seeds: int, logs: int
) -> list[dict[str, Any]]:
    """Draw, read and estimate once for each seed."""
    y, m = _truth(frame)
    rate = float(y.sum() / m.sum())
    made = []
    for seed in range(1, seeds + 1):
        draw = draw_audit(
            agency.agency, "rehearsal", period, frame, Options(logs), NAMES, READ_AT,
            seed=seed, reason=f"rehearsal, seed {seed}",
        )  # fmt: skip
        found = complete_findings(draw, *_read(agency, draw))
        force = estimate_rates(draw, found)[0]
        low, high = force["lower_limit"], force["upper_limit"]
        made.append(
            {
                "seed": seed,
                "recording_rate": round(force["recording_rate"], 5),
                "lower_limit": round(low, 5),
                "upper_limit": round(high, 5),
                "half_width": round(50 * (high - low), 4),
                "true_rate": round(rate, 5),
                "covers": bool(low <= rate <= high),
                "rho": round(force["rho"], 4),
            }
        )
    return made


def _given(draw: Draw) -> list[dict[str, Any]]:
    """Who is given which log."""
    readers = zip(draw.call_ids, draw.auditors, draw.seconds, strict=True)
    return [
        {"draw_id": draw.draw_id, "call_reference": call_id, "auditor_code": who}
        for call_id, first, second in readers
        for who in filter(None, (first, second))
    ]


def _read(agency: Agency, draw: Draw) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the simulated auditors find in the drawn logs: rows by log, rows by crime."""
    with (agency.folder / "offences.csv").open(newline="", encoding="utf-8") as handle:
        offences = {row["code"]: row for row in csv.DictReader(handle)}
    logs: list[dict[str, Any]] = []
    crimes: list[dict[str, Any]] = []
    for row in true_readings(_given(draw), READ_AT):
        made = {**row, "call_id": row["call_reference"]}
        if not row["crime_number"]:
            logs.append(made)
            continue
        offence = offences[row["offence_code"]]
        crimes.append(
            made
            | {
                "is_recorded": row["recorded_code"] == "Y",
                "offence_group": offence["offence_group"],
                "is_rape": offence["is_rape"] == "true",
                "is_domestic_abuse": row["domestic_abuse_code"] == "Y",
            }
        )
    return logs, crimes


def _truth(frame: Frame) -> tuple[Floats, Floats]:
    """Of each log of the frame: crimes recorded and due, as the auditors would find them."""
    ids = frame.logs["call_id"].to_pylist()
    given = [{"draw_id": "", "call_reference": call_id, "auditor_code": ""} for call_id in ids]
    rows = [row for row in true_readings(given, READ_AT) if row["crime_number"] == 0]
    y, m = (np.array([row[n] for row in rows], float) for n in ("recorded_count", "due_count"))
    return y, m


def _first_round(agency: Agency, period: Period, logs: int) -> dict[str, Any]:
    """A whole round, to a published version whose models have learnt from it."""
    draw = draw_period(agency, period, NAMES, logs=logs, seed=1, reason="rehearsal, first round")
    for sheet in write_draw_worksheets(agency, draw):
        if sheet.suffix == ".csv":
            filled = sheet.with_name(f"filled_{sheet.name}")
            deliver_worksheet(agency, fill_in_sheet(sheet, filled, READ_AT))
    interval = default_interval(agency)
    landed = extract(agency.agency, READINGS, interval)
    check_landing(agency.agency, READINGS, str(landed.result))
    learn_text(agency.agency)
    run_directly(agency.agency, interval)
    rows = read_audited_rates(agency, draw.draw_id)
    force = rows[0]
    y, m = _truth(draw.frame)
    rate = float(y.sum() / m.sum())
    return {
        "recording_rate": round(force["recording_rate"], 5),
        "half_width": round(force["half_width"], 4),
        "true_rate": round(rate, 5),
        "covers": bool(force["lower_limit"] <= rate <= force["upper_limit"]),
        "parts": [
            {name: row[name] for name in ("domain", "recording_rate", "lower_limit", "upper_limit")}
            for row in rows
        ],
    }
