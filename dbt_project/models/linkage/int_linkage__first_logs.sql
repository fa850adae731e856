{#- Single incident rule (NSIR 2011 1.5): a log closed as a duplicate stands for the log that it names; an
    unmarked one is known by its address, its kind of crime and the hour. -#}
{% set within_minutes = 60 %}

with calls as (
    select * from {{ ref('stg_calls') }}
    where not is_withdrawn
),

marked as (
    select
        calls.call_id,
        first_calls.call_id as first_call_id
    from calls
    inner join {{ source('codes', 'closures') }} as closures
        on calls.disposition_code = closures.code and closures.reason_code = 'DUPLICATE_LOG'
    inner join calls as first_calls on calls.cross_key = first_calls.call_key
    where calls.call_id <> first_calls.call_id
),

unmarked as (
    select
        calls.call_id,
        min_by(calls.call_id, (calls.received_at, calls.call_id)) over within_the_hour as first_call_id
    from calls
    inner join {{ ref('int_linkage__calls') }} as sides on calls.call_id = sides.call_id
    anti join marked on calls.call_id = marked.call_id
    where sides.address_line is not null and sides.initial_group <> 'none'
    window
        within_the_hour as (
            partition by sides.address_line, sides.postcode, sides.district, sides.initial_group
            order by calls.received_at
            range between interval {{ within_minutes }} minutes preceding and interval 1 second preceding
        )
    qualify first_call_id is not null
),

final as (
    select
        call_id,
        first_call_id,
        true as is_marked
    from marked
    union all
    select
        call_id,
        first_call_id,
        false as is_marked
    from unmarked
)

select * from final
