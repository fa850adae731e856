"""Who is told what, and when: each minute of the days that matter, with the clock faked."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import yaml

from cdi.agency.load import load_agency
from cdi.errors import AgencyError
from cdi.people.alert_memory import KEPT, forget_old, read_memory, remember
from cdi.people.alert_situation import is_confirmed as is_crime_confirmed
from cdi.people.alert_situation import is_open as is_crime_open
from cdi.people.alerts import Memory, OpenCrime, Situation, is_late, make_messages
from cdi.people.decision_file import standing_decisions
from tests.conftest import SmallAgency

NOON = datetime(2026, 6, 30, 11, 0, tzinfo=UTC)  # 12:00 in London
MINUTE = timedelta(minutes=1)
SEVERITIES = ("rape", "domestic_abuse", "other")


def situation_of(small: SmallAgency, *crimes: OpenCrime, **settings: Any) -> Situation:
    """A situation at noon, one hour after the data."""
    small.settings["alerts"] = {"connections": ["desk"], "shift_changes": []} | settings
    small.settings.setdefault("schedule", "@hourly")
    small.write_settings()
    return Situation(small.agency, NOON, NOON - timedelta(hours=1), crimes, SEVERITIES)


def test_each_crime_is_warned_of_once_as_soon_as_its_deadline_is_within_two_hours(
    small: SmallAgency,
) -> None:
    """Some deadlines are on the minute, and some are near already when a version shows them."""
    draw = np.random.default_rng(22)
    due_in = draw.choice([60, 37], 200) * draw.integers(-99, 400, 200)  # seconds
    crimes = [
        OpenCrime(str(number), NOON + timedelta(seconds=int(seconds)), None, "other")
        for number, seconds in enumerate(due_in)
    ]
    seen_from = {
        crime.key: NOON + MINUTE * int(minutes)
        for crime, minutes in zip(crimes, draw.integers(0, 200, 200), strict=True)
    }
    situation = situation_of(small)
    warned_at: dict[str, list[datetime]] = {crime.key: [] for crime in crimes}
    memory = Memory()
    for minute in range(9 * 60):
        now = NOON + minute * MINUTE
        shown = tuple(crime for crime in crimes if seen_from[crime.key] <= now)
        for message in make_messages(replace(situation, now=now, crimes=shown), memory):
            memory = replace(memory, warned=memory.warned | set(message.keys))
            for key in message.keys:
                warned_at[key].append(now)
    outcomes: Counter[str] = Counter()
    for crime in crimes:
        first = max(seen_from[crime.key], crime.due_at - timedelta(hours=2))
        if first >= crime.due_at:
            assert warned_at[crime.key] == []  # the digest counts it as overdue
            outcomes["too late"] += 1
        else:
            (at,) = warned_at[crime.key]
            assert first <= at < first + MINUTE
            outcomes["on time" if at + timedelta(minutes=119) <= crime.due_at else "short"] += 1
    assert min(outcomes[kind] for kind in ("too late", "on time", "short")) > 10


@pytest.mark.parametrize(
    ("day", "changes"),
    [
        # the clock goes from 01:00 to 02:00: 01:30 does not come, and would be 01:30 UTC
        ("2026-03-29", ["01:30", "06:00", "14:00", "22:00"]),
        # the clock goes from 02:00 back to 01:00: 01:30 comes at 00:30 and at 01:30 UTC
        ("2026-10-25", ["00:30", "07:00", "15:00", "23:00"]),
        ("2026-12-01", ["01:30", "07:00", "15:00", "23:00"]),
    ],
)
def test_a_digest_comes_once_at_each_change_of_shift_also_when_the_clock_changes(
    small: SmallAgency, day: str, changes: list[str]
) -> None:
    shifts = ["01:30", "07:00", "15:00", "23:00"]
    situation = situation_of(small, shift_changes=shifts)
    midnight = datetime.fromisoformat(day).replace(tzinfo=situation.agency.zone).astimezone(UTC)
    end = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
    memory = Memory(shift=midnight - timedelta(hours=1))
    sent = []
    now = midnight
    while now < end:
        for message in make_messages(replace(situation, now=now), memory):
            assert message.shift is not None
            memory = replace(memory, shift=message.shift)
            sent.append(f"{now:%H:%M}")
        now += MINUTE
    assert sent == changes


def test_a_digest_that_could_not_be_sent_comes_late_and_only_the_newest(small: SmallAgency) -> None:
    situation = situation_of(small, shift_changes=["07:00", "15:00", "23:00"])
    (message,) = make_messages(situation, Memory(shift=NOON - timedelta(days=3)))
    assert message.shift == datetime(2026, 6, 30, 6, 0, tzinfo=UTC)
    assert "Change of shift at 7am on 30 June." in message.text
    assert "0 crimes decided between midday on 27 June and 7am on 30 June." in message.text
    assert make_messages(situation, Memory(shift=message.shift)) == []


CRIMES = (
    OpenCrime("a", NOON + timedelta(minutes=96, seconds=50), "Central", "other"),
    OpenCrime("b", NOON + timedelta(minutes=110), None, "rape"),
    OpenCrime("c", NOON + timedelta(minutes=100), "Central", "other"),
    OpenCrime("d", NOON + timedelta(hours=13), "North\nWest", "other"),
    OpenCrime("e", NOON - timedelta(hours=1), "Central", "domestic_abuse"),
    OpenCrime("f", NOON - timedelta(days=9), "North West", "rape"),
)


def test_a_warning_counts_by_district_and_says_when_the_first_is_due(small: SmallAgency) -> None:
    (message,) = make_messages(situation_of(small, *CRIMES), Memory())
    assert message.subject == "SIMULATED: Testville (made up): 3 crimes to record within 2 hours"
    assert message.text == (
        "SIMULATED: invented data, no real force.\n"
        "3 suspected missed crimes: the time limit ends within 2 hours. "
        "Record the first by 1:36pm on 30 June.\n"
        "- Central: 2, the first by 1:36pm on 30 June\n"
        "- no district: 1, by 1:50pm on 30 June\n"
        "Data as of 11am on 30 June (1 hour old). Times are local (Europe/London)."
    )
    assert set(message.keys) == {"a", "b", "c"}


def test_a_digest_counts_what_is_open_overdue_and_decided(small: SmallAgency) -> None:
    small.settings["is_simulated"] = False
    situation = situation_of(
        small, *CRIMES, shift_changes=["12:00", "04:00"], desk_url="https://desk.example.org/"
    )
    # the shift before began 8 hours ago, and the digest is sent some minutes late
    decided = tuple(
        (NOON - timedelta(hours=hours), kind)
        for hours, kind in (
            *((1, "confirmed"), (2, "dismissed"), (8, "dismissed"), (9, "confirmed")),
            (-0.05, "confirmed"),
        )
    )
    late = replace(situation, decided=decided, now=NOON + 5 * MINUTE)
    _, message = make_messages(late, Memory())
    assert message.subject == "Testville (made up): 4 to record in time, 2 overdue"
    assert message.text == (
        "Change of shift at midday on 30 June.\n"
        "4 suspected missed crimes can still be recorded in time.\n"
        "- Central: 2, the first by 1:36pm on 30 June\n"
        "- no district: 1, by 1:50pm on 30 June\n"
        "- North West: 1, by 1am on 1 July\n"
        "2 suspected missed crimes overdue.\n"
        "- rape: 1\n"
        "- domestic abuse: 1\n"
        "2 crimes decided between 4am on 30 June and midday on 30 June: "
        "1 confirmed, 1 dismissed.\n"
        "Data as of 11am on 30 June (1 hour old). Times are local (Europe/London).\n"
        "https://desk.example.org/"
    )


@pytest.mark.parametrize(
    ("hours_left", "line"),
    [
        ((1, 30, -1), "2 confirmed crimes have no record yet and can still be recorded in time."),
        ((1, 0), "1 confirmed crime has no record yet and can still be recorded in time."),
    ],
)
def test_a_digest_counts_confirmed_crimes_that_can_still_be_recorded_in_time(
    small: SmallAgency, hours_left: tuple[int, ...], line: str
) -> None:
    situation = situation_of(small, shift_changes=["12:00"])
    due = tuple(NOON + timedelta(hours=hours) for hours in hours_left)
    (message,) = make_messages(replace(situation, confirmed=due), Memory())
    lines = message.text.splitlines()
    assert lines[2:5] == [
        "0 suspected missed crimes can still be recorded in time.",
        line,
        "0 suspected missed crimes overdue.",
    ]
    assert message.subject.endswith(": 0 to record in time, 0 overdue")


@pytest.mark.parametrize("confirmed", [(), (NOON,), (NOON - timedelta(days=2),)])
def test_a_digest_says_nothing_of_confirmed_crimes_if_none_is_in_time(
    small: SmallAgency, confirmed: tuple[datetime, ...]
) -> None:
    situation = situation_of(small, shift_changes=["12:00"])
    (message,) = make_messages(replace(situation, confirmed=confirmed), Memory())
    assert "confirmed crime" not in message.text


def test_what_was_refused_until_the_deadline_is_told_as_missed(small: SmallAgency) -> None:
    """Only of a warning that was tried: a crime that was seen too late is told by the digest."""
    memory = Memory(warned=frozenset("abc"), missed=frozenset("ef"))
    (message,) = make_messages(situation_of(small, *CRIMES), memory)
    assert message.subject.endswith("2 crimes not recorded in time")
    assert "of 2 suspected missed crimes ended while this warning could not be sent" in message.text
    assert set(message.keys) == {"e", "f"}
    assert make_messages(situation_of(small, *CRIMES), replace(memory, missed=frozenset())) == []


@pytest.mark.parametrize(
    ("schedule", "as_of", "late_from"),
    [
        ("@hourly", "2026-06-30 10:00", "2026-06-30 12:00"),
        ("@hourly", "2026-06-30 09:40", "2026-06-30 11:40"),
        ("@daily", "2026-06-30 00:00", "2026-07-02 00:00"),
        ("@daily", "2026-06-30 06:45", "2026-07-02 06:45"),
        # on Friday, of an agency that rests at the weekend: Tuesday's is the second after it
        ("0 6 * * mon-fri", "2026-06-26 06:00", "2026-06-30 06:00"),
        ("@weekly", "2026-06-28 00:00", "2026-07-12 00:00"),
    ],
)
def test_data_are_old_after_twice_the_interval(
    small: SmallAgency, schedule: str, as_of: str, late_from: str
) -> None:
    small.settings |= {"schedule": schedule, "timezone": "UTC"}
    known, limit = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (as_of, late_from))
    situation = replace(situation_of(small, *CRIMES), as_of=known, now=limit)
    assert not is_late(situation)
    late = replace(situation, now=limit + MINUTE)
    assert is_late(late)
    crime = OpenCrime("x", limit + timedelta(hours=1), "S", "other")
    (message,) = make_messages(replace(late, crimes=(crime,)), Memory())
    assert message.text.splitlines()[1].startswith("THE DATA ARE OLD: as of ")


@pytest.mark.parametrize(
    ("calls", "late_from"),
    [
        ("calls-{date:%Y-%m-%d}.csv", "2026-01-08 00:00"),
        # a file that is exchanged in place may be newer at each run
        ("calls.csv", "2026-01-06 12:00"),
    ],
)
def test_files_of_days_are_late_after_two_days_however_often_they_are_asked_for(
    small: SmallAgency, calls: str, late_from: str
) -> None:
    small.settings |= {"schedule": "0 */6 * * *", "timezone": "UTC"}
    small.settings["sources"]["calls"]["files"] = [{"path": calls}]
    small.settings["sources"]["crime_records"]["files"] = [{"path": "records-{date}.csv"}]
    small.write_settings()
    # with the file of 5 January; that of the 6th is whole and read at its end
    midnight = datetime(2026, 1, 6, tzinfo=UTC)
    assert small.agency.late_from(midnight) == datetime.fromisoformat(f"{late_from}+00:00")


WORKLIST = {"crime_number": 1, "status": "suspected", "is_likely": True, "is_rape": False}


@pytest.mark.parametrize(
    ("decisions", "crime", "is_open"),
    [
        ([], {}, True),
        ([], {"is_likely": False}, False),
        ([], {"status": "confirmed"}, False),
        (["confirmed 1"], {}, False),
        (["dismissed 1"], {}, False),
        (["dismissed"], {}, False),  # every crime of the call
        (["confirmed 2"], {}, True),
        (["confirmed 1", "undone 1"], {}, True),
        (["confirmed 1", "undone 1", "dismissed 1"], {}, False),
        (["confirmed", "undone 1"], {}, True),
        (["confirmed", "undone 2"], {}, False),
        (["undone 1", "confirmed"], {}, False),
        (["confirmed 1", "undone"], {}, True),
        (["passed 1"], {}, True),
        (["confirmed 1", "passed 1"], {}, False),  # as in the build: it decides nothing
        (["confirmed 1", "undone - - R1"], {}, False),  # a link was taken back
        (["proposed 1"], {"is_rape": True}, True),
        (["dismissed 1"], {"is_rape": True}, True),  # one person alone
        (["dismissed 1 1311"], {"is_rape": True}, False),
        (["confirmed 1"], {"is_rape": True}, False),
        # the version knows the decision, and does not know yet that it was undone
        (["dismissed 1", "undone 1"], {"status": "dismissed"}, True),
        (["dismissed 1", "undone 1"], {"status": "dismissed", "is_likely": False}, False),
        (["confirmed 1", "undone 1"], {"status": "confirmed"}, True),
        (["passed 1"], {"is_likely": False}, False),
    ],
)
def test_the_newest_decision_says_whether_a_crime_is_open(
    small: SmallAgency, decisions: list[str], crime: dict[str, Any], is_open: bool
) -> None:
    rows = []
    for decision in decisions:
        cells = ["" if cell == "-" else cell for cell in (*decision.split(), *("-" * 3))][:4]
        names = ("decision_kind", "crime_number", "second_person", "record_reference")
        rows.append({"call_reference": "t0001", **dict(zip(names, cells, strict=True))})
    if rows:
        other = {**rows[-1], "call_reference": "T-0002", "decision_kind": "confirmed"}
        rows.append(other | {"record_reference": ""})
    standing = standing_decisions(small.agency, rows)
    assert is_crime_open({"call_id": "T-0001", **WORKLIST, **crime}, standing) is is_open


@pytest.mark.parametrize(
    ("kinds", "status", "is_confirmed"),
    [
        ((), "confirmed", True),
        ((), "suspected", False),
        (("confirmed",), "suspected", True),  # the version does not know of it yet
        (("confirmed", "undone"), "confirmed", False),
        (("confirmed", "dismissed"), "confirmed", False),
    ],
)
def test_the_newest_decision_says_whether_a_crime_is_confirmed(
    small: SmallAgency, kinds: tuple[str, ...], status: str, is_confirmed: bool
) -> None:
    row = {"call_reference": "T-0001", "crime_number": "1", "record_reference": ""}
    standing = standing_decisions(
        small.agency, [{**row, "second_person": "", "decision_kind": kind} for kind in kinds]
    )
    crime = {"call_id": "T-0001", **WORKLIST, "status": status}
    assert is_crime_confirmed(crime, standing) is is_confirmed


def test_what_was_sent_is_remembered_for_each_connection_for_a_week(
    small: SmallAgency, state: Any
) -> None:
    warning, digest = make_messages(situation_of(small, *CRIMES, shift_changes=["12:00"]), Memory())
    remember("testville", "mail", warning, NOON, is_sent=True)
    remember("testville", "hook", warning, NOON, is_sent=False)
    remember("testville", "hook", digest, NOON, is_sent=True)
    assert read_memory("testville", "mail") == Memory(warned=frozenset("abc"))
    assert read_memory("testville", "hook") == Memory(missed=frozenset("abc"), shift=NOON)
    assert read_memory("testville", "third") == Memory()
    forget_old("testville", NOON + KEPT)
    assert read_memory("testville", "mail").warned
    forget_old("testville", NOON + KEPT + timedelta(days=1))
    assert read_memory("testville", "mail") == Memory()


@pytest.mark.parametrize("shifts", ["[15:00]", "['7:00']", "['24:00']", "[7]"])
def test_a_shift_change_that_yaml_reads_as_a_number_is_refused(
    small: SmallAgency, shifts: str
) -> None:
    small.settings["alerts"] = {"shift_changes": yaml.safe_load(shifts)}
    small.write_settings()
    with pytest.raises(AgencyError, match="write it in quotes, as '15:00'"):
        load_agency("testville")
