"""Make the data of the made-up agency `sample`: daily call logs and daily crime records.

SIMULATED: nobody and nothing in it is real, and no figure of it means anything (README.md).
The same seed gives the same bytes. To make ``data/`` anew::

    python agencies/sample/generate.py [folder]

Times are kept in UTC and written as local time, so the hour that 26 March 2017 lacks never occurs.
"""

import csv
import gzip
import io
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

HERE = Path(__file__).resolve().parent
SEED = 20170417
ZONE = ZoneInfo("Europe/London")
FIRST_DAY = date(2017, 3, 20)
DAY_COUNT = 14
CLOCK_CHANGE = date(2017, 3, 26)
REVIEW_DAY = date(2017, 3, 27)  # the bureau files last week's records: one day with many changes
FIRST_SERIAL = 41207  # occurrences since 1 January

T = TypeVar("T")

GIVEN_NAMES = (
    "Alda", "Bram", "Cerys", "Dov", "Elspeth", "Fergus", "Gwenda", "Hamish", "Isla", "Jo", "Keira",
    "Lorcan", "Morag", "Nevin", "Orla", "Petra", "Rhona", "Siân", "Tamsin", "Ulric", "Wilf", "Zoë",
)  # fmt: skip
SURNAMES = (
    "Ashgarthe", "Brackenbeck", "Cawthwaite", "Dunmoorby", "Ellerstang", "Fennickley", "Garsthorpe",
    "Holmbecker", "Inglerayne", "Kettlesby", "Langstrothe", "Marrickdale", "Nunwickham",
    "O'Swale", "Pellowgate", "Quarmsby-Tarn", "Ravensett", "Skelbecker", "Thornwicke", "Wathcotte",
)  # fmt: skip
STREETS = (
    "Larkspur Close", "Old Ropewalk", "Tannery Row", "Heron Way", "Foundry Lane", "Beck View",
    "Saltbox Yard", "Chapel Rigg", "Windmill Garth", "Station Parade",
)  # fmt: skip
DISTRICTS = {  # longitude, latitude
    "HB": (-1.5032, 54.3011),
    "KD": (-1.4127, 54.3398),
    "WS": (-1.6214, 54.2706),
    "TF": (-1.4480, 54.2255),
}

# opening code, closing code, offence code ("": none), theme of the text, share
SCENARIOS: tuple[tuple[str, str, str, str, float], ...] = (
    ("CR01", "CR01", "008/06", "violence", 2.2),
    ("CR02", "CR02", "105/01", "violence", 3.2),
    ("PW04", "CR02", "105/01", "violence", 0.9),
    ("AS01", "CR02", "003/01", "violence", 0.4),
    ("CR20", "CR20", "008/06", "domestic", 1.6),
    ("PW05", "CR20", "105/01", "domestic", 2.6),
    ("CR18", "CR18", "195/94", "harassment", 2.2),
    ("CR19", "CR19", "008/72", "harassment", 1.2),
    ("CR03", "CR03", "034/01", "robbery", 0.8),
    ("CR05", "CR05", "019/08", "sexual", 0.7),
    ("PW04", "CR05", "019/08", "sexual", 0.4),
    ("CR04", "CR04", "020/05", "sexual", 0.8),
    ("CR04", "CR04", "088/09", "sexual", 0.4),
    ("CR06", "CR06", "028/03", "burglary", 2.2),
    ("PW02", "CR07", "030/02", "burglary", 0.8),
    ("CR07", "CR07", "030/02", "burglary", 0.8),
    ("CR08", "CR08", "048/01", "vehicle", 0.8),
    ("CR09", "CR09", "045/10", "vehicle", 2.4),
    ("CR10", "CR10", "046/00", "theft", 3.0),
    ("CR11", "CR11", "049/10", "theft", 2.0),
    ("CR11", "CR11", "053/25", "theft", 0.6),
    ("CR12", "CR12", "044/00", "theft", 0.8),
    ("CR13", "CR13", "149/00", "damage", 3.2),
    ("AS02", "CR13", "058/00", "damage", 0.8),
    ("CR14", "CR14", "056/02", "damage", 0.4),
    ("PW08", "CR15", "092/61", "drugs", 0.6),
    ("CR15", "CR15", "092/61", "drugs", 0.4),
    ("CR16", "CR16", "008/26", "drugs", 0.4),
    ("CR16", "CR16", "008/11", "drugs", 0.2),
    ("CR17", "CR17", "125/11", "disorder", 1.6),
    ("CR22", "CR22", "054/01", "theft", 0.5),
    ("CR21", "CR21", "", "fraud", 1.0),
    # opened as a crime and closed as something else
    ("CR02", "AS01", "105/01", "violence", 1.2),
    ("CR13", "AS02", "149/00", "damage", 0.9),
    ("CR20", "PW05", "105/01", "domestic", 1.3),
    ("CR06", "PW08", "028/03", "burglary", 0.7),
    ("CR04", "PW04", "020/05", "sexual", 0.3),
    # no crime code at all; a few hide one
    ("PW05", "PW05", "105/01", "domestic", 5.0),
    ("AS01", "AS01", "125/11", "disorder", 5.5),
    ("AS02", "AS02", "149/00", "disorder", 6.5),
    ("AS03", "AS03", "", "disorder", 1.5),
    ("PW01", "PW01", "", "silent", 4.0),
    ("PW02", "PW02", "", "alarm", 4.0),
    ("PW03", "PW03", "", "dispute", 3.0),
    ("PW04", "PW04", "", "welfare", 8.0),
    ("PW06", "PW06", "", "welfare", 3.0),
    ("PW07", "PW07", "", "welfare", 0.8),
    ("PW08", "PW08", "", "alarm", 5.5),
    ("TR01", "TR01", "", "road", 2.0),
    ("TR02", "TR02", "", "road", 3.0),
    ("TR03", "TR03", "", "road", 4.0),
    ("AD02", "AD02", "", "admin", 1.5),
    ("AD03", "AD03", "", "admin", 3.0),
    ("PW08", "AD01", "", "alarm", 1.5),
)

TEXTS: dict[str, tuple[str, ...]] = {
    "violence": (
        "{victim} punched in the face outside {place}. Suspect made off on foot.",
        "{caller} reports {victim} assaulted at {place}, cut lip, ambulance declined.",
    ),
    "domestic": (
        "{caller} says partner grabbed {victim} by the arm. Children upstairs.",
        "Neighbour {caller} hears shouting and banging. {victim} tearful, red mark to neck.",
        "{caller} states ex partner {other} is at the door of {place} and has kicked it.",
    ),
    "harassment": (
        "{victim} getting repeated messages from {other}, 30 today. Wants it to stop.",
        "{caller} reports abusive posts naming {victim}.",
    ),
    "robbery": ("Two males took phone off {victim} at {place} and threatened to hurt him.",),
    "sexual": (
        "{caller} reports a sexual offence against {victim}. Specially trained officer asked for.",
    ),
    "burglary": (
        "{caller} came home to find rear door of {place} forced. Jewellery gone.",
        "Shutter at {place} lifted overnight; till emptied.",
    ),
    "vehicle": (
        "Car window smashed outside {place}, tools and sat nav taken. Owner {caller}.",
        "{caller} parked at {place} last night, vehicle gone this morning.",
    ),
    "theft": (
        "Male left store at {place} with spirits, not paid. CCTV held by {caller}.",
        "{caller} reports bag stolen from table at {place}.",
    ),
    "damage": (
        "{caller}: youths threw stones, front window of {place} broken.",
        "Car keyed along one side at {place}. {caller} wants a crime number for insurance.",
    ),
    "drugs": ("{caller} sees male at {place} with a knife or dealing. Stop and search.",),
    "disorder": (
        "Group of youths at {place} shouting and kicking a ball at fences.",
        "{caller} fed up with {other} next door, loud music again and abuse over the wall.",
    ),
    "fraud": ("{caller} paid for a caravan online, seller has vanished.",),
    "silent": ("Silent 999, open line, no voice. Call back, no reply.",),
    "alarm": (
        "Intruder alarm at {place}, keyholder {caller} informed.",
        "{caller} unsure about a van seen twice at {place}.",
    ),
    "dispute": ("{caller} and {other} disagree over a fence at {place}. Civil matter.",),
    "welfare": (
        "{caller} has not heard from {other} since yesterday. Asks for a check at {place}.",
        "Care worker {caller} gets no answer at {place}.",
    ),
    "road": ("Two cars touched at {place}, road partly blocked. {caller} on scene.",),
    "admin": ("Message for officer in the case from {caller}.",),
}
CONTACTS = (
    "Call back {caller} on {phone}.",
    "Contact {surname} on {phone_tight} after six.",
    "Statement to {email}.",
    "Inft {caller_upper} prefers e-mail: {email}, mobile {phone_intl}.",
    "DOB {born} given.",
)

REASONS = ("DUP", "NO CRIME", "NO CRIME", "OTH FORCE", "GOOD INT", "ADMIN")
MISSES = ("NOT RMS", "NOT RMS", "ADVICE", "NFA", "VIC NO ENG", "NO TRACE", "RMS CRIME")
HARMLESS = ("TRTR", "ADAD", "PWPW")  # opened and closed without a crime
HEADERS = (
    "Log Number", "Received", "Dispatched", "At Scene", "Closed", "Source", "Grade",
    "Opening Code", "Opening Description", "Closing Code", "Closing Description", "Result Code",
    "District", "Beat", "Longitude", "Latitude", "Location", "Case Reference", "Caller Name",
    "Caller Phone", "Victim Name", "Victim DOB", "Workstation", "Log Text",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Somebody invented."""

    given: str
    surname: str
    phone: str  # of the ranges that Ofcom keeps free for drama
    born: date

    @property
    def name(self) -> str:
        """Given name and surname."""
        return f"{self.given} {self.surname}"

    @property
    def email(self) -> str:
        """An address at example.org."""
        plain = {"â": "a", "ë": "e", "'": ""}
        text = f"{self.given}.{self.surname}".lower()
        return "".join(plain.get(c, c) for c in text) + "@example.org"


@dataclass(frozen=True)
class Place:
    """An invented address."""

    district: str
    beat: str
    longitude: float
    latitude: float
    address: str


@dataclass
class Record:
    """An occurrence of the records system, with the statuses that it went through."""

    offence: str
    reported: datetime
    recorded: datetime
    route: str
    place: Place
    victim: Person | None
    statuses: list[tuple[datetime, str]]
    log: str = ""
    number: str = ""


@dataclass(frozen=True)
class Closure:
    """One closing of a log."""

    at: datetime
    code: str
    result: str
    text: str = ""


@dataclass
class Log:
    """An incident log of the command and control system."""

    number: str
    received: datetime
    dispatched: datetime | None
    arrived: datetime | None
    source: str
    grade: str
    opening: str
    place: Place
    caller: Person | None
    victim: Person | None
    workstation: str
    text: str
    closures: list[Closure] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    written_back: datetime | None = None

    def changes(self) -> list[datetime]:
        """When something about the log changed."""
        moments = [self.received, *(closure.at for closure in self.closures)]
        return [*moments, self.written_back] if self.written_back else moments


# ---------------------------------------------------------------------- small helpers


def midnight(day: date) -> datetime:
    """Local midnight of a day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


def local(moment: datetime | None, pattern: str) -> str:
    """A moment as local time; blank for none."""
    return moment.astimezone(ZONE).strftime(pattern) if moment else ""


def minutes(rng: random.Random, low: float, high: float) -> timedelta:
    """A duration, whole seconds, the shorter the likelier."""
    return timedelta(seconds=int(60 * rng.triangular(low, high, low)))


def chance(rng: random.Random, share: float) -> bool:
    """True in this share of the cases."""
    return rng.random() < share


def weighted(rng: random.Random, options: Sequence[tuple[T, float]]) -> T:
    """One option, by weight."""
    return rng.choices([o for o, _ in options], [w for _, w in options])[0]


def code_names() -> dict[str, str]:
    """Names of the call types, from the code map beside."""
    with (HERE / "call_types.csv").open(newline="", encoding="utf-8") as file:
        return {row["code"]: row["name"] for row in csv.DictReader(file)}


# ---------------------------------------------------------------------- who, where, what


def make_person(rng: random.Random) -> Person:
    """Invent somebody."""
    prefix = rng.choice(("07700 900", "07700 900", "01632 960"))
    return Person(
        rng.choice(GIVEN_NAMES),
        rng.choice(SURNAMES),
        f"{prefix}{rng.randrange(1000):03d}",
        date(1935, 1, 1) + timedelta(days=rng.randrange(25_000)),
    )


def make_place(rng: random.Random) -> Place:
    """Invent an address in one of the districts."""
    district = weighted(rng, [("HB", 4), ("KD", 3), ("WS", 2), ("TF", 1)])
    longitude, latitude = DISTRICTS[district]
    return Place(
        district,
        f"{district}{rng.randrange(1, 5):02d}",
        round(longitude + rng.uniform(-0.02, 0.02), 4),
        round(latitude + rng.uniform(-0.012, 0.012), 4),
        f"{rng.randrange(1, 90)} {rng.choice(STREETS)}",
    )


def make_text(
    rng: random.Random, theme: str, caller: Person | None, victim: Person | None, place: Place
) -> str:
    """A short log text, in a third of the logs with how to reach the caller."""
    someone = caller or make_person(rng)
    parts = [rng.choice(TEXTS[theme])]
    if caller and chance(rng, 0.3):
        parts.append(rng.choice(CONTACTS))
    joint = "\n" if chance(rng, 0.05) else " "
    return joint.join(parts).format(
        caller=someone.name if caller else "Anon caller",
        caller_upper=someone.name.upper(),
        surname=someone.surname,
        phone=someone.phone,
        phone_tight=someone.phone.replace(" ", ""),
        phone_intl=f"+44 {someone.phone[1:]}",
        email=someone.email,
        born=someone.born.strftime("%d/%m/%Y"),
        victim=victim.name if victim and victim is not caller else "inft",
        other=make_person(rng).name,
        place=place.address,
    )


def make_log(rng: random.Random, number: str, received: datetime) -> Log:
    """One log with its closures and the records that followed."""
    opening, closing, offence, theme, _ = weighted(rng, [(s, s[4]) for s in SCENARIOS])
    place = make_place(rng)
    source = weighted(rng, [("101", 52), ("999", 33), ("ONLINE", 7), ("OFFICER", 8)])
    caller = None if source == "OFFICER" or theme == "silent" else make_person(rng)
    has_victim = bool(offence) and theme not in ("drugs", "disorder")
    victim = (caller if chance(rng, 0.6) else make_person(rng)) if has_victim else None
    dispatched = received + minutes(rng, 1, 45) if chance(rng, 0.7) else None
    if source == "OFFICER":
        dispatched = received
    arrived = dispatched + minutes(rng, 0, 50) if dispatched else None
    log = Log(
        number, received, dispatched, arrived, source,
        weighted(rng, [("E", 15), ("P", 40), ("S", 25), ("R", 20)]),
        opening, place, caller, victim, f"CCR{rng.randrange(1, 13):02d}",
        make_text(rng, theme, caller, victim, place),
    )  # fmt: skip
    closed = (arrived or received) + minutes(rng, 5, 420)
    settle(rng, log, closed, closing, offence, theme)
    return log


def settle(
    rng: random.Random, log: Log, closed: datetime, closing: str, offence: str, theme: str
) -> None:
    """Decide what became of a log: recorded, justified, missed, or nothing to record."""
    is_final = closing.startswith("CR")
    if not is_final and not log.opening.startswith("CR"):
        settle_other(rng, log, closed, closing, offence)
        return
    fate = weighted(
        rng,
        [("recorded", 76), ("late", 4), ("reason", 9), ("missed", 12)]
        if is_final
        else [("recorded", 45), ("late", 5), ("reason", 20), ("missed", 30)],
    )
    if theme == "fraud":
        result = weighted(rng, [("AF REF", 8), ("ADVICE", 2)])
        log.closures = [Closure(closed, closing, result)]
    elif fate == "reason":
        log.closures = [Closure(closed, closing, rng.choice(REASONS))]
    elif fate == "missed":
        log.closures = [Closure(closed, closing, rng.choice(MISSES))]
        if theme in ("domestic", "sexual") and chance(rng, 0.6):
            add_record(rng, log, {"domestic": "NC01", "sexual": "100/01"}[theme])
    elif fate == "late":  # closed without, reopened by a supervisor days later
        again = closed + timedelta(hours=rng.randrange(30, 110))
        log.closures = [
            Closure(closed, "PW04", "NOT RMS"),
            Closure(again, closing, "RMS CRIME", " Reopened by supervisor, crime to be recorded."),
        ]
        add_record(rng, log, offence, again)
    else:
        result = weighted(rng, [("RMS CRIME", 8), ("RMS ARREST", 2)])
        log.closures = [Closure(closed, closing, result)]
        add_record(rng, log, offence)
        if chance(rng, 0.06):  # a second crime in the same log
            add_record(rng, log, rng.choice(("105/01", "149/00", "195/94")))


def settle_other(
    rng: random.Random, log: Log, closed: datetime, closing: str, offence: str
) -> None:
    """What became of a log without a crime code: seldom a crime, sometimes an occurrence."""
    result = weighted(rng, [("NOT RMS", 6), ("ADVICE", 2), ("NO TRACE", 1), ("NFA", 1)])
    if closing.startswith("AD"):
        result = "DUP" if closing == "AD01" else "ADMIN"
    kind = ""
    if offence and chance(rng, 0.05):
        kind = offence
    elif closing == "PW05" and chance(rng, 0.4):
        kind = "NC01"
    elif closing == "PW04" and chance(rng, 0.08):
        kind = "NC02"
    if kind:
        result = "RMS RELATED"
        add_record(rng, log, kind)
    log.closures = [Closure(closed, closing, result)]


def add_record(rng: random.Random, log: Log, offence: str, after: datetime | None = None) -> None:
    """Record an occurrence for a log, mostly within a day."""
    delay = minutes(rng, 20, 900) if chance(rng, 0.9) else minutes(rng, 1500, 5000)
    recorded = (after or log.received) + delay
    record = Record(
        offence,
        log.received,
        recorded,
        "ONLINE" if log.source == "ONLINE" else "CALL",
        log.place,
        log.victim,
        make_statuses(rng, offence, recorded),
        typed(rng, log.number),
    )
    if not log.records and chance(rng, 0.92):
        log.written_back = recorded + minutes(rng, 1, 30)
    log.records.append(record)


def make_statuses(
    rng: random.Random, offence: str, recorded: datetime
) -> list[tuple[datetime, str]]:
    """The statuses of a record; a few crimes are cancelled."""
    statuses = [(recorded, "OPEN")]
    if not offence.startswith(("NC", "100")):
        later = weighted(rng, [("", 88), ("CHARGED", 3), ("NFA", 5), ("CANCELLED", 4)])
        if later:
            statuses.append((recorded + minutes(rng, 600, 9000), later))
    return statuses


def typed(rng: random.Random, number: str) -> str:
    """The log's number as the records clerk typed it."""
    prefix, day, serial = number.split("-")
    spoken = f"log {int(serial)} of {day[6:]}/{day[4:6]}/{day[:4]}"
    swapped = f"{prefix}-{day}-{serial[:2]}{serial[3]}{serial[2]}"  # mostly another valid log
    return weighted(
        rng,
        [
            (number, 64),
            (number.lower(), 8),
            (f"{prefix}{day}{serial}", 8),
            (f"{prefix} {day} {serial}", 5),
            (f" {day}-{serial} ", 2),
            (spoken, 5),
            ("", 4),
            (swapped, 1.5),
            (f"{prefix}-{day[:7]}-{serial}", 1.5),  # a digit is missing: no key rule reads it
            (f"{prefix}-{day[4:]}{day[:4]}-{serial}", 1),  # month first: the shape, and no log
        ],
    )


# ---------------------------------------------------------------------- the period


def make_logs(rng: random.Random) -> list[Log]:
    """All logs of the period."""
    logs = []
    for offset in range(DAY_COUNT):
        day = FIRST_DAY + timedelta(days=offset)
        start, end = midnight(day), midnight(day + timedelta(days=1))
        count = rng.randrange(54, 61) + (8 if day.weekday() >= 4 else 0)
        seconds = (end - start).total_seconds()
        moments = sorted(int(rng.triangular(60, seconds, 0.75 * seconds)) for _ in range(count))
        if day == CLOCK_CHANGE:
            moments[:2] = [52 * 60 + 10, 58 * 60 + 31]  # just before the hour that is not there
        for serial, moment in enumerate(moments, 1):
            received = start + timedelta(seconds=moment)
            logs.append(make_log(rng, f"NMP-{day:%Y%m%d}-{serial:04d}", received))
    return logs


def make_records(rng: random.Random, logs: list[Log]) -> list[Record]:
    """The records of the logs, and those that came another way, numbered as they were made."""
    records = [record for log in logs for record in log.records]
    end = midnight(FIRST_DAY + timedelta(days=DAY_COUNT))
    for offset in range(DAY_COUNT):
        day = midnight(FIRST_DAY + timedelta(days=offset))
        for _ in range(rng.randrange(1, 4)):
            records.append(make_direct_record(rng, day + timedelta(minutes=rng.randrange(1300))))
    for serial in range(31, 51):  # logs of the day before the first file
        early = midnight(FIRST_DAY)
        record = make_direct_record(rng, early + timedelta(minutes=rng.randrange(5, 600)))
        record.reported -= timedelta(hours=11)
        record.route, record.log = "CALL", f"NMP-20170319-{serial:04d}"
        records.append(record)
    records = sorted((r for r in records if r.recorded < end), key=lambda r: r.recorded)
    for number, record in enumerate(records, FIRST_SERIAL):
        record.number = f"9917{number:07d}"
        if record.recorded < midnight(REVIEW_DAY) and chance(rng, 0.14):
            review = midnight(REVIEW_DAY) + timedelta(hours=9)
            record.statuses = [s for s in record.statuses if s[0] < review] + [(review, "FILED")]
    return records


def make_direct_record(rng: random.Random, reported: datetime) -> Record:
    """A record without a log: reported at a counter or online."""
    offence = rng.choice(("046/00", "049/10", "149/00", "195/94", "044/00", "105/01"))
    recorded = reported + minutes(rng, 5, 120)
    return Record(
        offence, reported, recorded, rng.choice(("COUNTER", "ONLINE")), make_place(rng),
        make_person(rng), make_statuses(rng, offence, recorded),
    )  # fmt: skip


# ---------------------------------------------------------------------- files


def log_row(log: Log, names: dict[str, str], end: datetime) -> list[str]:
    """A log as it stood at a moment; one still open shows its opening code as closing code."""
    seen = [closure for closure in log.closures if closure.at < end]
    last = seen[-1] if seen else Closure(end, log.opening, "")
    is_back = log.written_back is not None and log.written_back < end
    place = log.place
    pattern = "%d/%m/%Y %H:%M:%S"
    serial = int(log.number[-4:])
    position = [f"{place.longitude:.4f}", f"{place.latitude:.4f}"]
    if serial % 29 == 0:
        position = ["0", "0"]  # not found on the map
    return [
        log.number,
        local(log.received, pattern),
        local(log.dispatched if log.dispatched and log.dispatched < end else None, pattern),
        local(log.arrived if log.arrived and log.arrived < end else None, pattern),
        local(last.at if seen else None, pattern),
        log.source,
        log.grade,
        log.opening,
        names[log.opening],
        last.code,
        names[last.code],
        last.result,
        "" if serial % 53 == 0 else place.district,
        place.beat,
        *position,
        place.address,
        log.records[0].number if is_back else "",
        log.caller.name if log.caller else "",
        log.caller.phone if log.caller else "",
        log.victim.name if log.victim else "",
        log.victim.born.strftime("%d/%m/%Y") if log.victim else "",
        log.workstation,
        log.text + "".join(closure.text for closure in seen),
    ]


def record_row(record: Record, end: datetime) -> dict[str, object]:
    """A record as it stood at a moment; what it does not have is left out."""
    victim, place = record.victim, record.place
    row = {
        "occurrence": record.number,
        "log": record.log or None,
        "route": record.route,
        "reported": local(record.reported, "%Y-%m-%dT%H:%M"),
        "recorded": local(record.recorded, "%Y-%m-%dT%H:%M"),
        "ho_code": record.offence,
        "status": [status for at, status in record.statuses if at < end][-1],
        "district": place.district,
        "location": place.address,
        "victim": victim.name if victim else None,
        "dob": victim.born.isoformat() if victim else None,
    }
    return {key: value for key, value in row.items() if value is not None}


def csv_line(row: Sequence[str]) -> str:
    """One row, quoted where it must be."""
    out = io.StringIO()
    csv.writer(out, delimiter=";").writerow(row)
    return out.getvalue().removesuffix("\r\n")


def json_line(row: dict[str, object]) -> str:
    """One row as JSON."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def call_lines(day: date, rows: list[list[str]]) -> list[str]:
    """The rows of a day's file, some of them as a bad day leaves them."""
    lines = [csv_line(row) for row in rows]
    # a log that reports no crime, so that a refused row orphans no record
    n = next(i for i, row in enumerate(rows) if i > 9 and row[7][:2] + row[9][:2] in HARMLESS)
    number = (day - FIRST_DAY).days
    if number in (1, 10):  # exported twice
        lines += [lines[3], lines[7]]
    elif number == 2:  # a delimiter in the text and no quotes: one field too many
        lines[n] = ";".join(
            [*rows[n][:-1], "No reply; e-mail sent to keira.thornwicke@example.org"]
        )
    elif number == 3:  # a day that does not exist
        lines[n] = csv_line([rows[n][0], "30/02/2017 10:15:00", *rows[n][2:]])
    elif number == 4:  # cut off
        lines[n] = ";".join(rows[n][:12])
    elif number == 8:  # no log number
        lines[n] = csv_line(["", *rows[n][1:]])
    elif number == 9:  # twice, and not the same
        lines.append(csv_line([*rows[n][:11], "GOOD INT", *rows[n][12:]]))
    return lines


def record_lines(day: date, rows: list[dict[str, object]]) -> list[str]:
    """The rows of a day's file, some of them as a bad day leaves them."""
    lines = [json_line(row) for row in rows]
    n = next((i for i, row in enumerate(rows) if i > 4 and "log" not in row), 5)
    number = (day - FIRST_DAY).days
    if number == 0:  # cut off
        lines[n] = lines[n][:97]
    elif number == 5:  # no occurrence number
        lines[n] = json_line({**rows[n], "occurrence": None})
    elif number == 6:  # a day that does not exist
        lines[n] = json_line({**rows[n], "reported": "2017-02-30T10:00"})
    elif number == 7:  # twice, and not the same
        lines.append(json_line({**rows[n], "ho_code": "058/00"}))
    elif number == 9:  # exported twice
        lines += [lines[2], lines[5]]
    return lines


def daily(
    logs: list[Log], records: list[Record]
) -> Iterator[tuple[date, list[list[str]], list[dict[str, object]]]]:
    """For each day what was opened or changed on it, as it stood at the day's end."""
    names = code_names()
    for offset in range(DAY_COUNT):
        day = FIRST_DAY + timedelta(days=offset)
        start, end = midnight(day), midnight(day + timedelta(days=1))
        calls = [
            log_row(log, names, end)
            for log in logs
            if any(start <= moment < end for moment in log.changes())
        ]
        crimes = [
            record_row(record, end)
            for record in records
            if any(start <= moment < end for moment, _ in record.statuses)
        ]
        yield day, calls, crimes


def write_packed(file: Path, text: str) -> None:
    """Write a gzip file that holds no name and no time."""
    with file.open("wb") as raw:
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
        packed.write(text.encode("utf-8"))
        packed.close()


def main(folder: Path) -> None:
    """Write all files.

    Args:
        folder: Where; files of the same names are replaced.
    """
    rng = random.Random(SEED)  # noqa: S311  made-up data, nothing secret
    logs = make_logs(rng)
    records = make_records(rng, logs)
    folder.mkdir(parents=True, exist_ok=True)
    for day, calls, crimes in daily(logs, records):
        text = "\r\n".join([";".join(HEADERS), *call_lines(day, calls), ""])
        write_packed(folder / f"calls-{day:%Y-%m-%d}.csv.gz", "\ufeff" + text)
        text = "\n".join([*record_lines(day, crimes), ""])
        (folder / f"crimes-{day:%Y-%m-%d}.jsonl").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "data")
