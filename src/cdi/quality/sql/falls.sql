-- The days on which the numbers of calls or records fall: their middle is lower than on each day of
-- the fortnight before, in the same year. Numbers of one shape (T-9999, AA/9999) are compared with
-- each other alone, as an agency may count in several series.
create or replace temp table falls as
with
moments as (
    select
        moment,
        own_key
    from moments_rows
    where own_key is not null
    union
    select
        moment,
        own_key
    from moments_earlier
    where own_key is not null
),

numbered as (
    select
        cast(moment as date) as day,
        own_key,
        regexp_replace(regexp_replace(own_key, '[0-9]', '9', 'g'), '[A-Z]', 'A', 'g') as shape
    from moments
),

medians as (
    select
        shape,
        day,
        quantile_disc(own_key, 0.5) as middle
    from numbered
    group by shape, day
    having count(*) >= 10
),

compared as (
    select
        day,
        count(*) over past >= 3 and middle < min(middle) over past as is_fall
    from medians
    window past as (
        partition by shape, year(day) order by day rows between 14 preceding and 1 preceding
    )
)

select distinct compared.day
from compared
inner join moments_rows on compared.day = cast(moments_rows.moment as date)
where compared.is_fall
