{#- The counts of which the rate is made, by month, district and offence group at once. Each crime is in one
    row, so the counts can be added over any rows; there is no column with a rate, because a tool would add or
    average it. The counts of the rate are null where the rate is withheld, and fraud is left out. -#}
with crimes as (
    select * from {{ ref('fct_reported_crimes').include(database=false) }}
),

groups as (
    select *
    from {{ ref('offence_groups').include(database=false) }}
    where is_headline
),

checks as (
    select * from {{ ref('auditability').include(database=false) }}
),

withheld as (
    select string_agg(reason, '; ' order by auditability_check) as withheld_reason
    from checks
    where not is_met
),

counted as (
    select
        crimes.reported_month_on,
        coalesce(crimes.district, 'unknown') as rate_district,
        groups.offence_group_name as rate_group_name,
        crimes.is_in_frame as is_rate_in_frame,
        {%- for prefix, outcome in [
            ('', 'outcome'), ('strict_', 'outcome_strict'), ('inclusive_', 'outcome_inclusive')
        ] %}
            count(*) filter (where crimes.{{ outcome }} = 'recorded') as {{ prefix }}recorded_count,
            count(*) filter (where crimes.{{ outcome }} in ('recorded', 'wrongly_cancelled', 'unrecorded'))
                as {{ prefix }}due_count,
        {%- endfor %}
        count(*) filter (where crimes.outcome in ('justified', 'too_recent', 'source_missing'))
            as not_due_count
    from crimes
    inner join groups
        on crimes.offence_group = groups.offence_group
    group by all
),

final as (
    select
        counted.reported_month_on,
        counted.rate_district,
        counted.rate_group_name,
        counted.is_rate_in_frame,
        {%- for column in [
            'recorded_count', 'due_count', 'strict_recorded_count', 'strict_due_count',
            'inclusive_recorded_count', 'inclusive_due_count'
        ] %}
            case when withheld.withheld_reason is null then counted.{{ column }} end as {{ column }},
        {%- endfor %}
        counted.not_due_count,
        withheld.withheld_reason
    from counted
    cross join withheld
)

select * from final
