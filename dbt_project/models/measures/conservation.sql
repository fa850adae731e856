{#- Adds up what became of every row that was read, because this pipeline must not lose a row either:
    "every call we answer is logged; nothing is ignored". -#}
-- The rows of staging are counted as they are there, so that a row that was lost on the way is missing here.
with standing as (
    {% for dataset in
        ['calls', 'log_actions', 'audit_logs', 'audit_findings', 'audit_readings', 'decisions'] -%}
        select
            '{{ dataset }}' as dataset,
            batch_seq,
            source_file,
            is_withdrawn,
            count(*) as row_count
        from {{ ref('stg_' ~ dataset) }}
        group by all

        union all

    {% endfor -%}
    select
        'crime_records' as dataset,
        batch_seq,
        source_file,
        is_withdrawn,
        sum(source_row_count) as row_count
    from {{ ref('stg_crime_records') }}
    group by all
),

superseded as (
    {% for dataset in ['calls', 'crime_records', 'log_actions'] -%}
        select
            '{{ dataset }}' as dataset,
            batch_seq,
            source_file,
            count(*) as row_count
        from {{ ref('stg_past_' ~ dataset) }}
        where fate = 'superseded'
        group by all
        {{ 'union all' if not loop.last }}
    {% endfor -%}
    {% for dataset in ['audit_logs', 'audit_findings', 'audit_readings', 'decisions'] -%}
        union all

        select
            '{{ dataset }}' as dataset,
            landed.batch_seq,
            landed.source_file,
            count(*) as row_count
        from {{ source('landing', dataset) }} as landed
        anti join {{ ref('stg_' ~ dataset) }} as standing
            on landed.row_id = standing.row_id and landed.batch_seq = standing.batch_seq
        group by all
    {% endfor -%}
),

fates as (
    select
        dataset,
        batch_seq,
        source_file,
        sum(row_count) filter (where fate = 'current') as current_count,
        sum(row_count) filter (where fate = 'withdrawn') as withdrawn_count,
        sum(row_count) filter (where fate = 'superseded') as superseded_count
    from (
        select
            dataset,
            batch_seq,
            source_file,
            case when is_withdrawn then 'withdrawn' else 'current' end as fate,
            row_count
        from standing
        union all
        select
            dataset,
            batch_seq,
            source_file,
            'superseded' as fate,
            row_count
        from superseded
    ) as counted
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
        files.erased_count,
        files.left_out_count,
        cast(coalesce(fates.current_count, 0) as bigint) as current_count,
        cast(coalesce(fates.withdrawn_count, 0) as bigint) as withdrawn_count,
        cast(coalesce(fates.superseded_count, 0) as bigint) as superseded_count
    from {{ source('landing', 'batch_files') }} as files
    left join fates
        on
            files.dataset = fates.dataset
            and files.seq = fates.batch_seq
            and files.source_file = fates.source_file
)

select * from final
