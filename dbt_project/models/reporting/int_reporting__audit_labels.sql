{#- What auditors found, as labels: how many crimes an audited log reports that should be recorded. -#}
with findings as (
    select
        call_id,
        count(*) as crimes
    from {{ ref('stg_audit_findings') }}
    where not is_withdrawn
    group by call_id
),

final as (
    select
        audited.call_id,
        coalesce(findings.crimes, 0) as crimes
    from {{ ref('stg_audit_logs') }} as audited
    left join findings on audited.call_id = findings.call_id
    where not audited.is_withdrawn
)

select * from final
