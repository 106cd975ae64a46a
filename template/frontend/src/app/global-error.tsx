"use client";

import "@/styles/globals.css";

import { Button } from "@/components/ui/button";

/** When even a root layout failed: a document of its own. Next's has style attributes, which are blocked. */
export default function GlobalError({ reset }: { error: Error; reset: () => void }) {
  return (
    <html lang="en">
      <body>
        <title>Something went wrong</title>
        <main className="mx-auto grid max-w-xl justify-items-start gap-4 px-6 py-24">
          <h1 className="text-3xl font-semibold tracking-tight">Something went wrong</h1>
          <p className="text-muted">
            This page could not be shown. What you saved is safe. Try again, and if it goes on, come back
            in a few minutes.
          </p>
          <Button onClick={reset}>Try again</Button>
        </main>
      </body>
    </html>
  );
}
