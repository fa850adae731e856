with records as (
    select
        crime_record_id as number,
        published_record_id as key
    from {{ ref('stg_crime_records') }}
),

named as (
    {% for model in ['calls', 'log_actions'] -%}
        select
            record_no as number,
            record_key as key
        from {{ ref('stg_' ~ model) }}

        union all

    {% endfor -%}
    select
        surviving_record_no as number,
        surviving_record_key as key
    from {{ ref('stg_crime_records') }}

    union all

    select
        crime_record_id as number,
        published_record_id as key
    from {{ ref('stg_decisions') }}
),

{{ shared_numbers('record', 'records', 'named') }}
