{#- A view over the landing, because most models need few of its columns and few rows of its text. -#}
{{ config(materialized='view') }}

with standing as (
    {{ standing_rows('calls') }}
),

final as (
    select
        ---------- ids
        {{ identity_number('call') }} as call_id,
        natural_id as published_call_id,
        call_reference,
        call_no,
        record_no,
        record_key,
        cross_no,
        cross_key,
        row_id,
        row_hash,
        source_file,
        source_as_of,
        batch_seq,

        ---------- timestamps (UTC)
        received_at,
        dispatched_at,
        arrived_at,
        closed_at,

        ---------- codes
        source_channel,
        initial_priority_code,
        priority_code,
        initial_type_code,
        initial_type_name,
        final_type_code,
        final_type_name,
        disposition_code,
        disposition_name,
        qualifiers,
        is_self_initiated,

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
        location_street_variants,

        ---------- people and text
        victim_name_hash,
        victim_surname_hash,
        victim_forename_hash,
        victim_birth_date_hash,
        victim_name_variants,
        victim_surname_variants,
        log_text_masked,
        log_text_no,

        is_withdrawn
    from standing
)

select * from final
