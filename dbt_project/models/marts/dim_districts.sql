select
    coalesce(district, 'unknown') as district,
    count(*) as call_count,
    count(distinct beat) as beat_count,
    min(received_at) as first_received_at,
    max(received_at) as last_received_at
from {{ ref('fct_calls') }}
group by all
