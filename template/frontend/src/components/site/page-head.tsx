import type { ReactNode } from "react";

/** The beginning of a public page: its heading, and a sentence that says what it is about. */
export function PageHead({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="mx-auto grid max-w-3xl gap-4 px-4 pt-16 pb-12 text-center sm:px-6 sm:pt-24">
      <h1 className="text-4xl font-semibold tracking-tight sm:text-5xl">{title}</h1>
      <p className="mx-auto max-w-2xl text-lg text-muted">{children}</p>
    </div>
  );
}
