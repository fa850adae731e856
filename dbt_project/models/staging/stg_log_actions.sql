{#- A view over the landing, because most models need few of its columns and few rows of its text. -#}
{{ config(materialized='view') }}

with standing as (
    {{ standing_rows('log_actions') }}
),

final as (
    select
        ---------- ids
        natural_id as log_action_id,
        {{ identity_number('call') }} as call_id,
        coalesce(call_key, upper(call_reference)) as published_call_id,
        cast(sequence_number as integer) as sequence_number,
        record_no,
        record_key,
        cross_key,
        row_id,
        source_file,
        source_as_of,
        batch_seq,

        ---------- timestamps (UTC)
        acted_at,

        ---------- codes
        author_code,
        action_type,

        ---------- text
        action_text_masked,
        action_text_no,

        is_withdrawn
    from standing
)

select * from final
