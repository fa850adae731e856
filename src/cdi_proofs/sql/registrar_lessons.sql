-- The text model's lessons with what people decided among them, as if an auditor had read those logs. A log
-- stands in them as many times as its weight says.
create or replace table disclosure.int_disclosure__text_lessons as
with features as (
    select
        contents.call_id,
        any_value(features.groups_told) as groups_told,
        any_value(features.signs) as signs
    from disclosure.int_disclosure__text_contents as contents
    inner join disclosure.int_disclosure__text_features as features
        on contents.content_hash = features.content_hash
    group by contents.call_id
)

select
    lessons.* replace (
        coalesce(lessons.crimes, labels.crimes) as crimes,
        coalesce(lessons.groups_told, features.groups_told) as groups_told,
        coalesce(lessons.signs, features.signs) as signs
    )
from disclosure.int_disclosure__text_lessons as lessons
left join labels on lessons.published_call_id = labels.call_id
left join features on lessons.call_id = features.call_id and labels.call_id is not null
cross join lateral (select unnest(range(coalesce(labels.copies, 1)))) as copies
