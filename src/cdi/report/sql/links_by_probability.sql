-- Links that no reference proves, in tenths of probability, the highest first.
select
    least(floor(link_probability * 10) / 10, 0.9) as probability_from,
    count(*) filter (where is_crime_record) as crimes,
    count(*) filter (where not is_crime_record) as others
from links
where not is_proven_by_reference
group by 1
order by 1 desc
