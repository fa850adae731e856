{#- What records are compared by, as numbers and hashes, and the time windows in which a record's call is
    looked for. The wide window reaches from a fortnight before the report to six hours after it, the narrow
    one from six hours before to six hours after, as some reports bear the time of the crime. Where only the time of the crime is known, both begin an
    hour before the crime and are equally long. Times are those of the calls' clock. -#}
{% set hour, six_hours, fortnight = 3600, 21600, 1209600 %}

with clock as (
    select * from {{ ref('int_linkage__clock') }}
),

staged as (
    select * from {{ ref('stg_crime_records') }}
    where not is_withdrawn
),

offences as (
    select * from {{ source('codes', 'offences') }}
),

-- The same calls as in int_linkage__calls, or the two sides would have different middles.
calls as (
    select * from {{ ref('stg_calls') }}
    where not is_withdrawn
),

records as (
    select
        staged.*,
        staged.reported_at is not null as is_report_time,
        cast(epoch(coalesce(staged.reported_at, staged.occurred_to_at, staged.occurred_at)) as bigint)
        - 60 * clock.fast_minutes as told_s,
        case
            when is_report_time then cast(epoch(staged.occurred_at) as bigint) - 60 * clock.fast_minutes
        end as crime_s
    from staged
    cross join clock
),

middle as (
    select {{ link_middle() }} as latitude from calls
),

final as (
    select
        records.crime_record_id,
        records.call_no,
        records.is_report_time,
        records.told_s,
        records.crime_s,
        records.told_s - case when records.is_report_time then {{ fortnight }} else {{ hour }} end
            as wide_from_s,
        records.told_s - case when records.is_report_time then {{ six_hours }} else {{ hour }} end
            as narrow_from_s,
        {{ link_metres('records', 'easting', 'middle.latitude') }} as easting_m,
        {{ link_metres('records', 'northing', 'middle.latitude') }} as northing_m,
        {{ link_hash('records.location_line_hash') }} as address_line,
        {{ link_hash('records.location_postcode_hash') }} as postcode,
        {{ link_hash('records.district') }} as district,
        {{ link_hash('coalesce(records.victim_surname_hash, records.victim_name_hash)') }} as surname,
        {{ link_hash('records.victim_birth_date_hash') }} as birth_date,
        coalesce(offences.offence_group, 'none') as offence_group,
        offences.offence_group is not null as is_crime_record
    from records
    cross join middle
    left join offences on records.offence_code = offences.code
)

select * from final
