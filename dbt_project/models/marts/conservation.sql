{#- Adds up what became of every row read (design 5.3): "every call we answer is logged; nothing is
    ignored" must be true of this pipeline. -#}
with files as (
    select * from {{ source('landing', 'batch_files') }}
),

call_rows as (
    select
        rows.row_id,
        rows.batch_seq,
        rows.source_file,
        current_rows.row_id is not null as is_newest,
        coalesce(current_rows.is_withdrawn, false) as is_withdrawn
    from {{ source('landing', 'calls') }} as rows
    left join {{ ref('stg_calls') }} as current_rows
        on rows.row_id = current_rows.row_id and rows.batch_seq = current_rows.batch_seq
),

record_rows as (
    select
        rows.row_id,
        rows.batch_seq,
        rows.source_file,
        records.crime_record_id is not null as is_newest,
        coalesce(records.is_withdrawn, false) as is_withdrawn
    from {{ source('landing', 'crime_records') }} as rows
    left join {{ ref('stg_crime_records') }} as records
        on
            coalesce(rows.record_key, upper(rows.record_reference)) = records.crime_record_id
            and rows.source_as_of = records.source_as_of
            and rows.batch_seq = records.batch_seq
            and rows.source_file = records.source_file
),

{% for dataset in ['log_actions', 'audit_logs', 'audit_findings', 'decisions'] -%}
    {{ dataset }}_rows as (
        select
            rows.row_id,
            rows.batch_seq,
            rows.source_file,
            current_rows.row_id is not null as is_newest,
            coalesce(current_rows.is_withdrawn, false) as is_withdrawn
        from {{ source('landing', dataset) }} as rows
        left join {{ ref('stg_' ~ dataset) }} as current_rows
            on rows.row_id = current_rows.row_id and rows.batch_seq = current_rows.batch_seq
    ),

{% endfor -%}
fates as (
    select
        dataset,
        batch_seq,
        source_file,
        count(*) filter (where is_newest and not is_withdrawn) as current_count,
        count(*) filter (where is_newest and is_withdrawn) as withdrawn_count,
        count(*) filter (where not is_newest) as superseded_count
    from (
        select
            'calls' as dataset,
            *
        from call_rows
        union all
        select
            'crime_records' as dataset,
            *
        from record_rows
        {% for dataset in ['log_actions', 'audit_logs', 'audit_findings', 'decisions'] -%}
            union all
            select
                '{{ dataset }}' as dataset,
                *
            from {{ dataset }}_rows
        {% endfor -%}
    ) as all_rows
    group by dataset, batch_seq, source_file
),

final as (
    select
        files.dataset,
        files.batch_id,
        files.source_file,
        files.read_count,
        files.accepted_count,
        files.quarantined_count,
        files.duplicate_count,
        coalesce(fates.current_count, 0) as current_count,
        coalesce(fates.withdrawn_count, 0) as withdrawn_count,
        coalesce(fates.superseded_count, 0) as superseded_count
    from files
    left join fates
        on
            files.dataset = fates.dataset
            and files.seq = fates.batch_seq
            and files.source_file = fates.source_file
)

select * from final
