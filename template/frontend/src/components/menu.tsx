"use client";

import { useEffect, useRef, type ReactNode } from "react";

interface MenuProps {
  /** What its button is for, told to who hears it: the button itself shows a value. */
  label: string;
  button: ReactNode;
  children: ReactNode;
}

/** A disclosure that closes like a menu: on Escape, and when the focus or the pointer goes elsewhere. */
export function Menu({ label, button, children }: MenuProps) {
  const ref = useRef<HTMLDetailsElement>(null);

  useEffect(() => {
    function close(event: Event) {
      const menu = ref.current;
      if (menu?.open && !menu.contains(event.target as Node)) menu.open = false;
    }
    function closeByKey(event: KeyboardEvent) {
      const menu = ref.current;
      if (event.key !== "Escape" || !menu?.open) return;
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }
    document.addEventListener("pointerdown", close);
    document.addEventListener("focusin", close);
    document.addEventListener("keydown", closeByKey);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("focusin", close);
      document.removeEventListener("keydown", closeByKey);
    };
  }, []);

  return (
    <details ref={ref} className="relative min-w-0">
      <summary
        className="flex cursor-pointer list-none items-center gap-2 rounded-control border border-line bg-surface px-3 py-2 text-sm font-medium hover:bg-hover [&::-webkit-details-marker]:hidden"
      >
        <span className="sr-only">{label}: </span>
        {button}
      </summary>
      <div className="absolute left-0 z-40 mt-1 grid max-h-96 w-64 gap-0.5 overflow-y-auto rounded-card border border-line bg-surface p-1.5 shadow-float">
        {children}
      </div>
    </details>
  );
}
