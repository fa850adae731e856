with calls as (
    select *
    from {{ ref('stg_calls') }}
    where not is_withdrawn
),

call_types as (
    select * from {{ source('codes', 'call_types') }}
),

-- The decision about the call's first crime. A call that discloses no crime has crime_number 0.
decisions as (
    select *
    from {{ ref('int_disclosure__decisions') }}
    where crime_number <= 1
),

own_links as (
    select * from {{ ref('int_linkage__links') }}
),

shared_records as (
    select * from {{ ref('int_linkage__shared_records') }}
),

records as (
    select * from {{ ref('stg_crime_records') }}
),

offences as (
    select * from {{ source('codes', 'offences') }}
),

reported_crimes as (
    select * from {{ ref('fct_reported_crimes') }}
),

-- A record that belongs to another call is a report of this one too, but is counted there.
all_links as (
    select
        call_id,
        crime_record_id,
        is_crime_record,
        true as is_own
    from own_links
    union all
    select
        call_id,
        crime_record_id,
        is_crime_record,
        false as is_own
    from shared_records
),

links as (
    select
        links.call_id,
        count(*) filter (where links.is_own) as linked_record_count,
        bool_or(links.is_crime_record) as has_crime_record,
        bool_or(
            coalesce(offences.is_crime_type_word_list, offences.offence_group is not null, false)
        ) as has_crime_report
    from all_links as links
    inner join records
        on links.crime_record_id = records.crime_record_id
    left join offences on records.offence_code = offences.code
    group by links.call_id
),

crimes as (
    select
        call_no,
        count(*) filter (where outcome is not null) as reported_crime_count,
        count(*) filter (where outcome = 'recorded') as recorded_crime_count
    from reported_crimes
    group by call_no
),

final as (
    select
        calls.published_call_id as call_id,
        calls.call_id as call_no,
        calls.call_reference,
        calls.record_key,
        calls.received_at,
        calls.dispatched_at,
        calls.arrived_at,
        calls.closed_at,
        calls.source_channel,
        calls.initial_priority_code,
        calls.priority_code,
        calls.initial_type_code,
        calls.initial_type_name,
        calls.final_type_code,
        calls.final_type_name,
        calls.disposition_code,
        calls.disposition_name,
        calls.is_self_initiated,
        calls.district,
        calls.beat,
        calls.longitude,
        calls.latitude,
        calls.location_hash,
        initial_types.offence_group as initial_offence_group,
        final_types.offence_group as final_offence_group,
        initial_types.offence_group is not null as is_initial_crime_type,
        final_types.offence_group is not null as is_crime_type,
        coalesce(
            final_types.is_crime_type_word_list, final_types.offence_group is not null, false
        ) as is_crime_type_word_list,
        initial_types.offence_group is not null
        or final_types.offence_group is not null as is_in_frame,
        coalesce(final_types.is_domestic_abuse, false)
        or coalesce(initial_types.is_domestic_abuse, false) as is_domestic_abuse,
        coalesce(links.linked_record_count, 0) as linked_record_count,
        links.call_id is not null as has_report,
        coalesce(links.has_crime_report, false) as has_crime_report,
        coalesce(links.has_crime_record, false) as has_crime_record,
        coalesce(crimes.reported_crime_count, 0) as reported_crime_count,
        coalesce(crimes.recorded_crime_count, 0) as recorded_crime_count,
        decisions.decision_id,
        decisions.verdict,
        decisions.reason_code,
        calls.source_file,
        calls.row_id,
        calls.row_hash
    from calls
    inner join decisions on calls.call_id = decisions.call_id
    left join call_types as initial_types on calls.initial_type_code = initial_types.code
    left join call_types as final_types on calls.final_type_code = final_types.code
    left join links on calls.call_id = links.call_id
    left join crimes on calls.call_id = crimes.call_no
)

select * from final
