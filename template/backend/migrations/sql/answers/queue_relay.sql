-- The relay brings jobs to the queue: no trigger does, not even one that an earlier answer left.
drop trigger if exists deliver_after_insert on app.outbox;
drop trigger if exists deliver_after_change on app.outbox;
