{#- The crimes that the lexicon finds told, by offence group and what counting asks. A suggestive phrase
    counts only where no plain one stands, and a phrase may replace groups: "stole from the car" is a
    vehicle offence and no other theft. -#}
with hits as (
    select *
    from {{ ref('int_disclosure__lexicon_hits') }}
    where meaning = 'crime' and not is_explained_away
    qualify strength = 'likely' or not bool_or(strength = 'likely') over (partition by call_id)
),

replacements as (
    select distinct
        call_id,
        subject as by_group,
        unnest(string_split(replaces, ' ')) as offence_group
    from hits
    where replaces is not null
),

-- groups that replace each other are both told
replaced as (
    select distinct
        replacements.call_id,
        replacements.offence_group
    from replacements
    anti join replacements as back
        on
            replacements.call_id = back.call_id
            and replacements.by_group = back.offence_group
            and replacements.offence_group = back.by_group
),

told as (
    select
        hits.call_id,
        hits.subject as offence_group,
        hits.counting_class,
        bool_or(hits.is_rape) as is_rape,
        bool_or(hits.strength = 'likely') as is_plain,
        min(hits.lexicon_id) as lexicon_id
    from hits
    anti join replaced
        on
            hits.call_id = replaced.call_id
            and hits.subject = replaced.offence_group
            -- what counting treats apart is told besides
            and hits.counting_class not in ('modern_slavery', 'breach', 'conduct_crime')
    group by hits.call_id, hits.subject, hits.counting_class
),

final as (
    select
        told.*,
        readings.text_reading,
        readings.lexicon_reading
    from told
    inner join {{ ref('int_disclosure__text_reading') }} as readings on told.call_id = readings.call_id
    -- a rape and what else was done in it are one crime (finished incident, CRR 2026/27 p12)
    qualify
        told.is_rape
        or told.offence_group <> 'sexual_offences'
        or not bool_or(told.is_rape) over (partition by told.call_id)
)

select * from final
