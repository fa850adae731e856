"""Recent weeks and districts: nowcast, charts and models that need no audit."""
