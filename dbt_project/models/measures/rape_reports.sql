{#- All reports of rape. Each is recorded as a crime at once or, since April 2015, as a reported incident
    N100 (CRR 2026/27 p63). An N100 belongs to the report of its call, also if that became a crime later: it
    was kept in time if the first of both was. An N100 without a call is a report of its own. What a duplicate
    of another log reports, or was recorded under another number, is no further report (NSIR 2011 1.5), so an
    N100 of a log that was closed as a duplicate belongs to the first log. A doubtful link does not count, as
    in the outcome: the crime is suspected to be missed, or needs no record. -#}
with incidents as (
    select
        records.published_record_id as crime_record_id,
        records.offence_code as reported_incident_code,
        coalesce(records.reported_at, records.recorded_at) as reported_at,
        records.recorded_at,
        coalesce(first_logs.call_id, links.call_id) as call_id
    from {{ ref('stg_crime_records') }} as records
    inner join (
        select distinct ho_code
        from {{ ref('reported_incident_classes') }}
        where ho_code like '100/%'
    ) as classes on records.offence_code = classes.ho_code
    left join {{ ref('links') }} as links on records.published_record_id = links.crime_record_id
    left join (
        select
            calls.published_call_id as duplicate_call_id,
            first_calls.published_call_id as call_id
        from {{ ref('int_linkage__first_logs') }} as repeats
        inner join {{ ref('stg_calls') }} as calls on repeats.call_id = calls.call_id
        inner join {{ ref('stg_calls') }} as first_calls on repeats.first_call_id = first_calls.call_id
        where repeats.is_marked
    ) as first_logs on links.call_id = first_logs.duplicate_call_id
    where not records.is_withdrawn
),

reports as (
    select
        *,
        row_number() over (
            partition by call_id
            order by crime_record_id is not null, reported_crime_id
        ) as place_in_call
    from (
        select
            outcome in ('recorded', 'wrongly_cancelled') or reason_code = 'RIGHTLY_CANCELLED' as has_record,
            * replace (
                if(has_record, crime_record_id, null) as crime_record_id,
                if(has_record, recorded_at, null) as recorded_at
            )
        from {{ ref('fct_reported_crimes') }}
        where is_rape and outcome is not null
    ) as rapes
    where
        crime_record_id is not null
        or coalesce(reason_code, '') not in ('DUPLICATE_LOG', 'ALREADY_RECORDED')
),

numbered as (
    select
        *,
        row_number() over (partition by call_id order by recorded_at, crime_record_id) as place_in_call
    from incidents
),

joined as (
    select
        coalesce(reports.reported_crime_id, numbered.crime_record_id) as rape_report_id,
        coalesce(reports.call_id, numbered.call_id) as call_id,
        reports.crime_record_id,
        numbered.crime_record_id as reported_incident_id,
        coalesce(reports.reported_at, numbered.reported_at) as reported_at,
        least(reports.recorded_at, numbered.recorded_at) as recorded_at,
        numbered.reported_incident_code,
        reports.reported_incident_code as expected_incident_code,
        reports.outcome,
        reports.reason_code,
        reports.cancellation_check,
        case
            when reports.crime_record_id is not null then 'crime'
            when numbered.crime_record_id is not null then 'reported_incident'
            else 'neither'
        end as kept_as
    from reports
    full join numbered
        on
            reports.call_id = numbered.call_id
            and reports.place_in_call = numbered.place_in_call
),

final as (
    select
        joined.rape_report_id,
        joined.call_id,
        joined.kept_as,
        joined.crime_record_id,
        joined.reported_incident_id,
        joined.reported_incident_code,
        joined.expected_incident_code,
        joined.reported_at,
        joined.recorded_at,
        date_diff('second', joined.reported_at, joined.recorded_at) / 3600.0 as hours_to_record,
        joined.recorded_at > joined.reported_at + to_hours(limits.limit_hours) as is_late,
        coalesce({{ local_date('joined.reported_at', 'settings.timezone') }} >= classes.valid_from, false)
            as is_n100_in_force,
        joined.outcome,
        joined.reason_code,
        joined.cancellation_check
    from joined
    cross join {{ source('landing', 'settings') }} as settings
    cross join (
        select min(valid_from) as valid_from
        from {{ ref('reported_incident_classes') }}
        where ho_code like '100/%'
    ) as classes
    left join {{ ref('time_limits') }} as limits
        on
            {{ local_date('joined.reported_at', 'settings.timezone') }}
            between limits.valid_from and limits.valid_to
)

select * from final
