{#- Calls whose number is one slip away from the number that a record names: one digit differs, or two
    neighbouring digits are swapped. Every possible slip is written out and looked up, so that the join is
    one on equal keys. -#}
with subjects as (
    select * from {{ ref('int_linkage__subjects') }}
    where is_reference_seen
),

records as (
    select * from {{ ref('stg_crime_records') }}
),

calls as (
    select * from {{ ref('int_linkage__calls') }}
),

places as (
    select
        subjects.crime_record_id,
        subjects.wide_from_s,
        records.call_key,
        unnest(range(1, len(records.call_key) + 1)) as place
    from subjects
    inner join records on subjects.crime_record_id = records.crime_record_id
),

digits as (
    select
        crime_record_id,
        wide_from_s,
        call_key[:place - 1] as head,
        call_key[place] as digit,
        call_key[place + 1] as next_digit,
        call_key[place + 1:] as tail
    from places
    where call_key[place] between '0' and '9'
),

other_digits as (
    select
        *,
        cast(unnest(range(0, 10)) as varchar) as other_digit
    from digits
),

slipped as (
    select
        crime_record_id,
        wide_from_s,
        head || other_digit || tail as near_key
    from other_digits
    where other_digit <> digit
    union all
    select
        crime_record_id,
        wide_from_s,
        head || next_digit || digit || tail[2:] as near_key
    from digits
    where next_digit between '0' and '9' and next_digit <> digit
),

final as (
    select distinct
        slipped.crime_record_id,
        calls.call_id
    from slipped
    -- This is md5_number_lower, which DuckDB works out by way of a text of 64 bits: four times the work.
    inner join calls on cast(md5_number(slipped.near_key) >> 64 as ubigint) = calls.call_no
    where calls.received_s - slipped.wide_from_s between 0 and 14 * 86400 + 3600
)

select * from final
