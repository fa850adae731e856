{#- Single incident rule (NSIR 2011 1.5): a log that was closed as a duplicate belongs to the log that it
    names. A duplicate that was not marked is recognised by the same address and kind of crime within an
    hour. It is none if its victim has another birth date than one before it: another victim is another crime
    (see `int_disclosure__repeat_logs`). -#}
{% set within_s = 3600 %}
{#- A log that was closed as a duplicate of a duplicate belongs to the log at the end of the chain. In a
    circle there is none, so its logs, and what leads to them, belong to the log that they name. -#}
{% set most_steps = 10 %}

with recursive calls as not materialized (
    select * from {{ ref('int_linkage__calls') }}
),

named as materialized (
    select
        calls.call_id,
        first_calls.call_id as first_call_id
    from calls
    inner join calls as first_calls on calls.cross_no = first_calls.call_no
    where calls.is_duplicate and calls.call_id <> first_calls.call_id
),

chains as (
    select
        call_id,
        first_call_id,
        1 as step
    from named
    union all
    select
        chains.call_id,
        named.first_call_id,
        chains.step + 1 as step
    from chains
    inner join named on chains.first_call_id = named.call_id
    where chains.step < {{ most_steps }}
),

ends as (
    select chains.*
    from chains
    anti join named on chains.first_call_id = named.call_id
),

marked as (
    select
        named.call_id,
        coalesce(ends.first_call_id, named.first_call_id) as first_call_id
    from named
    left join ends on named.call_id = ends.call_id
),

unmarked as (
    select
        calls.call_id,
        min_by(calls.call_id, (calls.received_s, calls.call_id)) over within_the_hour as first_call_id
    from calls
    anti join marked on calls.call_id = marked.call_id
    where calls.address_line is not null and calls.initial_group <> 'none'
    window
        within_the_hour as (
            partition by calls.address_line, calls.postcode, calls.district, calls.initial_group
            order by calls.received_s
            range between {{ within_s }} preceding and 1 preceding
        )
    qualify
        first_call_id is not null
        and coalesce(calls.birth_date = min(calls.birth_date) over within_the_hour, true)
        and coalesce(calls.birth_date = max(calls.birth_date) over within_the_hour, true)
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
