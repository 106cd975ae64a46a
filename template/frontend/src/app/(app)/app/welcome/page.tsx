import type { Metadata } from "next";

import { NewOrganizationForm } from "@/organizations/new-organization-form";
import { SignOutButton } from "@/session/sign-out-button";

export const metadata: Metadata = { title: "New organization" };

export default function WelcomePage() {
  return (
    <main className="mx-auto grid min-h-dvh max-w-md content-center gap-8 px-6 py-16">
      <header className="grid gap-2">
        <h1 className="text-3xl font-semibold tracking-tight">Make an organization</h1>
        <p className="text-muted">
          What you and your colleagues work on together belongs to it. You can invite them afterwards.
        </p>
      </header>
      <NewOrganizationForm />
      <SignOutButton />
    </main>
  );
}
