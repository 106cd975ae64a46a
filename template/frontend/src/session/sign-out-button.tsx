"use client";

import { useTransition } from "react";

import { Button } from "@/components/ui/button";

import { signOut } from "./actions";

/** The way out. A whole load follows, so that nothing of what was shown is left in the page. */
export function SignOutButton() {
  const [busy, start] = useTransition();
  return (
    <Button
      variant="quiet"
      size="small"
      busy={busy}
      onClick={() => {
        start(async () => {
          location.assign(await signOut());
        });
      }}
    >
      Sign out
    </Button>
  );
}
