-- Links by the rung of the ladder that found them, strict to loose. A link below 0.8 is too doubtful to
-- count.
select
    link_rung,
    count(*) filter (where is_crime_record) as crimes,
    count(*) filter (where not is_crime_record) as others,
    count(*) filter (where is_crime_record and link_probability < 0.8) as doubtful,
    avg(link_probability) as probability,
    min(link_probability) as least
from links
group by link_rung
order by list_position($rungs, link_rung)
