{#- An agency may deliver several rows per record, for example one per charge, victim or supplement. What
    holds for the whole record is taken from its first row in the file. The data-quality rule CRM-05 warns
    where the rows of one record disagree on the offence. -#}
with standing as not materialized (
    {{ standing_rows('crime_records') }}
),

-- Few records have several rows, except at agencies that deliver them that way.
of_several_rows as (
    select
        natural_id,
        min(row_id) as first_row_id,
        count(*) as source_row_count
    from standing
    group by natural_id
    having count(*) > 1
),

records as (
    select
        standing.*,
        coalesce(of_several_rows.source_row_count, 1) as source_row_count,
        -- An own code that is not mapped stays, and no rule knows it; C1 to C5 need no row of the map.
        coalesce(reasons.cancellation_code, standing.cancellation_code) as mapped_cancellation_code
    from standing
    left join of_several_rows on standing.natural_id = of_several_rows.natural_id
    left join {{ source('codes', 'cancellation_codes') }} as reasons
        on standing.cancellation_code = reasons.code
    where standing.row_id = of_several_rows.first_row_id or of_several_rows.natural_id is null
),

final as (
    select
        ---------- ids
        {{ identity_number('record') }} as crime_record_id,
        natural_id as published_record_id,
        record_reference,
        call_reference,
        call_key,
        call_no,
        surviving_record_no,
        surviving_record_key,
        other_force_reference,
        source_file,
        source_as_of,
        batch_seq,
        source_row_count,

        ---------- timestamps (UTC)
        reported_at,
        recorded_at,
        occurred_at,
        occurred_to_at,
        reclassified_at,
        cancelled_at,
        victim_told_at,

        ---------- codes
        record_type,
        route,
        offence_code,
        offence_name,
        offence_class,
        previous_offence_class,
        status_code,
        outcome_code,
        flags,
        mapped_cancellation_code as cancellation_code,
        cancelled_by_role,

        ---------- place; 0 0 is the sources' way to say "unknown"
        district,
        beat,
        case when longitude <> 0 or latitude <> 0 then longitude end as longitude,
        case when longitude <> 0 or latitude <> 0 then latitude end as latitude,
        case when easting <> 0 or northing <> 0 then easting end as easting,
        case when easting <> 0 or northing <> 0 then northing end as northing,
        location_hash,
        location_line_hash,
        location_postcode_hash,

        ---------- people
        victim_name_hash,
        victim_surname_hash,
        victim_forename_hash,
        victim_birth_date_hash,

        is_withdrawn
    from records
)

select * from final
