-- The audit that the report leads with: the rate of all crime with its limits, how it has changed since the
-- audit before, and how the logs were read. All is null without an audit. A period ends at midnight, so its
-- last day is the one before.
select
    any_value(rates.recording_rate) as rate_audited,
    any_value(rates.lower_limit) as rate_audited_lower,
    any_value(rates.upper_limit) as rate_audited_upper,
    any_value(rates.half_width) as rate_audited_points,
    any_value(rates.audited_crimes) as audited_crimes,
    any_value(rates.unrecorded_year_count) as missed_year,
    any_value(rates.unrecorded_year_lower) as missed_year_lower,
    any_value(rates.unrecorded_year_upper) as missed_year_upper,
    any_value(rates.recorded_months) as recorded_months,
    any_value(changes.change_points) as change_points,
    any_value(changes.lower_limit) as change_lower,
    any_value(changes.upper_limit) as change_upper,
    any_value(audits.draw_id) as draw_id,
    any_value(audits.frame_count) as audit_logs,
    any_value(audits.drawn_count - audits.erased_count) as audit_drawn,
    any_value(audits.double_count) as audit_read_twice,
    any_value(audits.kappa) as audit_kappa,
    any_value(100 * audits.overlooked_share) as audit_overlooked,
    any_value(100 * audits.invented_share) as audit_invented,
    any_value(100 * audits.taken_for_missed_share) as audit_taken_for_missed,
    any_value(100 * audits.taken_for_recorded_share) as audit_taken_for_recorded,
    any_value(audits.reason) as drawn_again_reason,
    any_value(strftime(timezone(release.timezone, timezone('UTC', audits.period_start)), '%-d %B %Y'))
        as period_from,
    any_value(
        strftime(
            timezone(release.timezone, timezone('UTC', audits.period_end)) - interval 1 day, '%-d %B %Y'
        )
    ) as period_to
from audits
cross join release
inner join audited_rates as rates on audits.draw_id = rates.draw_id and rates.domain = 'force'
left join audited_changes as changes on audits.draw_id = changes.draw_id and changes.domain = 'force'
where audits.is_headline and rates.recording_rate is not null
