-- Supabase Auth's access token hook: puts the organization that a person chose last into their tokens.
-- It can be switched on where Supabase's own database is the product's: dashboard, Auth Hooks.
-- https://supabase.com/docs/guides/auth/auth-hooks/custom-access-token-hook
grant create on schema app to app_definer;
set role app_definer;

create or replace function app.add_organization_to_token(event jsonb) returns jsonb
language sql stable security definer set search_path = ''
as $$
    select coalesce(
        (
            select jsonb_set(event, '{claims}', (event -> 'claims') || jsonb_build_object(
                'org_id', o.external_id, 'org_slug', o.slug, 'org_role', m.role
            ))
            from public.users u
            join public.memberships m on m.user_id = u.id and m.status = 'active'
            join public.organizations o on o.id = m.org_id and o.managed_by = 'app'
            join public.tenants t on t.id = o.id and t.state = 'active'
            where u.subject = event ->> 'user_id' and m.chosen_at is not null
            order by m.chosen_at desc
            limit 1
        ),
        event
    )
$$;
comment on function app.add_organization_to_token(jsonb) is
    'Supabase Auth''s access token hook; nobody else may call it.';

reset role;
revoke create on schema app from app_definer;

do $$
begin
    if to_regrole('supabase_auth_admin') is not null then
        execute 'grant usage on schema app to supabase_auth_admin';
        execute 'set role app_definer';
        execute 'grant execute on function app.add_organization_to_token(jsonb) '
                'to supabase_auth_admin';
        execute 'reset role';
    end if;
end;
$$;
