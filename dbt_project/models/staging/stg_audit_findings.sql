with standing as (
    {{ newest_rows('audit_findings') }}
),

final as (
    select
        ---------- ids
        natural_id as audit_finding_id,
        {{ identity_number('call') }} as call_id,
        coalesce(call_key, upper(call_reference)) as published_call_id,
        cast(crime_number as integer) as crime_number,
        record_key,
        row_id,
        source_file,
        source_as_of,
        batch_seq,

        ---------- what the auditor found
        offence_code,
        offence_class,
        is_domestic_abuse,
        is_recorded,
        is_in_time,
        is_rightly_classified,

        is_withdrawn
    from standing
)

select * from final
