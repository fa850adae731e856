{#- Counted per universe and ruleset, then along one dimension at a time; `breakdown` says which, and
    the other dimensions read 'all'. Fraud is kept out, save in its own row by offence group. -#}
with crimes as (
    select
        crimes.*,
        groups.is_headline
    from {{ ref('fct_reported_crimes') }} as crimes
    inner join {{ ref('offence_groups') }} as groups
        on crimes.offence_group = groups.offence_group
),

outcomes as (
    select *
    from {{ ref('int_outcomes__outcomes') }}
    where outcome is not null
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

universes as (
    select unnest(['frame', 'all']) as universe
),

counted as (
    select
        universes.universe,
        outcomes.ruleset,
        crimes.offence_group,
        crimes.is_headline,
        coalesce(crimes.district, 'unknown') as district,
        cast(crimes.reported_month_on as varchar) as reported_month,
        coalesce(crimes.disposition_code, 'unknown') as disposition_code,
        outcomes.outcome
    from crimes
    inner join outcomes on crimes.reported_crime_id = outcomes.reported_crime_id
    inner join universes on universes.universe = 'all' or crimes.is_in_frame
),

by_set as (
    select
        universe,
        ruleset,
        case
            when grouping(offence_group) = 0 and grouping(reported_month) = 0 then 'offence_group_month'
            when grouping(district) = 0 and grouping(reported_month) = 0 then 'district_month'
            when grouping(offence_group) = 0 then 'offence_group'
            when grouping(district) = 0 then 'district'
            when grouping(reported_month) = 0 then 'month'
            when grouping(disposition_code) = 0 then 'disposition'
            else 'total'
        end as breakdown,
        coalesce(offence_group, 'all') as offence_group,
        coalesce(district, 'all') as district,
        coalesce(reported_month, 'all') as reported_month,
        coalesce(disposition_code, 'all') as disposition_code,
        count(*) filter (where outcome = 'recorded') as recorded_count,
        count(*) filter (where outcome = 'wrongly_cancelled') as wrongly_cancelled_count,
        count(*) filter (where outcome = 'unrecorded') as unrecorded_count,
        count(*) filter (where outcome = 'justified') as justified_count,
        count(*) filter (where outcome = 'too_recent') as too_recent_count,
        count(*) filter (where outcome = 'source_missing') as source_missing_count
    from counted
    where is_headline or offence_group = 'fraud'
    group by
        universe, ruleset,
        grouping sets (
            (is_headline),
            (is_headline, offence_group),
            (is_headline, district),
            (is_headline, reported_month),
            (is_headline, disposition_code),
            (is_headline, offence_group, reported_month),
            (is_headline, district, reported_month)
        )
    having is_headline or grouping(offence_group) = 0
),

final as (
    select
        by_set.*,
        by_set.recorded_count + by_set.wrongly_cancelled_count + by_set.unrecorded_count
            as rate_base_count,
        by_set.recorded_count
        / nullif(by_set.recorded_count + by_set.wrongly_cancelled_count + by_set.unrecorded_count, 0)
            as recording_rate,
        case
            when by_set.reported_month <> 'all'
                then
                    cast(by_set.reported_month as date) + interval 1 month + interval 30 day
                    <= settings.as_of
        end as is_mature
    from by_set
    cross join settings
)

select * from final
