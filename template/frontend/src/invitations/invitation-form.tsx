"use client";

import { useActionState } from "react";

import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Select } from "@/components/ui/select";
import { roles } from "@/members/by-product/roles";

import { invite } from "./actions";

export function InvitationForm() {
  const [state, send, busy] = useActionState(invite, {});
  return (
    <form action={send} className="grid gap-4">
      {state.problem ? <Alert tone="danger">{state.problem}</Alert> : null}
      {state.done ? <Alert tone="success">{state.done}</Alert> : null}
      <div className="grid gap-4 sm:grid-cols-[1fr_12rem_auto] sm:items-end">
        <Field label="Email address" error={state.fields?.email}>
          {(control) => (
            <Input
              {...control}
              name="email"
              type="email"
              required
              maxLength={254}
              autoComplete="off"
              defaultValue={state.values?.email}
            />
          )}
        </Field>
        <Field label="Role" error={state.fields?.role}>
          {(control) => (
            <Select {...control} name="role" defaultValue="member">
              {roles.map((role) => (
                <option key={role}>{role}</option>
              ))}
            </Select>
          )}
        </Field>
        <Button type="submit" busy={busy}>
          Invite
        </Button>
      </div>
    </form>
  );
}
