"use client";

import { X } from "lucide-react";
import { useEffect, useId, useRef, type ReactNode } from "react";

import { Button } from "./button";

interface DialogProps {
  open: boolean;
  /** The reader wants it gone: Escape, the cross, or a press beside it. */
  onClose: () => void;
  title: string;
  description?: ReactNode;
  children?: ReactNode;
  /** The buttons at its foot, the one that decides last. */
  footer?: ReactNode;
}

/** The browser's own modal dialog: it keeps the focus inside and gives it back afterwards. */
export function Dialog({ open, onClose, title, description, children, footer }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const descriptionId = useId();

  useEffect(() => {
    const dialog = ref.current;
    if (open && dialog?.open === false) dialog.showModal();
    if (!open && dialog?.open === true) dialog.close();
  }, [open]);

  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      aria-describedby={description ? descriptionId : undefined}
      onClose={onClose}
      onClick={(event) => {
        // Only the backdrop is the dialog itself: all that it shows lies in the box inside.
        if (event.target === event.currentTarget) onClose();
      }}
      className="m-auto w-[min(32rem,calc(100vw-2rem))] rounded-card border border-line bg-surface p-0 text-ink shadow-float"
    >
      {open ? (
        <div className="grid gap-5 p-6">
          <header className="flex items-start justify-between gap-4">
            <div className="grid min-w-0 gap-1.5 wrap-anywhere">
              <h2 id={titleId} className="text-lg font-semibold">
                {title}
              </h2>
              {description ? (
                <div id={descriptionId} className="text-sm text-muted">
                  {description}
                </div>
              ) : null}
            </div>
            <Button variant="quiet" size="icon" aria-label="Close" onClick={onClose}>
              <X aria-hidden />
            </Button>
          </header>
          {children}
          {footer ? <footer className="flex flex-wrap justify-end gap-2">{footer}</footer> : null}
        </div>
      ) : null}
    </dialog>
  );
}
