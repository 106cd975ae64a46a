"use client";

import Link from "next/link";
import { useActionState } from "react";

import type { FormState } from "@/api/form-state";
import { Alert } from "@/components/ui/alert";
import { Button, buttonLook } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";

type Values = Readonly<Record<string, string>>;

interface ContactFormProps {
  action: (before: FormState, form: FormData) => Promise<FormState>;
  values?: Values;
  submit: string;
}

/** The fields of a contact. The API decides what is right; the browser only helps. */
export function ContactForm({ action, values = {}, submit }: ContactFormProps) {
  const [state, send, busy] = useActionState(action, {});
  const shown = state.values ?? values;
  const fields = state.fields ?? {};
  return (
    // Made anew after each answer: React clears the fields, and what was typed comes back as default.
    <form
      action={send}
      key={JSON.stringify(state.values)}
      ref={state.values ? takeFocus : null}
      className="grid max-w-xl gap-5"
    >
      {state.problem ? <Alert tone="danger">{state.problem}</Alert> : null}
      <Field label="Name" error={fields.name}>
        {(control) => <Input {...control} name="name" required maxLength={200} defaultValue={shown.name} />}
      </Field>
      <Field label="Email address" error={fields.email}>
        {(control) => (
          <Input
            {...control}
            name="email"
            type="email"
            required
            maxLength={254}
            defaultValue={shown.email}
            autoComplete="off"
          />
        )}
      </Field>
      <Field label="Company" error={fields.company}>
        {(control) => <Input {...control} name="company" maxLength={200} defaultValue={shown.company} />}
      </Field>
      <Field label="Amount" hint="With at most two decimals, such as 1250.50." error={fields.amount}>
        {(control) => (
          <Input {...control} name="amount" inputMode="decimal" defaultValue={shown.amount} />
        )}
      </Field>
      <div className="flex gap-2">
        <Button type="submit" busy={busy}>
          {submit}
        </Button>
        <Link href="/app/contacts" className={buttonLook({ variant: "secondary" })}>
          Cancel
        </Link>
      </div>
    </form>
  );
}

/** The focus went with the form before: to the first field that is wrong, else to what sends it again. */
function takeFocus(form: HTMLFormElement | null) {
  form?.querySelector<HTMLElement>("[aria-invalid], [type=submit]")?.focus();
}
