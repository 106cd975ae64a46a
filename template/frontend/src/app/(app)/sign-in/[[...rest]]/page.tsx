import type { Metadata } from "next";
import Link from "next/link";

import { product } from "@/product";
import { session } from "@/session";
import { safeReturn } from "@/session/session";

export const metadata: Metadata = { title: "Sign in" };

/** What an address may say went wrong: never its own words, because anybody can write an address. */
const problems = new Map([
  ["expired", "Your session has ended. Sign in again."],
  ["link", "That link is no longer good. Sign in, or ask for a new one."],
  ["lost", "That sign-in was begun elsewhere, or took too long. Try again."],
  ["refused", "The provider did not sign you in. Try again."],
]);

interface Props {
  searchParams: Promise<Record<string, string | string[] | undefined>>;
}

export default async function SignInPage({ searchParams }: Props) {
  const { to, error } = await searchParams;
  return (
    <main className="mx-auto grid min-h-dvh max-w-md content-center gap-8 px-6 py-16">
      <header className="grid gap-2">
        <Link href="/" className="text-sm font-medium text-muted hover:text-ink">
          {product.name}
        </Link>
        <h1 className="text-3xl font-semibold tracking-tight">Sign in</h1>
      </header>
      <session.SignIn
        to={safeReturn(typeof to === "string" ? to : null)}
        problem={typeof error === "string" ? problems.get(error) : undefined}
      />
    </main>
  );
}
