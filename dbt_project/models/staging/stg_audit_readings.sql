with newest as (
    {{ newest_rows('audit_readings') }}
),

final as (
    select
        ---------- ids
        natural_id as audit_reading_id,
        draw_id,
        {{ identity_number('call') }} as call_id,
        coalesce(call_key, upper(call_reference)) as published_call_id,
        upper(auditor_code) as auditor_code,
        cast(crime_number as integer) as crime_number,
        record_key,
        row_id,
        source_file,
        source_as_of,
        batch_seq,

        ---------- the reading of the log
        audited_at,
        cast(due_count as integer) as due_count,
        cast(recorded_count as integer) as recorded_count,

        ---------- a crime found in it
        offence_code,
        domestic_abuse_code = 'Y' as is_domestic_abuse,
        recorded_code = 'Y' as is_recorded,
        recorded_at,
        rightly_classified_code = 'Y' as is_rightly_classified,

        is_withdrawn
    from newest
)

select * from final
