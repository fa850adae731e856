-- Data-quality rules that do not hold, the most severe first, with who waived the failed check and why.
select
    rule_id,
    severity,
    reason,
    owner,
    count(*) as check_count,
    sum(unexpected_count) as unexpected_count,
    any_value(released_by) as released_by,
    any_value(release_reason) as release_reason
from data_quality
where not is_success
group by rule_id, severity, reason, owner
order by severity = 'fail' desc, severity = 'warn' desc, rule_id
