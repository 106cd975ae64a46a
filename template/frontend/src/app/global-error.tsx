"use client";

import "@/styles/globals.css";

/**
 * When even a root layout failed: a document of its own. Next's has style attributes, which are blocked.
 *
 * Every page loads this before anything is wrong, so it is built of nothing: the components' button would
 * bring 10 kB of what composes class names.
 */
export default function GlobalError() {
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
          <button
            type="button"
            onClick={() => {
              // Anew from the server: Next's own ways leave a document that failed as it is.
              location.reload();
            }}
            className="h-10 rounded-control bg-accent px-4 text-sm font-medium text-on-accent hover:bg-accent-hover"
          >
            Try again
          </button>
        </main>
      </body>
    </html>
  );
}
