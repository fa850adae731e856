"""Great Expectations at the two borders of the flow (design 5.8): landed batches, and marts.

``rules`` reads the suites, ``checks`` runs them, ``gx_duckdb`` is the adapter that lets Great
Expectations speak to DuckDB, ``pages`` renders what came out.
"""
