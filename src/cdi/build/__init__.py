"""The build: from the landing to a new private DuckDB file, by one `dbt build`."""
