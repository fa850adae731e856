-- With and without a crime code: what share of all logs were audited.
with codes as (
    select code from published.codes.call_types
    where offence_group is not null
),

audited as (
    select
        coalesce(audited.initial_type_code in (from codes), false)
        or coalesce(audited.final_type_code in (from codes), false) as is_in_frame,
        count(*) as log_count
    from published.disclosure.int_disclosure__audit_labels as audited
    group by all
),

calls as (
    select
        is_in_frame,
        count(*) as log_count
    from published.main.fct_calls
    group by all
)

select
    calls.is_in_frame,
    coalesce(audited.log_count, 0) / calls.log_count as share
from calls
left join audited on calls.is_in_frame = audited.is_in_frame
