"""Commands for what people decide, look up, compare and erase."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cdi import paths
from cdi.agency.load import load_agency
from cdi.console import AgencyArgument, console, say_line
from cdi.errors import CdiError

app = typer.Typer()


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


@app.command()
def explain(
    agency: AgencyArgument,
    call: Annotated[str, typer.Argument(help="The call's reference, as people type it.")],
) -> None:
    """Tell how the published version came to judge one call: evidence, facts, decision, crimes."""
    from cdi.report.explain import explain_call

    explain_call(load_agency(agency), call, console)


@app.command()
def decide(
    agency: AgencyArgument,
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
    agency: AgencyArgument,
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
    from cdi.quality.waivers import find_stopped

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
    agency: AgencyArgument,
) -> None:
    """Tell who looked at which restricted page (worklist, logs, downloads), oldest first."""
    from cdi.publish.access import read_access_log

    load_agency(agency)
    for entry in read_access_log(agency):
        told = "  ".join(entry[name] for name in ("at", "who", "version", "what"))
        console.print(told, highlight=False, markup=False, soft_wrap=True)


@app.command()
def compare(
    agency: AgencyArgument,
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
    agency: AgencyArgument,
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
    agency: AgencyArgument,
) -> None:
    """Remove what is older than retention_days of agency.yaml, relative to the newest data."""
    from cdi.steps.retain import remove_expired

    remove_expired(load_agency(agency), say_line)
