{#- How the agency's own people put things: which words, pairs and triples stand in logs that were opened
    under a crime type, and which in closings under a result of each kind. A weight is the log of the ratio
    of two shares of logs. Whether a record exists plays no part: that would teach the misses. -#}
{% set min_logs = 20 %}
{% set readings = {
    'opened_as_crime': 'account',
    'closed_with_reason': 'closing',
    'closed_as_no_crime': 'closing',
    'closed_as_recorded': 'closing'
} %}

with call_types as (
    select * from {{ source('codes', 'call_types') }}
),

closures as (
    select * from {{ source('codes', 'closures') }}
),

-- per log: what its words should tell
logs as (
    select
        logs.call_id,
        call_types.offence_group is not null as opened_as_crime,
        coalesce(
            reasons.is_legitimate and reasons.reason_code not in ('NO_CRIME_BOP', 'DUPLICATE_LOG', 'ADMIN'),
            false
        ) as closed_with_reason,
        coalesce(closures.reason_code = 'NO_CRIME_BOP', false) as closed_as_no_crime,
        coalesce(closures.expects_record, false) as closed_as_recorded
    from {{ ref('int_reporting__logs') }} as logs
    left join call_types on logs.initial_type_code = call_types.code
    left join closures on logs.disposition_code = closures.code
    left join {{ ref('reasons') }} as reasons on closures.reason_code = reasons.reason_code
),

tokens as (
    select
        call_id,
        part,
        unnest(list_distinct(flatten(list(words || pairs || triples)))) as token
    from {{ ref('int_reporting__words') }}
    group by call_id, part
),

counted as (
    select
        tokens.part,
        tokens.token,
        count(*) as logs,
    {% for reading in readings -%}
        count(*) filter (where logs.{{ reading }}) as {{ reading }}{{ ',' if not loop.last }}
    {% endfor %}
    from tokens
    inner join logs on tokens.call_id = logs.call_id
    group by tokens.part, tokens.token
    having count(*) >= {{ min_logs }}
),

totals as (
    select
        parts.part,
        count(*) as logs,
    {% for reading in readings -%}
        count(*) filter (where logs.{{ reading }}) as {{ reading }}{{ ',' if not loop.last }}
    {% endfor %}
    from (select distinct
        call_id,
        part
    from {{ ref('int_reporting__words') }}) as parts
    inner join logs on parts.call_id = logs.call_id
    group by parts.part
),

final as (
    {% for reading, part in readings.items() -%}
        select
            '{{ reading }}' as reading,
            counted.token,
            greatest(-4, least(
                4,
                ln((counted.{{ reading }} + 1) / (totals.{{ reading }} + 2))
                - ln((counted.logs - counted.{{ reading }} + 1) / (totals.logs - totals.{{ reading }} + 2))
            )) as weight
        from counted
        inner join totals on counted.part = totals.part
        where counted.part = '{{ part }}'
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
