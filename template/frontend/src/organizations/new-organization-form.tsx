"use client";

import { useActionState } from "react";

import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";

import { createOrganization } from "./actions";

export function NewOrganizationForm() {
  const [state, send, busy] = useActionState(createOrganization, {});
  return (
    <form action={send} className="grid gap-4">
      {state.problem ? <Alert tone="danger">{state.problem}</Alert> : null}
      <Field label="Its name" error={state.fields?.name}>
        {(control) => (
          <Input {...control} name="name" required maxLength={100} defaultValue={state.values?.name} />
        )}
      </Field>
      <Button type="submit" busy={busy} className="justify-self-start">
        Make it
      </Button>
    </form>
  );
}
