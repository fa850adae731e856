"""The benchmark: readers and linkers on forces in shipped and in foreign words, beside the truth.

For each scenario a force is simulated and put through the pipeline. Each reader says how many
crimes its logs tell of, each linker which log a record belongs to that no reference proves. Anybody
can enter a command of their own; docs/benchmark.md is for them.
"""

import csv
import resource
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.files import write_json, write_whole
from cdi.variant import Variant
from cdi_force.scenario import load_scenario
from cdi_proofs.compared import compare_with_truth
from cdi_proofs.entrants import (
    LINKING,
    READING,
    Entrant,
    EntrantError,
    Question,
    enter_command,
    write_question,
)
from cdi_proofs.intervals import rate_error_limits, share_limits
from cdi_proofs.linkers import LINKERS, STANDARD, ask_links, judge_linker, make_linking_inputs
from cdi_proofs.published import run_simulated
from cdi_proofs.readers import READERS, ask_crimes, count_by_incident

SCENARIOS = ("steady_practice", "plain_speech", "formal_notes", "changed_words")
MONTHS = 12
# Logs of which a reader is asked, by what is true of their incident.
UNIVERSES = {"frame": "is_in_frame", "no_record": "crimes_recorded = 0"}
LEFTOVERS = "leftovers"  # records that no reference proves
CEILING = Entrant("bayes_ceiling", lambda _: None)  # the best reader's; docs/simulation.md
FIGURES = ("precision", "recall", "rate_error")
COLUMNS = (
    *("scenario", "question", "entrant", "universe", "named", "due"),
    *(f"{figure}{limit}" for figure in FIGURES for limit in ("", "_low", "_high")),
    "note",
)

# Of each day: how many crimes are named, how many of them rightly, how many there are.
READ_DAYS = """
    select
        sum(read) as named, sum(least(read, crimes_due)) as hits, sum(crimes_due) as due,
        sum(crimes_recorded) as recorded, sum(greatest(read, crimes_recorded)) as reported
    from {incidents} where {condition} group by day order by day
"""
LINKED_DAYS = f"""
    with rows as (
        select day, 1 as named, is_right::int as hits, 0 as due
        from judged_links where probability >= {STANDARD}
        union all
        select day, 0, 0, 1 from leftovers
    )
    select sum(named) as named, sum(hits) as hits, sum(due) as due
    from rows group by day order by day
"""


def run_benchmark(
    scenarios: Sequence[str],
    readers: Sequence[str],
    linkers: Sequence[str],
    say: Callable[[str], None],
    questions: Path | None = None,
) -> dict[str, Any]:
    """Run the benchmark; also to ``<state>/benchmark.json`` and ``<state>/benchmark.csv``.

    Args:
        scenarios: Names or folders; MONTHS and SEED are of all.
        readers: Commands that say how many crimes a log tells of.
        linkers: Commands that say which log a record belongs to.
        say: Is told each step as it begins.
        questions: Where the tables of each force's questions are kept, for whoever writes a
            command; None keeps none.

    Returns:
        What the file has: settings, each scenario with its costs, and `rows` (`COLUMNS`).

    Raises:
        EntrantError: If a command fails, its answer is none, or two entrants have one name.
        ScenarioError: If there is no such scenario.
    """
    all_readers = _add_commands(READING, READERS, readers)
    all_linkers = _add_commands(LINKING, LINKERS, linkers)
    chosen = Variant.chosen()
    loaded = {name: load_scenario(name) for name in scenarios}
    rows, forces = [], []
    for name, scenario in loaded.items():
        with Variant(name, chosen.months, chosen.seed).selected(), _home_of_force():
            folder = questions / scenario.name if questions else None
            found, costs = _run_force(all_readers, all_linkers, scenario.name, say, folder)
        rows += [{"scenario": scenario.name, **row} for row in found]
        forces.append(
            {
                "scenario": scenario.name,
                "title": scenario.settings.title,
                "sha256": scenario.sha256,
                **costs,
            }
        )
    figures = {
        "is_simulated": True,
        "months": chosen.months,
        "seed": chosen.seed,
        "scenarios": forces,
        "rows": rows,
    }
    write_json(paths.home() / "benchmark.json", figures)
    _write_table(paths.home() / "benchmark.csv", rows)
    return figures


def _home_of_force() -> AbstractContextManager[None]:
    """Use a state folder of the chosen force's own; it is kept, so that asking again is quick.

    Other sources and agencies that the caller's environment names are not seen.
    """
    home = paths.home() / "benchmark" / paths.variant()
    prepared = str(paths.prepared())
    return paths.environment(
        CDI_HOME=str(home), CDI_PREPARED=prepared, CDI_DATA="", CDI_AGENCIES=""
    )


def _run_force(
    readers: Sequence[Entrant],
    linkers: Sequence[Entrant],
    name: str,
    say: Callable[[str], None],
    questions: Path | None,
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Publish the chosen force and score the entrants on it; rows, and CPU seconds of both."""
    begun = _cpu_seconds()
    run_simulated(lambda step: say(f"{name}: {step}"))
    published = _cpu_seconds()
    say(f"{name}: asking readers and linkers")
    recording = paths.current(paths.SIMULATED) / "recording.duckdb"
    with (
        make_linking_inputs() as inputs,
        compare_with_truth(recording, paths.truth()) as con,
    ):
        ask_crimes(con)
        ask_links(con, inputs)
        if questions:
            for question in (READING, LINKING):
                write_question(con, question, questions / question.name)
        rows = score_answers(con, readers, linkers)
    costs = {"cpu_s_published": published - begun, "cpu_s_answered": _cpu_seconds() - published}
    return rows, {part: round(seconds, 1) for part, seconds in costs.items()}


def score_answers(
    con: duckdb.DuckDBPyConnection, readers: Sequence[Entrant], linkers: Sequence[Entrant]
) -> list[dict[str, Any]]:
    """Let all entrants answer, and score each answer.

    Args:
        con: From `compare_with_truth`, with the tables of both questions.
        readers: Who are asked how many crimes each log tells of.
        linkers: Who are asked which log a record belongs to.

    Returns:
        Rows of `COLUMNS` without the scenario. Figures are fractions, None where there is nothing
        to count; `note` says why an entrant could not be made.
    """
    rows = []
    for reader in readers:
        if count_by_incident(con, reader):
            rows += _score_reading(con, reader, "read_incidents")
        else:
            rows += [_describe(READING, reader, universe) for universe in UNIVERSES]
    rows += _score_reading(con, CEILING, "(select *, posterior as read from incidents)")
    for linker in linkers:
        row = _describe(LINKING, linker, LEFTOVERS)
        if judge_linker(con, linker):
            row |= _score_days(con.execute(LINKED_DAYS).fetchnumpy()) | {"note": ""}
        rows.append(row)
    return rows


def _score_reading(
    con: duckdb.DuckDBPyConnection, reader: Entrant, incidents: str
) -> list[dict[str, Any]]:
    """Score what was read in each universe; the rate is one of the frame."""
    rows = []
    for universe, condition in UNIVERSES.items():
        query = READ_DAYS.format(incidents=incidents, condition=condition)
        days = con.execute(query).fetchnumpy()
        row = _describe(READING, reader, universe) | _score_days(days) | {"note": ""}
        if universe == "frame" and days["reported"].sum() and days["due"].sum():
            limits = rate_error_limits(days["recorded"], days["reported"], days["due"])
            row |= _name_limits("rate_error", limits)
        rows.append(row)
    return rows


def _describe(question: Question, entrant: Entrant, universe: str) -> dict[str, Any]:
    """A row without figures."""
    row = dict.fromkeys(COLUMNS[1:])
    told = {"question": question.name, "entrant": entrant.name, "universe": universe}
    return row | told | {"note": entrant.needs}


def _score_days(days: dict[str, Any]) -> dict[str, Any]:
    """Precision and recall with their limits, by counts of each day."""
    row: dict[str, Any] = {}
    for whole, figure in (("named", "precision"), ("due", "recall")):
        row[whole] = int(days[whole].sum())
        if row[whole]:
            row |= _name_limits(figure, share_limits(days["hits"], days[whole]))
    return row


def _name_limits(figure: str, limits: tuple[float, float, float]) -> dict[str, float]:
    names = (f"{figure}{limit}" for limit in ("", "_low", "_high"))
    return {name: round(value, 5) for name, value in zip(names, limits, strict=True)}


def _add_commands(
    question: Question, known: Sequence[Entrant], commands: Sequence[str]
) -> list[Entrant]:
    """Those that are always there, and then the commands.

    Raises:
        EntrantError: ENTRANT-NAME if two have the same name.
    """
    entrants = [*known, *(enter_command(question, command) for command in commands)]
    names = [entrant.name for entrant in (*entrants, CEILING)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise EntrantError(
            "ENTRANT-NAME",
            f"two entrants are named {', '.join(twice)}",
            "rename your file: a command is named after its last word, without the ending",
        )
    return entrants


def _cpu_seconds() -> float:
    """Seconds of all cores so far, of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _write_table(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows as CSV; a figure that is not there is blank."""
    with write_whole(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
