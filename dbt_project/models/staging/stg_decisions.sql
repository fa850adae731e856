{#- Decisions count in the order of their arrival, as a clock may be wrong. A file only grows, so a decision
    was taken no earlier than those above it. -#}
with newest as (
    {{ newest_rows('decisions') }}
),

placed as (
    select
        *,
        max(decided_at) over (
            partition by source_file
            order by row_id
            rows between unbounded preceding and current row
        ) as taken_by
    from newest
),

final as (
    select
        ---------- ids
        natural_id as decision_reference,
        {{ identity_number('call') }} as call_id,
        coalesce(call_key, upper(call_reference)) as published_call_id,
        {{ identity_number('record') }} as crime_record_id,
        coalesce(record_key, upper(record_reference)) as published_record_id,
        cast(crime_number as integer) as crime_number,
        row_id,
        source_file,
        source_as_of,
        batch_seq,

        ---------- what was decided
        decision_kind,
        rule_id,
        content_id,
        reason_code,
        reason_masked,

        ---------- by whom and when (UTC)
        decided_by,
        second_person,
        decided_at,

        ---------- what the person saw
        version_seen,
        evidence_hash,
        seen_likelihood,
        selection,
        cast(row_number() over (order by taken_by, source_file, row_id) as integer) as arrival,

        is_withdrawn
    from placed
)

select * from final
