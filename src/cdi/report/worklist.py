"""The registrar's worklist of a version, restricted: a page, a sheet, and a page per log.

What stands on a log's page is what `make explain` tells of it, asked for all pages at once.
"""

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
from markupsafe import Markup, escape

from cdi.agency.model import Agency
from cdi.build.version import Version
from cdi.people.worklist_sheet import write_worklist_csv, write_worklist_xlsx
from cdi.render import render
from cdi.report import call as report_call
from cdi.report.call import answer_in_words, hit_in_words, read_said_words
from cdi.report.wording import FACT, VERDICTS, fact_in_words, in_words
from cdi.sql import fetch_dicts

PAGES = 400  # rows that have a page: what a registrar's unit reads in a month
SHEET_ROWS = 2_000
FIRST_ROWS = 40  # of each list, until the reader asks for more
FOLDER = "worklist"
# For each meaning of the lexicon the side that its words are on: they speak for a crime, against
# one, or only about the people in it. Of words with two meanings the earlier side here is shown.
SIDES = {
    "for": {"crime", "recorded"},
    "against": {
        "no_crime", "unsure", "negates_clause", "reason", "excuse", "no_offences", "relabel",
    },
    "people": {"further_crime", "offenders", "domestic_abuse"},
}  # fmt: skip
CANDIDATES = 5  # records shown of a log

Row = dict[str, Any]


def write_worklist(con: duckdb.DuckDBPyConnection, version: Version) -> Path:
    """Write the folder ``worklist/`` beside the private file.

    Args:
        con: The private file.
        version: Whose it is.

    Returns:
        The folder.
    """
    folder = version.folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    (release,) = fetch_dicts(con, "from release")
    listed = fetch_dicts(con, LISTED, {"rows": SHEET_ROWS})
    rows = [_listed(row, number, version) for number, row in enumerate(listed, 2)]
    reasons = con.execute(
        "select reason_code, reason_name from rules.reasons where is_legitimate order by all"
    ).fetchall()
    title = f"Worklist of {version.agency.name}, version {version.name}"
    if version.agency.is_simulated and "SIMULATED" not in title:
        title = f"SIMULATED: {title}"
    write_worklist_csv(folder / "worklist.csv", rows)
    made_at = release["as_of"]
    write_worklist_xlsx(folder / "worklist.xlsx", rows, reasons, title, made_at)

    paged = _paged(rows)
    pages = page_names(row["call_id"] for row in paged)
    common = {"agency": version.agency, "is_simulated": version.agency.is_simulated,
              "release": release, "version": version.name}  # fmt: skip
    in_time = sorted((r for r in paged if _is_in_time(r)), key=lambda r: r["hours_left"])
    page = render(
        "worklist.html.j2",
        **common,
        totals=fetch_dicts(con, TOTALS)[0],
        lists=[
            ("Still in time", in_time),
            ("Overdue or decided", [r for r in paged if not _is_in_time(r)]),
        ],
        severities=fetch_dicts(con, "from rules.severities order by severity_rank"),
        pages=pages,
        first_rows=FIRST_ROWS,
        sheet_rows=len(rows),
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    if pages:
        told = read_stories(con, version.agency, list(pages))
        order = list(pages)
        for place, call in enumerate(order):
            page = render(
                "log.html.j2",
                **common,
                **told[call],
                call_id=call,
                suspected=[row for row in paged if row["call_id"] == call],
                before=pages[order[place - 1]] if place else None,
                after=pages[order[place + 1]] if place + 1 < len(order) else None,
                reasons=reasons,
            )
            (folder / "logs" / pages[call]).write_text(page, encoding="utf-8")
    return folder


def _is_in_time(row: Mapping[str, Any]) -> bool:
    return row["hours_left"] is not None and row["hours_left"] > 0


def _paged(rows: Sequence[Row]) -> list[Row]:
    """The rows with a page: what is likely and still in time, then by place on the list."""
    urgent = [row for row in rows if row["is_likely"] and _is_in_time(row)][:PAGES]
    chosen = {row["reported_crime_id"] for row in urgent}
    rest = [row for row in rows if row["reported_crime_id"] not in chosen]
    chosen |= {row["reported_crime_id"] for row in rest[: PAGES - len(urgent)]}
    return [row for row in rows if row["reported_crime_id"] in chosen]


def _listed(row: Row, number: int, version: Version) -> Row:
    """A row of the list, with what the sheet says besides, and its number there."""
    return row | {
        "sheet_row": number,
        "time_limit": time_limit_in_words(row["hours_left"]) or row["status"],
        "decision": None,
        "decided_by": None,
        "second_person": None,
        "reason_code": None,
        "note": None,
        "version": version.name,
        "data": "SIMULATED" if version.agency.is_simulated else None,
    }


def time_limit_in_words(hours: float | None) -> str | None:
    """Hours left, or how long the limit is over, in words."""
    if hours is None:
        return None
    if hours >= 0:
        return f"{hours:,.0f} h left"
    return f"{-hours:,.0f} h over" if hours > -48 else f"{-hours / 24:,.0f} d over"


def page_names(calls: Iterable[str]) -> dict[str, str]:
    """A file name for each call's page: the call's number, of letters that any system takes."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for call in dict.fromkeys(calls):
        name = re.sub(r"[^A-Za-z0-9-]+", "_", call)
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        names[call] = f"{name}.html"
    return names


def read_stories(
    con: duckdb.DuckDBPyConnection, agency: Agency, calls: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """What the pages of some calls tell, by call.

    Args:
        con: A published (or private) file.
        agency: Whose calls.
        calls: Ids of the calls.
    """

    def by_call(query: str) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in fetch_dicts(con, query, {"calls": list(calls)}):
            found[row["call_id"]].append(row)
        return found

    parts = {name: by_call(query) for name, query in PARTS.items()}
    said = read_said_words(con, calls)
    questions = {
        row["column_name"]: fact_in_words(row["comment"])
        for row in fetch_dicts(con, report_call.QUESTIONS, {"fact": f"{FACT}%"})
    }
    reasons = dict(con.execute("select reason_code, reason_name from rules.reasons").fetchall())
    told = {}
    for call in calls:
        of = {name: rows[call] for name, rows in parts.items()}
        phrases = said.get(call, {})
        told[call] = {
            "call": _call(of["call"][0], agency),
            "parts": _parts(of["entries"], _marks(of["hits"], phrases)),
            "hits": [_hit(hit, phrases) for hit in of["hits"]],
            "readings": of["reading"],
            "evidence": [_evidence(row, phrases) for row in of["evidence"]],
            "decisions": [
                {**row, "verdict": VERDICTS.get(row["verdict"], row["verdict"])}
                for row in of["decisions"]
            ],
            "facts": [
                (question, [answer_in_words(row.get(fact), reasons) for row in of["facts"]])
                for fact, question in questions.items()
            ],
            "crimes": of["crimes"],
            "candidates": [_local(row, agency) for row in of["candidates"][:CANDIDATES]],
        }
    return told


def _call(row: Row, agency: Agency) -> list[tuple[str, str]]:
    """Names and values of the call, without those that have none."""
    shown = (
        ("Received", local_clock(row["received_at"], agency)),
        ("Closed", local_clock(row["closed_at"], agency)),
        ("Reported by", row["source_channel"]),
        ("Grade", row["priority_code"]),
        ("Opened as", row["opened_as"]),
        ("Closed as", row["closed_as"]),
        ("Result", row["result"]),
        ("Qualifiers", row["qualifiers"]),
        ("Place", ", ".join(filter(None, (row["district"], row["beat"])))),
    )
    return [(name, value) for name, value in shown if value]


def local_clock(moment: datetime | None, agency: Agency) -> str | None:
    """A time of the file (UTC) as the agency's clocks show it."""
    if moment is None:
        return None
    return f"{moment.replace(tzinfo=UTC).astimezone(agency.zone):%-d %B %Y, %H:%M}"


def _local(row: Row, agency: Agency) -> Row:
    return {**row, "recorded_at": local_clock(row["recorded_at"], agency)}


def _side(meaning: str) -> str:
    return next(side for side, meanings in SIDES.items() if meaning in meanings)


def _marks(hits: Sequence[Row], phrases: Mapping[str, list[str]]) -> dict[str, str]:
    """Words of the log, and the side that they are on."""
    sides = defaultdict(set)
    for hit in hits:
        for phrase in phrases.get(hit["lexicon_id"], []):
            sides[phrase].add(_side(hit["meaning"]))
    return {phrase: min(found, key=list(SIDES).index) for phrase, found in sides.items()}


def _parts(entries: Sequence[Row], marks: Mapping[str, str]) -> list[tuple[str, list[Markup]]]:
    """The entries of each part of the log, the first account first, evidence marked."""
    of: dict[str, list[Markup]] = defaultdict(list)
    for row in entries:
        of[row["part"]].append(mark_text(row["entry"], marks))
    order = sorted(of, key=lambda part: ("account", "reopening", "closing").index(part))
    return [(part, of[part]) for part in order]


def mark_text(text: str, marks: Mapping[str, str]) -> Markup:
    """Text as HTML, with phrases marked.

    Of two phrases that overlap the one that begins first is marked whole. A phrase about people is
    marked only where no other is: in "by her ex who hit her" the crime must stay visible.
    """
    sides = [""] * len(text)
    for is_evidence in (False, True):  # evidence last, so that it covers what is about people
        phrases = [phrase for phrase, side in marks.items() if (side != "people") == is_evidence]
        longest_first = sorted(phrases, key=len, reverse=True)
        pattern = "|".join(map(re.escape, longest_first))
        for found in re.finditer(pattern, text) if pattern else ():
            sides[found.start() : found.end()] = [marks[found[0]]] * len(found[0])
    pieces, at = [], 0
    for side, places in groupby(sides):
        piece = text[at : at + len(list(places))]
        mark = Markup('<mark class="{}">{}</mark>').format(side, piece)
        pieces.append(mark if side else escape(piece))
        at += len(piece)
    return Markup("").join(pieces)


def _hit(hit: Row, phrases: Mapping[str, list[str]]) -> Row:
    meaning, subject = hit_in_words(hit)
    return {
        "part": hit["part"],
        "meaning": meaning,
        "subject": subject,
        "side": _side(hit["meaning"]),
        "phrases": phrases.get(hit["lexicon_id"], []),
        "lexicon_id": hit["lexicon_id"],
    }


def _evidence(row: Row, phrases: Mapping[str, list[str]]) -> Row:
    kind, code = row["evidence_kind"], row["evidence_code"]
    if kind.startswith("log_text"):
        what = ", ".join(f"“{phrase}”" for phrase in phrases.get(code, [])) + f" [{code}]"
    elif kind.startswith("text_model"):
        what = f"{row['crime_probability']:.0%} by model {code}"
    else:
        what = " ".join(filter(None, (code, row["code_name"])))
    crime = "Rape" if row["is_rape"] else row["offence_group_name"]
    return {
        "kind": in_words(kind),
        "strength": row["evidence_strength"],
        "crime": crime,
        "what": what,
    }


# ---------------------------------------------------------------------- queries

TOTALS = """
    select
        count(*) filter (where is_likely and hours_left > 0 and status <> 'dismissed') as in_time,
        count(*) filter (where is_likely and hours_left <= 0 and status <> 'dismissed') as overdue,
        count(*) filter (where not is_likely and status <> 'dismissed') as possible,
        count(*) filter (where status = 'confirmed') as confirmed,
        count(*) filter (where status = 'dismissed') as dismissed
    from unrecorded_crimes
"""

LISTED = """
    with listed as (
        from unrecorded_crimes
        where list_place <= $rows or (is_likely and hours_left > 0)
    ),

    accounts as (
        select
            call_id,
            left(string_agg(entry, ' / ' order by entry_number), 500) as first_account
        from disclosure.int_disclosure__log_entries
        where part = 'account' and call_id in (select call_id from listed)
        group by call_id
    )

    select
        listed.*,
        accounts.first_account,
        groups.offence_group_name,
        cast(timezone(release.timezone, timezone('UTC', listed.reported_at)) as date) as received_on
    from listed
    cross join release
    left join accounts on listed.call_id = accounts.call_id
    left join rules.offence_groups as groups on listed.offence_group = groups.offence_group
    order by listed.list_place
"""

FACTS = """
    select *
    from disclosure.int_disclosure__facts
    where call_id in (select unnest($calls))
    order by call_id, crime_number
"""

# leftover records that could belong to the call or to its incident, with the probability that they
# do, as linkage.int_linkage__scored works it out; and records that are linked to the call
CANDIDATE_RECORDS = """
    with wanted as (
        select
            calls.call_id,
            coalesce(logs.first_call_id, calls.call_id) as incident_call_id
        from (select unnest($calls) as call_id) as calls
        left join linkage.int_linkage__first_logs as logs on calls.call_id = logs.call_id
    ),

    base as (
        select level = 'crime' as is_crime_record, weight
        from linkage.int_linkage__weights
        where comparison = 'leftover'
    ),

    near as (
        select distinct pairs.crime_record_id
        from linkage.int_linkage__comparisons as pairs
        inner join wanted on pairs.incident_call_id = wanted.incident_call_id
        where pairs.is_match is null
    ),

    incidents as (
        select
            pairs.crime_record_id,
            pairs.incident_call_id,
            max(patterns.weight + coalesce(base.weight, -1)) as weight
        from linkage.int_linkage__comparisons as pairs
        inner join near on pairs.crime_record_id = near.crime_record_id
        inner join linkage.int_linkage__pattern_weights as patterns
            on pairs.pattern = patterns.pattern
        left join base on pairs.is_crime_record = base.is_crime_record
        where pairs.is_match is null
        group by pairs.crime_record_id, pairs.incident_call_id
    ),

    scored as (
        select
            crime_record_id,
            incident_call_id,
            pow(2, weight) / (1 + sum(pow(2, weight)) over (partition by crime_record_id))
                as probability
        from incidents
    ),

    found as (
        select wanted.call_id, scored.crime_record_id, scored.probability
        from scored
        inner join wanted on scored.incident_call_id = wanted.incident_call_id
        union
        select links.call_id, links.crime_record_id, links.link_probability
        from links
        inner join wanted on links.call_id = wanted.call_id
    )

    select
        found.call_id,
        found.crime_record_id,
        max(found.probability) as probability,
        any_value(records.recorded_at) as recorded_at,
        any_value(coalesce(offences.name, records.offence_name, records.offence_code)) as offence,
        any_value(offences.offence_group is not null) as is_crime,
        any_value(records.status_code) as status_code,
        any_value(links.call_id) as linked_call_id,
        any_value(links.link_rung) as link_rung
    from found
    inner join staging.stg_crime_records as records
        on found.crime_record_id = records.crime_record_id and not records.is_withdrawn
    left join codes.offences as offences on records.offence_code = offences.code
    left join links on found.crime_record_id = links.crime_record_id
    group by found.call_id, found.crime_record_id
    order by found.call_id, probability desc, found.crime_record_id
"""

PARTS = {
    "call": report_call.CALL,
    "entries": report_call.ENTRIES,
    "hits": report_call.HITS,
    "reading": report_call.READING,
    "evidence": report_call.EVIDENCE,
    "facts": FACTS,
    "decisions": report_call.DECISIONS,
    "crimes": report_call.CRIMES,
    "candidates": CANDIDATE_RECORDS,
}
