{#- Which record and which log name each other by their canonical numbers. The record may name the log, the
    log the record, or both. A null key names nothing. -#}
with typed as (
    select
        records.crime_record_id,
        calls.call_id
    from {{ ref('int_linkage__records') }} as records
    inner join {{ ref('int_linkage__calls') }} as calls on records.call_no = calls.call_no
),

written_back as (
    select
        records.crime_record_id,
        calls.call_id
    from {{ ref('int_linkage__calls') }} as calls
    inner join {{ ref('int_linkage__records') }} as records on calls.record_no = records.crime_record_id

    union

    select
        records.crime_record_id,
        calls.call_id
    from {{ ref('stg_log_actions') }} as actions
    inner join {{ ref('int_linkage__records') }} as records on actions.record_no = records.crime_record_id
    inner join {{ ref('int_linkage__calls') }} as calls on actions.call_id = calls.call_id
    where not actions.is_withdrawn
),

final as (
    select
        coalesce(typed.crime_record_id, written_back.crime_record_id) as crime_record_id,
        coalesce(typed.call_id, written_back.call_id) as call_id,
        typed.call_id is not null as is_typed,
        written_back.call_id is not null as is_written_back
    from typed
    full join written_back
        on typed.crime_record_id = written_back.crime_record_id and typed.call_id = written_back.call_id
)

select * from final
