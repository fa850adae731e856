{#- Logs that the text model gives a chance to report a crime. Where neither a code nor a plain phrase says
    which, the offence group is the one under which logs of such words are opened most. -#}
{% set min_logs = 20 %}

with readings as (
    select readings.*
    from {{ ref('int_reporting__text_reading') }} as readings
    inner join {{ ref('rulesets') }} as rulesets on rulesets.ruleset = 'inclusive'
    where readings.crime_probability >= rulesets.min_text_probability
),

tokens as (
    select
        call_id,
        unnest(list_distinct(flatten(list(words || pairs)))) as token
    from {{ ref('int_reporting__words') }}
    where part = 'account'
    group by call_id
),

opened as (
    select
        logs.call_id,
        call_types.offence_group
    from {{ ref('int_reporting__logs') }} as logs
    inner join {{ source('codes', 'call_types') }} as call_types on logs.initial_type_code = call_types.code
    where call_types.offence_group is not null
),

unknown as (
    select readings.call_id
    from readings
    anti join (
        select call_id
        from {{ ref('int_reporting__evidence_log_text') }}
        where is_plain
    ) as told on readings.call_id = told.call_id
    anti join {{ ref('int_reporting__evidence_final_type') }} as closed on readings.call_id = closed.call_id
    anti join {{ ref('int_reporting__evidence_initial_type') }} as started
        on readings.call_id = started.call_id
),

counted as (
    select
        tokens.token,
        opened.offence_group,
        count(*) as logs
    from tokens
    inner join opened on tokens.call_id = opened.call_id
    group by tokens.token, opened.offence_group
    qualify sum(count(*)) over (partition by tokens.token) >= {{ min_logs }}
),

known as (
    select distinct token from counted
),

totals as (
    select
        offence_group,
        count(*) as logs
    from opened
    group by offence_group
),

-- naive Bayes: each token adds the log of the share of the group's logs that have it
scored as (
    select
        tokens.call_id,
        totals.offence_group,
        sum(ln((coalesce(counted.logs, 0) + 0.5) / (totals.logs + 1))) as score
    from tokens
    inner join unknown on tokens.call_id = unknown.call_id
    inner join known on tokens.token = known.token
    cross join totals
    left join counted on tokens.token = counted.token and totals.offence_group = counted.offence_group
    group by tokens.call_id, totals.offence_group
),

likeliest as (
    select
        call_id,
        max_by(offence_group, (score, offence_group)) as offence_group
    from scored
    group by call_id
),

final as (
    select
        readings.call_id,
        readings.crime_probability,
        readings.second_probability,
        readings.model_version,
        readings.text_reading,
        likeliest.offence_group
    from readings
    left join likeliest on readings.call_id = likeliest.call_id
)

select * from final
