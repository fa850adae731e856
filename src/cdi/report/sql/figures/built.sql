-- The models and the tests that this version was built from.
select
    count(*) filter (where resource_type = 'model') as models_built,
    count(*) filter (where resource_type = 'test') as tests_run
from run_results
