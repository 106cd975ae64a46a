"use client";

import { useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";

import { classNames } from "@/class-names";

interface Tab {
  id: string;
  label: ReactNode;
  panel: ReactNode;
}

/** Tabs as ARIA describes them: one stop for Tab, the arrow keys, Home and End move between them. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly [Tab, ...Tab[]] }) {
  const [selected, setSelected] = useState(tabs[0].id);
  const buttons = useRef(new Map<string, HTMLButtonElement>());
  const prefix = useId();

  function move(event: KeyboardEvent) {
    const at = tabs.findIndex((tab) => tab.id === selected);
    const to = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at - 1 + tabs.length) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    const next = to === undefined ? undefined : tabs[to];
    if (!next) return;
    event.preventDefault();
    setSelected(next.id);
    buttons.current.get(next.id)?.focus();
  }

  return (
    <div className="grid gap-4">
      <div
        role="tablist"
        aria-label={label}
        onKeyDown={move}
        className="flex gap-1 overflow-x-auto border-b border-line"
      >
        {tabs.map(({ id, label: name }) => (
          <button
            key={id}
            ref={(element) => {
              if (element) buttons.current.set(id, element);
              else buttons.current.delete(id);
            }}
            type="button"
            role="tab"
            id={`${prefix}-${id}-tab`}
            aria-controls={`${prefix}-${id}-panel`}
            aria-selected={id === selected}
            tabIndex={id === selected ? 0 : -1}
            onClick={() => {
              setSelected(id);
            }}
            className={classNames(
              "-mb-px border-b-2 border-transparent px-3 py-2 text-sm font-medium whitespace-nowrap text-muted hover:text-ink focus-visible:-outline-offset-2",
              id === selected && "border-accent text-ink",
            )}
          >
            {name}
          </button>
        ))}
      </div>
      {tabs.map(({ id, panel }) => (
        <div
          key={id}
          role="tabpanel"
          id={`${prefix}-${id}-panel`}
          aria-labelledby={`${prefix}-${id}-tab`}
          hidden={id !== selected}
          tabIndex={0}
        >
          {panel}
        </div>
      ))}
    </div>
  );
}
