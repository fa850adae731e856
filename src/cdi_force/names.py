"""Invented names, streets and towns. Nobody is meant; parts are put together at random."""

import numpy as np

_FIRST = ("ash", "black", "brad", "brook", "carl", "clay", "cold", "craven", "dun", "east", "el",
          "fair", "fen", "glen", "gold", "green", "hal", "hard", "hart", "hazel", "hol", "kel",
          "kirk", "lang", "lin", "long", "mar", "mel", "mid", "mor", "nor", "oak", "pen", "ray",
          "red", "row", "sel", "shel", "stan", "sut", "thorn", "tun", "wake", "wal", "west", "whit",
          "win", "wood", "wrex", "yar")  # fmt: skip
_LAST = ("bourne", "bridge", "brook", "bury", "by", "croft", "dale", "den", "field", "ford",
         "gate", "ham", "hurst", "ley", "man", "mere", "more", "shaw", "son", "stead", "stone",
         "thorpe", "ton", "ward", "wick", "worth", "wright", "well")  # fmt: skip
FORENAMES = (
    "ADAM", "ALAN", "ALICE", "AMY", "ANDREW", "ANNA", "ANTHONY", "BARRY", "BEN", "BETH",
    "BRIAN", "CALLUM", "CARL", "CAROL", "CHARLOTTE", "CHLOE", "CHRIS", "CLAIRE", "COLIN",
    "CRAIG", "DANIEL", "DAVID", "DAWN", "DEAN", "DEBBIE", "DIANE", "DONNA", "EDWARD", "ELLIE",
    "EMILY", "EMMA", "ERIC", "ETHAN", "FAYE", "FIONA", "FRANK", "GARETH", "GARY", "GEMMA",
    "GEORGE", "GEORGIA", "GLEN", "GRACE", "GRAHAM", "HANNAH", "HARRY", "HEATHER", "HELEN",
    "HOLLY", "IAN", "JACK", "JADE", "JAKE", "JAMES", "JANE", "JASON", "JEAN", "JENNY", "JESS",
    "JILL", "JOAN", "JOE", "JOHN", "JOSH", "JOYCE", "JULIE", "KAREN", "KATE", "KEITH", "KELLY",
    "KEN", "KEVIN", "KIM", "KYLE", "LAURA", "LEANNE", "LEE", "LEON", "LEWIS", "LIAM", "LINDA",
    "LISA", "LOUISE", "LUKE", "LYNN", "MARIE", "MARK", "MARTIN", "MARY", "MATT", "MEGAN", "MIA",
    "MICHAEL", "MIKE", "MOLLY", "NATALIE", "NEIL", "NICOLA", "NIGEL", "OLIVER", "OWEN", "PAM",
    "PAT", "PAUL", "PAULINE", "PETER", "PHIL", "RACHEL", "RAY", "REBECCA", "RHYS", "ROB",
    "ROBERT", "RON", "ROSIE", "ROSS", "RUTH", "RYAN", "SAM", "SANDRA", "SARAH", "SCOTT", "SEAN",
    "SHANE", "SHARON", "SHAUN", "SHEILA", "SIMON", "SOPHIE", "STACEY", "STEPH", "STEVE",
    "STUART", "SUE", "TARA", "TERRY", "THERESA", "TINA", "TOBY", "TOM", "TONY", "TRACY", "VAL",
    "VICKY", "WAYNE", "WENDY", "WILL", "YVONNE", "ZOE",
)  # fmt: skip
SURNAMES = tuple(sorted({(a + b).upper() for a in _FIRST for b in _LAST if a[-1] != b[0]}))
STREETS = tuple(
    f"{a.upper()}{b.upper()} {kind}"
    for kind in ("ROAD", "STREET", "LANE", "AVENUE", "CLOSE", "DRIVE")
    for a, b in zip(_FIRST, [*_LAST, *_LAST], strict=False)
)


def typing_errors(names: tuple[str, ...]) -> tuple[str, ...]:
    """Each name with one slip of the fingers."""
    rng = np.random.default_rng(20170702)
    slipped = []
    for name in names:
        at = int(rng.integers(1, len(name) - 1))
        ways = (
            name[:at] + name[at + 1] + name[at] + name[at + 2 :],
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
        )
        slipped.append(ways[int(rng.integers(3))])
    return tuple(slipped)
