{#- What districts are compared by: mature crimes, and how many independent ones they are worth. Crimes of one
    call are recorded or missed together more often than by chance: the variance of the rate with calls as
    units, over that with crimes as units, is the design effect (Kish). -#}
with settings as (
    select * from {{ source('landing', 'settings') }}
),

universes as (
    select unnest(['frame', 'all']) as universe
),

logs as (
    select
        calls.call_id,
        coalesce(calls.district, 'unknown') as district,
        any_value(initial_types.offence_group is not null or final_types.offence_group is not null)
            as is_in_frame,
        count(*) as due_count,
        count(*) filter (where outcomes.outcome = 'recorded') as recorded_count
    from {{ ref('int_outcomes__outcomes') }} as outcomes
    inner join {{ ref('int_outcomes__reported_crimes') }} as reported
        on outcomes.reported_crime_id = reported.reported_crime_id
    inner join {{ ref('offence_groups') }} as groups
        on reported.offence_group = groups.offence_group and groups.is_headline
    inner join {{ ref('stg_calls') }} as calls on reported.call_id = calls.call_id
    left join {{ source('codes', 'call_types') }} as initial_types
        on calls.initial_type_code = initial_types.code
    left join {{ source('codes', 'call_types') }} as final_types
        on calls.final_type_code = final_types.code
    cross join settings
    where
        outcomes.ruleset = 'standard'
        and outcomes.outcome in ('recorded', 'wrongly_cancelled', 'unrecorded')
        and calls.received_at + interval 30 day <= settings.as_of
    group by calls.call_id, calls.district
),

counted as (
    select
        universes.universe,
        logs.*
    from logs
    inner join universes on universes.universe = 'all' or logs.is_in_frame
),

forces as (
    select
        universe,
        sum(recorded_count) / sum(due_count) as rate
    from counted
    group by universe
),

effects as (
    select
        counted.universe,
        greatest(
            coalesce(
                sum((counted.recorded_count - forces.rate * counted.due_count) ** 2)
                / nullif(any_value(forces.rate * (1 - forces.rate)) * sum(counted.due_count), 0), 1
            ), 1
        ) as design_effect
    from counted
    inner join forces on counted.universe = forces.universe
    group by counted.universe
),

final as (
    select
        counted.universe,
        counted.district,
        cast(sum(counted.recorded_count) as bigint) as recorded_count,
        cast(sum(counted.due_count) as bigint) as due_count,
        any_value(effects.design_effect) as design_effect
    from counted
    inner join effects on counted.universe = effects.universe
    group by counted.universe, counted.district
)

select * from final
