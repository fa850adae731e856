-- The newest month of which it is known how many of its words the text model has learnt.
select * from word_changes
where known_share is not null
order by received_month_on desc
limit 1
