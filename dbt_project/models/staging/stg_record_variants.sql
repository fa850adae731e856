{#- Variants of names and streets of crime records, see cdi.landing.variants. They stand apart from
    stg_crime_records, which is published: no person reads them. Few records have several rows, and only those
    are grouped, because to group lists is expensive. -#}
{{ config(materialized='view') }}

with standing as not materialized (
    {{ standing_rows('crime_records') }}
),

numbered as not materialized (
    select
        {{ identity_number('record') }} as crime_record_id,
        row_id,
        location_street_variants as street_variants,
        victim_surname_variants as surname_variants,
        victim_name_variants as name_variants
    from standing
),

of_several_rows as (
    select crime_record_id
    from numbered
    group by crime_record_id
    having count(*) > 1
),

final as (
    select
        numbered.crime_record_id,
        numbered.street_variants,
        coalesce(numbered.surname_variants, numbered.name_variants) as surname_variants
    from numbered
    anti join of_several_rows on numbered.crime_record_id = of_several_rows.crime_record_id

    union all

    select
        numbered.crime_record_id,
        arg_min(numbered.street_variants, numbered.row_id) as street_variants,
        coalesce(
            arg_min(numbered.surname_variants, numbered.row_id),
            arg_min(numbered.name_variants, numbered.row_id)
        ) as surname_variants
    from numbered
    semi join of_several_rows on numbered.crime_record_id = of_several_rows.crime_record_id
    group by numbered.crime_record_id
)

select * from final
