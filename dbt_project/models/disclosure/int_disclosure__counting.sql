{#- Which disclosed crimes are counted under another crime of the same call. This is the principal crime rule
    with its exceptions, as they stood on the date of the report (CRR 2026/27 p12-14, 55-58). -#}
with crimes as (
    select
        crimes.*,
        {{ local_date('calls.received_at', 'settings.timezone') }} as received_on
    from {{ ref('int_disclosure__disclosed_crimes') }} as crimes
    inner join {{ ref('stg_calls') }} as calls on crimes.call_id = calls.call_id
    cross join {{ source('landing', 'settings') }} as settings
),

ruled as (
    select
        crimes.*,
        rules.counting_rule_id,
        coalesce(rules.effect, 'none') as effect,
        -- Messages are one crime for each recipient, and no part of a robbery. But a course of conduct is
        -- often made of them, so that its rules hold for them as for any other crime.
        rules.effect is null or crimes.counting_class = 'malicious_communications' as may_be_of_conduct
    from crimes
    left join {{ ref('counting_rules') }} as rules
        on
            crimes.counting_class = rules.counting_class
            and crimes.received_on between rules.valid_from and rules.valid_to
),

pairs as (
    select
        ruled.call_id,
        ruled.crime_number,
        min(
            case
                when ruled.effect = 'included' and other.may_be_of_conduct then ruled.counting_rule_id
                when ruled.may_be_of_conduct and other.effect = 'principal' and not ruled.is_rape
                    then other.counting_rule_id
                when ruled.effect = 'additional' then null
                when ruled.effect = 'none' and other.effect = 'none' and principal.principal_group is not null
                    then 'P:' || principal.principal_group
            end
        ) as counted_under
    from ruled
    inner join ruled as other on ruled.call_id = other.call_id and ruled.crime_number <> other.crime_number
    left join {{ ref('principal_crimes') }} as principal
        on other.offence_group = principal.principal_group and ruled.offence_group = principal.included_group
    where ruled.evidence_kind <> 'further_crime' and other.evidence_kind <> 'further_crime'
    group by ruled.call_id, ruled.crime_number
),

final as (
    select
        crimes.call_id,
        crimes.crime_number,
        pairs.counted_under,
        pairs.counted_under is not null as is_counted_elsewhere
    from crimes
    left join pairs on crimes.call_id = pairs.call_id and crimes.crime_number = pairs.crime_number
)

select * from final
