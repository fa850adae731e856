"""What the page of a log shows: the finding from facts first, then the log, its records, the rule.

The pages of the worklist and the desk show it, each with its own way to decide.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from markupsafe import Markup

from cdi.agency.model import Agency
from cdi.report.call import CallStory, read_rows_by_call, read_stories
from cdi.report.marks import choose_sides, mark_parts, side_of_meaning
from cdi.report.wording import local_time
from cdi.sql import read_query

SQL = Path(__file__).parent / "sql"
CANDIDATES = 5  # records shown of a log

Row = dict[str, Any]


@dataclass(frozen=True)
class LogView:
    """What a page shows of a log.

    Attributes:
        story: What the version says about the call.
        parts: The parts of the log, each with its entries, in which evidence is marked.
        sides: Of each meaning of the lexicon that the log hits, the side that it is shown on.
        listed: Crimes of the log that are on the worklist.
        finding: The sentences that the page begins with.
        candidates: Records that could be of a missed crime, the likeliest first.
        earlier_calls: Earlier logs of the victim, the newest first.
    """

    story: CallStory
    parts: list[tuple[str, list[Markup]]]
    sides: Mapping[str, str]
    listed: list[Row]
    finding: list[str]
    candidates: list[Row]
    earlier_calls: list[str]


def read_logs(
    con: duckdb.DuckDBPyConnection, agency: Agency, calls: Sequence[str]
) -> dict[str, LogView]:
    """Read what the pages of some logs show; all of them at once, as one by one is slow.

    Args:
        con: A published (or private) file.
        agency: Whose logs.
        calls: Ids of calls that the file has.
    """
    stories = read_stories(con, agency, calls)
    candidates = read_rows_by_call(con, read_query(SQL / "candidate_records.sql"), calls)
    records = read_rows_by_call(con, read_query(SQL / "records_of_call.sql"), calls)
    listed = read_rows_by_call(con, LISTED, calls)
    views = {}
    for call_id in calls:
        story = stories[call_id]
        views[call_id] = LogView(
            story=story,
            parts=mark_parts(story.entries, choose_sides(story.hits)),
            sides={hit.meaning: side_of_meaning(hit.meaning) for hit in story.hits},
            listed=listed[call_id],
            finding=write_finding(listed[call_id], records[call_id], agency),
            candidates=[
                row | {"recorded_at": local_time(row["recorded_at"], agency)}
                for row in candidates[call_id][:CANDIDATES]
            ],
            earlier_calls=next((row["earlier_call_ids"] or [] for row in listed[call_id]), []),
        )
    return views


def write_finding(
    listed: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]], agency: Agency
) -> list[str]:
    """Say from facts what a log reports, what was recorded from it, and what was not found.

    Args:
        listed: Crimes of the log that are on the worklist.
        records: Records that are linked to the log.
        agency: Whose log.
    """
    reported = (f"{_name_offence(crime)} {_is_or_may_be(crime)} reported." for crime in listed)
    sentences = list(dict.fromkeys(reported))  # two crimes of one kind are said once
    made = [
        f"{row['offence']} {row['crime_record_id']}"
        + (f" ({local_time(row['recorded_at'], agency)})" if row["recorded_at"] else "")
        for row in records
        if row["is_crime"]
    ]
    if made:
        sentences.append(f"Recorded from this log: {'; '.join(made)}.")
    else:
        sentences.append("No crime was recorded from this log.")
    for row in records:
        if not row["is_crime"]:
            sentences.append(f"Kept as no crime: {row['offence']} {row['crime_record_id']}.")
    if any(crime["is_rape"] for crime in listed):
        which = " for the crime in question" if made else ""
        n100 = "" if any(row["is_n100"] for row in records) else " and no N100"
        sentences.append(f"No record of a rape{n100} was found{which}.")
    elif made and listed:
        others = dict.fromkeys(crime["offence_group_name"].lower() for crime in listed)
        sentences.append(f"No record of {' or '.join(others)} was found for the crime in question.")
    return sentences


def _name_offence(crime: Mapping[str, Any]) -> str:
    return "A rape" if crime["is_rape"] else str(crime["offence_group_name"] or "A crime")


def _is_or_may_be(crime: Mapping[str, Any]) -> str:
    if not crime["is_likely"]:
        return "may be"
    # names of offence groups such as "Sexual offences"
    return "are" if re.search(r"\b(offences|crimes)\b", _name_offence(crime)) else "is"


LISTED = """
    select
        listed.call_id,
        listed.reported_crime_id,
        cast(split_part(listed.reported_crime_id, '#', -1) as integer) as crime_number,
        -- a decision does not change what the log reports, though no record is needed
        if(listed.status = 'dismissed', listed.likelihood <> 'possible', listed.is_likely)
            as is_likely,
        listed.is_rape,
        listed.due_at,
        listed.severity,
        listed.suspicion,
        listed.miss_probability,
        listed.non_crime_record_id,
        listed.earlier_call_ids,
        listed.status,
        listed.decided_by,
        groups.offence_group_name
    from main.unrecorded_crimes as listed
    left join rules.offence_groups as groups on listed.offence_group = groups.offence_group
    where listed.call_id in (select unnest($calls))
    order by listed.call_id, listed.list_place
"""
