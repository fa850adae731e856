{#- Further callers: logs that tell of a crime of the same offence group as another log of the same place
    within the hour before (single incident rule, NSIR 2011 1.5). Two logs with the same time do not count,
    because their source knows only the day. -#}
{% set within_minutes = 60 %}

with crimes as (
    select
        calls.call_id,
        calls.location_hash,
        calls.received_at,
        crimes.offence_group
    from {{ ref('int_disclosure__disclosed_crimes') }} as crimes
    inner join {{ ref('stg_calls') }} as calls on crimes.call_id = calls.call_id
    where calls.location_hash is not null and crimes.crime_number = 1
),

final as (
    select
        call_id,
        max_by(call_id, (received_at, call_id)) over within_the_hour as first_call_id
    from crimes
    window
        within_the_hour as (
            partition by location_hash, offence_group
            order by received_at
            range between interval {{ within_minutes }} minutes preceding and interval 1 second preceding
        )
    qualify first_call_id is not null
)

select * from final
