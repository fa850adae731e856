"""The pages of the desk: what each of them shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request

from cdi.agency.key_rules import find_canonical
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.clock import clock_time, day_and_time
from cdi.desk.claims import Claim, read_claims, take_claim
from cdi.desk.deciding import Wish
from cdi.desk.forms import find_page_before, make_token
from cdi.desk.people import Door, Person, Right
from cdi.desk.queue import (
    LISTS,
    Crime,
    Filters,
    is_in_time,
    list_choices,
    list_logs,
    read_crimes,
    read_logs_a_month,
    status_of,
)
from cdi.desk.standing import (
    CONFIRMED,
    DISMISSED,
    PASSED,
    PROPOSED,
    SUSPECTED,
    UNDONE,
    Decision,
    Standing,
    count_lost_decisions,
    has_effect,
    read_standing,
)
from cdi.desk.versions import Shown
from cdi.desk.visit import DeskError, Visit
from cdi.errors import CdiError
from cdi.files import sha256_of_json
from cdi.people.decision_file import KINDS_IN_WORDS, name_deciders
from cdi.render import render
from cdi.report.log import LogView, read_logs
from cdi.report.search import find_call_id, find_call_of_record
from cdi.report.wording import deadline_in_words, local_time
from cdi.sql import connect, fetch_dicts, read_query, scalar

SQL = Path(__file__).parent / "sql"
LOGS_PER_PAGE = 50
# What a decision is called, to whoever reads the log later.
KINDS_AT_DESK = KINDS_IN_WORDS | {
    "confirmed": "confirmed: it must be recorded",
    "dismissed": "dismissed",
    "proposed": "proposed to be dismissed; it waits for a second person",
}


def show_agencies(request: Request, person: Person, places: list[str]) -> str:
    """The page of somebody who may see several agencies, or none; places are below the desk."""
    named = [(place, _name_agency(place.partition("/")[0])) for place in places]
    return render_page("desk_agencies.html.j2", request, person, agencies=named)


def show_queue(visit: Visit, filters: Filters, page: int) -> str:
    """The queue."""
    shown, standing = visit.shown, read_standing(visit.shown.agency)
    query = visit.request.query_params
    claims, choices = read_claims(visit.agency_id), list_choices(shown)
    logs = list_logs(shown, standing, claims, filters)
    counts, in_time_counts = dict.fromkeys(LISTS, 0), dict.fromkeys(LISTS, 0)
    crimes = read_crimes(shown.file)
    for crime in crimes:
        status = status_of(crime, standing)
        counts[status] += 1
        in_time_counts[status] += is_in_time(crime, shown.now)
    # The others that the report counts as still in time: they wait for somebody else.
    elsewhere = {name: in_time_counts[name] for name in (CONFIRMED, PASSED, PROPOSED)}
    page_count = max(-(-len(logs) // LOGS_PER_PAGE), 1)
    page = min(page, page_count)  # a bookmark may name a page that the queue no longer has
    first = (page - 1) * LOGS_PER_PAGE
    return render_visit(
        "desk_queue.html.j2",
        visit,
        filters=filters,
        choices=choices,
        filtered_by=_name_filters(filters, choices),
        lists=LISTS,
        counts=counts,
        logs=logs[first : first + LOGS_PER_PAGE],
        log_count=len(logs),
        in_time_count=sum(log.due_at is not None for log in logs),
        crime_count=sum(len(log.crimes) for log in logs),
        in_time_crime_count=sum(
            is_in_time(crime, shown.now) for log in logs for crime in log.crimes
        ),
        in_time_elsewhere={name: count for name, count in elsewhere.items() if count},
        logs_a_month=read_logs_a_month(shown),
        # an address may say anything, so only a log of the list is named
        freed=next((c["call_id"] for c in crimes if c["call_id"] == query.get("freed")), None),
        is_last="last" in query,
        page=page,
        page_count=page_count,
        deadline=lambda crime: _deadline(crime, filters.list, shown),
        done=_describe_done(visit, standing, query.get("done", "")),
        lost_decisions=count_lost_decisions(shown.agency, shown.file, standing),
    )


def show_log(
    visit: Visit, typed: str, filters: Filters, by: str, done: str, record: str = ""
) -> str:
    """The page of a log; who may decide about it claims it by opening it.

    Args:
        visit: The request.
        typed: Number of the log.
        filters: Which logs the queue shows.
        by: `lot` if the log was drawn by lot, else `order`.
        done: Reference of the decision that was just taken.
        record: Number of a record that somebody found in the records system and may want to link.
    """
    view, crimes = _read_log(visit, typed)
    call_id = view.story.call_id
    standing = read_standing(visit.shown.agency)
    is_open = bool(list_crimes(visit.shown, standing, call_id, SUSPECTED, PROPOSED, PASSED))
    claim = None
    if is_open and (visit.may(Right.DECIDE) or visit.may(Right.SECOND)):
        claim = take_claim(visit.agency_id, call_id, visit.person.name)
    return _render_log(visit, view, crimes, standing, claim, filters, by, done, record=record)


def show_again(visit: Visit, wish: Wish, filters: Filters, problem: str) -> str:
    """The page of a log whose form was not saved: it says why, and keeps what was typed.

    Args:
        visit: The request.
        wish: What the form said.
        filters: Which logs the queue shows.
        problem: Why it was not saved, without a full stop.
    """
    view, crimes = _read_log(visit, wish.call_id)
    standing = read_standing(visit.shown.agency)
    claim = None
    if visit.may(Right.DECIDE) or visit.may(Right.SECOND):
        claim = take_claim(visit.agency_id, view.story.call_id, visit.person.name)
    return _render_log(
        visit,
        view,
        crimes,
        standing,
        claim,
        filters,
        wish.selection,
        done="",
        problem=problem,
        typed=wish,
        record=wish.record_id,
    )


def find_log(visit: Visit, typed: str) -> str:
    """Find the log that somebody looks for.

    Raises:
        DeskError: 404 if there is no log or record with this number, or if the record has no log.
    """
    agency = visit.shown.agency
    with connect(visit.shown.file, read_only=True) as con:
        try:
            return find_call_id(con, agency, typed)
        except CdiError as error:
            call_id, is_record = find_call_of_record(con, agency, typed)
            if is_record:
                (record_id,) = find_canonical(agency, "record", [typed.strip()]).values()
                call_id = read_standing(agency).find_linked_call(record_id, call_id)
            if call_id is not None:
                return call_id
            told = error.message.removeprefix(
                f"the published version of {agency.agency} has no log"
            )
            sentence = f"{agency.name} has no log or record{told}."
            if is_record:
                sentence = f"{typed} is a record that no log is linked to."
            raise DeskError(404, "Nothing was found", sentence[:1].upper() + sentence[1:]) from None


def show_message(
    request: Request, title: str, sentence: str, back: str = "", *, in_another_tab: bool = False
) -> str:
    """A page that says one thing, for example why something was refused, and leads back.

    Args:
        request: The request that it answers.
        title: What happened.
        sentence: Why, and what to do.
        back: Words of the link; by default they say where it leads.
        in_another_tab: Whether the link leaves this page open, which has what was typed.
    """
    person = request.app.state.door.find_person(request)
    way, words = _find_way_back(request, person)
    return render_page(
        "desk_message.html.j2",
        request,
        person,
        title=title,
        sentence=sentence,
        way=way,
        back=back or words,
        in_another_tab=in_another_tab,
        searched=request.query_params.get("q", "") if request.url.path.endswith("/search") else "",
    )


def _find_way_back(request: Request, person: Person | None) -> tuple[str, str]:
    """Find where a message leads back to: an address that the person may see, and its words."""
    if log := find_page_before(request):
        return log, "Back to the log"
    door: Door = request.app.state.door
    agency = request.path_params.get("agency", "")
    if (
        person
        and door.has_right(request, person, agency, Right.AUDIT)
        and not door.has_right(request, person, agency, Right.SEE)
    ):
        return "audit", "Back to the audits"
    return "./", "Back to the queue"


def list_crimes(shown: Shown, standing: Standing, call_id: str, *statuses: str) -> list[Crime]:
    """List the crimes of a log that stand in one of some ways."""
    return [
        crime
        for crime in read_crimes(shown.file)
        if crime["call_id"] == call_id and status_of(crime, standing) in statuses
    ]


def parse_filters(text: str) -> Mapping[str, str]:
    """Read filters that a form carries along, written as the query of an address."""
    return {name: values[0] for name, values in parse_qs(text).items()}


def end_of_claim(claim: Claim, shown: Shown) -> str:
    """Until when a claim holds, as clocks of today show it even where that of the desk stopped."""
    end = clock_time(claim.until.astimezone(shown.agency.zone))
    return f"{end} by today’s clock" if shown.has_stopped else end


def _name_filters(filters: Filters, choices: Mapping[str, Sequence[tuple[str, str]]]) -> list[str]:
    """Name the filters that are set, for whoever has the list on paper."""
    named = [
        dict(pairs).get(value, value)
        for name, pairs in choices.items()
        if (value := getattr(filters, name))
    ]
    days = (("received from", filters.since), ("received until", filters.until))
    named += [f"{word} {date.fromisoformat(day):%-d %B %Y}" for word, day in days if day]
    return [*named, f"with the words “{filters.text}”"] if filters.text else named


def _read_log(visit: Visit, typed: str) -> tuple[LogView, list[Crime]]:
    """Read a log of the version, and those of its crimes that are on the worklist."""
    agency = visit.shown.agency
    with connect(visit.shown.file, read_only=True) as con:
        call_id = find_call_id(con, agency, typed)
        view = read_logs(con, agency, [call_id])[call_id]
    return view, _crimes_of_log(visit.shown, call_id)


def _crimes_of_log(shown: Shown, call_id: str) -> list[Crime]:
    return [crime for crime in read_crimes(shown.file) if crime["call_id"] == call_id]


def _render_log(
    visit: Visit,
    view: LogView,
    crimes: list[Crime],
    standing: Standing,
    claim: Claim | None,
    filters: Filters,
    by: str,
    done: str,
    problem: str = "",
    typed: Wish | None = None,
    record: str = "",
) -> str:
    call_id, agency = view.story.call_id, visit.shown.agency
    looked_up = _look_up_record(visit.shown, standing, record) if record.strip() else None
    evidence = sha256_of_json(asdict(view))
    view = replace(view, candidates=[_link_by_people(row, standing) for row in view.candidates])
    is_mine = claim is not None and visit.person.is_same(claim.person)
    is_others = claim is not None and not is_mine
    may_decide = visit.may(Right.DECIDE) and not is_others
    may_second = visit.may(Right.SECOND) and not is_others
    rows = []
    for crime in crimes:
        newest = standing.newest(call_id, crime["crime_number"])
        status = status_of(crime, standing)
        is_own = newest is not None and visit.person.is_same(newest["decided_by"])
        may_agree = status == PROPOSED and may_second and not is_own
        rows.append(
            crime
            | {
                "standing": status,
                "newest": newest,
                "seen": standing.seen(call_id, crime["crime_number"]),
                "deadline": _deadline(crime, status, visit.shown),
                "is_own": is_own,
                "may_agree": may_agree,
                "has_form": may_agree or may_decide,
                "may_dismiss": may_decide and status in (SUSPECTED, PASSED),
                "typed": typed if typed and typed.crime_number == crime["crime_number"] else None,
            }
        )
    reasons = _read_reasons(visit.shown)
    taken = standing.by_call.get(call_id, [])
    decisions = [
        {
            "what": KINDS_AT_DESK.get(row["decision_kind"], row["decision_kind"]),
            "crime": row["crime_number"],
            "record": row["record_reference"],
            "by": name_deciders(row),
            "at": _decided_at(row["decided_at"], agency),
            "reason": dict(reasons).get(row["reason_code"], row["reason_code"]),
            "note": row["reason"],
            "counts": has_effect(taken, row, crimes),
        }
        for row in taken
    ]
    counting = [row for row, told in zip(taken, decisions, strict=True) if told["counts"]]
    return render_visit(
        "desk_log.html.j2",
        visit,
        log=view,
        call_id=call_id,
        crimes=rows,
        kinds=KINDS_AT_DESK,
        deadline_of=lambda crime: crime["deadline"],
        claim=claim,
        claimed_until=end_of_claim(claim, visit.shown) if claim else None,
        is_mine=is_mine,
        may_decide=may_decide,
        may_only_read=not (visit.may(Right.DECIDE) or visit.may(Right.SECOND)),
        may_pass_on=not visit.is_registrar,
        seen_of_call=standing.seen(call_id),
        decisions=decisions,
        changes_figures=bool(counting),
        counts_already=bool(counting) and _is_in_version(visit.shown, counting[-1]),
        reasons=reasons,
        reason_names=dict(reasons),
        filters=filters,
        by="lot" if by == "lot" else "order",
        evidence=evidence,
        typed_record=record.strip(),
        looked_up=looked_up,
        records=_list_record_choices(view, standing, looked_up) if may_decide else [],
        problem=problem,
        typed=typed,
        done=_describe_done(visit, standing, done),
        lost_decisions=count_lost_decisions(agency, visit.shown.file, standing),
    )


def _look_up_record(shown: Shown, standing: Standing, typed: str) -> dict[str, Any] | None:
    """Find the record whose number somebody typed; None if the version has no such record.

    Where people have linked it with a log since the version was built, it is linked with that one.
    """
    (record_id,) = find_canonical(shown.agency, "record", [typed.strip()]).values()
    query = read_query(SQL / "record.sql")
    with connect(shown.file, read_only=True) as con:
        rows = fetch_dicts(con, query, {"records": [record_id]})
    for row in rows:
        row["recorded_at"] = local_time(row["recorded_at"], shown.agency)
    return _link_by_people(rows[0], standing) if rows else None


def _link_by_people(record: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
    """Say of a record which log it is linked with since the version, and who linked them."""
    record_id = record["crime_record_id"]
    linked = standing.find_linked_call(record_id, record["linked_call_id"])
    now = {"linked_call_id": linked, "linked_by": standing.linked_by(record_id)}
    # how the version found its log is told of no other one
    rung = record.get("link_rung") if linked == record["linked_call_id"] else None
    return {**record, **now, "link_rung": rung}


def _list_record_choices(
    view: LogView, standing: Standing, looked_up: Mapping[str, Any] | None
) -> list[dict[str, str | None]]:
    """List what can be decided about records of a log, each with the kind of the decision.

    A link, or what parts one, can be taken back, also if the record is no candidate any more. A
    record that was looked up comes first.
    """
    call_id = view.story.call_id
    newest = {
        record: row["decision_kind"]
        for (record, call), row in standing.links.items()
        if call == call_id
    }
    choices: list[dict[str, str | None]] = [
        {"record": record, "kind": UNDONE, "before": kind, "taken_from": None, "linked_by": ""}
        for record, kind in newest.items()
        if kind in ("link", "null_link")
    ]
    listed = {choice["record"] for choice in choices}
    for candidate in [*([looked_up] if looked_up else []), *view.candidates]:
        record, linked = candidate["crime_record_id"], candidate["linked_call_id"]
        if candidate["is_crime"] and record not in listed:
            listed.add(record)  # a record that was looked up may be a candidate too
            is_here = linked == call_id
            kind = "null_link" if is_here else "link"
            taken_from = None if is_here else linked
            by = candidate["linked_by"]
            choices.append(
                {"record": record, "kind": kind, "taken_from": taken_from, "linked_by": by}
            )
    return choices


def is_accepted(shown: Shown, reason_code: str) -> bool:
    """Whether a reason is one for which a crime needs no record."""
    return reason_code in dict(_read_reasons(shown))


def _read_reasons(shown: Shown) -> list[tuple[str, str]]:
    with connect(shown.file, read_only=True) as con:
        return con.execute(
            "select reason_code, reason_name from rules.reasons where is_legitimate "
            "order by reason_name"
        ).fetchall()


def _is_in_version(shown: Shown, decision: Decision) -> bool:
    """Whether a decision was landed before the version was built."""
    query = "select count(*) from staging.stg_decisions where decision_reference = ?"
    with connect(shown.file, read_only=True) as con:
        return bool(scalar(con, query, [decision["decision_reference"]]))


def _describe_done(visit: Visit, standing: Standing, reference: str) -> dict[str, Any] | None:
    """Say what was just decided, if the reference is of a decision by this person."""
    for call_id, rows in standing.by_call.items() if reference else ():
        for row in rows:
            own = visit.person.is_same(row["decided_by"]) or visit.person.is_same(
                row["second_person"]
            )
            if own and row["decision_reference"] == reference:
                return {
                    "call": row["call_reference"],
                    "crime": row["crime_number"],
                    "record": row["record_reference"],
                    "what": KINDS_AT_DESK[row["decision_kind"]],
                    "counts": has_effect(rows, row, _crimes_of_log(visit.shown, call_id)),
                    "is_undone": row["decision_kind"] == UNDONE,
                    "is_confirmed": row["decision_kind"] == CONFIRMED,
                    "is_linked": row["decision_kind"] == "link",
                    "left_in_time": sum(
                        status_of(crime, standing) == SUSPECTED
                        and is_in_time(crime, visit.shown.now)
                        for crime in read_crimes(visit.shown.file)
                    ),
                }
    return None


def _deadline(crime: Crime, status: str, shown: Shown) -> str:
    if status == DISMISSED:
        return "No record needed"
    if not crime["is_likely"]:
        return "Possible"
    return deadline_in_words(crime["due_at"], shown.now, shown.agency) or "No time limit"


def _decided_at(text: str, agency: Agency) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return day_and_time(moment.astimezone(agency.zone))


def _name_agency(name: str) -> str:
    try:
        return load_agency(name).name
    except CdiError:
        return name


def render_visit(template: str, visit: Visit, **values: Any) -> str:
    """Render a page about an agency; all of them say how old the data is, and whose they are."""
    shown = visit.shown
    given = {"lost_decisions": 0, **values}
    return render_page(
        template,
        visit.request,
        visit.person,
        agency=shown.agency,
        is_simulated=shown.agency.is_simulated,
        version=shown.name,
        as_of=local_time(shown.as_of, shown.agency),
        age_hours=round(shown.age.total_seconds() / 3600),
        nothing_new_until=(
            local_time(shown.known_until, shown.agency) if shown.known_until > shown.as_of else None
        ),
        is_late=shown.is_late,
        unfilled=shown.unfilled,
        has_stopped=shown.has_stopped,
        effect=shown.effect_in_words,
        may_manage=visit.may(Right.MANAGE),
        may_start=visit.may(Right.DECIDE),
        token=make_token(visit),
        is_suspected=SUSPECTED,
        in_time=lambda crime: is_in_time(crime, shown.now),
        has_audits=visit.may(Right.MANAGE) or visit.may(Right.AUDIT),
        **given,
    )


def render_page(template: str, request: Request, person: Person | None, **values: Any) -> str:
    """Render a page of the desk, which says who is signed in."""
    door: Door = request.app.state.door
    given = {"is_simulated": False, **values}
    return render(
        template,
        root=request.scope.get("root_path", ""),
        person=person,
        sign_out=door.sign_out_path(),
        **given,
    )
