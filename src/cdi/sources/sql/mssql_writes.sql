-- the tables and views that the login may change in this database of SQL Server
select schemas.name + '.' + objects.name as name
from sys.objects as objects
inner join sys.schemas as schemas on objects.schema_id = schemas.schema_id
where
    objects.type in ('U', 'V')
    and objects.is_ms_shipped = 0
    and (
        has_perms_by_name(quotename(schemas.name) + '.' + quotename(objects.name), 'OBJECT', 'INSERT') = 1
        or has_perms_by_name(quotename(schemas.name) + '.' + quotename(objects.name), 'OBJECT', 'UPDATE') = 1
        or has_perms_by_name(quotename(schemas.name) + '.' + quotename(objects.name), 'OBJECT', 'DELETE') = 1
    )
order by name
