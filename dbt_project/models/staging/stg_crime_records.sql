{#- An agency may deliver many rows per record (a row per charge, victim, supplement). What a record
    says as a whole is taken from its first row in the file; GX rule CRM-05 warns where rows of
    one record disagree on the offence. -#}
with newest as (
    {{ newest_rows(source('landing', 'crime_records'), 'coalesce(record_key, upper(record_reference))') }}
),

final as (
    select
        ---------- ids
        natural_id as crime_record_id,
        min_by(record_reference, row_id) as record_reference,
        min_by(call_reference, row_id) as call_reference,
        min_by(call_key, row_id) as call_key,
        min(source_file) as source_file,
        max(source_as_of) as source_as_of,
        max(batch_seq) as batch_seq,
        count(*) as source_row_count,

        ---------- timestamps (UTC)
        min_by(reported_at, row_id) as reported_at,
        min_by(recorded_at, row_id) as recorded_at,
        min_by(occurred_at, row_id) as occurred_at,

        ---------- codes
        min_by(record_type, row_id) as record_type,
        min_by(route, row_id) as route,
        min_by(offence_code, row_id) as offence_code,
        min_by(offence_name, row_id) as offence_name,
        min_by(status_code, row_id) as status_code,

        ---------- place
        min_by(district, row_id) as district,
        min_by(longitude, row_id) as longitude,
        min_by(latitude, row_id) as latitude,
        min_by(location_hash, row_id) as location_hash,

        ---------- people
        min_by(victim_name_hash, row_id) as victim_name_hash,
        min_by(victim_birth_date_hash, row_id) as victim_birth_date_hash,

        bool_and({{ is_withdrawn('crime_records') }}) as is_withdrawn
    from newest
    group by natural_id
)

select * from final
