{#- Who wrote the last closing entry of a log is answerable for how it was closed. -#}
with log_actions as (
    select * from {{ ref('stg_log_actions') }}
    where not is_withdrawn
),

entry_types as (
    select * from {{ source('codes', 'entry_types') }}
    where part = 'closing'
),

teams as (
    select * from {{ source('codes', 'teams') }}
),

reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

closings as not materialized (
    select
        log_actions.call_id,
        log_actions.author_code,
        {{ local_date('log_actions.acted_at', 'settings.timezone') }} as closed_on
    from log_actions
    inner join entry_types on log_actions.action_type = entry_types.code
    semi join reported on log_actions.call_id = reported.call_id
    cross join settings
    qualify row_number() over (
        partition by log_actions.call_id
        order by log_actions.sequence_number desc
    ) = 1
),

team_of_closing as (
    select
        closings.call_id,
        max_by(teams.team, teams.valid_from) as team
    from closings
    inner join teams
        on closings.author_code = teams.author_code and closings.closed_on >= teams.valid_from
    group by closings.call_id
),

final as (
    select
        closings.call_id,
        closings.author_code as supervisor_code,
        team_of_closing.team
    from closings
    left join team_of_closing on closings.call_id = team_of_closing.call_id
)

select * from final
