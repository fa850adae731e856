{#- The facts that the decision table reads, and nothing else; a new rule begins with a column here. A call
    that discloses no crime has one row, with crime_number 0. -#}
with first_crimes as (
    select
        call_id,
        offence_group
    from {{ ref('int_disclosure__disclosed_crimes') }}
    where crime_number = 1
),

all_calls as (
    select * from {{ ref('stg_calls') }}
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

hits as (
    select * from {{ ref('int_disclosure__lexicon_hits') }}
),

reasons as not materialized (
    select * from {{ ref('reasons') }}
),

call_evidence as (
    select * from {{ ref('int_disclosure__call_evidence') }}
),

closures as (
    select * from {{ source('codes', 'closures') }}
),

readings as (
    select * from {{ ref('int_disclosure__text_reading') }}
),

crimes as (
    select * from {{ ref('int_disclosure__disclosed_crimes') }}
),

counting as (
    select * from {{ ref('int_disclosure__counting') }}
),

repeats as (
    select * from {{ ref('int_disclosure__repeat_logs') }}
),

calls as (
    select
        calls.*,
        {{ local_date('calls.received_at', 'settings.timezone') }} as received_on
    from all_calls as calls
    cross join settings
    where not calls.is_withdrawn
),

-- The reason and the excuse that the closing text gives. Of several, the first in alphabetical order counts.
spoken as (
    select
        hits.call_id,
        min_by(hits.subject, (reasons.is_legitimate, hits.subject)) filter (where not reasons.is_legitimate)
            as excuse_code,
        min(hits.subject) filter (where reasons.is_legitimate) as reason_code
    from hits
    inner join reasons on hits.subject = reasons.reason_code
    where hits.meaning in ('reason', 'excuse')
    group by hits.call_id
),

coded as (
    select distinct call_id
    from call_evidence
    where evidence_kind in ('final_type', 'initial_type')
),

gathered as (
    select
        calls.call_id,
        calls.received_on,
        crimes.crime_number,
        crimes.offence_group = first_crimes.offence_group as is_of_first_group,
        repeats.call_id is not null as is_repeat,
        coalesce(counting.is_counted_elsewhere, false) as is_counted_elsewhere,
        coalesce(crimes.is_rape, false) as is_rape,
        coded.call_id is not null as has_code_evidence,
        coalesce(readings.text_reading, 'nothing') as text_reading,
        coalesce(readings.crime_probability >= 0.5, readings.text_reading = 'crime', false)
            as is_crime_likelier,
        case when reasons.is_legitimate then reasons.reason_code end as coded_reason,
        case when not reasons.is_legitimate then reasons.reason_code end as coded_excuse,
        spoken.reason_code as spoken_reason,
        spoken.excuse_code as spoken_excuse,
        coalesce(closures.expects_record, false) as is_record_promised
    from calls
    left join closures on calls.disposition_code = closures.code
    left join reasons on closures.reason_code = reasons.reason_code
    left join spoken on calls.call_id = spoken.call_id
    left join readings on calls.call_id = readings.call_id
    left join crimes on calls.call_id = crimes.call_id
    left join counting
        on crimes.call_id = counting.call_id and crimes.crime_number = counting.crime_number
    left join repeats on calls.call_id = repeats.call_id
    left join first_crimes on calls.call_id = first_crimes.call_id
    left join coded on calls.call_id = coded.call_id
),

final as (
    select
        call_id,
        coalesce(crime_number, 0) as crime_number,
        received_on,
        crime_number is not null as has_crime_evidence,
        -- A reason in words counts unless the text as a whole is more likely to tell of a crime than not.
        -- That limit is higher than the one from which the text model reads a crime where no words contradict
        -- it.
        coalesce(
            coded_reason,
            case when not is_crime_likelier then spoken_reason end,
            coded_excuse,
            spoken_excuse
        ) as closure_reason_code,
        coalesce(coded_reason = 'NO_CRIME_BOP' and text_reading = 'crime', false) as is_reason_contradicted,
        -- A second crime of another offence group repeats nothing.
        coalesce(is_repeat and is_of_first_group, false) as is_repeat_log,
        is_counted_elsewhere,
        is_rape,
        has_code_evidence,
        text_reading,
        is_record_promised
    from gathered
)

select * from final
