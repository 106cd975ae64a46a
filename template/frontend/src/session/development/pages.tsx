import "server-only";

import type { Route } from "next";

import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";

import { signInAddress, type SessionPages } from "../session";

import { signIn } from "./actions";
import { read, remove } from "./cookie";
import { ask } from "./issuer";

interface Person {
  user: string;
  organization: string | null;
  role: string | null;
}

async function SignIn({ to }: { to: Route }) {
  const people = (await ask("people")) as Person[];
  return (
    <div className="grid gap-6">
      <Alert tone="info">
        This is development: sign in as anybody. In production this page is your provider&apos;s.
      </Alert>
      <ul className="grid gap-2">
        {people.map((person) => (
          <li key={person.user}>
            <form action={signIn}>
              <input type="hidden" name="to" value={to} />
              <input type="hidden" name="user" value={person.user} />
              <input type="hidden" name="organization" value={person.organization ?? ""} />
              <input type="hidden" name="role" value={person.role ?? ""} />
              <input type="hidden" name="email" value={`${person.user}@example.com`} />
              <Button type="submit" variant="secondary" className="h-auto w-full justify-between py-3">
                <span>{person.user}</span>
                <span className="text-sm font-normal text-muted">
                  {person.organization ? `${person.role ?? ""} of ${person.organization}` : "a demo person"}
                </span>
              </Button>
            </form>
          </li>
        ))}
      </ul>
      <details className="rounded-card border border-line px-5 py-4">
        <summary className="cursor-pointer text-sm font-medium">Somebody else</summary>
        <form action={signIn} className="mt-4 grid gap-4">
          <input type="hidden" name="to" value={to} />
          <Field label="User" hint="Letters, digits, hyphens and underscores.">
            {(control) => (
              <Input {...control} name="user" required pattern="[A-Za-z0-9_\-]{1,64}" maxLength={64} />
            )}
          </Field>
          <Field label="Confirmed email address" hint="It may be left out.">
            {(control) => <Input {...control} name="email" type="email" maxLength={254} />}
          </Field>
          <Button type="submit" className="justify-self-start">
            Sign in
          </Button>
        </form>
      </details>
    </div>
  );
}

export const pages: SessionPages = {
  token: read,
  SignIn,
  async signOut() {
    await remove();
    return signInAddress();
  },
  Shell: ({ children }) => children,
  accountUrl: null,
};
