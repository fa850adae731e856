{#- Calls for tools that draw charts: local time, and names instead of codes. A code that has no name is
    shown as it is. -#}
with calls as (
    select * from {{ ref('fct_calls').include(database=false) }}
),

call_types as not materialized (
    select * from {{ source('codes', 'call_types').include(database=false) }}
),

closures as (
    select * from {{ source('codes', 'closures').include(database=false) }}
),

channels as (
    select * from {{ source('codes', 'routes').include(database=false) }}
),

version as (
    select * from {{ ref('release').include(database=false) }}
),

final as (
    select
        calls.call_id as log_id,
        calls.call_reference as log_reference,
        {{ local_date('calls.received_at', 'version.timezone') }} as received_on,
        {{ local_time('calls.received_at', 'version.timezone') }} as received_local_time,
        {{ local_time('calls.arrived_at', 'version.timezone') }} as arrived_local_time,
        {{ local_time('calls.closed_at', 'version.timezone') }} as closed_local_time,
        coalesce(channels.name, calls.source_channel, 'Unknown') as channel_name,
        coalesce(calls.district, 'unknown') as log_district,
        calls.beat as log_beat,
        coalesce(calls.initial_type_name, opened.name, calls.initial_type_code) as opening_type_name,
        coalesce(calls.final_type_name, closed.name, calls.final_type_code) as closing_type_name,
        coalesce(calls.disposition_name, closures.name, calls.disposition_code) as closing_result_name,
        calls.is_in_frame as is_log_in_frame,
        calls.is_self_initiated,
        {{ in_words('calls.verdict') }} as verdict_name,
        calls.has_crime_record,
        calls.reported_crime_count as log_crime_count,
        calls.recorded_crime_count as log_recorded_count
    from calls
    cross join version
    left join call_types as opened on calls.initial_type_code = opened.code
    left join call_types as closed on calls.final_type_code = closed.code
    left join closures on calls.disposition_code = closures.code
    left join channels on calls.source_channel = channels.code
)

select * from final
