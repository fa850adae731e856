"""A made-up frame to draw audits from, and auditors who know the truth of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from cdi.audit.draws import Draw
from cdi.audit.predictions import Frame, Period
from cdi.audit.second_readings import draw_second_readings

PERIOD = Period("frame", datetime(2016, 7, 1), datetime(2017, 5, 31))
AT = datetime(2017, 7, 1, 12)
AGENCY = "sample"
Rows = list[dict[str, Any]]
AUDITORS = ("AUD01", "AUD02", "AUD03")
GROUPS = ("violence_against_the_person", "theft", "sexual_offences")


class Force:
    """Logs with at most one crime each, four in five recorded; predictions know most of it.

    They are right as predictions are: of the logs with a chance of 0.7 seven in ten hide a crime.
    """

    def __init__(self, logs: int = 3000, seed: int = 1) -> None:
        """Make it; the same seed gives the same."""
        rng = np.random.default_rng(seed)
        recorded = rng.random(logs) < 0.62
        chance = np.where(recorded, 0.001, np.clip(rng.beta(0.4, 0.5, logs), 0.02, 0.98))
        missed = ~recorded & (rng.random(logs) < chance)
        self.recorded = recorded.astype(int)
        self.due = self.recorded + missed
        suspected = (chance > 0.5).astype(int)
        rate = recorded.sum() / (recorded.sum() + chance.sum())
        self.group = rng.choice(GROUPS, logs, p=[0.4, 0.5, 0.1])
        self.is_rape = (self.group == "sexual_offences") & (rng.random(logs) < 0.3)
        self.is_da = (self.group == "violence_against_the_person") & (rng.random(logs) < 0.4)
        self.ids = [f"L{n:05d}" for n in range(logs)]
        counted = np.flatnonzero(self.recorded + suspected)
        self.frame = Frame(
            pa.table(
                {
                    "call_id": self.ids,
                    "row_hash": [f"h{n}" for n in range(logs)],
                    "district": rng.choice(["NORTH", "SOUTH"], logs),
                    "initial_type_code": rng.choice(["CR01", "CR02"], logs),
                    "recorded": self.recorded,
                    "due": self.recorded + suspected,
                    "missed": chance,
                    "variance": rate**2 * chance * (1 - chance),
                }
            ),
            pa.table(
                {
                    "offence_group": self.group[counted],
                    "is_rape": self.is_rape[counted],
                    "is_domestic_abuse": self.is_da[counted],
                    "is_recorded": self.recorded[counted] > 0,
                    "position": counted,
                }
            ),
        )

    def read_twice(self, draw: Draw) -> Draw:
        """Draw the second readings, by what unbiased auditors found first."""
        logs, _ = self.audited(draw)
        counts = {row["call_id"]: (row["due_count"], row["recorded_count"]) for row in logs}
        return draw_second_readings(AGENCY, draw, counts, AT)

    def misread(self, draw: Draw, error: float, seed: int) -> tuple[Draw, Rows, Rows]:
        """An audit by people who take records for none and overlook crimes; some are read twice.

        Returns:
            The draw with its second readings, rows by log, rows by crime; where two people differ
            the registrar knows the truth.
        """

        def read(position: int, auditor: str) -> tuple[int, int]:
            rng = np.random.default_rng([seed, position, AUDITORS.index(auditor)])
            is_wrong, due, recorded = rng.random() < error, self.due, self.recorded
            if recorded[position]:
                return 1, int(not is_wrong)
            return int(due[position] and not is_wrong), 0

        first = {
            str(call_id): read(position, auditor)
            for call_id, position, auditor in zip(
                draw.call_ids, draw.positions, draw.auditors, strict=True
            )
        }
        draw = draw_second_readings(AGENCY, draw, first, AT)
        logs: Rows = []
        crimes: Rows = []

        def add(call_id: str, position: int, auditor: str, found: tuple[int, int]) -> None:
            reading = {"call_id": call_id, "auditor_code": auditor, "audited_at": AT}
            logs.append(reading | {"due_count": found[0], "recorded_count": found[1]})
            if found[0]:
                crime = self._crime(call_id, auditor, position)
                crimes.append(crime | {"is_recorded": bool(found[1])})

        rows = zip(draw.call_ids, draw.positions, draw.auditors, draw.seconds, strict=True)
        for call_id, position, auditor, second in rows:
            found = {name: read(position, name) for name in (auditor, second) if name}
            for name, counts in found.items():
                add(str(call_id), position, name, counts)
            if len(set(found.values())) > 1:
                truth = (int(self.due[position]), int(self.recorded[position]))
                add(str(call_id), position, "FCR", truth)
        return draw, logs, crimes

    def audited(self, draw: Draw) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What unbiased auditors find in the drawn logs: rows by log, rows by crime."""
        logs: list[dict[str, Any]] = []
        crimes: list[dict[str, Any]] = []
        rows = zip(draw.call_ids, draw.positions, draw.auditors, draw.seconds, strict=True)
        for call_id, position, first, second in rows:
            for auditor in filter(None, (first, second)):
                if call_id is None:
                    continue
                due, recorded = int(self.due[position]), int(self.recorded[position])
                reading = {"call_id": call_id, "auditor_code": auditor, "audited_at": AT}
                logs.append(reading | {"due_count": due, "recorded_count": recorded})
                if due:
                    crimes.append(self._crime(call_id, auditor, position))
        return logs, crimes

    def _crime(self, call_id: str, auditor: str, position: int) -> dict[str, Any]:
        return {
            "call_id": call_id,
            "auditor_code": auditor,
            "crime_number": 1,
            "is_recorded": bool(self.recorded[position]),
            "offence_group": str(self.group[position]),
            "is_rape": bool(self.is_rape[position]),
            "is_domestic_abuse": bool(self.is_da[position]),
        }


def without(rows: Sequence[Mapping[str, Any]], number: int, **changed: Any) -> list[dict[str, Any]]:
    """The rows with one of them changed, or left out if nothing is to be changed."""
    made = [dict(row) for row in rows]
    if changed:
        made[number] |= changed
    else:
        del made[number]
    return made
