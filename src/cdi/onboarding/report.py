"""Prints what is proposed for a new agency: figures and names of columns, and no value."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdi.agency.datasets import DATASETS, MOMENTS
from cdi.onboarding.codes import (
    CODE_COLUMNS,
    FIRST_CODES,
    LEAST_ROWS,
    MOST_UNKNOWN,
    STOPPING_RULES,
)
from cdi.onboarding.findings import MOST_REFUSED, describe_refused, fix_refused
from cdi.onboarding.folder import ONE_SOURCE
from cdi.onboarding.keys import KeyMatch
from cdi.onboarding.proposal import AgencyProposal
from cdi.shares import write_percent

_MOST_MATCHES = 10


def print_proposal(proposal: AgencyProposal, console: Console) -> None:
    """Print the proposal as four short tables: columns of both sources, keys, codes.

    Args:
        proposal: What is proposed.
        console: Where it is printed.
    """
    for dataset in proposal.mappings:
        _print_columns(proposal, dataset, console)
    _print_matches(proposal, console)
    _print_code_maps(proposal, console)
    _print_warnings(proposal, console)


def _print_columns(proposal: AgencyProposal, dataset: str, console: Console) -> None:
    sample, mapping = proposal.samples[dataset], proposal.mappings[dataset]
    table = _new_table(
        f"{dataset}: {sample.row_count:,} rows, {sum(sample.refused.values()):,} unreadable",
        ("column", "from", "filled", "values", "form", "note"),
    )
    for column in DATASETS[dataset]:
        proposed = mapping.proposals.get(column.name)
        if proposed is None:
            if column.is_required:
                _add_row(table, column.name, "?", "", "", "", "required: no column looks like it")
            continue
        profile = proposed.profile
        is_shown = column.kind in ("reference", "timestamp")
        formats = " or ".join(profile.time.formats) if profile.time else profile.shape
        note = f"unsure: {proposed.problem}" if proposed.problem else ""
        time_of_day = "no time of day" if profile.time and profile.time.midnight_share == 1 else ""
        runner_up = f"or {proposed.runner_up.header}" if proposed.runner_up else ""
        _add_row(
            table,
            column.name,
            profile.header,
            f"{profile.filled_share:.1%}",
            f"{profile.distinct_count:,}",
            formats if is_shown else "",
            "; ".join(filter(None, (note, time_of_day, runner_up))),
        )
    console.print(table)
    left = [profile.header for profile in mapping.left]
    if left:
        console.print(Text(f"not mapped: {', '.join(left)}"))
    console.print()


def _print_matches(proposal: AgencyProposal, console: Console) -> None:
    if proposal.is_of_one_source:
        console.print(Text(f"{' '.join(ONE_SOURCE)}\n"))
        return
    if not proposal.matches:
        console.print("No number of a record is that of a call, in any form that was tried.\n")
        return
    table = _new_table(
        "numbers that join records and calls",
        ("call", "record", "form", "records", "calls", "close in time", "note"),
    )
    for place, match in enumerate(proposal.matches[:_MOST_MATCHES]):
        note = "written" if place == 0 and proposal.match else match.problem
        _add_row(table, *_figures_of(proposal, match), note)
    console.print(table)
    more = len(proposal.matches) - _MOST_MATCHES
    if more > 0:
        console.print(f"and {more} more pairs of forms that join less")
    console.print()


def _figures_of(proposal: AgencyProposal, match: KeyMatch) -> tuple[str, ...]:
    return (
        proposal.samples["calls"].headers[match.call_name],
        proposal.samples["crime_records"].headers[match.record_name],
        match.described,
        f"{match.record_share:.1%}",
        f"{match.call_share:.1%}",
        f"{match.close_share:.1%}" if match.is_timed and match.close_share is not None else "",
    )


def _print_code_maps(proposal: AgencyProposal, console: Console) -> None:
    table = _new_table(
        "code maps, as shares of the rows that have a code",
        ("file", "codes", f"first {FIRST_CODES}", "proposed", f"fewer than {LEAST_ROWS} rows"),
    )
    for code_map in proposal.code_maps:
        _add_row(
            table,
            f"{code_map.name}.csv",
            f"{len(code_map.rows):,}",
            f"{code_map.first_share:.1%}",
            f"{code_map.proposed_share:.1%}",
            f"{code_map.rare_count:,} codes, {1 - code_map.share_of(code_map.rows):.1%}"
            if code_map.row_count
            else "no column of codes",
        )
    console.print(table)
    console.print()


def _print_warnings(proposal: AgencyProposal, console: Console) -> None:
    """Say what will stop or lose rows at the first run, though the folder is valid."""
    lines = [
        f"{dataset}: {describe_refused(sample.refused, sample.row_count)}. Next step: "
        f"{fix_refused(sample.refused)}."
        for dataset, sample in proposal.samples.items()
        if sample.refused
    ]
    lines += [
        f"{dataset}: the file is not UTF-8, and was read as {sample.place['encoding']}. Look "
        "whether letters such as £ and é are right, and correct `encoding` if they are not."
        for dataset, sample in proposal.samples.items()
        if "encoding" in sample.place
    ]
    lines += [
        f"{dataset}: {write_percent(1 - proposed.readable_share)} of the rows have no readable "
        f"{name} ({proposed.profile.header}): {_fate_of_unreadable(proposal, dataset, name)}"
        for dataset, mapping in proposal.mappings.items()
        for name, proposed in mapping.proposals.items()
        if proposed.column.is_required and proposed.is_sure and proposed.readable_share < 1
    ]
    for code_map in proposal.code_maps:
        rare_share = 1 - code_map.share_of(code_map.rows)
        _, ((first_column, _), *_) = CODE_COLUMNS[code_map.name]
        rule = STOPPING_RULES.get(first_column)
        if rule and code_map.row_count and rare_share > MOST_UNKNOWN:
            lines.append(
                f"{code_map.name}.csv lacks the codes of {rare_share:.1%} of the rows, and "
                f"{rule} stops a batch above {MOST_UNKNOWN:.0%}: add rare codes by hand. To see "
                "them, list the values of that column in the source."
            )
    if share := proposal.repeated_share["calls"]:
        lines.append(
            f"{share:.1%} of the calls' rows have the number of another row that differs: "
            "KEY-CONFLICT refuses both. Map a number that is the call's own, or write `duplicates: "
            "last` if the last row of a number counts."
        )
    for line in lines:
        console.print(Text(line))
    if lines:
        console.print()


def _fate_of_unreadable(proposal: AgencyProposal, dataset: str, name: str) -> str:
    """Say what becomes of a row without a required value."""
    if proposal.samples[dataset].is_live and name in MOMENTS[dataset]:
        return "no window of days holds them, so no run reads them (FILE-25)."
    return (
        "TYPE-REQUIRED or TYPE-VALUE refuses them, and FILE-03 stops a file above "
        f"{MOST_REFUSED:.0%}."
    )


def _new_table(title: str, headings: tuple[str, ...]) -> Table:
    return Table(*headings, title=title, box=None, title_justify="left", pad_edge=False)


def _add_row(table: Table, *cells: str) -> None:
    """Add a row of plain texts: Rich would read brackets in a column's name as markup."""
    table.add_row(*(Text(cell, overflow="fold") for cell in cells))
