-- what the login may change in this database, in words; null if nothing, which is as it should be
select case
    when
        (
            select rolsuper from pg_roles
            where rolname = current_user
        )
        then 'it is a superuser'
    else (
        select string_agg(name, ', ' order by name)
        from (
            select relnamespace::regnamespace || '.' || relname as name
            from pg_class
            where
                relkind in ('r', 'p', 'v', 'm')
                and relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
                and has_schema_privilege(relnamespace, 'usage')
                and has_table_privilege(oid, 'insert, update, delete, truncate')
            order by name
            limit 5
        ) as writable
    )
end
