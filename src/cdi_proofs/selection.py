"""Which part of a proof was asked for: a name that there is not must not count as proved."""

from collections.abc import Iterable

from cdi.errors import CdiError


def check_names(what: str, chosen: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that there are not, before any work.

    Args:
        what: What is chosen by name, e.g. `step`.
        chosen: The names that were given; none stands for all.
        known: All names.

    Raises:
        CdiError: PROOF-UNKNOWN.
    """
    known = dict.fromkeys(known)
    if unknown := [name for name in chosen if name not in known]:
        raise CdiError(
            "PROOF-UNKNOWN",
            f"there is no {what} {', '.join(unknown)}",
            f"choose of {', '.join(known)}",
        )
