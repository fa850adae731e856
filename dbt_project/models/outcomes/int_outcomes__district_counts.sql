{#- What districts are compared by: their mature crimes, and how many independent crimes these are worth.
    The crimes of one call are recorded or missed together more often than by chance. The design effect
    (Kish) measures that: the variance of the rate with calls as units, divided by the variance with crimes
    as units. -#}
with settings as (
    select * from {{ source('landing', 'settings') }}
),

outcomes as (
    select * from {{ ref('int_outcomes__outcomes') }}
),

reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

groups as (
    select * from {{ ref('offence_groups') }}
),

calls as (
    select * from {{ ref('stg_calls') }}
),

call_types as not materialized (
    select * from {{ source('codes', 'call_types') }}
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
    from outcomes
    inner join reported
        on outcomes.reported_crime_id = reported.reported_crime_id
    inner join groups
        on reported.offence_group = groups.offence_group and groups.is_headline
    inner join calls on reported.call_id = calls.call_id
    left join call_types as initial_types
        on calls.initial_type_code = initial_types.code
    left join call_types as final_types
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

-- Only whole numbers are summed. With fractions the order of addition would change the last digits from run
-- to run.
forces as (
    select
        universe,
        cast(sum(recorded_count) as double) as recorded,
        cast(sum(due_count) as double) as due,
        cast(sum(recorded_count * recorded_count) as double) as recorded_recorded,
        cast(sum(recorded_count * due_count) as double) as recorded_due,
        cast(sum(due_count * due_count) as double) as due_due
    from counted
    group by universe
),

rates as (
    select
        *,
        recorded / due as rate
    from forces
),

-- The sum of (recorded - rate * due) ** 2 over all calls, divided by what it would be for independent crimes.
effects as (
    select
        universe,
        greatest(
            coalesce(
                (recorded_recorded - 2 * rate * recorded_due + rate * rate * due_due)
                / nullif(rate * (1 - rate) * due, 0), 1
            ), 1
        ) as design_effect
    from rates
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
