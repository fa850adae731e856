{#-
    Says at the end of a run what its failed tests found, five rows of each; `cdi.build.dbt` puts these lines into
    its error. dbt itself tells only how many rows a test found, and the tables that a run keeps in memory are gone
    when it has ended.
-#}
{% macro tell_broken_rules(results) %}
    {%- for result in results
            if result.node.resource_type == 'test' and result.status in ('fail', 'warn') -%}
        {%- for row in run_query('from (' ~ result.node.compiled_code ~ ') limit 5') -%}
            {%- set found = dict(zip(row.keys(), row.values())) -%}
            {%- set told = (
                found.column_name ~ ' ' ~ found.broken_rule ~ '; rows: ' ~ found.row_count ~ ', for example '
                ~ found.example
            ) if found.broken_rule else result.node.test_metadata.name ~ ' ' ~ found -%}
            {%- set table = result.node.attached_node.split('.')[-1] -%}
            {%- do log('broken rule of ' ~ table ~ ': ' ~ told, info=true) -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}
