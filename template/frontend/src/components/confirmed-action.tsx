"use client";

import { startTransition, useActionState, useState, type ReactNode } from "react";

import type { FormState } from "@/api/form-state";

import { Alert } from "./ui/alert";
import { Button } from "./ui/button";
import { Dialog } from "./ui/dialog";

interface ConfirmedActionProps {
  /** The button's text, and of the button that decides. */
  label: string;
  /** Completes the button's name for who hears it: "Revoke" of which key. */
  of?: string;
  title: string;
  children: ReactNode;
  action: () => Promise<FormState>;
  size?: "small" | "medium";
}

/** A button for what cannot be undone: it asks first, and says what went wrong. */
export function ConfirmedAction({ label, of, title, children, action, size = "small" }: ConfirmedActionProps) {
  const [asked, setAsked] = useState(false);
  const [state, run, busy] = useActionState<FormState>(async () => {
    const after = await action();
    if (!after.problem) setAsked(false);
    return after;
  }, {});
  return (
    <>
      <Button
        variant="secondary"
        size={size}
        aria-label={of ? `${label} ${of}` : undefined}
        onClick={() => {
          setAsked(true);
        }}
      >
        {label}
      </Button>
      <Dialog
        open={asked}
        onClose={() => {
          setAsked(false);
        }}
        title={title}
        footer={
          <>
            <Button
              variant="secondary"
              onClick={() => {
                setAsked(false);
              }}
            >
              Cancel
            </Button>
            <Button
              variant="danger"
              busy={busy}
              onClick={() => {
                startTransition(run);
              }}
            >
              {label}
            </Button>
          </>
        }
      >
        <div className="grid gap-3 text-sm text-muted">
          {state.problem ? <Alert tone="danger">{state.problem}</Alert> : null}
          {children}
        </div>
      </Dialog>
    </>
  );
}
