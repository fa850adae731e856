{#-
    How far a record `r` and a call `c` agree: one column per comparison. The bounds of the levels stand here and
    nowhere else. Where either side has no value, the level is `unknown`, which has no weight. A name is alike, and
    a street the same, if a typing error at most is between them: then they share a variant. Who has another name
    is another person, and that such a person has another birth date says nothing more. Where no code of the call
    names the record's kind of crime, its words may tell of one: `is_told`, which is null if the call has no words.

    The lag is the time from the call to the report. Where the record has only the time of the crime, it is the
    time from the crime to the call. Some reports bear the time at which somebody took them up, days after the
    call; what speaks for their call is that it came soon after the crime.
-#}
{% macro link_comparisons() -%}
    {{ return(['time', 'distance', 'address', 'offence', 'name', 'birth_date', 'reference', 'taken']) }}
{%- endmacro %}

{% macro link_lag(r, c) -%}
    (({{ r }}.told_s - {{ c }}.received_s) * case when {{ r }}.is_report_time then 1 else -1 end)
{%- endmacro %}

{#- Whether two lists have an element in common. DuckDB's `list_has_any` takes three times as long. -#}
{% macro share_element(one, other) -%}
    len(list_filter({{ one }}, lambda element: list_contains({{ other }}, element))) > 0
{%- endmacro %}

{% macro link_levels(r, c, r_variants, is_told='cast(null as boolean)') %}
    {%- set lag = link_lag(r, c) -%}
    {%- set metres -%}
        sqrt(
            power({{ r }}.easting_m - {{ c }}.easting_m, 2) + power({{ r }}.northing_m - {{ c }}.northing_m, 2)
        )
    {%- endset -%}
    case
        when {{ r }}.told_s is null then 'unknown'
        {% for name, seconds in [('minute', 60), ('quarter', 900), ('hour', 3600)] %}
            when abs({{ lag }}) <= {{ seconds }} then '{{ name }}'
        {% endfor %}
        when {{ lag }} < 0 then 'before'
        when {{ c }}.received_s - {{ r }}.crime_s between -900 and 7200 then 'after_crime'
        {% for name, seconds in [('six_hours', 21600), ('day', 86400), ('fortnight', 1209600)] %}
            when {{ lag }} <= {{ seconds }} then '{{ name }}'
        {% endfor %}
        else 'later'
    end as time_level,
    case
        {% for name, bound in [('here', 50), ('near', 150), ('block', 500), ('vicinity', 2000)] %}
            when {{ metres }} <= {{ bound }} then '{{ name }}'
        {% endfor %}
        when {{ metres }} is not null then 'far'
        when {{ r }}.district = {{ c }}.district then 'same_district'
        when {{ r }}.district <> {{ c }}.district then 'other_district'
        else 'unknown'
    end as distance_level,
    case
        when {{ r }}.address_line = {{ c }}.address_line then 'same'
        when {{ r }}.postcode = {{ c }}.postcode then 'postcode'
        when {{ share_element(r_variants ~ '.street_variants', c ~ '.street_variants') }} then 'street'
        when {{ r }}.address_line <> {{ c }}.address_line then 'differs'
        else 'unknown'
    end as address_level,
    case
        when {{ r }}.offence_group = 'none' then
            case when {{ c }}.final_group = 'none' then 'no_crime' else 'differs' end
        when {{ r }}.offence_group in ({{ c }}.initial_group, {{ c }}.final_group) then 'same'
        when {{ is_told }} then 'told'
        when {{ c }}.final_group = 'none' and {{ c }}.initial_group = 'none'
            then case when {{ is_told }} is null then 'hidden' else 'untold' end
        else 'differs'
    end as offence_level,
    case
        when {{ r }}.surname = {{ c }}.surname then 'same'
        when {{ share_element(r_variants ~ '.surname_variants', c ~ '.surname_variants') }} then 'alike'
        when {{ r }}.surname <> {{ c }}.surname then 'differs'
        else 'unknown'
    end as name_level,
    case
        when {{ r }}.birth_date = {{ c }}.birth_date then 'same'
        when name_level = 'differs' then 'unknown'
        when {{ r }}.birth_date <> {{ c }}.birth_date then 'differs'
        else 'unknown'
    end as birth_date_level
{%- endmacro %}
