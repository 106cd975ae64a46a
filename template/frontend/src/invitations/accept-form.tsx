"use client";

import { useActionState, useEffect, useState } from "react";

import { Alert } from "@/components/ui/alert";
import { Button, buttonLook } from "@/components/ui/button";

import { accept } from "./actions";

const KEPT = "invitation";
const HERE = "/invitations/accept";

/** The token outlives the way through the sign-in page, in this tab only. */
export function AcceptForm({ signedIn }: { signedIn: boolean }) {
  const [token, setToken] = useState<string | null>(null);
  const [state, send, busy] = useActionState(accept, {});

  useEffect(() => {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given) {
      sessionStorage.setItem(KEPT, given);
      // Out of the address, and so out of the history.
      history.replaceState(null, "", HERE);
    }
    // Known to the browser only, so it can be shown only after the page is there.
    // eslint-disable-next-line react-hooks/set-state-in-effect
    setToken(given ?? sessionStorage.getItem(KEPT) ?? "");
  }, []);

  if (token === null) return <p role="status">One moment.</p>;
  if (token === "") {
    return <Alert tone="danger">This link is incomplete. Open the one in your mail once more.</Alert>;
  }
  if (!signedIn) {
    return (
      <>
        <p className="text-muted">Sign in with the address that the mail was sent to.</p>
        <a href={`/sign-in?to=${HERE}`} className={buttonLook()}>
          Sign in
        </a>
      </>
    );
  }
  return (
    <form action={send} className="grid gap-4">
      {state.problem ? <Alert tone="danger">{state.problem}</Alert> : null}
      <input type="hidden" name="token" value={token} />
      <Button
        type="submit"
        busy={busy}
        onClick={() => {
          sessionStorage.removeItem(KEPT);
        }}
      >
        Accept the invitation
      </Button>
    </form>
  );
}
