"""Local time, hour by hour in UTC: the night of a clock change has an hour more or fewer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cdi_force.scenario import Profile, Settings

HOUR, DAY = 3600, 86400
Seconds = NDArray[np.int64]


@dataclass(frozen=True)
class Clock:
    """The hours from `start` to `end` (seconds since 1970, UTC) and their local offset."""

    start: int
    end: int
    offsets: NDArray[np.int32]  # seconds east of UTC, per hour from `start`

    @classmethod
    def of(cls, zone: ZoneInfo, start: datetime, end: datetime, spare_days: int = 400) -> "Clock":
        """Make a clock from `start` to `end`, and `spare_days` more for what happens later."""
        first, last = int(start.timestamp()), int(end.timestamp())
        hours = range(first, last + spare_days * DAY, HOUR)
        local = (datetime.fromtimestamp(hour, zone) for hour in hours)
        offsets = [(moment.utcoffset() or timedelta()).total_seconds() for moment in local]
        return cls(first, last, np.array(offsets, np.int32))

    def local(self, moments: Seconds) -> Seconds:
        """Turn moments into local time: seconds since 1970 on a wall clock, without time zone."""
        hour = np.clip((moments - self.start) // HOUR, 0, len(self.offsets) - 1)
        return moments + self.offsets[hour]

    def weights(self, settings: Settings, profile: Profile) -> NDArray[np.float64]:
        """Compute the cumulative share of a profile's logs, for each hour of the year."""
        hours = np.arange(self.start, self.end, HOUR, dtype=np.int64)
        local = self.local(hours)
        days = local // DAY
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12
        by_hour = dict(settings.profiles)[profile]
        weight = (
            np.array(by_hour)[(local % DAY) // HOUR]
            * np.array(settings.weekdays)[(days + 3) % 7]  # 1 January 1970 was a Thursday
            * np.array(settings.months)[months]
        )
        return np.asarray(np.cumsum(weight) / weight.sum())

    def sample(
        self, rng: np.random.Generator, settings: Settings, profiles: NDArray[np.str_]
    ) -> Seconds:
        """Draw a moment for each log, by the hours, weekdays and months of its profile."""
        moments = np.zeros(len(profiles), np.int64)
        for profile in np.unique(profiles):
            rows = np.flatnonzero(profiles == profile)
            cumulated = self.weights(settings, cast(Profile, str(profile)))
            hour = np.searchsorted(cumulated, rng.random(len(rows)), side="right")
            hour = np.minimum(hour, len(cumulated) - 1)
            moments[rows] = self.start + hour * HOUR + rng.integers(0, HOUR, len(rows))
        return moments
