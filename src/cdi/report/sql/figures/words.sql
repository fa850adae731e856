-- How many of the words of the newest month the text model has learnt.
select
    arg_max(known_share, received_month_on) as words_known,
    arg_max(best_earlier_share, received_month_on) as words_known_before,
    arg_max(is_changed, received_month_on) as words_changed,
    strftime(max(received_month_on), '%B %Y') as words_month
from word_changes
where known_share is not null
