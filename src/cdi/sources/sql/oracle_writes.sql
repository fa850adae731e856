-- what the login may change in an Oracle database: its own tables, and those of others
select privilege || ' on ' || owner || '.' || table_name as name
from all_tab_privs_recd
where privilege in ('INSERT', 'UPDATE', 'DELETE') and grantee <> 'PUBLIC'
union
select privilege as name
from session_privs
where privilege in ('INSERT ANY TABLE', 'UPDATE ANY TABLE', 'DELETE ANY TABLE')
union
select table_name as name from user_tables
order by name
