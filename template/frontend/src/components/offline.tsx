"use client";

import { useSyncExternalStore } from "react";

import { Alert } from "./ui/alert";

function subscribe(listener: () => void): () => void {
  window.addEventListener("online", listener);
  window.addEventListener("offline", listener);
  return () => {
    window.removeEventListener("online", listener);
    window.removeEventListener("offline", listener);
  };
}

/** Says so while the browser has no network: what is on the screen may be old. */
export function Offline() {
  const online = useSyncExternalStore(
    subscribe,
    () => navigator.onLine,
    () => true,
  );
  if (online) return null;
  return (
    <Alert tone="warning" className="mb-6" title="You are offline">
      What you see may be out of date, and nothing can be saved until you are back.
    </Alert>
  );
}
