-- What `make shell` says first. The client reads it in place of ~/.duckdbrc.
.pager off
.mode box
.maxwidth 110
select
    if(is_simulated and not contains(agency_name, 'SIMULATED'), 'SIMULATED: ', '') || agency_name as agency,
    as_of,
    'read-only; .quit leaves, .help helps' as prompt
from release;
select table_name as "table", regexp_extract(comment, 'One row.*') as grain
from duckdb_tables() where schema_name = 'main' order by all;
select view_name as "view", regexp_extract(comment, 'One row.*') as grain
from duckdb_views() where schema_name = 'main' and not internal order by all;
.print For example, what share of reported crime was recorded (docs/cookbook.md has more):
.print
.print "  select universe, ruleset, recording_rate from recording_rate where breakdown = 'total';"
.print
