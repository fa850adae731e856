{#- Between which ends the recording rate lies as far as software alone can tell. Before a first audit nothing
    has taught the software, and its rate is 9 to 15 points too low on forces whose truth is known; the rates of
    the strict and the inclusive ruleset are no bracket either. So the lower end takes for missed whatever looks
    at all like a reported crime without a record, and counts only those recorded crimes that would have been
    found without their record too: what it overlooks is then overlooked in both. The upper end takes for missed
    only what a record proves: of the logs that were closed under a crime code without record or reason, so few
    report a crime in some forces and groups that no share of them is sure. -#}
{% set least_crimes = 30 %}

with rates as (
    select * from {{ ref('recording_rate') }}
    where
        breakdown in ('total', 'theme')
        or (breakdown = 'offence_group' and offence_group <> 'fraud')
),

crimes as (
    select * from {{ ref('fct_reported_crimes') }}
),

headline_groups as (
    select * from {{ ref('offence_groups') }}
    where is_headline
),

universes as (
    select unnest(['frame', 'all']) as universe
),

recorded as not materialized (
    select
        universes.universe,
        crimes.*
    from crimes
    inner join headline_groups on crimes.offence_group = headline_groups.offence_group
    inner join universes on universes.universe = 'all' or crimes.is_in_frame
    where crimes.outcome_inclusive = 'recorded' and crimes.is_misclassified is not null
),

-- Recorded crimes of which the log itself tells: `is_misclassified` compares what it tells with the record.
told as (
    select
        universe,
        'total' as breakdown,
        'all' as offence_group,
        true as is_told
    from recorded
    union all
    select
        universe,
        'offence_group' as breakdown,
        offence_group,
        not is_misclassified as is_told
    from recorded
    union all
    select
        universe,
        'theme' as breakdown,
        'rape' as offence_group,
        is_rape and not is_misclassified as is_told
    from recorded
    union all
    select
        universe,
        'theme' as breakdown,
        'domestic_abuse' as offence_group,
        is_domestic_abuse as is_told
    from recorded
),

told_counts as (
    select
        universe,
        breakdown,
        offence_group,
        count(*) filter (where is_told) as told_count
    from told
    group by universe, breakdown, offence_group
),

ends as (
    select
        universe,
        breakdown,
        offence_group,
        any_value(rate_base_count) filter (where ruleset = 'strict') as crime_count,
        any_value(recorded_count) filter (where ruleset = 'strict') as recorded_count,
        any_value(wrongly_cancelled_count) filter (where ruleset = 'strict') as wrongly_cancelled_count,
        any_value(rate_base_count - recorded_count) filter (where ruleset = 'inclusive') as missed_count,
        any_value(withheld_reason) as withheld_reason
    from rates
    group by universe, breakdown, offence_group
),

judged as (
    select
        ends.universe,
        ends.breakdown,
        ends.offence_group,
        told_counts.told_count / (told_counts.told_count + ends.missed_count) as lower_rate,
        ends.recorded_count / (ends.recorded_count + ends.wrongly_cancelled_count) as upper_rate,
        coalesce(
            ends.withheld_reason,
            case
                when coalesce(ends.crime_count, 0) < {{ least_crimes }}
                    then 'fewer than {{ least_crimes }} crimes'
                when coalesce(told_counts.told_count, 0) = 0 then 'no log reports a crime that is recorded'
            end
        ) as withheld_reason
    from ends
    left join told_counts
        on
            ends.universe = told_counts.universe
            and ends.breakdown = told_counts.breakdown
            and ends.offence_group = told_counts.offence_group
),

final as (
    select
        universe,
        breakdown,
        offence_group,
        case when withheld_reason is null then least(lower_rate, upper_rate) end as low_rate,
        case when withheld_reason is null then upper_rate end as high_rate,
        withheld_reason
    from judged
)

select * from final
