"""Great Expectations at the two borders of the flow (design 5.8): landed batches, and marts.

``rules`` reads the suites, ``checks`` checks a batch or a version, ``tables`` and ``profile`` make
what the rules look at, ``running`` lets Great Expectations run them (on DuckDB by ``gx_duckdb``),
``results`` and ``page`` keep and show what came out, ``waivers`` knows what two people let pass.
"""
