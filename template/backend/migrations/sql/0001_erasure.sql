-- What it takes to forget a person: their row stays, as a tombstone without a name, an address or the salt
-- with which the trail could tell either.

grant create on schema app to app_definer;
set role app_definer;

-- An address in what could not be delivered, or could not be applied.
create function app.forget_address(address text) returns void
language sql volatile security definer set search_path = ''
as $$
    update app.outbox o set error = '(erased)' where position(lower(address) in lower(o.error)) > 0;
    delete from app.webhook_messages m
    where m.body is not null and position(to_json(lower(address))::text in lower(m.body)) > 0;
$$;

create function app.erase_user(person uuid) returns void
language plpgsql security definer set search_path = ''
as $$
declare
    known public.users;
begin
    select u.* into known from public.users u where u.id = person for update;
    perform app.end_belonging(person, known.email);
    update public.users u
    set deleted_at = coalesce(u.deleted_at, now()), email = null, name = null, salt = null
    where u.id = person and u.salt is not null;
    delete from app.realtime_tickets t where t.user_id = person;
    delete from app.webhook_messages m
    where m.body is not null and position(to_json(known.subject)::text in m.body) > 0;
    if known.email is not null then
        perform app.forget_address(known.email);
    end if;
end;
$$;

-- What an operator does about people: `uv run app users`. Each database knows a person by another id, and
-- some databases know an address only, of who was invited and never came.
create function app.people_named(wanted text)
returns table (subject text, email text)
language sql stable security definer set search_path = ''
as $$
    select u.subject, u.email
    from public.users u
    where wanted in (u.subject, u.id::text) or lower(u.email) = lower(wanted)
    order by u.subject = wanted desc, u.id
    limit 10
$$;

create function app.erase_person(whose text, address text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
    perform app.erase_user(u.id) from public.users u where u.subject = whose;
    if address is not null then
        perform app.end_belonging(null, address), app.forget_address(address);
    end if;
end;
$$;

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    execute format(
        'grant execute on function app.people_named(text), app.erase_person(text, text) to %I',
        session_user);
    execute 'reset role';
end;
$$;
