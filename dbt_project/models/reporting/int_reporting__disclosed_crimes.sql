{#- Which crimes a call appears to disclose, and which evidence says so: count crimes, not logs
    (design 5.4). What the call's code names and what its account tells are put together: a code names
    one crime, and where both speak of one, it is the same. -#}
{#- from which probability on the text model reads two crimes: audits hold few such logs, so it is too
    sure of the second one rather than not sure enough -#}
{% set min_second_probability = 0.6 %}

with evidence as (
    select * from {{ ref('int_reporting__call_evidence') }}
),

-- what the force itself called it: the strongest code
code as (
    select
        call_id,
        max_by(evidence_kind, evidence_rank) as evidence_kind,
        max_by(evidence_code, evidence_rank) as evidence_code,
        max_by(offence_group, evidence_rank) as offence_group,
        max_by(is_rape, evidence_rank) as is_rape,
        max(evidence_rank) as evidence_rank
    from evidence
    where evidence_kind in ('final_type', 'initial_type')
    group by call_id
),

-- what the account tells; the weaker readings speak only where no stronger one does
told as (
    select
        evidence.*,
        code.call_id is not null as has_code,
        coalesce(evidence.offence_group = code.offence_group, false) as is_of_code
    from evidence
    left join code on evidence.call_id = code.call_id
    where
        evidence.evidence_kind in ('log_text', 'text_model', 'log_text_hint', 'text_model_hint')
        and evidence.offence_group is not null
    qualify
        evidence.evidence_kind = 'log_text'
        or (
            not bool_or(evidence.evidence_kind = 'log_text') over (partition by evidence.call_id)
            and code.call_id is null
            and row_number() over (
                partition by evidence.call_id
                order by evidence.evidence_rank desc, evidence.evidence_kind asc, evidence.offence_group asc
            ) = 1
        )
),

-- the first thing told is the code's crime, whatever its group: one call, one crime, until more is told
ordered as (
    select
        *,
        row_number() over (
            partition by call_id
            order by
                is_rape desc,
                is_of_code desc,
                counting_class is null desc,
                evidence_rank desc,
                offence_group asc,
                evidence_code asc
        ) as told_number
    from told
),

named as (
    select
        coalesce(code.call_id, ordered.call_id) as call_id,
        coalesce(ordered.told_number, 1) as crime_number,
        coalesce(code.evidence_kind, ordered.evidence_kind) as evidence_kind,
        coalesce(code.evidence_code, ordered.evidence_code) as evidence_code,
        coalesce(code.evidence_rank, ordered.evidence_rank) as evidence_rank,
        -- a rape told under another code is a rape
        case
            when ordered.is_rape then ordered.offence_group else
                coalesce(code.offence_group, ordered.offence_group)
        end
            as offence_group,
        coalesce(code.is_rape, false) or coalesce(ordered.is_rape, false) as is_rape,
        ordered.counting_class
    from code
    full join (
        select * from ordered
        where told_number = 1
    ) as ordered
        on code.call_id = ordered.call_id

    union all

    select
        call_id,
        told_number as crime_number,
        evidence_kind,
        evidence_code,
        evidence_rank,
        offence_group,
        is_rape,
        counting_class
    from ordered
    where told_number > 1
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

domestic as (
    select
        call_id,
        bool_or(is_domestic_abuse) as is_domestic_abuse
    from evidence
    group by call_id
),

final as (
    select
        claims.call_id,
        cast(row_number() over (partition by claims.call_id order by claims.crime_number) as integer)
            as crime_number,
        claims.offence_group,
        claims.is_rape,
        coalesce(domestic.is_domestic_abuse, false) as is_domestic_abuse,
        claims.counting_class,
        claims.evidence_kind,
        claims.evidence_code,
        kinds.evidence_strength,
        kinds.rank as evidence_rank
    from claims
    inner join {{ ref('evidence_kinds') }} as kinds on claims.evidence_kind = kinds.evidence_kind
    left join domestic on claims.call_id = domestic.call_id
)

select * from final
