{#- Between which ends the recording rate lies as far as software alone can tell. Before a first audit nothing
    has taught the software, and its rate is 9 to 15 points too low on forces whose truth is known; the rates of
    the strict and the inclusive ruleset are no bracket either. So the lower end takes for missed whatever looks
    at all like a reported crime without a record. The upper end takes for missed only what a record proves:
    of the logs that were closed under a crime code without record or reason, so few report a crime in some forces
    and groups that no share of them is sure. -#}
{% set least_crimes = 30 %}

with rates as (
    select * from {{ ref('recording_rate') }}
    where breakdown in ('total', 'theme') or (breakdown = 'offence_group' and offence_group <> 'fraud')
),

ends as (
    select
        universe,
        breakdown,
        offence_group,
        any_value(rate_base_count) filter (where ruleset = 'strict') as crime_count,
        any_value(recorded_count) filter (where ruleset = 'strict') as recorded_count,
        any_value(wrongly_cancelled_count) filter (where ruleset = 'strict') as wrongly_cancelled_count,
        any_value(recording_rate) filter (where ruleset = 'inclusive') as inclusive_rate,
        any_value(withheld_reason) as withheld_reason
    from rates
    group by universe, breakdown, offence_group
),

judged as (
    select
        universe,
        breakdown,
        offence_group,
        inclusive_rate,
        recorded_count / nullif(recorded_count + wrongly_cancelled_count, 0) as upper_rate,
        coalesce(
            withheld_reason,
            case
                when coalesce(crime_count, 0) < {{ least_crimes }} then 'fewer than {{ least_crimes }} crimes'
                when recorded_count = 0 then 'no crime is recorded'
            end
        ) as withheld_reason
    from ends
),

final as (
    select
        universe,
        breakdown,
        offence_group,
        case when withheld_reason is null then least(inclusive_rate, upper_rate) end as low_rate,
        case when withheld_reason is null then upper_rate end as high_rate,
        withheld_reason
    from judged
)

select * from final
