{#- Which crimes a call names by its code and in its account. A code names one crime. Where code and account
    each name one, both mean the same crime. -#}
with evidence as not materialized (
    select * from {{ ref('int_disclosure__call_evidence') }}
),

-- The strongest crime code that the force itself gave the call.
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

-- What the account tells. Weaker readings count only where there is no stronger one.
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
                order by
                    evidence.evidence_rank desc,
                    evidence.evidence_kind asc,
                    evidence.offence_group asc,
                    evidence.counting_class is null desc,
                    evidence.evidence_code asc
            ) = 1
        )
),

-- The first crime in the account is the crime of the code, whatever its group: a call reports one crime
-- unless its account tells of more.
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

final as (
    select
        coalesce(code.call_id, ordered.call_id) as call_id,
        coalesce(ordered.told_number, 1) as crime_number,
        coalesce(code.evidence_kind, ordered.evidence_kind) as evidence_kind,
        coalesce(code.evidence_code, ordered.evidence_code) as evidence_code,
        coalesce(code.evidence_rank, ordered.evidence_rank) as evidence_rank,
        -- If the account tells of a rape, the crime is a rape, whatever the code says.
        if(ordered.is_rape, ordered.offence_group, coalesce(code.offence_group, ordered.offence_group))
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
)

select * from final
