"use client";

import { TriangleAlert } from "lucide-react";

import { Button } from "@/components/ui/button";
import { EmptyState } from "@/components/ui/empty-state";

interface PageErrorProps {
  error: Error & { digest?: string };
  /** Asks the server for the page again; Next's `reset` would show the same error once more. */
  retry: () => void;
}

/** A page that could not be rendered. What went wrong is in the server's log, under the same mark. */
export default function PageError({ error, retry }: PageErrorProps) {
  return (
    <div role="alert">
      <EmptyState
        Icon={TriangleAlert}
        title="This page could not be shown"
        Heading="h1"
        actions={<Button onClick={retry}>Try again</Button>}
      >
        Something failed on our side, or the connection was lost.
        {error.digest ? ` Quote ${error.digest} when you report it.` : null}
      </EmptyState>
    </div>
  );
}
