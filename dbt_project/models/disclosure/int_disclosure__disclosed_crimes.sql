{#- Which crimes a call appears to disclose, each with its evidence. The call names some crimes and says how
    many there are; crimes are counted, not logs. -#}
{#- The probability from which the text model counts a second crime. Audits hold few logs with two crimes,
    so the model overestimates a second one; hence a limit above one half. They hold even fewer such logs
    without a crime code, so in a log without a crime code a second account must be told as well. -#}
{% set min_second_probability = 0.6 %}

with named as not materialized (
    select * from {{ ref('int_disclosure__named_crimes') }}
),

readings as not materialized (
    select * from {{ ref('int_disclosure__text_reading') }}
),

evidence as (
    select * from {{ ref('int_disclosure__evidence_counts') }}
),

kinds as (
    select * from {{ ref('evidence_kinds') }}
),

calls as (
    select * from {{ ref('stg_calls') }}
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

counting_rules as (
    select * from {{ ref('counting_rules') }}
),

-- The number of crimes in the call: by the text model, or without a model as many as the account tells of.
counts as (
    select
        named.call_id,
        count(*) as told_count,
        -- Where no crime is more than possible, none besides it is likely.
        bool_or(named.evidence_rank >= 2) as tells_a_crime,
        any_value(readings.second_probability) as second_probability,
        count(*) > 1 or any_value(readings.second_group) is not null
        or bool_or(named.evidence_kind in ('final_type', 'initial_type')) as may_tell_two,
        coalesce(any_value(evidence.further_victims), 0) as further_victims,
        bool_or(named.is_rape) as is_rape,
        coalesce(any_value(evidence.offenders), 1) as offenders
    from named
    left join readings on named.call_id = readings.call_id
    left join evidence on named.call_id = evidence.call_id
    group by named.call_id
),

wanted as (
    select
        call_id,
        case
            -- One further victim is a plain statement. Larger numbers in an account mostly count something
            -- else.
            when
                tells_a_crime
                and (
                    (second_probability >= {{ min_second_probability }} and may_tell_two)
                    or (second_probability is not null and further_victims = 1)
                ) then 2
            when second_probability is not null then 1
            when not tells_a_crime then told_count
            -- One crime per victim; in rape, one per person who penetrated (CRR 2026/27 p12, 61).
            when is_rape then told_count + greatest(further_victims, offenders - 1)
            else told_count + further_victims
        end as crime_count,
        told_count
    from counts
),

-- The log tells of two crimes of different offence groups and of no further victim: the group of the second
-- crime.
beside as (
    select
        named.call_id,
        if(readings.second_group = named.offence_group, readings.offence_group, readings.second_group)
            as offence_group
    from named
    inner join counts on named.call_id = counts.call_id
    inner join readings on named.call_id = readings.call_id
    where
        named.crime_number = 1
        and counts.further_victims = 0
        and readings.second_group <> readings.offence_group
),

-- Crimes that the rules of the day of the report count in addition to the others, so that they stay though
-- the text model reads one crime. Messages are not among them: there are as many crimes as recipients, and
-- that number is what the text model reads.
in_addition as (
    select
        named.call_id,
        named.crime_number
    from named
    inner join calls on named.call_id = calls.call_id
    cross join settings
    inner join counting_rules
        on
            named.counting_class = counting_rules.counting_class
            and {{ local_date('calls.received_at', 'settings.timezone') }}
            between counting_rules.valid_from and counting_rules.valid_to
    where counting_rules.effect = 'additional' and named.counting_class <> 'malicious_communications'
),

claims as (
    select named.*
    from named
    inner join wanted on named.call_id = wanted.call_id
    left join in_addition
        on named.call_id = in_addition.call_id and named.crime_number = in_addition.crime_number
    where named.crime_number <= wanted.crime_count or in_addition.call_id is not null

    union all

    -- Further crimes: the second crime that the text model reads, or else the first crime's further victims.
    select
        named.call_id,
        wanted.told_count + further.n as crime_number,
        'further_crime' as evidence_kind,
        named.evidence_code,
        2 as evidence_rank,
        coalesce(beside.offence_group, named.offence_group) as offence_group,
        named.is_rape and beside.call_id is null as is_rape,
        case when beside.call_id is null then named.counting_class end as counting_class
    from named
    inner join wanted on named.call_id = wanted.call_id
    left join beside on named.call_id = beside.call_id
    cross join (select unnest(range(1, 6)) as n) as further
    where named.crime_number = 1 and further.n <= wanted.crime_count - wanted.told_count
),

final as (
    select
        claims.call_id,
        cast(row_number() over (partition by claims.call_id order by claims.crime_number) as integer)
            as crime_number,
        claims.offence_group,
        claims.is_rape,
        claims.counting_class,
        claims.evidence_kind,
        claims.evidence_code,
        kinds.evidence_strength,
        kinds.rank as evidence_rank
    from claims
    inner join kinds on claims.evidence_kind = kinds.evidence_kind
)

select * from final
