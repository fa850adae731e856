-- what the login may change in a server of MariaDB or MySQL
select concat(privilege_type, ' on ', table_schema, '.', table_name) as name
from information_schema.table_privileges
where
    privilege_type in ('INSERT', 'UPDATE', 'DELETE')
    and grantee = concat('''', replace(current_user(), '@', '''@'''), '''')
union
select concat(privilege_type, ' on ', table_schema) as name
from information_schema.schema_privileges
where
    privilege_type in ('INSERT', 'UPDATE', 'DELETE')
    and grantee = concat('''', replace(current_user(), '@', '''@'''), '''')
union
select concat(privilege_type, ' everywhere') as name
from information_schema.user_privileges
where
    privilege_type in ('INSERT', 'UPDATE', 'DELETE')
    and grantee = concat('''', replace(current_user(), '@', '''@'''), '''')
order by name
