"""What may leave the agency: aggregates in which no small count can be found out.

`blocks` counts a quarter, `suppression` chooses what to withhold, `tables` writes the folder, and
`write` releases each quarter once and for good.
"""
