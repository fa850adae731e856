with calls as (
    select
        call_id as number,
        published_call_id as key
    from {{ ref('stg_calls') }}
),

named as (
    {% for model in ['log_actions', 'audit_logs', 'audit_findings', 'audit_readings', 'decisions'] -%}
        select
            call_id as number,
            published_call_id as key
        from {{ ref('stg_' ~ model) }}

        union all

    {% endfor -%}
    select
        call_no as number,
        call_key as key
    from {{ ref('stg_crime_records') }}

    union all

    select
        cross_no as number,
        cross_key as key
    from {{ ref('stg_calls') }}
),

{{ shared_numbers('call', 'calls', 'named') }}
