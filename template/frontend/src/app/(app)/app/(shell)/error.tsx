"use client";

import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";

/** A page that could not be rendered. What went wrong is in the server's log, under the same mark. */
export default function PageError({
  error,
  reset,
}: {
  error: Error & { digest?: string };
  reset: () => void;
}) {
  return (
    <Alert
      tone="danger"
      title="This page could not be shown"
      actions={
        <Button size="small" variant="secondary" onClick={reset}>
          Try again
        </Button>
      }
    >
      Something failed on our side, or the connection was lost.
      {error.digest ? ` Quote ${error.digest} when you report it.` : null}
    </Alert>
  );
}
