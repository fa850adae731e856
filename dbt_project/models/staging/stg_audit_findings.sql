with standing as (
    {{ newest_rows('audit_findings') }}
),

final as (
    select
        ---------- ids
        {{ identity_number('call') }} as call_id,
        coalesce(call_key, upper(call_reference)) as published_call_id,
        cast(crime_number as integer) as crime_number,
        row_id,
        source_file,
        batch_seq,

        ---------- what the auditor found
        offence_code,
        is_recorded,

        is_withdrawn
    from standing
)

select * from final
