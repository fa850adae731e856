-- What the worklist said of calls twelve hours after they came in, and what is known of them now.
select
    cast(sum(known_count) as bigint) as backtest_known,
    cast(sum(listed_count) as bigint) as backtest_listed,
    cast(sum(listed_recorded_count) as bigint) as backtest_recorded,
    cast(sum(listed_confirmed_count) as bigint) as backtest_confirmed,
    cast(sum(listed_dismissed_count) as bigint) as backtest_dismissed,
    cast(sum(listed_audited_missed_count) as bigint) as backtest_audited_missed,
    cast(sum(listed_audited_not_missed_count) as bigint) as backtest_audited_not_missed,
    cast(sum(listed_open_count) as bigint) as backtest_open,
    cast(sum(unlisted_recorded_count) as bigint) as backtest_unlisted_recorded,
    cast(sum(unlisted_missed_count) as bigint) as backtest_unlisted_missed
from worklist_backtest
where known_count > 0
