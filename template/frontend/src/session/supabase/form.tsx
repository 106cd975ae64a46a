"use client";

import { useActionState } from "react";

import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";

import { signIn } from "./actions";

/** Address and password: to sign in, or to make an account. */
export function PasswordForm({ to, problem }: { to: string; problem: string | undefined }) {
  const [state, submit, busy] = useActionState(signIn, problem ? { error: problem } : {});
  return (
    <form action={submit} className="grid gap-4">
      {state.error ? <Alert tone="danger">{state.error}</Alert> : null}
      {state.told ? <Alert tone="success">{state.told}</Alert> : null}
      <input type="hidden" name="to" value={to} />
      <Field label="Email address">
        {(control) => (
          <Input
            {...control}
            name="email"
            type="email"
            autoComplete="email"
            required
            defaultValue={state.email}
          />
        )}
      </Field>
      <Field label="Password">
        {(control) => (
          <Input
            {...control}
            name="password"
            type="password"
            autoComplete="current-password"
            required
            minLength={6}
          />
        )}
      </Field>
      <div className="flex flex-wrap gap-2">
        <Button type="submit" name="intent" value="sign-in" busy={busy}>
          Sign in
        </Button>
        <Button type="submit" name="intent" value="join" variant="secondary" busy={busy}>
          Create an account
        </Button>
      </div>
    </form>
  );
}
