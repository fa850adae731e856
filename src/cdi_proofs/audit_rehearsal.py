"""Rehearsal of the audit on the simulated force: `make audit-rehearsal`.

Twelve simulated months are published in a state folder of their own. Then

1. the mature months of the frame are audited again and again, each time with another seed, by
   auditors who know the truth. How wide is the interval, and does it hold the true rate?
2. the first months are audited as often. Then a first round of them is drawn, delivered and landed,
   and the models learn from it. The later months are then audited with the predictions from before
   and from after that round. Is the interval narrower after it?

All is SIMULATED: it shows that the loop works, not what a real force would gain.
"""

import csv
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np

from cdi import paths
from cdi.agency.datasets import READINGS
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.audit.design import Options, draw_sample
from cdi.audit.draws import Draw, draw_audit, load_draw
from cdi.audit.findings import complete_findings
from cdi.audit.predictions import Frame, Period
from cdi.audit.results import estimate_rates
from cdi.files import write_json
from cdi.local.run import default_interval
from cdi.people.audit import (
    LOGS,
    choose_period,
    draw_period,
    first_of_month,
    predict_period,
    read_audited_rates,
)
from cdi.steps.extract import check_landing, extract
from cdi.steps.run import run_directly
from cdi.steps.train import learn_text
from cdi_force.past_audit import AUDITORS
from cdi_proofs.auditors import read_whole_audit, true_readings
from cdi_proofs.published import run_simulated

# The time of the audits that are drawn again and again. Nothing of them is delivered or compared
# with a clock, so this day may pass.
READ_AT = datetime(2030, 1, 1, 9)
FIRST_ROUND_MONTHS = 5
Say = Callable[[str], None]


def rehearse_audit(say: Say, seeds: int) -> dict[str, Any]:
    """Rehearse the audit; the figures also go to ``<state>/audit_rehearsal.json``.

    Args:
        say: Is told each step as it begins.
        seeds: How many audits of each kind.

    Returns:
        Figures of the draws, and of the two rounds.
    """
    with paths.environment(CDI_HOME=str(paths.home() / "audit_rehearsal")):
        _forget_earlier_rehearsals()
        run_simulated(say)
        agency = load_agency(paths.SIMULATED)
        starts, ends, middle = _find_days(agency)
        whole = choose_period(agency, "frame", starts, ends)
        first = choose_period(agency, "frame", starts, middle)
        second = choose_period(agency, "frame", middle, ends)
        say(f"{seeds} audits of {whole.name}")
        draws = _audit_many_times(agency, whole, seeds)
        say(f"{seeds} audits of {second.name}, without a round before")
        before = _audit_many_times(agency, second, seeds)
        say(f"{seeds} audits of {first.name}")
        early = _audit_many_times(agency, first, seeds)
        say(f"a first round, of {first.name}: drawn, read, landed, learnt from, published")
        first_round = _run_first_round(agency, first)
        say(f"{seeds} audits of {second.name}, with what the first round taught")
        after = _audit_many_times(agency, second, seeds)
    widths = [np.mean([row["half_width"] for row in rows]) for rows in (before, after)]
    figures = {
        "is_simulated": True,
        "variant": paths.variant(),
        "audited": LOGS,
        "one_round": {"period": whole.name, **_summarise_draws(draws), "draws": draws},
        "first_round": {
            "period": first.name,
            **first_round,
            "audits": {**_summarise_draws(early), "draws": early},
        },
        "second_round": {
            "period": second.name,
            "without_first_round": {**_summarise_draws(before), "draws": before},
            "with_first_round": {**_summarise_draws(after), "draws": after},
            "half_width_ratio": round(float(widths[1] / widths[0]), 4),
        },
    }
    write_json(paths.home() / "audit_rehearsal.json", figures)
    return figures


def _forget_earlier_rehearsals() -> None:
    """Remove the draws and findings of earlier rehearsals, and what was learnt from them.

    Without a draw there was none, and what is published stands.
    """
    if not paths.audit(paths.SIMULATED).exists():
        return
    for folder in (
        paths.landing(paths.SIMULATED, READINGS),
        paths.weights(paths.SIMULATED),
        paths.published(paths.SIMULATED),
        paths.audit(paths.SIMULATED),  # the last, as it tells that the others must go
    ):
        shutil.rmtree(folder, ignore_errors=True)


def _find_days(agency: Agency) -> tuple[date, date, date]:
    """The first day, the end of what is mature, and the first day of the second round."""
    days = default_interval(agency).days(agency)
    ends = first_of_month(days[-1])  # the last month is not mature
    return days[0], ends, first_of_month(days[0], FIRST_ROUND_MONTHS)


def _summarise_draws(draws: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """In how many draws the interval holds the true rate, and how wide it is."""
    widths = [row["half_width"] for row in draws]
    return {
        "true_rate": draws[0]["true_rate"],
        "covered": sum(row["covers"] for row in draws),
        "of": len(draws),
        "half_width_mean": round(float(np.mean(widths)), 4),
        "half_width_max": round(max(widths), 4),
    }


def _audit_many_times(agency: Agency, period: Period, seeds: int) -> list[dict[str, Any]]:
    """Draw, read and estimate once for each seed, by the predictions that are published now.

    The first draw is frozen in the register, as a real one is. The others take its frame, strata
    and auditors, which do not depend on the seed, and draw other logs.
    """
    frame = predict_period(agency, period)
    true_rate = _true_rate(frame)
    frozen = draw_audit(
        agency.agency,
        "rehearsal",
        period,
        frame,
        Options(LOGS, double_blind=0),  # they make no errors
        AUDITORS,
        READ_AT,
        seed=1,
        reason="rehearsal",
    )
    audits = []
    for seed in range(1, seeds + 1):
        draw = replace(frozen, positions=draw_sample(frozen.strata, seed))
        findings = complete_findings(draw, *_read_drawn_logs(agency, draw))
        force = estimate_rates(draw, findings)[0]
        low, high = force["lower_limit"], force["upper_limit"]
        audits.append(
            {
                "seed": seed,
                "recording_rate": round(force["recording_rate"], 5),
                "lower_limit": round(low, 5),
                "upper_limit": round(high, 5),
                "half_width": round(50 * (high - low), 4),
                "true_rate": round(true_rate, 5),
                "covers": bool(low <= true_rate <= high),
                "rho": round(force["rho"], 4),
            }
        )
    return audits


def _list_assignments(draw: Draw) -> list[dict[str, Any]]:
    """Which auditor is given which log; a log may be given to a second one too."""
    readers = zip(draw.call_ids, draw.auditors, draw.seconds, strict=True)
    return [
        {"draw_id": draw.draw_id, "call_reference": call_id, "auditor_code": auditor}
        for call_id, first, second in readers
        for auditor in filter(None, (first, second))
    ]


def _read_drawn_logs(
    agency: Agency, draw: Draw
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the simulated auditors find in the drawn logs: rows by log, rows by crime."""
    with (agency.folder / "offences.csv").open(newline="", encoding="utf-8") as handle:
        offences = {row["code"]: row for row in csv.DictReader(handle)}
    logs: list[dict[str, Any]] = []
    crimes: list[dict[str, Any]] = []
    for row in true_readings(_list_assignments(draw), READ_AT):
        reading = {**row, "call_id": row["call_reference"]}
        if not row["crime_number"]:
            logs.append(reading)
            continue
        offence = offences[row["offence_code"]]
        crimes.append(
            reading
            | {
                "is_recorded": row["recorded_code"] == "Y",
                "offence_group": offence["offence_group"],
                "is_rape": offence["is_rape"] == "true",
                "is_domestic_abuse": row["domestic_abuse_code"] == "Y",
            }
        )
    return logs, crimes


def _true_rate(frame: Frame) -> float:
    """The rate that auditors would find if they read every log of the frame."""
    ids = frame.logs["call_id"].to_pylist()
    all_logs = [{"draw_id": "", "call_reference": call_id, "auditor_code": ""} for call_id in ids]
    rows = [row for row in true_readings(all_logs, READ_AT) if row["crime_number"] == 0]
    recorded, due = (sum(row[name] for row in rows) for name in ("recorded_count", "due_count"))
    return float(recorded / due)


def _run_first_round(agency: Agency, period: Period) -> dict[str, Any]:
    """Run a whole round, up to a published version whose models have learnt from it."""
    draw = draw_period(agency, period, AUDITORS, logs=LOGS, seed=1, reason="rehearsal, first round")
    read_whole_audit(agency, draw)
    interval = default_interval(agency)
    landed = extract(agency.agency, READINGS, interval)
    check_landing(agency.agency, READINGS, str(landed.result))
    learn_text(agency.agency)
    run_directly(agency.agency, interval)
    rows = read_audited_rates(agency, draw.draw_id)
    force = rows[0]
    draw = load_draw(agency.agency, draw.draw_id)  # with its second readings
    findings = complete_findings(draw, *_read_drawn_logs(agency, draw))
    return {
        "recording_rate": round(force["recording_rate"], 5),
        # of the same draw, without worksheets, landing and publication between
        "recording_rate_in_memory": round(estimate_rates(draw, findings)[0]["recording_rate"], 5),
        "half_width": round(force["half_width"], 4),
        "true_rate": round(_true_rate(draw.frame), 5),
        "parts": [
            {name: row[name] for name in ("domain", "recording_rate", "lower_limit", "upper_limit")}
            for row in rows
        ],
    }
