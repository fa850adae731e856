{#- Which crimes a call appears to disclose: those it names, in the number that it tells of (count crimes,
    not logs: design 5.4), each with the evidence that says so. -#}
{#- from which probability on the text model reads two crimes: audits hold few such logs, so it is too
    sure of the second one rather than not sure enough -#}
{% set min_second_probability = 0.6 %}

with named as (
    select * from {{ ref('int_reporting__named_crimes') }}
),

-- how many crimes there are: as the text model says, or without one as many as are told
counts as (
    select
        named.call_id,
        count(*) as told_count,
        any_value(readings.second_probability) as second_probability,
        coalesce(any_value(evidence.further_victims), 0) as further_victims,
        bool_or(named.is_rape) as is_rape,
        coalesce(any_value(evidence.offenders), 1) as offenders
    from named
    left join {{ ref('int_reporting__text_reading') }} as readings on named.call_id = readings.call_id
    left join {{ ref('int_reporting__evidence_counts') }} as evidence on named.call_id = evidence.call_id
    group by named.call_id
),

wanted as (
    select
        call_id,
        case
            -- "one other too" is plain; larger numbers in an account mostly count something else
            when
                second_probability >= {{ min_second_probability }}
                or (second_probability is not null and further_victims = 1) then 2
            when second_probability < {{ min_second_probability }} then 1
            -- one crime per victim; rape: one per person who penetrated (CRR 2026/27 p12, 61)
            when is_rape then told_count + greatest(further_victims, offenders - 1)
            else told_count + further_victims
        end as crime_count,
        told_count
    from counts
),

claims as (
    select named.*
    from named
    inner join wanted on named.call_id = wanted.call_id
    where
        named.crime_number <= wanted.crime_count
        or named.counting_class in ('modern_slavery', 'breach')

    union all

    -- further victims of the first crime
    select
        named.call_id,
        wanted.told_count + further.n as crime_number,
        'further_crime' as evidence_kind,
        named.evidence_code,
        2 as evidence_rank,
        named.offence_group,
        named.is_rape,
        named.counting_class
    from named
    inner join wanted on named.call_id = wanted.call_id
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
    inner join {{ ref('evidence_kinds') }} as kinds on claims.evidence_kind = kinds.evidence_kind
)

select * from final
