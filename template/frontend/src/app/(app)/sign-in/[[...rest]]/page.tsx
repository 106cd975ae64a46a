import type { Metadata } from "next";
import Link from "next/link";

import { product } from "@/product";
import { session } from "@/session";
import { safeReturn } from "@/session/session";

export const metadata: Metadata = { title: "Sign in" };

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
        error={typeof error === "string" ? error : undefined}
      />
    </main>
  );
}
