"""The records system: when each crime was recorded, and how its record names the log."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi_force.clock import DAY, HOUR
from cdi_force.conditions import Facts
from cdi_force.facts import crime_facts
from cdi_force.quotas import apportion_total, no_log_by_offence, records_by_offence
from cdi_force.year import (
    BLANK,
    CLEAN,
    DUPLICATE,
    MISTYPED,
    NO_LOG,
    ODD,
    RECORDED,
    TOLD,
    Draw,
    Table,
    Year,
    draw_exactly,
    take_rows,
)


def finish_crimes(draw: Draw, crimes: Table, logs: Table) -> None:
    """Draw when each crime was recorded, and whether the text of its log tells it."""
    rng, n = draw.rng, len(crimes["offence"])
    first_log = np.zeros(int(logs["incident"].max()) + 1, np.int64)
    first = np.flatnonzero(logs["kind"] != DUPLICATE)
    first_log[logs["incident"][first]] = first
    crimes["log"] = first_log[crimes["incident"]]
    log = take_rows(logs, crimes["log"])
    hours, shares = zip(*draw.settings.delays.steps, strict=True)
    edges = np.log(np.array([0.2, *hours]))
    delay = np.exp(np.interp(rng.random(n), [0.0, *shares], edges)) * HOUR
    facts = Facts(crime_facts(draw, crimes, log))
    for rule in draw.settings.delays.factors:
        delay = np.where(facts.match_rows(rule.when), delay * rule.factor, delay)
    recorded = log["received"] + delay.astype(np.int64)
    is_before = draw_exactly(rng, n, draw.hard.record_before_log) & (log["reopened"] == 0)
    recorded = np.where(is_before, log["received"] - rng.integers(600, 6 * HOUR, n), recorded)
    is_reopened = log["reopened"] > 0
    recorded = np.where(is_reopened, log["reopened"] + rng.integers(600, 2 * DAY, n), recorded)
    crimes["recorded"] = np.where(crimes["has_record"], recorded, 0)
    crimes["is_before"] = is_before & crimes["has_record"]
    crimes["reported"] = log["received"]
    crimes["is_decidable"] = log["account"] == TOLD
    is_said = ~((crimes["ordinal"] > 1) & (rng.random(n) < draw.hard.second_crime_unsaid))
    crimes["is_said"] = is_said & crimes["is_decidable"]
    crimes["is_decidable"] &= is_said
    crimes["victim"] = np.where(
        (crimes["ordinal"] == 1) | (rng.random(n) < 0.4),
        log["victim"],
        rng.integers(0, 1 << 40, n),
    )
    draw.year.crimes = crimes


def make_records(draw: Draw, crimes: Table, logs: Table) -> None:
    """Make all occurrences: recorded crimes, with and without a log, and non-crime occurrences."""
    rng = draw.rng
    recorded = np.flatnonzero(crimes["has_record"])
    without_log = _draw_crimes_without_log(draw)
    start = len(crimes["offence"])
    draw.year.crimes = {
        name: np.concatenate([column, without_log[name]]) for name, column in crimes.items()
    }
    linked = np.flatnonzero(logs["is_non_crime"])
    wanted = round(draw.settings.volumes.non_crime_occurrences * draw.volume)
    loose_count = max(0, wanted - len(linked))
    moment = np.concatenate(
        [
            logs["received"][linked],
            draw.year.clock.sample(rng, draw.settings, np.full(loose_count, "day")),
        ]
    )
    non_crime: Table = {
        "crime": np.full(len(moment), -1),
        "log": np.concatenate([linked, np.full(loose_count, -1)]),
        "reported": moment,
        "recorded": moment + np.exp(rng.normal(9.5, 1.0, len(moment))).astype(np.int64),
    }
    numbers = np.concatenate([recorded, np.arange(start, start + len(without_log["offence"]))])
    crime: Table = {
        "crime": numbers,
        "log": draw.year.crimes["log"][numbers],
        "reported": draw.year.crimes["reported"][numbers],
        "recorded": draw.year.crimes["recorded"][numbers],
    }
    records = {name: np.concatenate([crime[name], non_crime[name]]) for name in crime}
    draw.year.records = take_rows(records, np.argsort(records["recorded"], kind="stable"))
    number_records(draw.year)


def number_records(year: Year) -> None:
    """Number the records in one series a calendar year, and note in each crime its record's row."""
    records = year.records
    local = year.clock.local(records["recorded"]).astype("datetime64[s]")
    yy = local.astype("datetime64[Y]").astype(int) + 1970
    serial = 1 + np.arange(len(yy)) - np.searchsorted(yy, yy)
    start = year.clock.local(np.array([year.clock.start])).astype("datetime64[s]")
    start_year = start.astype("datetime64[Y]").astype(int) + 1970
    serial += np.where(yy == start_year, 41_207, 207)
    records["number"] = (yy % 100) * 10_000_000 + serial
    of_crime = np.full(len(year.crimes["offence"]), -1, np.int64)
    rows = np.flatnonzero(records["crime"] >= 0)
    of_crime[records["crime"][rows]] = rows
    year.crimes["record"] = of_crime


def _draw_crimes_without_log(draw: Draw) -> Table:
    """Draw the crimes reported to the bureau, a counter, online, by a partner or to an officer."""
    rng = draw.rng
    records = records_by_offence(draw.settings, draw.volume)
    counts = no_log_by_offence(draw.settings, records)
    offence = np.repeat(np.arange(len(counts)), counts).astype(np.int16)
    n = len(offence)
    reported = draw.year.clock.sample(rng, draw.settings, np.full(n, "day"))
    return {
        "offence": offence,
        "universe": np.full(n, NO_LOG, np.int8),
        "fate": np.full(n, RECORDED, np.int8),
        "is_da": rng.random(n) < draw.da_share[offence],
        "incident": np.full(n, -1, np.int64),
        "ordinal": np.ones(n, np.int8),
        "has_record": np.ones(n, bool),
        "log": np.full(n, -1, np.int64),
        "recorded": reported + np.exp(rng.normal(8.5, 1.3, n)).astype(np.int64),
        "is_before": np.zeros(n, bool),
        "reported": reported,
        "is_decidable": np.ones(n, bool),
        "is_said": np.zeros(n, bool),
        "victim": rng.integers(0, 1 << 40, n),
    }


def refer_records(draw: Draw) -> None:
    """Draw how each record names its log, and whether the log names the record."""
    rng, records, logs = draw.rng, draw.year.records, draw.year.logs
    law = draw.settings.references
    n = len(records["log"])
    has_log = np.flatnonzero(records["log"] >= 0)
    is_crime = records["crime"] >= 0
    form = np.full(n, BLANK, np.int8)
    for rows in (has_log[is_crime[has_log]], has_log[~is_crime[has_log]]):
        shares = np.array(
            [law.none, law.mistyped, law.odd_format, 1 - law.none - law.mistyped - law.odd_format]
        )
        kinds = np.repeat([BLANK, MISTYPED, ODD, CLEAN], apportion_total(len(rows), shares))
        form[rows] = rng.permutation(kinds)
    if law.missing_odds:
        _choose_missing_references(draw, form, has_log[is_crime[has_log]])
    is_written_back = (form != BLANK) & (rng.random(n) < law.written_back)
    mistyped = form == MISTYPED
    is_written_back[mistyped] = rng.random(int(mistyped.sum())) < law.mistyped_written_back
    is_only_on_log = (form == CLEAN) & (rng.random(n) < law.only_on_log)
    is_written_back |= is_only_on_log
    records["has_reference"] = form != BLANK
    records["form"] = np.where(is_only_on_log, BLANK, form)
    records["is_written_back"] = is_written_back
    # The number that is typed is the log's own, or that of a duplicate of it.
    target = records["log"].copy()
    duplicates = np.flatnonzero(logs["kind"] == DUPLICATE)
    by_primary = duplicates[np.argsort(logs["primary"][duplicates], kind="stable")]
    primary = logs["primary"][by_primary]
    has_twin = np.isin(target, primary)
    to_twin = np.flatnonzero(has_twin & (rng.random(n) < draw.hard.reference_to_duplicate))
    target[to_twin] = by_primary[np.searchsorted(primary, target[to_twin])]
    records["target"] = target
    _make_references_up(draw)
    records["slip"] = rng.integers(0, 4, n).astype(np.int8)
    records["odd"] = rng.integers(0, 6, n).astype(np.int8)


def _choose_missing_references(draw: Draw, form: NDArray[np.int8], rows: NDArray[Any]) -> None:
    """Let references be missing where the scenario's odds say, and as many as before.

    Args:
        draw: With crimes, logs and records.
        form: How each record names its log; is changed.
        rows: The crime records that have a log.
    """
    rng = np.random.default_rng([*draw.seeds, 31])
    law = draw.settings.references.missing_odds
    weight = Facts(_record_facts(draw, rows)).weigh_rows(law)
    # Taking the smallest of exponential times is a weighted draw without replacement.
    order = rows[np.argsort(rng.exponential(size=len(rows)) / weight, kind="stable")]
    others = form[rows][form[rows] != BLANK]
    blank_count = len(rows) - len(others)
    form[order[:blank_count]] = BLANK
    form[order[blank_count:]] = rng.permutation(others)


def _record_facts(draw: Draw, rows: NDArray[Any]) -> dict[str, Any]:
    """Give the columns of `RECORD_FACTS`, of some crime records that have a log."""
    records, logs = draw.year.records, draw.year.logs
    crimes = take_rows(draw.year.crimes, records["crime"][rows])
    waited = records["recorded"][rows] - logs["received"][records["log"][rows]]
    facts = crime_facts(draw, crimes, take_rows(logs, records["log"][rows]))
    return facts | {"hours_to_record": waited / HOUR}


def _make_references_up(draw: Draw) -> None:
    """Let a share of the crime records that name no log name another of the same hours."""
    references, records = draw.settings.references, draw.year.records
    if not references.made_up:
        return
    rng = np.random.default_rng([*draw.seeds, 37])
    rows = np.flatnonzero((records["form"] == BLANK) & ~records["has_reference"])
    rows = rows[(records["crime"][rows] >= 0) & (records["log"][rows] >= 0)]
    rows = rows[rng.random(len(rows)) < references.made_up]
    rows = rows[Facts(_record_facts(draw, rows)).match_rows(references.made_up_when)]
    steps = rng.integers(1, 60, len(rows))
    others = records["log"][rows] - steps
    records["target"][rows] = np.where(others >= 0, others, records["log"][rows] + steps)
    records["form"][rows] = CLEAN
