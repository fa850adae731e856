-- What the worklist said of calls twelve hours after they came in, by month, the newest first.
select *
from worklist_backtest
where known_count > 0
order by received_month_on desc
