"""Recent weeks and districts: charts and models that need no audit."""
