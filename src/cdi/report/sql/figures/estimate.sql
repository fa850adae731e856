-- Another way of counting: the crimes a year that are not recorded, as the software's rate has it.
select
    any_value(estimate.estimated_unrecorded_count) as estimated_year,
    any_value(estimate.listed_unrecorded_count) as estimate_listed,
    any_value(estimate.months_covered) as estimate_months,
    any_value(estimate.difference_reason) as estimate_reason
from unrecorded_estimate as estimate
cross join release
where
    estimate.offence_group = 'all'
    and estimate.estimated_unrecorded_count is not null
    and release.text_model_version is not null
