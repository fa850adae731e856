"""Shares as people read them: in per cent, and nothing rounded to all or to none."""


def write_percent(share: float, decimals: int = 1) -> str:
    """A share in per cent; what is not quite all is never rounded to all, nor a few to none.

    Args:
        share: From 0 to 1.
        decimals: How many decimals are shown.
    """
    share = round(share, 9)  # what adds up to 1 may miss it by the last bits of its numbers
    text, step = f"{share:.{decimals}%}", 10.0**-decimals
    if share > 0 and text == f"{0:.{decimals}%}":
        return f"less than {step:.{decimals}f}%"
    if share < 1 and text == f"{1:.{decimals}%}":
        return f"more than {100 - step:.{decimals}f}%"
    return text


def write_range(low: float, high: float) -> str:
    """Two shares in per cent, from the lower to the higher one."""
    return f"{write_percent(low)} to {write_percent(high)}"
