import { Lock } from "lucide-react";

import { EmptyState } from "./ui/empty-state";

/** Instead of a page that one's role does not show. */
export function NotAllowed({ what }: { what: string }) {
  return (
    <EmptyState Icon={Lock} title="Not for your role" Heading="h1">
      Your role here does not show {what}. An admin or an owner can give you another one.
    </EmptyState>
  );
}
