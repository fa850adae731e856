"""Who is signed in at the desk, and what they may do: the one seam between desk and log-in.

The desk asks a `Door` and nobody else. Airflow's plugin is one door; the desk that runs alone has
others (`cdi.desk.trial` and `cdi.desk.oidc`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from fastapi import Request, Response


class Right(StrEnum):
    """What somebody may do with an agency's logs; each right is given by itself."""

    SEE = "see"  # read the queue and the logs
    DECIDE = "decide"  # decide, as the first person
    SECOND = "second"  # be the second person, of somebody else's decision
    MANAGE = "manage"  # read the feedback of all teams, set claims free, decide in audits
    AUDIT = "audit"  # read the logs that an audit drew for oneself, and nothing else


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in.

    Attributes:
        name: The name that they signed in with; it stands in decisions and in the access log.
        session: What forms are tied to: this log-in alone, or all of this person's where the
            log-in renews itself, as Airflow's does.
    """

    name: str
    session: str

    def is_same(self, name: str | None) -> bool:
        """Whether a name is this person's; letters count as the same in any case."""
        return name is not None and name.casefold() == self.name.casefold()


class Door(Protocol):
    """How people sign in."""

    def find_person(self, request: Request) -> Person | None:
        """Tell who sent a request; None if nobody is signed in."""

    def has_right(self, request: Request, person: Person, agency: str, right: Right) -> bool:
        """Whether a person has a right on an agency."""

    def ask_to_sign_in(self, request: Request) -> Response:
        """Lead somebody who wants to read, and is not signed in, to the log-in."""

    def sign_out_path(self) -> str | None:
        """The path, below the desk, that a form is sent to in order to sign out; None if none."""
