-- How many data-quality checks were run, and how many passed.
select
    count(*) as checks_run,
    count(*) filter (where is_success) as checks_passed
from data_quality
