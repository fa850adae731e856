"""Commands of the audit: plan, draw, worksheets, findings, estimate, pack.

The commands import what they need when they run, since all of it takes two seconds to import.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.console import AgencyArgument, ReasonOption, console, say_line, say_simulated
from cdi.publish.access import NO_REASON
from cdi.shares import write_percent

if TYPE_CHECKING:
    from cdi.audit.predictions import Period


audit = typer.Typer(
    help="Audit logs by a random sample: plan, draw, worksheets, findings, rates, pack.",
    no_args_is_help=True,
)


UniverseOption = Annotated[str, typer.Option(help="frame (crime-coded logs) or all.")]
DrawOption = Annotated[
    str | None, typer.Option("--draw", help="A draw of the register; default: the newest.")
]
FromOption = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        formats=["%Y-%m-%d"],
        help="First day; default: that of the newest settled quarter.",
    ),
]
ToOption = Annotated[
    datetime | None,
    typer.Option(
        "--to", formats=["%Y-%m-%d"], help="First day after the period; give it with --from."
    ),
]


def _choose_period(agency: Agency, universe: str, *days: datetime | None) -> "Period":
    from cdi.people.audit import choose_period

    return choose_period(agency, universe, *(day and day.date() for day in days))


@audit.command("plan")
def audit_plan(
    agency: AgencyArgument,
    points: Annotated[
        float, typer.Option(min=0.1, help="Half of the interval's width, in percentage points.")
    ],
    domain: Annotated[
        str,
        typer.Option(
            help="The part: force, an offence group, rape, domestic_abuse or 'district X'."
        ),
    ] = "force",
    universe: UniverseOption = "frame",
    starts: FromOption = None,
    ends: ToOption = None,
    error: Annotated[
        float,
        typer.Option(min=0, max=0.5, help="Share of readings that are expected to be wrong."),
    ] = 0.05,
) -> None:
    """Say how many logs to audit to know a rate to within some percentage points.

    E.g. .venv/bin/cdi audit plan simulated --points 2 --domain violence_against_the_person
    """
    from cdi.audit.design import DOUBLE_BLIND
    from cdi.people.audit import plan_audit

    loaded = load_agency(agency)
    period = _choose_period(loaded, universe, starts, ends)
    logs = plan_audit(loaded, period, points, domain)
    with_errors = plan_audit(loaded, period, points, domain, error)
    if loaded.is_simulated:
        say_simulated()
    twice = round(DOUBLE_BLIND * with_errors)
    for line in (
        f"To know the rate ({domain}) to within {points:g} points, audit {logs:,} logs of "
        f"{period.name}: if the predictions are right, and no reading is wrong.",
        f"If {error:.0%} of the readings are wrong, audit {with_errors:,} logs, and have {twice:,} "
        "of them read twice.",
    ):
        say_line(line)


@audit.command("draw")
def audit_draw(
    agency: AgencyArgument,
    auditor: Annotated[
        list[str], typer.Option(help="Staff number of an auditor; give this option at least twice.")
    ],
    logs: Annotated[int, typer.Option(min=1, help="How many logs to draw.")] = 1_500,
    universe: UniverseOption = "frame",
    starts: FromOption = None,
    ends: ToOption = None,
    reason: Annotated[
        str | None, typer.Option(help="Why you draw days that were drawn before.")
    ] = None,
) -> None:
    """Freeze logs and predictions of the published version, draw a sample, write worksheets.

    E.g. .venv/bin/cdi audit draw simulated --auditor 1207 --auditor 1311 --logs 400
    """
    from cdi.people.audit import draw_period, summarise_draw

    loaded = load_agency(agency)
    period = _choose_period(loaded, universe, starts, ends)
    drawn = draw_period(loaded, period, auditor, logs=logs, reason=reason)
    say_line(summarise_draw(drawn))
    _print_worksheets(loaded, drawn.draw_id)


@audit.command("worksheets")
def audit_worksheets(agency: AgencyArgument, draw: DrawOption = None) -> None:
    """Write the worksheets of a draw again, one XLSX and CSV file per auditor.

    If all logs were read once, those of the second readings too.

    E.g. .venv/bin/cdi audit worksheets simulated
    """
    _print_worksheets(load_agency(agency), draw)


def _print_worksheets(agency: Agency, draw: str | None) -> None:
    from cdi.people.audit import find_draw
    from cdi.people.worksheets import write_draw_worksheets
    from cdi.publish.access import note_command

    if agency.is_simulated:
        say_simulated()
    found = find_draw(agency, draw)
    note_command(agency.agency, f"worksheets of the draw {found.draw_id}", "audit")
    for file in write_draw_worksheets(agency, found):
        say_line(f"written {file}")


@audit.command("findings")
def audit_findings(
    agency: AgencyArgument,
    files: Annotated[list[Path], typer.Argument(help="Filled-in worksheets, XLSX or CSV.")],
) -> None:
    """Check filled-in worksheets and store their findings; the next run reads them.

    E.g. .venv/bin/cdi audit findings simulated sheets/SIMULATED_frame_20170401_20170701_1_1207.xlsx
    """
    from cdi.people.audit import deliver_worksheet
    from cdi.publish.access import note_command

    loaded = load_agency(agency)

    def note_sheets(draw_id: str) -> None:
        note_command(loaded.agency, f"worksheets of the draw {draw_id}", "audit")

    for file in files:
        delivery = deliver_worksheet(loaded, file, note_sheets)
        say_line(
            f"{delivery.draw_id}, {delivery.auditor}: {delivery.read} of {delivery.given} logs read"
        )
    if delivery.twice:
        console.print(
            f"all logs were read once; another auditor reads {delivery.twice} of them too. Give "
            "each sheet to its auditor:"
        )
        for sheet in delivery.second_sheets:
            say_line(f"written {sheet}")
    if delivery.undecided:
        console.print(
            f"two auditors differ on {delivery.undecided} logs; the registrar's worksheet:"
        )
        for sheet in delivery.sheets:
            say_line(f"written {sheet}")


@audit.command("estimate")
def audit_estimate(agency: AgencyArgument, draw: DrawOption = None) -> None:
    """Show the audited rates of the published version, with their intervals.

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
        rates = ("recording_rate", "lower_limit", "upper_limit")
        figures = (
            [f"not shown: {row['withheld_reason']}"]
            if row["recording_rate"] is None
            else [
                *(write_percent(row[name]) for name in rates),
                *(f"{row['half_width']:.2f}", f"{row['effective_crimes']:,.0f}"),
                f"{row['rho']:.2f}",
            ]
        )
        table.add_row(row["domain"].replace("_", " "), str(row["audited_crimes"]), *figures)
    console.print(table)


@audit.command("pack")
def audit_pack(
    agency: AgencyArgument,
    draw: DrawOption = None,
    to: Annotated[
        Path, typer.Option(file_okay=False, exists=True, help="The folder to write it into.")
    ] = Path(),
    reason: ReasonOption = NO_REASON,
) -> None:
    """Write the inspector's pack of a finished audit: one ZIP, and CHECK.md in it says what to do.

    It is restricted: it has the texts of the drawn logs. That you make it is logged first.

    E.g. .venv/bin/cdi audit pack simulated --reason "inspection of 2026"
    """
    from cdi.files import write_whole
    from cdi.publish.access import note_command
    from cdi.publish.audit_pack import make_pack

    loaded = load_agency(agency)
    if loaded.is_simulated:
        say_simulated()
    with console.status("collecting the files, and checking them as an inspector does"):
        pack = make_pack(loaded, draw)
    note_command(agency, f"audit pack of the draw {pack.draw_id}, sha256 {pack.sha256}", reason)
    with write_whole(to / pack.name) as file:
        file.write_bytes(pack.content)
    for line in (
        f"written {(to / pack.name).absolute()}: restricted, as it has the texts of the drawn logs",
        f"sha256 {pack.sha256}: give it to the inspector by another way than the file",
    ):
        say_line(line)
