{#- The labels that the text model learns from: how many crimes an audited log reports that should be
    recorded. They come from audits that were delivered with the texts of their logs, and from the readings
    of logs that were drawn here. A draw takes logs by risk, so each label says for how many logs it stands
    (Horvitz and Thompson 1952): whoever counts labels for all logs must weigh them. -#}
with findings as (
    select
        call_id,
        count(*) as crimes,
        count(*) filter (where is_recorded) as recorded_crimes
    from {{ ref('stg_audit_findings') }}
    where not is_withdrawn
    group by call_id
),

delivered as (
    select
        audited.call_id,
        audited.published_call_id,
        audited.initial_type_code,
        audited.final_type_code,
        coalesce(findings.crimes, 0) as crimes,
        coalesce(findings.recorded_crimes, 0) as recorded_crimes,
        1 / audited.inclusion_probability as weight
    from {{ ref('stg_audit_logs') }} as audited
    left join findings on audited.call_id = findings.call_id
    where not audited.is_withdrawn
),

readings as (
    select
        draw_id,
        call_id,
        published_call_id,
        audited_at,
        due_count,
        recorded_count,
        auditor_code = 'FCR' as is_registrar,
        max((due_count, recorded_count)) filter (where auditor_code <> 'FCR') over drawn_log
        <> min((due_count, recorded_count)) filter (where auditor_code <> 'FCR') over drawn_log
            as is_different
    from {{ ref('stg_audit_readings') }}
    where not is_withdrawn and crime_number = 0
    window drawn_log as (partition by draw_id, call_id)
),

-- Where two auditors differ, the log gives no label until the registrar has decided. The registrar's reading
-- counts only there.
decided as (
    select
        draw_id,
        call_id,
        any_value(published_call_id) as published_call_id,
        max(audited_at) as audited_at,
        max(due_count) as crimes,
        max(recorded_count) as recorded_crimes
    from readings
    where is_registrar = is_different
    group by draw_id, call_id
),

-- If several draws hold the same log, its newest reading counts.
drawn as (
    select
        decided.call_id,
        decided.published_call_id,
        logs.initial_type_code,
        logs.final_type_code,
        decided.crimes,
        decided.recorded_crimes,
        1 / drawn_logs.inclusion_probability as weight
    from decided
    inner join {{ ref('int_disclosure__logs') }} as logs on decided.call_id = logs.call_id
    left join {{ source('landing', 'drawn_logs') }} as drawn_logs
        on decided.draw_id = drawn_logs.draw_id and decided.published_call_id = drawn_logs.call_id
    qualify
        row_number() over (
            partition by decided.call_id
            order by decided.audited_at desc, decided.draw_id desc
        ) = 1
),

final as (
    select * from drawn
    union all
    select delivered.*
    from delivered
    anti join drawn on delivered.call_id = drawn.call_id
)

select * from final
