"use client";

import { useActionState } from "react";

import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";

import { renameOrganization } from "./actions";

export function RenameForm({ name }: { name: string }) {
  const [state, send, busy] = useActionState(renameOrganization, {});
  return (
    <form action={send} className="grid max-w-xl gap-4">
      {state.problem ? <Alert tone="danger">{state.problem}</Alert> : null}
      <Field label="Name of the organization" error={state.fields?.name}>
        {(control) => (
          <Input {...control} name="name" required maxLength={100} defaultValue={state.values?.name ?? name} />
        )}
      </Field>
      <Button type="submit" busy={busy} className="justify-self-start">
        Rename
      </Button>
    </form>
  );
}
