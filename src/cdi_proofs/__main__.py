"""The proofs, one command each: `.venv/bin/python -m cdi_proofs --help`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from cdi import paths
from cdi.console import (
    AgencyOption,
    MonthsOption,
    ScenarioOption,
    SeedOption,
    choose_variant,
    console,
    run_app,
    say_line,
    say_simulated,
)
from cdi.variant import Variant
from cdi_proofs.published import run_simulated

# Each proof is imported in its own command: Great Expectations, SciPy and others take seconds.

ENDS_AND_TRUTH = ("low", "truth", "high")

app = typer.Typer(
    help="Prove the product on the simulated force, whose truth is known.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _say_written(name: str, explanation: str = "") -> None:
    """Say which file of the state folder was written, on one line however long the path is."""
    console.print(f"written to {paths.home() / name}{explanation}", highlight=False, soft_wrap=True)


def _run_simulated() -> None:
    """Publish the chosen simulated force and show each step as it begins."""
    with console.status("running") as status:
        run_simulated(status.update)


def _show_figure(value: float | None, pattern: str) -> str:
    """A figure by a format of Python; a dash where there is none."""
    return "–" if value is None else format(value, pattern)


def _show_progress(bar: Progress, description: str) -> Callable[[int, int], None]:
    """Add a bar; what is returned shows in it how many pieces of work are done, and of how many."""
    task = bar.add_task(description, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


@app.command()
def calibration(scenario: ScenarioOption = None, seed: SeedOption = None) -> None:
    """Compare twelve simulated months with the published figures that the force is set to."""
    from cdi_proofs.calibration import is_met, run_calibration

    choose_variant(scenario, None, seed)
    with console.status("simulating twelve months"):
        figures = run_calibration()
    say_simulated()
    table = Table("figure", "set to", "simulated", "tolerance", "basis", "met", box=None)
    for row in figures:
        numbers = (f"{row[name]:,.2f}" for name in ("published", "simulated", "tolerance"))
        met = "yes" if is_met(row) else "[red]no[/red]"
        table.add_row(row["figure"], *numbers, row["basis"], met)
    console.print(table)
    if not all(map(is_met, figures)):
        sys.exit(1)


@app.command()
def scorecard(
    scenario: ScenarioOption = None, months: MonthsOption = None, seed: SeedOption = None
) -> None:
    """Run the pipeline on the simulated force, without Airflow, and compare it with the truth."""
    from cdi_proofs.scorecard import run_scorecard

    choose_variant(scenario, months, seed)
    _run_simulated()
    with console.status("comparing with the truth"):
        scored = run_scorecard()
    say_simulated()
    console.print_json(data=scored)
    _say_written("scorecard.json")


@app.command()
def benchmark(
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            envvar="SCENARIO",
            help="Scenario, or the folder of one; may be repeated. Those of docs/benchmark.md by "
            "default.",
        ),
    ] = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
    reader: Annotated[
        list[str] | None,
        typer.Option(help="Command that says how many crimes each log reports; may be repeated."),
    ] = None,
    linker: Annotated[
        list[str] | None,
        typer.Option(help="Command that says which log a record belongs to; may be repeated."),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help="Folder in which the questions' tables are kept, to write a command by."),
    ] = None,
) -> None:
    """Let readers and linkers, also your own, answer on forces in several words, and score them.

    Example: .venv/bin/python -m cdi_proofs benchmark --seed 2 --linker 'python3 my_linker.py'
    """
    from cdi_proofs.benchmark import FIGURES, MONTHS, SCENARIOS, run_benchmark

    choose_variant(None, months or MONTHS, seed)
    with console.status("running") as status:
        figures = run_benchmark(
            scenario or SCENARIOS, reader or (), linker or (), status.update, questions
        )
    say_simulated()
    for force in figures["scenarios"]:
        title = f"{force['scenario']}: {force['title']}"
        table = Table("entrant", "of", *FIGURES, box=None, title=title, title_justify="left")
        for row in figures["rows"]:
            if row["scenario"] == force["scenario"]:
                told = (_show_limits(row, figure) for figure in FIGURES)
                shown = told if row["named"] is not None else (row["note"], "", "")
                table.add_row(row["entrant"], row["universe"], *shown)
        console.print(table)
        console.print(
            f"CPU seconds: {force['cpu_s_published']:.0f} to simulate and publish, "
            f"{force['cpu_s_answered']:.0f} to answer\n",
            highlight=False,
        )
    _say_written("benchmark.csv", " and benchmark.json; docs/benchmark.md says what it means")


def _show_limits(row: dict[str, Any], figure: str) -> str:
    """A figure in per cent or points, with its limits; a dash where there is none."""
    if row[figure] is None:
        return "–"
    value, low, high = (100 * row[f"{figure}{limit}"] for limit in ("", "_low", "_high"))
    if figure == "rate_error":  # its limits are symmetrical
        return f"{value:+.1f} ±{high - value:.1f}"
    return f"{value:.1f} ({low:.1f}–{high:.1f})"


@app.command()
def ranges(
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="Name or folder of a scenario; may be repeated. Six by default."),
    ] = None,
    seed: SeedOption = None,
) -> None:
    """Publish forces that were never audited: do their ranges hold, and is every rate left out?"""
    from cdi_proofs.ranges import SCENARIOS, run_ranges

    choose_variant(None, None, seed)
    with Progress(console=console) as bar:
        rows = run_ranges(
            scenario or SCENARIOS, _show_progress(bar, "simulating and publishing forces")
        )
    say_simulated()
    table = Table("scenario", "universe", "group", "from", "truth", "to", "holds", box=None)
    for row in rows:
        numbers = (_show_figure(row[name], ".1%") for name in ENDS_AND_TRUTH)
        holds = {True: "yes", False: "[red]no[/red]", None: row["withheld_reason"] or "no truth"}
        table.add_row(row["scenario"], row["universe"], row["group"], *numbers, holds[row["holds"]])
    console.print(table)
    outside = sum(row["holds"] is False for row in rows)
    shown = sorted({f"{row['scenario']}: {rate}" for row in rows for rate in row["rates_shown"]})
    console.print(f"{sum(row['holds'] is not None for row in rows)} ranges, {outside} do not hold")
    console.print("rates shown all the same: " + ("; ".join(shown) or "none"), highlight=False)
    _say_written("ranges.json")
    if outside or shown:
        sys.exit(1)


@app.command()
def coverage(
    scenario: ScenarioOption = None,
    seed: SeedOption = None,
    replicates: Annotated[
        int, typer.Option(min=1, help="How many audits of each kind are drawn.")
    ] = 2_000,
    seeds: Annotated[
        int, typer.Option(min=1, help="How many forces are audited; SEED is the first one's.")
    ] = 1,
    case: Annotated[
        list[str] | None,
        typer.Option(help="A case to audit, e.g. main; may be repeated. All by default."),
    ] = None,
) -> None:
    """Audit twelve simulated months many times and count how often the intervals hold the truth.

    Example: .venv/bin/python -m cdi_proofs coverage --scenario steady_practice --seeds 10
    --replicates 300 --case main --case too_sure
    """
    from cdi_proofs.coverage import FORCE, run_coverage, summarise_domains

    choose_variant(scenario, 12, seed)
    with Progress(console=console) as bar:
        task = bar.add_task("", total=None)
        rows = run_coverage(
            replicates,
            seeds,
            case or (),
            lambda step: bar.update(task, description=step, total=None, completed=0),
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    say_simulated()
    headings = ("seed", "universe", "logs", "case", "estimator")
    table = Table(*headings, "holds", "+/-", "ratio", box=None)
    for row in rows:
        if row["domain"] == FORCE:
            table.add_row(
                str(row["seed"]),
                row["universe"],
                str(row["audited"]),
                row["case"],
                row["estimator"],
                _show_figure(row["coverage"], ".1%"),
                *(_show_figure(row[name], ".2f") for name in ("half_width", "ratio_to_classical")),
            )
    console.print(table)
    headings = ("universe", "logs", "case", "domain", "shown")
    table = Table(*headings, "holds", "lowest", "of", "seed", box=None)
    for row in summarise_domains(rows):
        if row["lowest"] is not None:
            table.add_row(
                *(row["universe"], str(row["audited"]), row["case"], row["domain"]),
                *(f"{row[name]:.1%}" for name in ("shown", "held", "lowest")),
                *(str(row["lowest_shown"]), str(row["lowest_seed"])),
            )
    console.print(table)
    _say_written("coverage.json")


@app.command()
def nowcast(
    scenario: ScenarioOption = None,
    seed: SeedOption = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="How many forces are simulated; SEED is the first one's.")
    ] = 10,
) -> None:
    """Nowcast recent weeks at past moments of simulated forces, and compare with what came true."""
    from cdi_proofs.nowcast import run_nowcast

    choose_variant(scenario, None, seed)
    with Progress(console=console) as bar:
        rows = run_nowcast(seeds, _show_progress(bar, "simulating and nowcasting"))
    say_simulated()
    headings = ("case", "universe", "weeks", "cuts", "withheld", "holds or withheld")
    table = Table(*headings, "holds", "+/-", "bias", "error", "naive error", box=None)
    shares = ("withheld", "holds_or_withheld", "coverage")
    points = ("half_width", "nowcast_bias", "nowcast_error", "naive_error")
    for row in rows:
        table.add_row(
            *(row["case"], row["universe"], row["span"], str(row["cuts"])),
            *(_show_figure(row[name], ".1%") for name in shares),
            *(_show_figure(row[name], ".2f") for name in points),
        )
    console.print(table)
    _say_written("nowcast.json")


@app.command()
def drills(
    seed: SeedOption = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="How many forces of each kind; SEED is the first one's.")
    ] = 10,
) -> None:
    """Let forces change their practice in four ways, and see whether and when it is noticed."""
    from cdi_proofs.drills import IN_TIME, run_drills

    choose_variant(None, None, seed)
    with Progress(console=console) as bar:
        figures = run_drills(seeds, _show_progress(bar, "simulating and publishing forces"))
    say_simulated()
    table = Table("drill", f"noticed within {IN_TIME.days} days", "days", box=None)
    for row in figures["drills"]:
        days = ", ".join("never" if day is None else str(day) for day in row["days"])
        table.add_row(row["drill"], f"{row['noticed_in_time']} of {row['forces']}", days)
    console.print(table)
    console.print(
        f"forces that changed nothing: {figures['false_alarms']} signals in "
        f"{figures['years_looked_at']} years, at most {figures['most_in_a_force']} in one force"
    )
    _say_written("drills.json")


@app.command()
def registrar(
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="How many forces are simulated; SEED is the first one's.")
    ] = 3,
    logs: Annotated[
        int | None,
        typer.Option(min=20, help="Logs read in a month; by default as the worklist's page says."),
    ] = None,
    months_read: Annotated[
        int, typer.Option(min=1, help="Months of reading before something is learnt or audited.")
    ] = 3,
    registrars: Annotated[
        int, typer.Option(min=1, help="How many registrars read the same list.")
    ] = 20,
    audits: Annotated[int, typer.Option(min=50, help="How many audits of each kind.")] = 300,
) -> None:
    """Let registrars decide at the desk: what they find, and what their decisions teach."""
    from cdi_proofs.registrar import MONTHS, SCENARIO, Work, run_registrar
    from cdi_proofs.registrar_tables import list_tables

    choose_variant(scenario or SCENARIO, months or MONTHS, seed)
    work = Work(logs, months_read, registrars, audits)
    with Progress(console=console) as bar:
        figures = run_registrar(
            Variant.chosen(), seeds, work, _show_progress(bar, "publishing and reading forces")
        )
    say_simulated()
    for table in list_tables(figures):
        console.print(table)
        console.print()
    _say_written("registrar.json")


@app.command()
def attack(scenario: ScenarioOption = None, seed: SeedOption = None) -> None:
    """Release the simulated force's open extract twice, and try to find out what is withheld."""
    from cdi_proofs.open_rehearsal import rehearse_attack

    choose_variant(scenario, None, seed)
    with Progress(console=console) as bar:
        task = bar.add_task("", total=None)
        figures = rehearse_attack(
            lambda step: bar.update(task, description=step, total=None, completed=0),
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    say_simulated()
    console.print(
        f"{figures['cells']:,} cells, {figures['counts']:,} counts with all totals, "
        f"{figures['suppressed']:,} withheld: {figures['recovered']} recovered, "
        f"{figures['told_small']} known to be small",
        highlight=False,
    )
    unreleased = sum(len(files) for files in figures["unreleased_numbers"])
    console.print(
        f"the same counts in {', '.join(figures['formats'])}; {unreleased} of the pages and data "
        "packages have a number that is in no released table",
        highlight=False,
    )
    console.print(
        f"with small counts withheld alone, {figures['recovered_without_suppression']:,} of "
        f"{figures['suppressed_without_suppression']:,} recovered; with quarters counted anew, "
        f"{figures['without_keeping']['shown_in_one']:,} shown in one release and withheld in the "
        "other",
        highlight=False,
    )
    _say_written("attack.json")
    if figures["recovered"] or figures["told_small"] or figures["changed"] or unreleased:
        sys.exit(1)


@app.command()
def corruptions(
    only: Annotated[
        list[str] | None,
        typer.Option(help="Name of a corruption to try; may be repeated. All by default."),
    ] = None,
) -> None:
    """Spoil the source files of two agencies in many ways; each time a rule must notice it."""
    from cdi_proofs.corruption_trial import VERDICTS, run_corruptions

    with Progress(console=console) as bar:
        task = bar.add_task("", total=None)
        rows = run_corruptions(
            lambda step: bar.update(task, description=step),
            lambda done, total: bar.update(task, completed=done, total=total),
            only or (),
        )
    say_simulated()
    table = Table("corruption", "agency", "dataset", "verdict", "rule", box=None)
    for row in rows:
        verdict = "[red]missed[/red]" if row["verdict"] == "missed" else row["verdict"]
        table.add_row(row["name"], row["agency"], row["dataset"], verdict, ", ".join(row["rules"]))
    console.print(table)
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in VERDICTS}
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    _say_written("corruptions.json", "; docs/rules.md says what the verdicts mean")
    if counts["missed"]:
        sys.exit(1)


@app.command()
def durability(
    cuts: Annotated[int, typer.Option(min=0, help="How often the power is cut.")] = 200,
    kills: Annotated[int, typer.Option(min=0, help="How often a step is killed.")] = 200,
    fills: Annotated[int, typer.Option(min=0, help="How often the disk is full, a step.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Of the moments and the rooms.")] = 33,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Name of a step to disturb; may be repeated. All by default."),
    ] = None,
) -> None:
    """Cut the power, kill and fill the disk in each step: nothing done is lost (Linux, root).

    Example: .venv/bin/python -m cdi_proofs durability --cuts 20 --kills 20 --fills 3
    """
    from cdi_proofs.durability import run_durability

    with Progress(console=console) as bar:
        task = bar.add_task("", total=None)
        outcome = run_durability(
            lambda step: bar.update(task, description=step),
            lambda done, total: bar.update(task, completed=done, total=total),
            cuts=cuts,
            kills=kills,
            fills=fills,
            seed=seed,
            only=only or (),
        )
    say_simulated()
    columns = ("step", "kind", "rounds", "disturbed", "told", "faulty")
    table = Table(*columns, "ids", box=None)
    for row in outcome["summary"]:
        ids = ", ".join(f"{name} {count}" for name, count in row["ids"].items())
        table.add_row(*(str(row[name]) for name in columns), ids)
    console.print(table)
    _say_written("durability.json", "; src/cdi_proofs/durability.py says what is proved")
    if any(row["faulty"] for row in outcome["summary"]):
        sys.exit(1)


@app.command()
def damage(
    flips: Annotated[int, typer.Option(min=0, help="How many random bits are flipped.")] = 400,
    edits: Annotated[int, typer.Option(min=0, help="How many edits, deletions and swaps.")] = 64,
    builds: Annotated[int, typer.Option(min=0, help="How many named damages are built on.")] = 20,
    seed: SeedOption = None,
) -> None:
    """Damage a file at a time of all that is kept; each must be named, or must change nothing.

    Example: .venv/bin/python -m cdi_proofs damage --flips 40 --edits 64 --builds 2
    """
    from cdi_proofs.damage import prove_damage_is_named

    with Progress(console=console) as bar:
        task = bar.add_task("", total=None)
        figures = prove_damage_is_named(
            lambda step: bar.update(task, description=step),
            lambda done, total: bar.update(task, completed=done, total=total),
            flips=flips,
            edits=edits,
            builds=builds,
            seed=1 if seed is None else seed,
        )
    say_simulated()
    table = Table("kind", "verdict", "trials", box=None)
    for row in figures["by_kind"]:
        table.add_row(row["kind"], row["verdict"], str(row["trials"]))
    console.print(table)
    for row in figures["built"]:
        console.print(f"built on {row['damage']}: {row['outcome']}", highlight=False)
    console.print(
        f"{figures['named']} of {figures['trials']} named, {len(figures['missed'])} missed",
        highlight=False,
    )
    _say_written("damage.json")
    if figures["missed"]:
        console.print("\n".join(figures["missed"]), style="red", highlight=False)
        sys.exit(1)


@app.command()
def erasure(
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    references: Annotated[int, typer.Option(min=1, max=180, help="How many are erased.")] = 50,
    seed: SeedOption = None,
) -> None:
    """Erase references of awkward forms; no byte of them may be left, and nothing else may change.

    Example: .venv/bin/python -m cdi_proofs erasure --months 1 --references 10
    """
    from cdi_proofs.erasure_trial import prove_erasure

    choose_variant(scenario, months, seed)
    with console.status("erasing") as status:
        figures = prove_erasure(
            status.update, references=references, seed=1 if seed is None else seed
        )
    say_simulated()
    for what in ("refused", "left"):
        for name, found in figures[what].items():
            console.print(f"{what}: {name}: {found}", style="red", highlight=False)
    for problem in figures["changed"]:
        console.print(problem, style="red", highlight=False)
    console.print(
        f"{figures['references']} references were in {figures['files_before']} files, "
        f"{len(figures['left'])} files hold one, {len(figures['changed'])} other changes",
        highlight=False,
    )
    _say_written("erasure.json")
    if figures["refused"] or figures["left"] or figures["changed"]:
        sys.exit(1)


@app.command()
def audit_rehearsal(
    scenario: ScenarioOption = None,
    seed: SeedOption = None,
    draws: Annotated[int, typer.Option(min=2, help="How many audits of each kind.")] = 20,
) -> None:
    """Rehearse the audit on twelve simulated months: many draws, and a second round after a first.

    Example: .venv/bin/python -m cdi_proofs audit-rehearsal --seed 31
    """
    from cdi_proofs.audit_rehearsal import rehearse_audit

    choose_variant(scenario, 12, seed)
    figures = rehearse_audit(lambda step: console.print(step, highlight=False), draws)
    say_simulated()
    once, again = figures["one_round"], figures["second_round"]
    console.print(
        f"one round: true rate covered in {once['covered']} of {once['of']}, "
        f"+/- {once['half_width_mean']:.2f} points ({once['half_width_max']:.2f} at most)",
        highlight=False,
    )
    for name, label in (("without", "without a round before"), ("with", "after a first round")):
        row = again[f"{name}_first_round"]
        console.print(
            f"second round, {label}: covered in {row['covered']} of {row['of']}, "
            f"+/- {row['half_width_mean']:.2f} points",
            highlight=False,
        )
    _say_written("audit_rehearsal.json")


@app.command()
def audit_pictures() -> None:
    """Draw the pictures of docs/chief-officer.md from what `make audit-rehearsal` wrote."""
    from cdi_proofs.pictures import make_pictures

    for file in make_pictures(paths.REPO / "docs" / "pictures"):
        console.print(f"written to {file}", highlight=False, soft_wrap=True)


@app.command()
def demonstrate() -> None:
    """As `make run` after its first version: people audit and decide, and peers are compared."""
    from cdi_proofs.demonstration import FEWEST_MONTHS, demonstrate

    if Variant.chosen().months < FEWEST_MONTHS:
        say_line(
            f"With fewer than {FEWEST_MONTHS} months nobody audits, and no quarter is released: "
            f"make run MONTHS={FEWEST_MONTHS}"
        )
        return
    demonstrate(console)


@app.command()
def sample_site(agency: AgencyOption = paths.SIMULATED) -> None:
    """Write the pages of a published simulated version as a folder that any web server can host."""
    from cdi_proofs.sample_site import make_sample_site

    folder = make_sample_site(agency)
    say_simulated()
    say_line(f"written to {folder}: open index.html, or copy the folder to a web server")


@app.command()
def screenshots(agency: AgencyOption = paths.SIMULATED) -> None:
    """Take the pictures of README.md from a state that `make run` left; needs chromium."""
    from cdi_proofs.screenshots import take_screenshots

    for file in take_screenshots(agency, paths.REPO / "docs" / "pictures"):
        say_line(f"written to {file}")


@app.command()
def walkthrough() -> None:
    """Generate docs/walkthrough.md, which follows one simulated log through every model."""
    from cdi_proofs.walkthrough import make_walkthrough

    with console.status("simulating") as status:
        file = make_walkthrough(status.update)
    say_simulated()
    console.print(f"written to {file}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_app(app)
