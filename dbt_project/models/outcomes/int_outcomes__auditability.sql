{#- Whether a recording rate can be computed from the agency's data at all. For West Midlands in 2018
    HMICFRS could not compute one, because there were too few usable opening codes, and because crime that
    came through the control room could not be distinguished from crime that was recorded directly. Codes are
    judged by what they say, and not only by whether the agency has mapped them: of the crimes that a
    reference proves to come from a log, how many have a log with a code of their own offence group. And the
    rules believe legitimate reasons, so no rate is shown where auditors did not uphold them. -#}
with settings as (
    select * from {{ source('landing', 'settings') }}
),

links as not materialized (
    select * from {{ ref('int_linkage__links') }}
),

calls as not materialized (
    select * from {{ ref('stg_calls') }}
),

call_types as (
    select * from {{ source('codes', 'call_types') }}
),

records as not materialized (
    select * from {{ ref('stg_crime_records') }}
),

offences as (
    select * from {{ source('codes', 'offences') }}
),

routes as (
    select * from {{ source('codes', 'routes') }}
),

bounds as (
    select * from {{ ref('auditability_bounds') }}
),

excused as (
    select * from {{ ref('int_outcomes__excused_crimes') }}
    where excused_count is not null
),

linked as (
    select distinct crime_record_id
    from links
    where is_crime_record
),

logs as (
    select
        count(*) as counted,
        count(call_types.code) as fit
    from calls
    left join call_types
        on coalesce(calls.initial_type_code, calls.final_type_code) = call_types.code
    where not calls.is_withdrawn
),

crimes as (
    select
        routes.route,
        linked.crime_record_id is not null as is_linked
    from records
    inner join offences
        on records.offence_code = offences.code and offences.offence_group is not null
    left join routes on records.route = routes.code
    left join linked on records.crime_record_id = linked.crime_record_id
    where not records.is_withdrawn
),

proven as (
    select
        links.crime_record_id,
        offences.offence_group = initial_types.offence_group
        or offences.offence_group = final_types.offence_group as is_told_by_code
    from links
    inner join records on links.crime_record_id = records.crime_record_id
    inner join offences on records.offence_code = offences.code
    inner join calls on links.call_id = calls.call_id
    left join call_types as initial_types on calls.initial_type_code = initial_types.code
    left join call_types as final_types on calls.final_type_code = final_types.code
    where
        links.link_rung in ('canonical_key', 'written_back')
        and offences.offence_group is not null
        and not records.is_withdrawn
        and not calls.is_withdrawn
),

counts as (
    select
        'usable_opening_code' as auditability_check,
        counted,
        fit
    from logs

    union all

    select
        'telling_code' as auditability_check,
        count(*) as counted,
        count(*) filter (where is_told_by_code) as fit
    from proven

    union all

    select
        'known_route' as auditability_check,
        count(*) as counted,
        count(*) filter (where route is not null or is_linked) as fit
    from crimes

    union all

    select
        'linked_crime' as auditability_check,
        count(*) as counted,
        count(*) filter (where is_linked) as fit
    from crimes
    where coalesce(route, 'call') = 'call'

    union all

    select
        'upheld_reason' as auditability_check,
        coalesce(max(due_count + excused_count), 0) as counted,
        coalesce(max(due_count), 0) as fit
    from excused
),

final as (
    select
        bounds.auditability_check,
        bounds.description,
        counts.counted as base_count,
        counts.fit as fit_count,
        counts.fit / nullif(counts.counted, 0) as share,
        bounds.min_share,
        bounds.is_about_records and settings.calls = 'sample' as is_switched_off,
        is_switched_off or coalesce(share >= bounds.min_share, true) as is_met,
        case
            when is_switched_off then 'the calls are a sample, so that records have no call says nothing'
            when not is_met then bounds.reason
        end as reason
    from bounds
    inner join counts on bounds.auditability_check = counts.auditability_check
    cross join settings
)

select * from final
