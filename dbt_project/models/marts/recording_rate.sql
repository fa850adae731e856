{#- Crimes counted by universe and ruleset, and then along one dimension at a time. `breakdown` names that
    dimension, and the other dimensions hold 'all'. Fraud is left out everywhere except in its own row by
    offence group. Rape and domestic abuse are themes: they are parts of the groups and have rows of their
    own. Where too little is known of the agency's data, the counts are shown and the rate is withheld. -#}
with settings as (
    select * from {{ source('landing', 'settings') }}
),

reported_crimes as (
    select * from {{ ref('fct_reported_crimes') }}
),

groups as (
    select * from {{ ref('offence_groups') }}
),

auditability as (
    select * from {{ ref('int_outcomes__auditability') }}
),

crimes as (
    select
        crimes.*,
        groups.is_headline,
        unnest(['strict', 'standard', 'inclusive']) as ruleset,
        unnest([crimes.outcome_strict, crimes.outcome_standard, crimes.outcome_inclusive])
            as ruleset_outcome
    from reported_crimes as crimes
    inner join groups
        on crimes.offence_group = groups.offence_group
),

withheld as (
    select string_agg(reason, '; ' order by auditability_check) as withheld_reason
    from auditability
    where not is_met
),

universes as (
    select unnest(['frame', 'all']) as universe
),

counted as (
    select
        universes.universe,
        crimes.ruleset,
        crimes.offence_group,
        crimes.is_headline,
        crimes.is_rape,
        crimes.is_domestic_abuse,
        coalesce(crimes.district, 'unknown') as district,
        cast(crimes.reported_month_on as varchar) as reported_month,
        coalesce(crimes.disposition_code, 'unknown') as disposition_code,
        coalesce(crimes.route, 'unknown') as route,
        crimes.ruleset_outcome as outcome,
        count(*) as crime_count
    from crimes
    inner join universes on universes.universe = 'all' or crimes.is_in_frame
    where crimes.ruleset_outcome is not null and (crimes.is_headline or crimes.offence_group = 'fraud')
    group by all
),

themed as (
    select
        false as is_theme,
        *
    from counted
    {% for theme in ['rape', 'domestic_abuse'] %}
        union all
        select
            true as is_theme,
            * replace ('{{ theme }}' as offence_group)
        from counted
        where is_{{ theme }} and is_headline
    {% endfor %}
),

by_set as (
    select
        universe,
        ruleset,
        case
            when is_theme and grouping(reported_month) = 0 then 'theme_month'
            when is_theme then 'theme'
            when grouping(offence_group) = 0 and grouping(reported_month) = 0 then 'offence_group_month'
            when grouping(district) = 0 and grouping(reported_month) = 0 then 'district_month'
            when grouping(offence_group) = 0 then 'offence_group'
            when grouping(district) = 0 then 'district'
            when grouping(reported_month) = 0 then 'month'
            when grouping(disposition_code) = 0 then 'disposition'
            when grouping(route) = 0 then 'route'
            else 'total'
        end as breakdown,
        coalesce(offence_group, 'all') as offence_group,
        coalesce(district, 'all') as district,
        coalesce(reported_month, 'all') as reported_month,
        coalesce(disposition_code, 'all') as disposition_code,
        coalesce(route, 'all') as route,
        {% for outcome in [
            'recorded', 'wrongly_cancelled', 'unrecorded', 'justified', 'too_recent', 'source_missing'
        ] %}
            cast(coalesce(sum(crime_count) filter (where outcome = '{{ outcome }}'), 0) as bigint)
                as {{ outcome }}_count
            {%- if not loop.last %},{% endif %}
        {% endfor %}
    from themed
    group by
        universe, ruleset, is_theme,
        grouping sets (
            (is_headline),
            (is_headline, offence_group),
            (is_headline, district),
            (is_headline, reported_month),
            (is_headline, disposition_code),
            (is_headline, route),
            (is_headline, offence_group, reported_month),
            (is_headline, district, reported_month)
        )
    having grouping(offence_group) = 0 or (is_headline and not is_theme)
),

final as (
    select
        by_set.*,
        by_set.recorded_count + by_set.wrongly_cancelled_count + by_set.unrecorded_count
            as rate_base_count,
        case
            when withheld.withheld_reason is null
                then by_set.recorded_count / nullif(rate_base_count, 0)
        end as recording_rate,
        withheld.withheld_reason,
        case
            when by_set.reported_month <> 'all'
                then
                    {{ is_month_mature(
                        'cast(by_set.reported_month as date)', 'settings.as_of', 'settings.timezone'
                    ) }}
        end as is_mature
    from by_set
    cross join settings
    cross join withheld
)

select * from final
