"""What is known of each incident, crime and record, under the names that conditions use."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi_force.clock import DAY, HOUR
from cdi_force.conditions import ACCOUNTS, LOG_KINDS
from cdi_force.year import CHANNELS, Draw, Table


def incident_facts(draw: Draw, incidents: Table) -> dict[str, Any]:
    """Give the columns of `INCIDENT_FACTS`.

    Args:
        draw: Of the year.
        incidents: With people and places.
    """
    offence = incidents["offence"]
    local = draw.year.clock.local(incidents["received"])
    day = (local // DAY).astype("datetime64[D]")
    month = day.astype("datetime64[M]").astype(int) % 12 + 1
    keys = [o.key for o in draw.offences]
    districts = [district.code for district in draw.settings.force.districts]
    return {
        "kind": name_rows(incidents["kind"], LOG_KINDS),
        "offence": name_rows(offence, keys),
        "offence_group": name_rows(offence, [o.group for o in draw.offences]),
        "is_rape": np.where(offence >= 0, draw.is_rape[offence], False),
        "is_domestic_abuse": incidents["is_da"],
        "account": name_rows(incidents["account"], ACCOUNTS),
        "district": name_rows(incidents["district"], districts),
        "beat": incidents["beat"] + 1,
        "channel": name_rows(incidents["channel"], CHANNELS),
        "grade": incidents["grade"],
        "day": pa.array(day),
        "month": month,
        "weekday": (local // DAY + 3) % 7 + 1,  # 1 January 1970 was a Thursday
        "hour": local % DAY // HOUR,
        "is_attended": incidents["is_attended"],
        "is_vulnerable": incidents["is_vulnerable"],
        "is_repeat": incidents["is_repeat"],
        "call_taker": call_taker(incidents["address"]),
    }


def call_taker(address: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of who answered: each answers for the same addresses, 100 to 139."""
    return address % 40 + 100


def crime_facts(draw: Draw, crimes: Table, incidents: Table) -> dict[str, Any]:
    """Give the columns of `CRIME_FACTS`: of the crime where it has its own, else of its incident.

    Args:
        draw: Of the year.
        crimes: Some crimes.
        incidents: The incident or the log of each of them.
    """
    offence = crimes["offence"]
    return incident_facts(draw, incidents) | {
        "offence": name_rows(offence, [o.key for o in draw.offences]),
        "offence_group": name_rows(offence, [o.group for o in draw.offences]),
        "is_rape": draw.is_rape[offence],
        "is_domestic_abuse": crimes["is_da"],
        "ordinal": crimes["ordinal"],
    }


def name_rows(numbers: NDArray[Any], names: Sequence[str]) -> pa.Array:
    """Give each number its name; a number below 0 has none."""
    return pa.array(np.array(names, object)[numbers], pa.string(), mask=numbers < 0)
