"""The proofs, one command each: `.venv/bin/python -m cdi_proofs --help`."""

import sys
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from cdi import paths
from cdi.console import (
    MonthsOption,
    ScenarioOption,
    SeedOption,
    choose_variant,
    console,
    run_app,
    say_simulated,
)
from cdi_proofs.published import run_simulated

app = typer.Typer(
    help="What is proved of the product on the simulated force, whose truth is known.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def calibration(scenario: ScenarioOption = None, seed: SeedOption = None) -> None:
    """Compare twelve simulated months with the published figures they are calibrated to."""
    from cdi_proofs.calibration import is_met, run_calibration

    choose_variant(scenario, None, seed)
    with console.status("simulating twelve months"):
        figures = run_calibration()
    say_simulated()
    table = Table("figure", "set to", "simulated", "tolerance", "basis", "met", box=None)
    for row in figures:
        table.add_row(
            row["figure"], *(f"{row[k]:,.2f}" for k in ("published", "simulated", "tolerance")),
            row["basis"], "yes" if is_met(row) else "[red]no[/red]",
        )  # fmt: skip
    console.print(table)
    if not all(map(is_met, figures)):
        sys.exit(1)


@app.command()
def scorecard(
    scenario: ScenarioOption = None, months: MonthsOption = None, seed: SeedOption = None
) -> None:
    """Run the pipeline on the simulated force, without Airflow, and compare with the truth."""
    from cdi_proofs.scorecard import run_scorecard

    choose_variant(scenario, months, seed)
    with console.status("running") as status:
        run_simulated(status.update)
        status.update("comparing with the truth")
        scored = run_scorecard()
    say_simulated()
    console.print_json(data=scored)
    console.print(f"written to {paths.home() / 'scorecard.json'}", highlight=False, soft_wrap=True)


@app.command()
def coverage(
    scenario: ScenarioOption = None,
    seed: SeedOption = None,
    replicates: Annotated[int, typer.Option(min=1, help="Audits of each kind.")] = 2_000,
) -> None:
    """Audit twelve simulated months many times over: how often do the intervals hold the truth?"""
    from cdi_proofs import coverage as cdi_proofs_coverage
    from cdi_proofs.coverage import run_coverage

    choose_variant(scenario, 12, seed)
    with console.status("running") as status:
        run_simulated(status.update)
    with Progress(console=console) as bar:
        task = bar.add_task("auditing", total=None)
        rows = run_coverage(replicates, lambda n, of: bar.update(task, completed=n, total=of))
    say_simulated()
    table = Table("universe", "logs", "case", "estimator", "holds", "+/-", "ratio", box=None)
    for row in (row for row in rows if row["domain"] == cdi_proofs_coverage.FORCE):
        table.add_row(
            row["universe"], str(row["audited"]), row["case"], row["estimator"],
            f"{row['coverage']:.1%}", f"{row['half_width']:.2f}",
            f"{row['ratio_to_classical']:.2f}",
        )  # fmt: skip
    console.print(table)
    shown = [
        row for row in rows
        if row["case"] == "main" and row["domain"] != cdi_proofs_coverage.FORCE and row["coverage"] is not None
    ]  # fmt: skip
    least = min(shown, key=lambda row: float(row["coverage"]))
    console.print(
        f"domains: {len(shown)} shown, each holds in {least['coverage']:.1%} or more "
        f"({least['domain']}, {least['universe']}, {least['audited']} logs)", highlight=False,
    )  # fmt: skip
    file = paths.home() / "coverage.json"
    console.print(f"written to {file}", highlight=False, soft_wrap=True)


@app.command()
def nowcast(
    scenario: ScenarioOption = None,
    seed: SeedOption = None,
    seeds: Annotated[int, typer.Option(min=1, help="Simulated forces; SEED is the first.")] = 10,
) -> None:
    """Nowcast recent weeks at past moments of simulated forces: what became true of it?"""
    from cdi_proofs.nowcast import run_nowcast

    choose_variant(scenario, None, seed)
    with Progress(console=console) as bar:
        task = bar.add_task("simulating and nowcasting", total=None)
        rows = run_nowcast(seeds, lambda n, of: bar.update(task, completed=n, total=of))
    say_simulated()
    headings = ("case", "universe", "weeks", "cuts", "holds", "+/-", "error", "naive error")
    table = Table(*headings, box=None)
    for row in rows:
        table.add_row(
            row["case"], row["universe"], row["span"], str(row["cuts"]),
            f"{row['coverage']:.1%}",
            *(f"{row[name]:.2f}" for name in ("half_width", "nowcast_error", "naive_error")),
        )  # fmt: skip
    console.print(table)
    console.print(f"written to {paths.home() / 'nowcast.json'}", highlight=False, soft_wrap=True)


@app.command()
def attack(scenario: ScenarioOption = None, seed: SeedOption = None) -> None:
    """Release the simulated force's open extract twice, and try to find out what is withheld."""
    from cdi_proofs.open_rehearsal import rehearse_attack

    choose_variant(scenario, None, seed)
    with Progress(console=console) as bar:
        task = bar.add_task("", total=None)
        made = rehearse_attack(
            lambda step: bar.update(task, description=step, total=None, completed=0),
            lambda n, of: bar.update(task, completed=n, total=of),
        )
    say_simulated()
    console.print(
        f"{made['cells']:,} cells, {made['counts']:,} counts with all totals, "
        f"{made['suppressed']:,} withheld: {made['recovered']} recovered, "
        f"{made['told_small']} known to be small", highlight=False,
    )  # fmt: skip
    console.print(
        f"with small counts withheld alone, {made['recovered_without_suppression']:,} of "
        f"{made['suppressed_without_suppression']:,} recovered; with quarters counted anew, "
        f"{made['without_keeping']['shown_in_one']:,} shown in one release and withheld in the "
        "other", highlight=False,
    )  # fmt: skip
    console.print(f"written to {paths.home() / 'attack.json'}", highlight=False, soft_wrap=True)
    if made["recovered"] or made["told_small"]:
        sys.exit(1)


@app.command()
def corruptions(
    only: Annotated[list[str] | None, typer.Option(help="Names of some; default: all.")] = None,
) -> None:
    """Spoil the source files of two agencies in many ways: does a rule say so each time?"""
    from cdi_proofs import corruption_trial
    from cdi_proofs.corruption_trial import run_corruptions

    with Progress(console=console) as bar:
        task = bar.add_task("", total=None)
        rows = run_corruptions(
            lambda step: bar.update(task, description=step),
            lambda n, of: bar.update(task, completed=n, total=of),
            only or (),
        )
    say_simulated()
    table = Table("corruption", "agency", "dataset", "verdict", "rule", box=None)
    for row in rows:
        colour = "red" if row["verdict"] == "missed" else ""
        table.add_row(
            row["name"], row["agency"], row["dataset"],
            f"[{colour}]{row['verdict']}[/]" if colour else row["verdict"],
            ", ".join(row["rules"]),
        )  # fmt: skip
    console.print(table)
    counts = {
        verdict: sum(r["verdict"] == verdict for r in rows) for verdict in corruption_trial.VERDICTS
    }
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    file = paths.home() / "corruptions.json"
    console.print(f"written to {file}; docs/rules.md says what the verdicts mean",
                  highlight=False, soft_wrap=True)  # fmt: skip
    if counts["missed"]:
        sys.exit(1)


@app.command("audit-rehearsal")
def audit_rehearse(
    scenario: ScenarioOption = None,
    seed: SeedOption = None,
    draws: Annotated[int, typer.Option(min=2, help="Of each kind.")] = 20,
) -> None:
    """Rehearse on twelve simulated months: many draws, and a second round after a first.

    E.g. .venv/bin/python -m cdi_proofs audit-rehearsal --seed 31
    """
    from cdi_proofs.audit_rehearsal import rehearse_audit

    choose_variant(scenario, 12, seed)
    made = rehearse_audit(lambda step: console.print(step, highlight=False), draws)
    say_simulated()
    once, again = made["one_round"], made["second_round"]
    console.print(
        f"one round: true rate covered in {once['covered']} of {once['of']}, "
        f"+/- {once['half_width_mean']:.2f} points ({once['half_width_max']:.2f} at most)",
        highlight=False,
    )
    for name, told in (("without", "without a round before"), ("with", "after a first round")):
        row = again[f"{name}_first_round"]
        console.print(
            f"second round, {told}: covered in {row['covered']} of {row['of']}, "
            f"+/- {row['half_width_mean']:.2f} points", highlight=False,
        )  # fmt: skip
    console.print(f"written to {paths.home() / 'audit_rehearsal.json'}", soft_wrap=True)


@app.command("audit-pictures")
def audit_pictures() -> None:
    """Draw the pictures of docs/chief-officer.md from what `make audit-rehearsal` wrote."""
    from cdi_proofs.pictures import make_pictures

    for file in make_pictures(paths.REPO / "docs" / "pictures"):
        console.print(f"written {file}", highlight=False, soft_wrap=True)


@app.command()
def walkthrough() -> None:
    """Generate docs/walkthrough.md: three simulated logs followed through every model."""
    from cdi_proofs.walkthrough import make_walkthrough

    with console.status("simulating") as status:
        file = make_walkthrough(status.update)
    say_simulated()
    console.print(f"written {file}")


if __name__ == "__main__":
    run_app(app)
