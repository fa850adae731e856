{#- The crimes that the lexicon finds in the account, by offence group and counting class. A suggestive phrase
    counts only where the account has no plain one. A phrase may replace other groups: "stole from the car" is
    a vehicle offence and not a theft besides. -#}
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

-- Two groups that replace each other are both kept.
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
            -- A crime of these counting classes is counted in addition, so no other group replaces it.
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
    -- A rape and other sexual acts in the same incident are one crime (finished incident, CRR 2026/27 p12).
    qualify
        told.is_rape
        or told.offence_group <> 'sexual_offences'
        or not bool_or(told.is_rape) over (partition by told.call_id)
)

select * from final
