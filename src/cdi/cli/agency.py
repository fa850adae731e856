"""The commands about an agency's folder that need its data.

The commands import what they need when they run, since all of it takes a second to import.
"""

import re
from pathlib import Path
from typing import Annotated
from zoneinfo import available_timezones

import typer

from cdi import paths
from cdi.agency.code_maps import list_empty_maps
from cdi.agency.load import load_agency
from cdi.agency.model import COUNTRY, MAIL_ADDRESS, MOST_LETTERS
from cdi.console import console, say_line
from cdi.errors import AgencyError

PANEL = "Operate"
agency = typer.Typer(help="Begin the folder of a new agency from its data.", no_args_is_help=True)

_SOURCE_HELP = (
    "a file (CSV, JSON as an array of objects, JSONL or Parquet; plain or .gz), or "
    "sql:<connection>/<relation>, socrata:<domain>/<dataset>, arcgis:<address of the layer>, "
    "ckan:<domain>/<resource>, opendatasoft:<domain>/<dataset>."
)


@agency.callback()
def _group() -> None:
    """Keep `new` a subcommand, though it is the only one."""


@agency.command()
def new(
    name: Annotated[
        str, typer.Argument(help="Name of the new folder: small letters, digits, underscores.")
    ],
    calls: Annotated[str, typer.Option(help=f"The calls for service: {_SOURCE_HELP}")],
    crimes: Annotated[
        str,
        typer.Option(
            help="The crime records, in the same forms. If the calls bear their numbers, or there "
            "are none, name the calls again: the folder then says what to write."
        ),
    ],
    timezone: Annotated[
        str, typer.Option(help="IANA time zone of the times in the sources, e.g. Europe/London.")
    ] = "",
    day_first: Annotated[
        bool | None,
        typer.Option(
            "--day-first/--month-first",
            help="What comes first in dates such as 03/04/2026, if the file does not show it.",
        ),
    ] = None,
    country: Annotated[
        str, typer.Option(help="ISO code of the country; default: that of the time zone.")
    ] = "",
    title: Annotated[str, typer.Option(help="Name of the agency as people read it.")] = "",
    owner: Annotated[
        str, typer.Option(help="Who is responsible for the data.")
    ] = "Data engineering",
    email: Annotated[
        str, typer.Option(help="E-mail address of the owner.")
    ] = "data-engineering@example.org",
    licence: Annotated[str, typer.Option(help="Licence of the data.")] = "none stated",
) -> None:
    """Propose an agency's folder from samples of its calls and of its crime records.

    It writes agency.yaml and the three code maps, and prints the reason for each proposal. If it
    is not sure, it leaves a comment or a blank. It never shows a value of a column that holds
    no codes, nor a code that fewer than ten rows have, and it never replaces a folder. It reads
    the last 35 days of a live source, or at most 50,000 rows.

    E.g. .venv/bin/cdi agency new north_county --calls cad.csv --crimes rms.csv.gz
    --timezone America/Chicago
    """
    from cdi.onboarding.folder import new_folder, write_folder
    from cdi.onboarding.live import is_live_address, read_live_sample
    from cdi.onboarding.proposal import Settings, country_of_zone, propose_agency
    from cdi.onboarding.reading import read_file_sample
    from cdi.onboarding.report import print_proposal
    from cdi.sql import connect

    new_folder(name)
    if timezone and timezone not in available_timezones():
        raise AgencyError(
            "AGENCY-ZONE",
            f"--timezone {timezone} is not an IANA time zone",
            "give one such as Europe/London or America/Chicago",
        )
    settings = Settings(
        agency=name,
        name=title or name.replace("_", " ").title(),
        timezone=timezone,
        is_day_first=day_first,
        country=country.upper() or country_of_zone(timezone),
        owner_name=owner,
        owner_email=email,
        licence=licence,
    )
    if settings.country:  # without one, the folder says that it is missing
        _check_option("country", settings.country, COUNTRY, "the two letters of its code, e.g. GB")
    _check_option("email", email, MAIL_ADDRESS, "an address such as police@example.org")
    short = rf"^.{{1,{MOST_LETTERS}}}$"
    _check_option("title", settings.name, short, f"a name of at most {MOST_LETTERS} letters")
    _check_option("owner", owner, short, f"a name of at most {MOST_LETTERS} letters")
    with connect() as con:
        samples = {
            dataset: read_live_sample(con, dataset, address, timezone)
            if is_live_address(address)
            else read_file_sample(con, dataset, Path(address))
            for dataset, address in (("calls", calls), ("crime_records", crimes))
        }
        proposal = propose_agency(con, samples, settings)
    folder = write_folder(proposal)
    print_proposal(proposal, console)
    say_line(f"written: {folder}")
    # a folder that lacks a key cannot be loaded; the check looks at its maps once it has the key
    empty_maps = [] if proposal.missing else list_empty_maps(load_agency(name))
    _say_next_commands(name, proposal.missing, empty_maps)


def _check_option(option: str, value: str, pattern: str, what: str) -> None:
    """Refuse what agency.yaml could not hold, before anything is written."""
    if not re.search(pattern, value):
        raise AgencyError(
            "AGENCY-OPTION", f"agency.yaml cannot hold this --{option}", f"give {what}"
        )


def _say_next_commands(name: str, missing: list[str], empty_maps: list[str]) -> None:
    """Say whether the folder is complete, and what to type next."""
    if missing:
        say_line("It is not complete, as no sample shows these keys of agency.yaml:")
        for key in missing:
            say_line(f"  {key}")
        say_line("Write them by the comments in it (docs/onboarding.md explains each key). Next:")
    elif empty_maps:
        say_line("These code maps have no code yet, as few rows of the samples have any one code:")
        for code_map in empty_maps:
            say_line(f"  {code_map}.csv")
        say_line("Write a row for each code (docs/onboarding.md explains the columns). Next:")
    else:
        say_line("It is complete. Look at each line marked unsure, and at the blank groups. Next:")
    connect = " --connect" if empty_maps else ""
    say_line(f"  {paths.CDI} check-agency {name}{connect}")
    say_line(f"  make run AGENCY={name}")
