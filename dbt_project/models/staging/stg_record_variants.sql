{#- Variants of names and streets of crime records, see cdi.landing.variants. They stand apart from
    stg_crime_records, which is published: no person reads them. -#}
{{ config(materialized='view') }}

with standing as (
    {{ standing_rows('crime_records') }}
),

final as (
    select
        {{ identity_number('record') }} as crime_record_id,
        arg_min(location_street_variants, row_id) as street_variants,
        coalesce(arg_min(victim_surname_variants, row_id), arg_min(victim_name_variants, row_id))
            as surname_variants
    from standing
    group by crime_record_id
)

select * from final
