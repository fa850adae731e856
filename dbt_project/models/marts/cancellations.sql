{#- Cancelled records, and whether each was cancelled by the rules. A reported incident of rape (N100) is
    not a crime record, but it is kept with the crime records and cancelled under the same codes. -#}
with records as (
    select * from {{ ref('stg_crime_records') }}
),

offences as (
    select * from {{ source('codes', 'offences') }}
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

cancellations as not materialized (
    select * from {{ ref('int_outcomes__cancellations') }}
),

checks as (
    select * from {{ ref('cancellation_checks') }}
),

rules as (
    select * from {{ ref('cancellation_rules') }}
),

links as (
    select * from {{ ref('links') }}
),

column_words as (
    select
        words.column_name,
        words.in_words
    from (
        values
        ('cancellation_code', 'the reason'),
        ('other_force_reference', 'the number of the other force'),
        ('surviving_record_reference', 'the record that stays'),
        ('victim_told_at', 'when the victim was told'),
        ('cancelled_at', 'when the record was cancelled'),
        ('offence_class', 'the class of the offence'),
        ('cancelled_by_role', 'who decided')
    ) as words (column_name, in_words)
),

missing as (
    select
        crime_record_id,
        unnest(string_split(missing_columns, ' ')) as column_name
    from cancellations
    where cancellation_check = 'not_assessable'
),

-- A column that is not delivered is for the agency to map; one that is blank is for people to fill in.
obstacles as (
    select
        missing.crime_record_id,
        string_agg(format('{} ({})', words.in_words, words.column_name), ' or ' order by words.column_name)
        filter (where not list_contains(settings.crime_record_columns, missing.column_name)) as undelivered,
        string_agg(format('{} ({})', words.in_words, words.column_name), ' or ' order by words.column_name)
        filter (where list_contains(settings.crime_record_columns, missing.column_name)) as blank
    from missing
    inner join column_words as words on missing.column_name = words.column_name
    cross join settings
    group by missing.crime_record_id
),

final as (
    select
        records.published_record_id as crime_record_id,
        if(offences.offence_group is null, 'n100', 'crime') as record_kind,
        links.call_id,
        offences.offence_group,
        coalesce(offences.is_rape, false) or offences.offence_group is null as is_rape,
        coalesce(offences.is_domestic_abuse, false) as is_domestic_abuse,
        records.offence_code,
        records.recorded_at,
        records.cancelled_at,
        cast(date_trunc('month', {{ local_date('records.cancelled_at', 'settings.timezone') }}) as date)
            as cancelled_month_on,
        records.cancellation_code,
        rules.name as cancellation_name,
        records.cancelled_by_role,
        cancellations.cancellation_check,
        cancellations.missing_columns,
        checks.is_failed as is_wrongly_cancelled,
        case
            when obstacles.crime_record_id is null then checks.meaning
            else 'It cannot be checked: ' || concat_ws(
                ', and ',
                'the agency does not deliver ' || obstacles.undelivered,
                'the record does not give ' || obstacles.blank
            )
        end as check_meaning,
        checks.source as check_source,
        records.victim_told_at,
        cancellations.is_victim_told_before
    from cancellations
    inner join records on cancellations.crime_record_id = records.crime_record_id
    inner join checks
        on cancellations.cancellation_check = checks.cancellation_check
    left join obstacles on cancellations.crime_record_id = obstacles.crime_record_id
    left join rules
        on records.cancellation_code = rules.cancellation_code
    left join offences on records.offence_code = offences.code
    left join links on records.published_record_id = links.crime_record_id
    cross join settings
    -- Other records that are no crime have no cancellation rules.
    where offences.offence_group is not null or records.offence_code like '100/%'
)

select * from final
