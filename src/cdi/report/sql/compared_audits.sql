-- the audited rates that the reports of two versions lead with; null where a report leads with none
with older_headline as (
    select
        audits.draw_id,
        rates.recording_rate
    from older.main.audits as audits
    inner join older.main.audited_rates as rates on audits.draw_id = rates.draw_id and rates.domain = 'force'
    where audits.is_headline
),

newer_headline as (
    select
        audits.draw_id,
        rates.recording_rate
    from newer.main.audits as audits
    inner join newer.main.audited_rates as rates on audits.draw_id = rates.draw_id and rates.domain = 'force'
    where audits.is_headline
)

select
    (select draw_id from older_headline) as older_draw,
    (select recording_rate from older_headline) as older_rate,
    (select draw_id from newer_headline) as newer_draw,
    (select recording_rate from newer_headline) as newer_rate
