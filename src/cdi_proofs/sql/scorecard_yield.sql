-- How many missed crimes each part of the worklist really holds at as_of (`judged_rows`), beside what was
-- expected.
select
    yields.reading_part,
    yields.log_count,
    yields.row_count,
    yields.expected_count,
    yields.lower_limit,
    yields.upper_limit,
    count(judged.reading_part) filter (where judged.is_right) as true_count
from worklist_yield as yields
left join judged_rows as judged on yields.reading_part = judged.reading_part
group by all
order by min(yields.part_place)
