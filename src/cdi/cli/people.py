"""Commands of daily work with what is published: look up, decide, compare.

The commands import what they need when they run, since all of it takes two seconds to import.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.console import (
    AgencyArgument,
    MonthsOption,
    ReasonOption,
    ScenarioOption,
    SeedOption,
    choose_variant,
    console,
    say_line,
)
from cdi.errors import CdiError
from cdi.publish.access import NO_REASON
from cdi.shares import write_percent, write_range
from cdi.variant import check_is_landed

PANEL = "Daily"
app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def peers(
    sent: Annotated[
        bool,
        typer.Option("--sent", help="Compare what agencies have sent to the place of CDI_OPEN."),
    ] = False,
) -> None:
    """Compare agencies in a funnel plot, from their open extracts alone; the rates are not audited.

    By default it compares the agencies that are published here.
    """
    if sent:
        from cdi.steps.peers import compare_sent_extracts

        say_line(compare_sent_extracts().note)
        return

    from cdi.report import peers as report_peers
    from cdi.report.peers import write_peers

    rows = write_peers()
    headings = ("agency", "up to", "crimes", "rate", "common", "95% limits", "place")
    table = Table(*headings, box=None)
    for row in rows:
        has_rate, has_funnel = row["rate"] is not None, row["target"] is not None
        name = f"{row['agency']}{' (SIMULATED)' if row['is_simulated'] else ''}"
        table.add_row(
            escape(name),
            row["last_quarter"] or "",
            f"{row['due_count']:,}" if has_rate else "",
            write_percent(row["rate"]) if has_rate else row["withheld_reason"],
            write_percent(row["target"]) if has_funnel else "",
            write_range(row["low_95"], row["high_95"]) if has_funnel else "",
            row["place"] or "",
        )
    console.print(table)
    if not any(row["target"] is not None for row in rows):
        console.print(f"No chart: fewer than {report_peers.LEAST_AGENCIES} agencies with a rate.")
    for file in ("peers.html", "peers.json"):
        say_line(f"written to {paths.home() / file}")


@app.command(rich_help_panel=PANEL)
def explain(
    agency: AgencyArgument,
    call: Annotated[str, typer.Argument(help="The call's reference, as people type it.")],
    reason: ReasonOption = NO_REASON,
) -> None:
    """Explain how the published version judged one call: evidence, facts, decision, crimes.

    The access is logged before anything is shown.

    E.g. .venv/bin/cdi explain simulated NMP-20170401-0007 --reason "complaint 12"
    """
    from cdi.publish.access import note_command
    from cdi.report.explain import explain_call

    loaded = load_agency(agency)
    note_command(agency, f"explain {call}", reason)
    explain_call(loaded, call, console)


@app.command(rich_help_panel=PANEL)
def decide(
    agency: AgencyArgument,
    kind: Annotated[
        str | None,
        typer.Argument(help="confirmed, dismissed, proposed, passed, undone, link or null_link."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Staff number or sign-in name of the person who decides.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="A filled-in worklist.xlsx or .csv with many decisions, instead of all else."
        ),
    ] = None,
    call: Annotated[str | None, typer.Option(help="The call, as people type it.")] = None,
    record: Annotated[
        str | None, typer.Option(help="The crime record, for link, null_link and undone.")
    ] = None,
    crime: Annotated[
        int | None,
        typer.Option(
            help="Number of the crime: 2 is NMP-20170401-0007#2; default: all of the call."
        ),
    ] = None,
    reason_code: Annotated[
        str | None,
        typer.Option(help="A code of dbt_project/seeds/reasons.csv; a dismissal needs one."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, in words.")] = None,
    second_person: Annotated[
        str | None,
        typer.Option(help="Who agrees (staff number or sign-in name); needed to dismiss rape."),
    ] = None,
) -> None:
    """Save what a person decided about a log or a record; the next run uses it.

    `confirmed` and `dismissed` are about a suspected missed crime. `proposed` is a dismissal by the
    first of two people, and `passed` leaves the crime to the force crime registrar. `undone` takes
    a decision back. `link` and `null_link` say whether a record belongs to a call
    (docs/worklist.md).

    E.g. .venv/bin/cdi decide nopd confirmed --call A-12345-22 --by 1207
    """
    from cdi.people.decisions import add_decision

    loaded = load_agency(agency)
    if file is not None:
        _decide_by_sheet(loaded, file)
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
    say_line(f"decision {reference} written to {paths.decisions(agency)}")


def _decide_by_sheet(agency: Agency, file: Path) -> None:
    """Take in a filled-in worklist and tell what became of it.

    Raises:
        CdiError: DECIDE-REFUSED if rows of it were refused; the others are saved by then.
    """
    from cdi.people.sheet_decisions import add_decisions_of_sheet

    taken = add_decisions_of_sheet(agency, file)
    say_line(
        f"{taken.added} decision{'' if taken.added == 1 else 's'} written to "
        f"{paths.decisions(agency.agency)}, {taken.repeated} were known before"
    )
    for sentence in taken.overturned:
        say_line(sentence)
    if taken.refused:
        count = taken.added + taken.repeated + len(taken.refused)
        saved = "all others were saved" if taken.added + taken.repeated else "nothing was saved"
        has = "row has" if len(taken.refused) == 1 else "rows have"
        lines = [f"Row {number}: {'; '.join(told)}." for number, told in taken.refused.items()]
        raise CdiError(
            "DECIDE-REFUSED",
            f"{len(taken.refused)} of {count} {has} a problem; {saved}:\n    "
            + "\n    ".join(lines),
            f"correct the rows in {taken.refused_file} and give that sheet with --file"
            if taken.refused_file
            else "correct these rows, save the sheet and give it again",
        )


@app.command(rich_help_panel=PANEL)
def desk(
    port: Annotated[int, typer.Option(help="Port; 0 takes any free one.")] = 8090,
    oidc: Annotated[
        bool,
        typer.Option("--oidc", help="Let the organisation's OpenID provider sign people in."),
    ] = False,
    host: Annotated[
        str, typer.Option(help="With --oidc: the address at which the proxy reaches the desk.")
    ] = "127.0.0.1",
    scenario: ScenarioOption = None,
    months: MonthsOption = None,
    seed: SeedOption = None,
) -> None:
    """Start the desk, where people read logs and decide, until Ctrl-C.

    By default it has a trial log-in, for this machine alone; docs/server.md says how to run it
    behind a proxy.
    """
    from cdi.local import desk as local_desk

    choose_variant(scenario, months, seed)
    check_is_landed(paths.SIMULATED)
    if oidc:
        local_desk.serve_oidc(host, port, console)
    else:
        local_desk.serve_trial(port, console)


@app.command(rich_help_panel=PANEL)
def feedback(
    agency: AgencyArgument,
    output: Annotated[Path, typer.Option(help="The XLSX file to write.")],
    month: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m"], help="Month of the reports, e.g. 2017-06; default: all."),
    ] = None,
    team: Annotated[str | None, typer.Option(help="One team; default: all.")] = None,
    supervisor: Annotated[
        str | None, typer.Option(help="Code of the one who closed the logs; default: all.")
    ] = None,
    reason: ReasonOption = NO_REASON,
) -> None:
    """Write the sheet of confirmed missed crimes and their causes, for the training of a team.

    The access is logged before anything is written.

    E.g. .venv/bin/cdi feedback simulated --month 2017-06 --output feedback.xlsx
    """
    from cdi.files import write_whole
    from cdi.people.feedback_sheet import open_published, read_feedback, write_feedback
    from cdi.publish.access import note_command

    loaded = load_agency(agency)
    if not output.parent.is_dir():
        raise CdiError(
            "FEEDBACK-OUTPUT",
            f"there is no folder {output.parent} to write {output.name} into",
            "make it, or name a file in a folder that is there by --output",
        )
    chosen = [f"{month:%Y-%m}" if month else "all months", team or "all teams"]
    chosen += [f"closed by {supervisor}"] if supervisor else []
    note_command(agency, f"feedback, {', '.join(chosen)}", reason)
    with open_published(loaded) as con:
        rows = read_feedback(con, month.date() if month else None, team, supervisor)
        with write_whole(output) as file:
            write_feedback(file, con, rows)
    crimes = "1 confirmed miss" if len(rows) == 1 else f"{len(rows):,} confirmed missed crimes"
    say_line(f"{crimes} written to {output}")


@app.command(rich_help_panel=PANEL)
def compare(
    agency: AgencyArgument,
    older: Annotated[
        str | None, typer.Argument(help="The older version; default: the last but one.")
    ] = None,
    newer: Annotated[
        str | None, typer.Argument(help="The newer version; default: the newest.")
    ] = None,
) -> None:
    """Show what changed between two published versions, and why.

    E.g. .venv/bin/cdi compare nopd
    """
    from cdi.report.comparison import choose_pair, compare_versions, print_comparison

    load_agency(agency)
    chosen = choose_pair(agency, *filter(None, (older, newer)))
    print_comparison(compare_versions(*chosen), console)
