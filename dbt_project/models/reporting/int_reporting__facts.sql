{#- The booleans that the decision table reads, and nothing else: a new rule starts here. -#}
with calls as (
    select *
    from {{ ref('stg_calls') }}
    where not is_withdrawn
),

evidence as (
    select distinct call_id from {{ ref('int_reporting__call_evidence') }}
),

closures as (
    select * from {{ source('codes', 'closures') }}
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

final as (
    select
        calls.call_id,
        {{ local_date('calls.received_at', 'settings.timezone') }} as received_on,
        evidence.call_id is not null as has_crime_evidence,
        closures.reason_code is not null as has_closure_reason,
        closures.reason_code as closure_reason_code
    from calls
    left join evidence on calls.call_id = evidence.call_id
    left join closures on calls.disposition_code = closures.code
    cross join settings
)

select * from final
