-- The same for organizations. One that the new provider does not know is managed by the product from then
-- on, and one that the product managed may become the provider's.

grant create on schema app to app_definer;
set role app_definer;

create function app.change_organization(was text, becomes text) returns text
language plpgsql volatile security definer set search_path = ''
as $$
declare
    wanted uuid;
    holder uuid;
begin
    select o.id into wanted from public.organizations o where o.external_id = was;
    select o.id into holder from public.organizations o
    where o.external_id = coalesce(becomes, wanted::text) and o.id is distinct from wanted;
    if wanted is null then
        return case when holder is null then 'unknown' else 'done' end;
    elsif holder is not null then
        return 'taken';
    end if;
    update public.organizations o
    set external_id = coalesce(becomes, o.id::text),
        managed_by = case when becomes is null then 'app' else 'provider' end,
        -- Among those that the product manages, a slug is one organization's.
        slug = case
            when becomes is null and exists (
                select from public.organizations other
                where other.slug = o.slug and other.managed_by = 'app' and other.id <> o.id
            ) then left(o.slug, 240) || '-' || right(o.id::text, 6)
            else o.slug
        end
    where o.id = wanted
      and (o.external_id, o.managed_by) is distinct from (
          coalesce(becomes, o.id::text), case when becomes is null then 'app' else 'provider' end
      );
    return case when found then 'changed' else 'done' end;
end;
$$;
comment on function app.change_organization(text, text) is
    'As app.change_subject; without a new id the organization is the product''s own to manage.';

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    execute format(
        'grant execute on function app.change_organization(text, text) to %I', session_user);
    execute 'reset role';
end;
$$;
