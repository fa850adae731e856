{#- Blocking: which calls a record is compared with. To compare every record with every call would take too
    long, so a block that looks far in time asks for a narrow identity (birth date, surname near by,
    address), and a block with a wide identity (500 m, the district) looks only at a narrow time window.
    Each block joins on equal cells of place and buckets of time, which DuckDB can hash; a range condition
    then removes what lies in the same cell and bucket but too far away. -#}
{% set day, hour, minute = 86400, 3600, 60 %}
{% set wide, narrow = 14 * day + 6 * hour, 12 * hour %}
{# A bucket is longer than the window, so that a window touches two buckets at most. #}
{% set wide_bucket, narrow_bucket, brief_bucket = 15 * day, 13 * hour, 61 * minute %}
{% set cell_m = 1000 %}
{% set blocks = [
    'birth_date', 'surname_near_by', 'address', 'postcode', 'near_in_hours', 'near_of_kind', 'district_in_minutes',
    'district_of_kind'
] %}
{# In a district everybody is near, so that the window holds some four calls in a force of any size. #}
{% set calls_in_window, least_minutes, most_minutes = 4, 2, 30 %}

with subjects as not materialized (
    select * from {{ ref('int_linkage__subjects') }}
),

calls as not materialized (
    select
        *,
        received_s // {{ wide_bucket }} as wide_bucket,
        received_s // {{ narrow_bucket }} as narrow_bucket,
        received_s // {{ brief_bucket }} as brief_bucket,
        easting_m // {{ cell_m }} as east_cell,
        northing_m // {{ cell_m }} as north_cell
    from {{ ref('int_linkage__calls') }}
),

told_groups as (
    select * from {{ ref('int_disclosure__told_groups') }}
),

-- a call once for each kind of crime that its closing code or its words tell of
calls_of_kinds as not materialized (
    select
        *,
        final_group as offence_group
    from calls
    union all
    select
        calls.*,
        told_groups.offence_group
    from calls
    inner join told_groups on calls.call_id = told_groups.call_id
),

-- Where the report bears a time long after the crime, perhaps only that at which somebody took it up, the
-- call is looked for after the crime as well.
{% for window in ['wide', 'narrow'] %}
    {{ window }}_windows as (
        select * from subjects
        union all
        select * replace (crime_s - {{ hour }} as wide_from_s, crime_s - {{ hour }} as narrow_from_s)
        from subjects
        where crime_s - {{ hour }} < {{ window }}_from_s
    ),
{% endfor %}

wide as (
    select
        *,
        unnest([wide_from_s // {{ wide_bucket }}, wide_from_s // {{ wide_bucket }} + 1]) as wide_bucket
    from wide_windows
),

narrow as (
    select
        *,
        unnest([narrow_from_s // {{ narrow_bucket }}, narrow_from_s // {{ narrow_bucket }} + 1])
            as narrow_bucket
    from narrow_windows
),

brief as (
    select
        *,
        told_s - {{ most_minutes * minute }} as brief_from_s,
        unnest([brief_from_s // {{ brief_bucket }}, brief_from_s // {{ brief_bucket }} + 1]) as brief_bucket
    from subjects
    where is_crime_record
),

-- The four cells that a circle of 500 m can touch. They are written out as rows before the join, like the
-- buckets, because a join in between would keep DuckDB from joining on equal keys.
{% for window in ['wide', 'narrow'] %}
    {{ window }}_east as (
        select
            *,
            unnest([(easting_m - 500) // {{ cell_m }}, (easting_m - 500) // {{ cell_m }} + 1]) as east_cell
        from {{ window }}
        where easting_m is not null {{ 'and is_crime_record' if window == 'wide' }}
    ),

    {{ window }}_cells as (
        select
            *,
            unnest([(northing_m - 500) // {{ cell_m }}, (northing_m - 500) // {{ cell_m }} + 1])
                as north_cell
        from {{ window }}_east
    ),
{% endfor %}

birth_date as (
    select
        r.crime_record_id,
        c.call_id
    from wide as r
    inner join calls as c on r.birth_date = c.birth_date and r.wide_bucket = c.wide_bucket
    where c.received_s - r.wide_from_s between 0 and {{ wide }}
),

surname_near_by as (
    select
        r.crime_record_id,
        c.call_id
    from wide as r
    inner join calls as c on r.surname = c.surname and r.wide_bucket = c.wide_bucket
    where
        c.received_s - r.wide_from_s between 0 and {{ wide }}
        and (
            (abs(r.easting_m - c.easting_m) < 2000 and abs(r.northing_m - c.northing_m) < 2000)
            or ((r.easting_m is null or c.easting_m is null) and r.district = c.district)
        )
),

address as (
    select
        r.crime_record_id,
        c.call_id
    from wide as r
    inner join calls as c on r.address_line = c.address_line and r.wide_bucket = c.wide_bucket
    where
        c.received_s - r.wide_from_s between 0 and {{ wide }}
        and (
            r.offence_group in (c.initial_group, c.final_group)
            or r.surname = c.surname
            or c.received_s - r.narrow_from_s between 0 and {{ narrow }}
        )
),

postcode as (
    select
        r.crime_record_id,
        c.call_id
    from wide as r
    inner join calls as c on r.postcode = c.postcode and r.wide_bucket = c.wide_bucket
    where
        c.received_s - r.wide_from_s between 0 and {{ wide }}
        and (r.offence_group in (c.initial_group, c.final_group) or r.surname = c.surname)
),

near_in_hours as (
    select
        r.crime_record_id,
        c.call_id
    from narrow_cells as r
    inner join calls as c
        on
            r.east_cell = c.east_cell
            and r.north_cell = c.north_cell
            and r.narrow_bucket = c.narrow_bucket
    where
        c.received_s - r.narrow_from_s between 0 and {{ narrow }}
        and power(r.easting_m - c.easting_m, 2) + power(r.northing_m - c.northing_m, 2) < 250000
),

near_of_kind as (
    select
        r.crime_record_id,
        c.call_id
    from wide_cells as r
    inner join calls_of_kinds as c
        on
            r.east_cell = c.east_cell
            and r.north_cell = c.north_cell
            and r.wide_bucket = c.wide_bucket
            and r.offence_group = c.offence_group
    where
        c.received_s - r.wide_from_s between 0 and {{ wide }}
        and power(r.easting_m - c.easting_m, 2) + power(r.northing_m - c.northing_m, 2) < 250000
),

volume as (
    select
        {{ calls_in_window / 2 }} * count(distinct district) * (max(received_s) - min(received_s)) / count(*)
            as window_s
    from calls
    where district is not null
),

district_in_minutes as (
    select
        r.crime_record_id,
        c.call_id
    from brief as r
    inner join calls as c
        on
            r.district = c.district
            and r.brief_bucket = c.brief_bucket
    cross join volume
    where
        abs(c.received_s - r.told_s)
        <= greatest({{ least_minutes * minute }}, least({{ most_minutes * minute }}, volume.window_s))
),

district_of_kind as (
    select
        r.crime_record_id,
        c.call_id
    from brief as r
    inner join calls_of_kinds as c
        on
            r.district = c.district
            and r.brief_bucket = c.brief_bucket
            and r.offence_group = c.offence_group
    where abs(c.received_s - r.told_s) <= {{ most_minutes * minute }}
),

final as (
    {% for block in blocks -%}
        select * from {{ block }}
        {{ 'union' if not loop.last }}
    {% endfor %}
)

select * from final
