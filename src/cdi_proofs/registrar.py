"""A simulated registrar works at the desk: what it yields, and what the decisions teach.

A force whose truth is known is simulated and published. A registrar, who decides rightly in 95% of
the cases, reads its worklist. Then it is measured

1. how many missed crimes are found per log that is read, in the desk's order and in random order,
2. what share of the list people would confirm, by the logs that came in order, by those that came
   by lot, and in truth,
3. what the text model would say of a month of which nobody decided anything, if it had learnt from
   decisions,
4. how often the interval of an audit holds the true rate, if people have decided before it.

What is true does not change by a decision: a crime that was confirmed and not recorded is still not
recorded, and one that was wrongly dismissed is found by auditors. All is SIMULATED.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from cdi import paths
from cdi.agency.load import load_agency
from cdi.audit.design import Options, stratify_frame
from cdi.audit.rates import FORCE, Assistance
from cdi.build.make import build_file
from cdi.build.version import plan_version
from cdi.desk.standing import PROPOSED
from cdi.errors import CdiError
from cdi.files import write_json
from cdi.local.run import default_interval
from cdi.sql import fetch_dicts, read_query
from cdi.steps.run import land_directly
from cdi.variant import Variant, first_day_of_months
from cdi_proofs.compared import compare_with_truth
from cdi_proofs.coverage import (
    REPLICATES_AT_A_TIME,
    SEED,
    UNIVERSES,
    Plan,
    find_mature_period,
    read_population,
    replicate_audit,
)
from cdi_proofs.published import publish_alone
from cdi_proofs.registrar_desk import (
    Decision,
    count_yield,
    deal_lots,
    decide_all,
    find_sample,
    hand_out,
    list_open_logs,
    make_key,
    shuffle,
    write_down,
)
from cdi_proofs.registrar_figures import NOBODY, compare_labels, summarise_forces
from cdi_proofs.registrar_learning import label_logs, learn_text_with, score_month, weigh_logs
from cdi_proofs.scorecard import SQL, compare_rates

SCENARIO = "steady_practice"
MONTHS = 12
LEAST_MONTHS = 2
REGISTRARS = 20
AUDITS = 300
AUDITED = 400
MONTHS_READ = 3
PROCESSES = 2
# The cases of the learning and of the audits.
DECIDED, NAIVE, BY_LOT = "decided", "learnt from all", "learnt by lot"


@dataclass(frozen=True)
class Work:
    """How much is read and measured.

    Attributes:
        logs_a_month: How many logs a registrar reads in a month; None: as `worklist_yield` says.
        months_read: Months of reading before labels are looked at, learnt from and audited.
        registrars: How many registrars read the same list, each with lots and errors of their own.
        audits: How many audits are drawn of each case.
    """

    logs_a_month: int | None = None
    months_read: int = MONTHS_READ
    registrars: int = REGISTRARS
    audits: int = AUDITS


def run_registrar(
    variant: Variant, seeds: int, work: Work, say_progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Let registrars work on simulated forces; figures also go to ``<state>/registrar.json``.

    Args:
        variant: The first force; the others have the seeds that follow.
        seeds: How many forces.
        work: How much is read and measured.
        say_progress: Is told how many forces are done, and of how many.

    Returns:
        Figures of the yield, the labels, the model and the audits: over all forces, and of each.

    Raises:
        CdiError: PROOF-MONTHS if there is no month before the one that is held out.
    """
    if variant.months < LEAST_MONTHS:
        raise CdiError(
            "PROOF-MONTHS",
            "the newest month is held out from the registrars, and there is no other to read",
            f"give at least {LEAST_MONTHS} months, e.g. --months {MONTHS}",
        )
    variants = [
        Variant(variant.scenario, variant.months, seed)
        for seed in range(variant.seed, variant.seed + seeds)
    ]
    homes = [paths.home() / "registrar" / f"{Path(v.scenario).name}-{v.seed}" for v in variants]
    forces: list[dict[str, Any]] = []
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        for force in pool.map(measure_force, homes, variants, [work] * seeds):
            forces.append(force)
            # a force takes long, so what is known is kept at once
            figures = {
                "is_simulated": True,
                "scenario": Path(variant.scenario).name,
                "months": variant.months,
                "seeds": [each["seed"] for each in forces],
                **summarise_forces(forces),
                "forces": forces,
            }
            write_json(paths.home() / "registrar.json", figures)
            say_progress(len(forces), seeds)
    return figures


def measure_force(home: Path, variant: Variant, work: Work) -> dict[str, Any]:
    """Publish one force in a state folder of its own, let registrars read, and measure.

    Args:
        home: The state folder, which is removed at the end.
        variant: The force.
        work: How much is read and measured.
    """
    shutil.rmtree(home, ignore_errors=True)  # of a measurement that was stopped: it has decisions
    with paths.environment(CDI_HOME=str(home)):
        make_key(paths.SIMULATED, variant.seed)
    with publish_alone(home, variant) as published:
        file = published / "recording.duckdb"
        with _compare(file) as con:
            missed = find_missed(con)
            per_month = work.logs_a_month or int(
                fetch_dicts(con, "select any_value(logs_a_month) as n from worklist_yield")[0]["n"]
            )
            measured = {
                "seed": variant.seed,
                "logs_a_month": per_month,
                "promised": fetch_dicts(con, read_query(SQL / "scorecard_yield.sql")),
                **_read_lists(missed, per_month, work),
            }
        return measured | _decide_and_learn(file, variant, per_month, work)


def _compare(file: Path) -> Any:
    return compare_with_truth(file, paths.truth())


# ---------------------------------------------------------------------- yield and labels


def find_missed(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Find the rows of the worklist that truly are missed crimes.

    Args:
        con: As from `cdi_proofs.compared.compare_with_truth`.
    """
    con.execute(read_query(SQL / "judged_rows.sql"))
    return {
        crime
        for (crime,) in con.execute(
            "select reported_crime_id from judged_rows where is_right"
        ).fetchall()
    }


def _read_lists(missed: set[str], per_month: int, work: Work) -> dict[str, list[dict[str, Any]]]:
    """Let each registrar read a month in the desk's order and at random, and then go on."""
    shown, logs = list_open_logs()
    rows = [crime["reported_crime_id"] in missed for log in logs for crime in log.crimes]
    true = float(np.mean(rows))
    yields, labels = [], []
    for number in range(work.registrars):
        rng = np.random.default_rng([SEED, number])
        read = hand_out(deal_lots(logs, number), per_month * work.months_read)
        decisions = decide_all(read, missed, rng)
        at_random = shuffle(logs, per_month, rng)
        first = read[:per_month]
        calls = {log.call_id for _, log in first}
        in_order = [each for each in decisions if each.crime["call_id"] in calls]
        yields.append(
            {
                "desk": count_yield(shown, first, in_order),
                "random": count_yield(shown, at_random, decide_all(at_random, missed, rng)),
            }
        )
        labels.append(compare_labels(read, decisions, true))
    return {"yields": yields, "labels": labels}


# ---------------------------------------------------------------------- model and audits


def _decide_and_learn(
    file: Path, variant: Variant, per_month: int, work: Work
) -> dict[str, dict[str, Any]]:
    """Land the decisions of one registrar, learn from them in two ways, and audit each version."""
    agency = load_agency(paths.SIMULATED)
    starts_on = first_day_of_months(variant.period[1], 1)
    shown, logs = list_open_logs()
    held_out = [log.call_id for log in logs if log.crimes[0]["received_on"] >= starts_on]
    # The registrar works off what came in before the month that is held out.
    _, logs = list_open_logs(until=f"{starts_on - timedelta(days=1)}")
    read = hand_out(logs, per_month * work.months_read)
    sample = {log.call_id for _, log in find_sample(read)}
    with _compare(file) as con:
        rng = np.random.default_rng([SEED, variant.seed])
        decisions = decide_all(read, find_missed(con), rng)
        labels = label_logs(con, decisions)
        by_lot = weigh_logs(
            con,
            {call_id: crimes for call_id, crimes in labels.items() if call_id in sample},
            len(sample) / len(logs),
            rng,
        )
    figures: dict[str, dict[str, Any]] = {}

    def measure(case: str, file: Path) -> None:
        with _compare(file) as con:
            figures[case] = {
                "month": score_month(con, starts_on, held_out),
                "rates": {universe: rates["all"] for universe, rates in compare_rates(con).items()},
            }
        figures[case]["audits"] = dict(_audit(file, work.audits))

    measure(NOBODY, file)
    write_down(agency, shown.name, decisions)
    land_directly(agency.agency, default_interval(agency))
    # The versions that follow are built and not published: nobody reads their reports.
    decided = build_file(plan_version(agency))
    _check_taken(decided, decisions)
    measure(DECIDED, decided)
    for case, taught in (
        (NAIVE, {call_id: (crimes, 1) for call_id, crimes in labels.items()}),
        (BY_LOT, by_lot),
    ):
        learn_text_with(agency, taught)
        measure(case, build_file(plan_version(agency)))
        figures[case]["labels"] = sum(copies for _, copies in taught.values())
    return {"cases": figures}


def _check_taken(file: Path, decisions: Sequence[Decision]) -> None:
    """Stop if the version that was published does not hold what was decided."""
    with duckdb.connect(str(file), read_only=True) as con:
        ((taken,),) = con.execute(
            "select count(*) from outcomes.int_outcomes__human_decisions where is_counted"
        ).fetchall()
    decided = sum(each.kind != PROPOSED for each in decisions)
    if taken != decided:
        raise ValueError(f"{decided} crimes were decided, and the version knows of {taken}")


def _audit(file: Path, audits: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Audit a version many times, each universe as in `make coverage`."""
    for universe in UNIVERSES:
        population = read_population(file, paths.truth(), find_mature_period(file, universe))
        strata = stratify_frame(population.frame, Options(AUDITED))
        assistance = Assistance.of(population.frame, strata)
        plan = Plan("main", "risk_greg", strata, assistance, [])
        recorded, due = population.true[FORCE]
        true = recorded.sum() / due.sum()
        held, shown, widths, errors = 0, 0, [], []
        for first in range(0, audits, REPLICATES_AT_A_TIME):
            seeds = list(range(SEED + first, SEED + min(first + REPLICATES_AT_A_TIME, audits)))
            found = replicate_audit(population, plan, seeds)[FORCE]
            is_shown = found["is_shown"].astype(bool)
            low, high, rate = (found[name][is_shown] for name in ("low", "high", "rate"))
            held += int(((low <= true) & (true <= high)).sum())
            shown += len(low)
            widths += (50 * (high - low)).tolist()
            errors += (100 * (rate - true)).tolist()
        yield (
            universe,
            {
                "true": round(float(true), 5),
                "held": held,
                "shown": shown,
                "half_width": round(float(np.mean(widths)), 4),
                "bias": round(float(np.mean(errors)), 4),
            },
        )
