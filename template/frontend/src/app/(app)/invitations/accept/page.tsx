import type { Metadata } from "next";

import { AcceptForm } from "@/invitations/accept-form";
import { session } from "@/session";

export const metadata: Metadata = { title: "Invitation" };

/** Where the link in an invitation's mail leads. Its token is in the fragment: only the browser has it. */
export default async function AcceptPage() {
  const signedIn = (await session.token()) !== null;
  return (
    <main className="mx-auto grid min-h-dvh max-w-md content-center gap-6 px-6 py-16">
      <h1 className="text-3xl font-semibold tracking-tight">You are invited</h1>
      <AcceptForm signedIn={signedIn} />
    </main>
  );
}
