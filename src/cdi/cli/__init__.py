"""The command line: `.venv/bin/cdi --help`."""

import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.console import (
    AgencyArgument,
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
from cdi.errors import CdiError
from cdi.local import airflow
from cdi.local.airflow import read_password
from cdi.local.run import run_agency, start_airflow

if TYPE_CHECKING:
    from cdi.audit.predictions import Period


app = typer.Typer(
    help="Finds, in police data, the crimes that people reported and nobody recorded.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


DataOption = Annotated[
    str | None,
    typer.Option("--data", help="Folder or URL of the sources, in place of agency.yaml's."),
]


def _use(data: str | None) -> None:
    """Take the sources from there, in this process and in Airflow's."""
    if data:
        os.environ["CDI_DATA"] = data if "://" in data else str(Path(data).resolve())


def main() -> None:
    """Entry point of the command `cdi`."""
    run_app(app)


@app.command()
def run(
    agency: AgencyOption = paths.SIMULATED,
    data: DataOption = None,
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
) -> None:
    """Run an agency's DAGs once through a real Airflow scheduler and print the figures."""
    choose_variant(scenario, months, seed)
    _use(data)
    run_agency(agency, console)


@app.command()
def ui(
    data: DataOption = None,
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
) -> None:
    """Start Airflow and leave it up until Ctrl-C; prints URL and log-in."""
    choose_variant(scenario, months, seed)
    _use(data)
    console.print("Starting Airflow")
    with start_airflow(console, airflow.UI_COMPONENTS) as client:
        console.print(f"Airflow is up at {client.url}")
        console.print(f"log in as [bold]admin[/bold], password [bold]{read_password()}[/bold]")
        console.print("Ctrl-C stops it.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            console.print("Stopping")


@app.command()
def peers() -> None:
    """Compare agencies by a funnel, from their open extracts alone; uncorrected."""
    from cdi.report import peers as report_peers
    from cdi.report.peers import write_peers

    rows = write_peers()
    headings = ("agency", "up to", "crimes", "rate", "common", "95% limits", "place")
    table = Table(*headings, box=None)
    for row in rows:
        has_rate, has_funnel = row["rate"] is not None, row["target"] is not None
        name = f"{row['agency']}{' (SIMULATED)' if row['is_simulated'] else ''}"
        table.add_row(
            name, row["last_quarter"] or "",
            f"{row['due_count']:,}" if has_rate else "",
            f"{row['rate']:.1%}" if has_rate else row["withheld_reason"],
            f"{row['target']:.1%}" if has_funnel else "",
            f"{row['low_95']:.1%} to {row['high_95']:.1%}" if has_funnel else "",
            row["place"] or "",
        )  # fmt: skip
    console.print(table)
    if not any(row["target"] is not None for row in rows):
        console.print(f"No funnel: fewer than {report_peers.LEAST_AGENCIES} agencies with a rate.")
    for file in ("peers.html", "peers.json"):
        console.print(f"written to {paths.home() / file}", highlight=False, soft_wrap=True)


@app.command("check-agency")
def check_agency(agency: AgencyOption) -> None:
    """Validate an agency's folder and say which source files it finds."""
    from cdi.agency.load import check_patterns

    loaded = load_agency(agency)
    check_patterns(loaded)
    console.print(f"{loaded.folder} is valid: {', '.join(loaded.sources)}")


@app.command()
def explain(
    agency: Annotated[str, typer.Argument(help="Folder below agencies/ (CDI_AGENCIES).")],
    call: Annotated[str, typer.Argument(help="The call's reference, as people type it.")],
) -> None:
    """Tell how the published version came to judge one call: evidence, facts, decision, crimes."""
    from cdi.report.explain import explain_call

    explain_call(load_agency(agency), call, console)


@app.command()
def shell(agency: AgencyOption = paths.SIMULATED) -> None:
    """Open a read-only SQL prompt on the published version; it also answers piped queries."""
    from cdi.local.shell import shell_command

    command = shell_command(agency, is_greeting=sys.stdin.isatty())
    os.execv(command[0], command)  # noqa: S606 -- a fixed program


@app.command()
def decide(
    agency: Annotated[str, typer.Argument(help="Folder below agencies/ (CDI_AGENCIES).")],
    kind: Annotated[
        str | None, typer.Argument(help="confirmed, dismissed, link or null_link.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Staff number of who decides.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A filled-in worklist.xlsx or .csv, in place of the rest.")
    ] = None,
    call: Annotated[str | None, typer.Option(help="The call, as people type it.")] = None,
    record: Annotated[str | None, typer.Option(help="The crime record.")] = None,
    crime: Annotated[
        int | None, typer.Option(help="Which crime of the call (NMP-20170401-0007#2: 2); all.")
    ] = None,
    reason_code: Annotated[
        str | None, typer.Option(help="Of dbt_project/seeds/reasons.csv; a dismissal needs one.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, in words.")] = None,
    second_person: Annotated[
        str | None, typer.Option(help="Who agrees: needed to dismiss rape.")
    ] = None,
) -> None:
    """Add what a person decided about a call or a record; the next run takes it up."""
    from cdi.people.decisions import add_decision, add_decisions_of_sheet

    loaded = load_agency(agency)
    if file is not None:
        added, known = add_decisions_of_sheet(loaded, file)
        told = f"{added} decisions written to {paths.decisions(agency)}, {known} known before"
        console.print(told, soft_wrap=True)
        return
    if kind is None or by is None:
        raise typer.BadParameter("give a kind and --by, or --file")
    reference = add_decision(
        loaded,
        {
            "decision_kind": kind,
            "call_reference": call,
            "record_reference": record,
            "crime_number": crime,
            "reason_code": reason_code,
            "reason": reason,
            "decided_by": by,
            "second_person": second_person,
        },
    )
    console.print(f"decision {reference} written to {paths.decisions(agency)}", soft_wrap=True)


@app.command()
def release(
    agency: Annotated[str, typer.Argument(help="Folder below agencies/ (CDI_AGENCIES).")],
    rule: Annotated[
        str | None, typer.Argument(help="Rule that stopped it; none: tell all.")
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="Batch or version, if the rule stopped several.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, in words.")] = "",
    by: Annotated[str, typer.Option(help="Staff number of who proposes it.")] = "",
    second_person: Annotated[str, typer.Option(help="Staff number of who confirms it.")] = "",
) -> None:
    """Release a failed check, by two people; without a rule: tell what is held.

    E.g. .venv/bin/cdi release nopd FILE-07 --by 1207 --second-person 1311 --reason "as agreed"
    """
    from cdi.people.decisions import waive_check
    from cdi.quality.releases import find_stopped

    loaded = load_agency(agency)
    if rule is None:
        for held in find_stopped(loaded):
            never = "" if held.is_releasable else " (never released)"
            console.print(f"{held.rule_id}{never} stopped {held.what}: {held.told}", soft_wrap=True)
        return
    released = waive_check(loaded, rule, reason, by, second_person, of)
    console.print(f"{rule} of {released.what} is released; run the DAG again", soft_wrap=True)


@app.command()
def access(
    agency: Annotated[str, typer.Argument(help="Folder below agencies/ (CDI_AGENCIES).")],
) -> None:
    """Tell who looked at which restricted page (worklist, logs, downloads), oldest first."""
    from cdi.publish.access import read_access_log

    load_agency(agency)
    for entry in read_access_log(agency):
        told = "  ".join(entry[name] for name in ("at", "who", "version", "what"))
        console.print(told, highlight=False, markup=False, soft_wrap=True)


@app.command()
def compare(
    agency: Annotated[str, typer.Argument(help="Folder below agencies/ (CDI_AGENCIES).")],
    older: Annotated[
        str | None, typer.Argument(help="A published version; the last but one.")
    ] = None,
    newer: Annotated[str | None, typer.Argument(help="Another; else the newest.")] = None,
) -> None:
    """Tell what changed between two published versions, and what changed it."""
    from cdi.report.comparison import choose_pair, compare_versions, print_comparison

    load_agency(agency)
    chosen = choose_pair(agency, *filter(None, (older, newer)))
    print_comparison(compare_versions(*chosen), console)


@app.command()
def erase(
    agency: Annotated[str, typer.Argument(help="Folder below agencies/ (CDI_AGENCIES).")],
    reference: Annotated[str, typer.Argument(help="Of a call or a crime record, as typed.")],
    reason: Annotated[
        str | None, typer.Option(help="Kept for good: name the request, never the person or log.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell where it is; erase nothing.")
    ] = False,
) -> None:
    """Erase a call or a crime record everywhere, for good; later extractions leave it out.

    E.g. .venv/bin/cdi erase nopd A-12345-22 --reason "request 12 of 2026"
    """
    from cdi.erasure.look import look_for_reference
    from cdi.steps.retain import erase_reference

    loaded = load_agency(agency)
    if dry_run:
        found = look_for_reference(loaded, reference)
        for file, where in found.items():
            console.print(f"{file}: {where}", highlight=False, soft_wrap=True, markup=False)
        console.print(f"{len(found)} files hold it or its text; nothing was erased")
    elif not reason:
        raise CdiError(
            "ERASE-REASON", "no reason was given",
            "give one, e.g. --reason 'request 12 of 2026', or --dry-run to look only",
        )  # fmt: skip
    else:
        erase_reference(loaded, reference, reason, say_line)


@app.command()
def retain(
    agency: Annotated[str, typer.Argument(help="Folder below agencies/ (CDI_AGENCIES).")],
) -> None:
    """Remove what is older than retention_days of agency.yaml, relative to the newest data."""
    from cdi.steps.retain import remove_expired

    remove_expired(load_agency(agency), say_line)


audit = typer.Typer(
    help="The audit: plan, draw, hand out worksheets, take findings back, tell the rate.",
    no_args_is_help=True,
)
app.add_typer(audit, name="audit")


UniverseOption = Annotated[str, typer.Option(help="frame (logs with a crime code) or all.")]
DrawOption = Annotated[str | None, typer.Option("--draw", help="Of the register; the newest.")]
FromOption = Annotated[
    datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], help="First day; the newest mature quarter."),
]
ToOption = Annotated[
    datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="First day after it.")
]


def _period(agency: Agency, universe: str, *days: datetime | None) -> "Period":
    from cdi.people.audit import choose_period

    return choose_period(agency, universe, *(day and day.date() for day in days))


@audit.command("plan")
def audit_plan(
    agency: AgencyArgument,
    points: Annotated[float, typer.Option(min=0.1, help="Half-width of the interval wanted.")],
    domain: Annotated[
        str, typer.Option(help="force, a group of offences, rape, domestic_abuse, 'district X'.")
    ] = "force",
    universe: UniverseOption = "frame",
    starts: FromOption = None,
    ends: ToOption = None,
) -> None:
    """Tell how many logs to audit for a rate to within +/- some points.

    E.g. .venv/bin/cdi audit plan simulated --points 2 --domain violence_against_the_person
    """
    from cdi.people.audit import plan_audit

    loaded = load_agency(agency)
    period = _period(loaded, universe, starts, ends)
    logs = plan_audit(loaded, period, points, domain)
    if loaded.is_simulated:
        say_simulated()
    console.print(
        f"{logs:,} logs of {period.name} for +/- {points:g} points on {domain}, if they are as "
        "uncertain as predicted", highlight=False, soft_wrap=True,
    )  # fmt: skip


@audit.command("draw")
def audit_draw(
    agency: AgencyArgument,
    auditor: Annotated[list[str], typer.Option(help="Staff number; give two at least.")],
    logs: Annotated[int, typer.Option(min=1)] = 1_500,
    universe: UniverseOption = "frame",
    starts: FromOption = None,
    ends: ToOption = None,
    reason: Annotated[
        str | None, typer.Option(help="Why days that were drawn before are drawn again.")
    ] = None,
) -> None:
    """Freeze the published version's logs and predictions, draw, and write the worksheets.

    E.g. .venv/bin/cdi audit draw simulated --auditor 1207 --auditor 1311 --logs 400
    """
    from cdi.people.audit import draw_period, summarise_draw

    loaded = load_agency(agency)
    period = _period(loaded, universe, starts, ends)
    made = draw_period(loaded, period, auditor, logs=logs, reason=reason)
    console.print(summarise_draw(made), highlight=False, soft_wrap=True)
    _tell_worksheets(loaded, made.draw_id)


@audit.command("worksheets")
def audit_worksheets(agency: AgencyArgument, draw: DrawOption = None) -> None:
    """Write the worksheets of a draw again, one XLSX and CSV file per auditor.

    E.g. .venv/bin/cdi audit worksheets simulated
    """
    _tell_worksheets(load_agency(agency), draw)


def _tell_worksheets(agency: Agency, draw: str | None) -> None:
    from cdi.people.audit import find_draw, write_draw_worksheets

    if agency.is_simulated:
        say_simulated()
    for file in write_draw_worksheets(agency, find_draw(agency, draw)):
        console.print(f"written {file}", highlight=False, soft_wrap=True)


@audit.command("findings")
def audit_findings(
    agency: AgencyArgument,
    files: Annotated[list[Path], typer.Argument(help="Filled-in worksheets, XLSX or CSV.")],
) -> None:
    """Check filled-in worksheets and take them up; the next run lands them.

    E.g. .venv/bin/cdi audit findings simulated sheets/SIMULATED_frame_20170401_20170701_1_1207.xlsx
    """
    from cdi.people.audit import deliver_worksheet

    loaded = load_agency(agency)
    for file in files:
        done = deliver_worksheet(loaded, file)
        console.print(
            f"{done.draw_id}, {done.auditor}: {done.read} of {done.given} logs read",
            highlight=False,
        )
    if done.undecided:
        console.print(f"two auditors differ on {done.undecided} logs; the registrar's worksheet:")
        for sheet in done.sheets:
            console.print(f"written {sheet}", highlight=False, soft_wrap=True)


@audit.command("estimate")
def audit_estimate(agency: AgencyArgument, draw: DrawOption = None) -> None:
    """Tell the audited rates of the published version, with their intervals.

    E.g. .venv/bin/cdi audit estimate simulated
    """
    from cdi.people.audit import read_audited_rates

    loaded = load_agency(agency)
    rows = read_audited_rates(loaded, draw)
    if loaded.is_simulated:
        say_simulated()
    console.print(f"{rows[0]['draw_id']}: recording rate at 95%", highlight=False)
    table = Table("part", "crimes", "rate", "from", "to", "+/- points", "n_eff", "rho", box=None)
    for row in rows:
        shown = ("recording_rate", "lower_limit", "upper_limit")
        figures = (
            [f"not shown: {row['withheld_reason']}"]
            if row["recording_rate"] is None
            else [
                *(f"{row[name]:.1%}" for name in shown),
                *(f"{row['half_width']:.2f}", f"{row['effective_crimes']:,.0f}"),
                f"{row['rho']:.2f}",
            ]
        )
        table.add_row(row["domain"].replace("_", " "), str(row["audited_crimes"]), *figures)
    console.print(table)


@app.command()
def docs() -> None:
    """Generate docs/rules.md, docs/recording-decisions.md and docs/dictionary.md."""
    from cdi.docs import dictionary
    from cdi.docs.decisions import render_decisions_page
    from cdi.docs.dictionary import render_dictionary_page
    from cdi.docs.rules import render_rules_page

    for name, page in (
        ("rules.md", render_rules_page()),
        ("recording-decisions.md", render_decisions_page()),
        (dictionary.PAGE.name, render_dictionary_page()),
    ):
        file = paths.REPO / "docs" / name
        file.write_text(page, encoding="utf-8")
        console.print(f"written {file}")
