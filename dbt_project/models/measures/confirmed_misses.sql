{#- Crimes that people confirmed as missed, each with one cause. The signs of a miss are gathered here, and
    miss_signs.csv says which cause each of them shows. -#}
with reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

human as (
    select * from {{ ref('int_outcomes__human_decisions') }}
    where decision_kind = 'confirmed'
),

crimes as not materialized (
    select * from {{ ref('fct_reported_crimes') }}
),

calls as (
    select * from {{ ref('fct_calls') }}
),

evidence_qualifiers as (
    select * from {{ ref('int_disclosure__evidence_qualifiers') }}
),

lexicon_hits as not materialized (
    select * from {{ ref('int_disclosure__lexicon_hits') }}
    where part = 'closing'
),

closures as (
    select * from {{ source('codes', 'closures') }}
),

reasons as not materialized (
    select * from {{ ref('reasons') }}
),

closing_teams as (
    select * from {{ ref('int_outcomes__closing_teams') }}
),

miss_causes as (
    select * from {{ ref('miss_causes') }}
),

miss_signs as (
    select * from {{ ref('miss_signs') }}
),

-- A crime that was recorded after somebody confirmed it was missed until then. A record without a time does
-- not prove that it was there when a person found none, so the miss that was confirmed stays listed.
misses as not materialized (
    select
        crimes.*,
        crimes.status is null as is_recorded_since
    from crimes
    inner join reported
        on
            crimes.call_no = reported.call_id
            and crimes.reported_crime_id = crimes.call_id || '#' || reported.place_in_call
    inner join human on reported.reported_crime_id = human.reported_crime_id
    where
        crimes.status = 'confirmed'
        or (crimes.outcome = 'recorded' and coalesce(crimes.recorded_at > human.decided_at, true))
),

closed_misses as not materialized (
    select
        misses.*,
        calls.is_initial_crime_type,
        -- A log that is still open was not closed under any code.
        calls.final_type_code is not null and not calls.is_crime_type as is_closed_as_no_crime,
        closures.reason_code as coded_reason,
        coalesce(closures.expects_record, false) as is_record_promised
    from misses
    inner join calls on misses.call_no = calls.call_no
    left join closures on calls.disposition_code = closures.code
),

-- The reasons that each closing gives, by its code and in words.
given_reasons as not materialized (
    select
        closed_misses.reported_crime_id,
        reasons.reason_code,
        reasons.is_legitimate
    from closed_misses
    inner join reasons on closed_misses.coded_reason = reasons.reason_code
    union all
    select
        closed_misses.reported_crime_id,
        reasons.reason_code,
        reasons.is_legitimate
    from closed_misses
    inner join lexicon_hits on closed_misses.call_no = lexicon_hits.call_id
    inner join reasons on lexicon_hits.subject = reasons.reason_code
    where lexicon_hits.meaning in ('reason', 'excuse')
),

signs as (
    select
        closed_misses.reported_crime_id,
        'other_crime' as sign_kind,
        'recorded' as sign
    from closed_misses
    inner join crimes on closed_misses.call_no = crimes.call_no
    where
        closed_misses.reported_crime_id <> crimes.reported_crime_id
        and crimes.outcome in ('recorded', 'wrongly_cancelled')
        and coalesce(crimes.recorded_at <= closed_misses.decided_at, true)

    {% for kind, sign, condition in [
        ('route', 'route', 'true'),
        ('result', "'expects_record'", 'is_record_promised'),
        ('code', "'none'", 'not is_in_frame'),
        ('code', "'closed_as_no_crime'", 'is_initial_crime_type and is_closed_as_no_crime'),
        ('record', "'non_crime'", 'is_linked_to_non_crime')
    ] %}
        union all
        select
            reported_crime_id,
            '{{ kind }}' as sign_kind,
            {{ sign }} as sign
        from closed_misses
        where {{ condition }}
    {% endfor %}

    union all
    select
        reported_crime_id,
        'reason' as sign_kind,
        reason_code as sign
    from given_reasons

    union all
    select
        reported_crime_id,
        'reason_kind' as sign_kind,
        if(is_legitimate, 'legitimate', 'excuse') as sign
    from given_reasons

    union all
    select
        closed_misses.reported_crime_id,
        'words' as sign_kind,
        lexicon_hits.meaning as sign
    from closed_misses
    inner join lexicon_hits on closed_misses.call_no = lexicon_hits.call_id
),

causes as (
    select
        signs.reported_crime_id,
        min_by(miss_causes.miss_cause, miss_causes.cause_order) as miss_cause
    from signs
    inner join miss_signs on signs.sign_kind = miss_signs.sign_kind and signs.sign = miss_signs.sign
    inner join miss_causes on miss_signs.miss_cause = miss_causes.miss_cause
    group by signs.reported_crime_id
),

dangers as (
    {{ dangers_by_call('evidence_qualifiers') }}
),

final as (
    select
        misses.reported_crime_id,
        misses.call_id,
        misses.reported_month_on,
        coalesce(closing_teams.team, misses.district, 'unknown') as team,
        closing_teams.supervisor_code,
        coalesce(causes.miss_cause, 'other') as miss_cause,
        misses.district,
        misses.offence_group,
        {{ severity_of('misses', 'dangers') }} as severity,
        misses.decided_at,
        misses.is_recorded_since
    from misses
    left join causes on misses.reported_crime_id = causes.reported_crime_id
    left join closing_teams on misses.call_no = closing_teams.call_id
    left join dangers on misses.call_no = dangers.call_id
)

select * from final
