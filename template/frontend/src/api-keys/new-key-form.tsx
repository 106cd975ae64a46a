"use client";

import { useActionState, useState } from "react";

import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Select } from "@/components/ui/select";

import { createKey } from "./actions";

/** A key may do no more than who makes it, and some things never: `scopes` is what the API would give it. */
export function NewKeyForm({ scopes }: { scopes: readonly string[] }) {
  const [state, send, busy] = useActionState(createKey, {});
  const fields = state.fields ?? {};
  return (
    <div className="grid gap-5">
      {state.key ? <NewKey value={state.key} /> : null}
      <form action={send} className="grid gap-5">
        {state.problem ? <Alert tone="danger">{state.problem}</Alert> : null}
        <div className="grid gap-5 sm:grid-cols-2">
          <Field label="Name" hint="What the key is for." error={fields.name}>
            {(control) => (
              <Input {...control} name="name" required maxLength={100} defaultValue={state.values?.name} />
            )}
          </Field>
          <Field label="Good for" error={fields.expires_at}>
            {(control) => (
              <Select {...control} name="days" defaultValue="90">
                <option value="30">30 days</option>
                <option value="90">90 days</option>
                <option value="">As long as is allowed</option>
              </Select>
            )}
          </Field>
        </div>
        <fieldset className="grid gap-2">
          <legend className="mb-2 text-sm font-medium">What it may do</legend>
          <div className="grid gap-2 sm:grid-cols-2 lg:grid-cols-3">
            {scopes.map((name) => (
              <label key={name} className="flex items-center gap-2 text-sm">
                <input
                  type="checkbox"
                  name="scopes"
                  value={name}
                  defaultChecked={name === "contacts:read"}
                  className="size-4 accent-accent"
                />
                {name}
              </label>
            ))}
          </div>
          {fields.scopes ? <p className="text-sm text-danger">Choose at least one.</p> : null}
        </fieldset>
        <Button type="submit" busy={busy} className="justify-self-start">
          Make a key
        </Button>
      </form>
    </div>
  );
}

function NewKey({ value }: { value: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <Alert
      tone="success"
      title="This is the key. It is shown only now."
      actions={
        <Button
          size="small"
          variant="secondary"
          onClick={() => {
            void navigator.clipboard.writeText(value).then(() => {
              setCopied(true);
            });
          }}
        >
          {copied ? "Copied" : "Copy"}
        </Button>
      }
    >
      <code className="break-all">{value}</code>
    </Alert>
  );
}
