-- Another provider signs in the same people under other ids. Their rows stay, with all that refers to
-- them: only the id by which tokens name a person changes. Run again, it finds it done.

grant create on schema app to app_definer;
set role app_definer;

create function app.change_subject(was text, becomes text) returns text
language plpgsql volatile security definer set search_path = ''
as $$
declare
    holder uuid;
begin
    select u.id into holder from public.users u where u.subject = becomes;
    if was = becomes then
        return case when holder is null then 'unknown' else 'done' end;
    end if;
    update public.users u set subject = becomes where u.subject = was and holder is null;
    return case
        when found then 'changed'
        when holder is null then 'unknown'
        when exists (select from public.users u where u.subject = was) then 'taken'
        else 'done'
    end;
end;
$$;
comment on function app.change_subject(text, text) is
    'Returns changed, done (earlier), unknown (nobody has either id) or taken (two people have them).';

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    execute format('grant execute on function app.change_subject(text, text) to %I', session_user);
    execute 'reset role';
end;
$$;
