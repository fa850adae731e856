with standing as (
    {{ newest_rows('audit_logs') }}
),

final as (
    select
        ---------- ids
        {{ identity_number('call') }} as call_id,
        natural_id as published_call_id,
        row_id,
        source_file,
        source_as_of,
        batch_seq,

        ---------- timestamps (UTC)
        received_at,

        ---------- design of the sample
        stratum_code,
        inclusion_probability,
        auditor_code,

        ---------- what the auditor read
        initial_type_code,
        final_type_code,
        disposition_code,
        qualifiers,
        account_text_masked,
        account_text_no,
        closing_text_masked,
        closing_text_no,

        is_withdrawn
    from standing
)

select * from final
