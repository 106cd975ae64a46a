"use client";

import { Monitor, Moon, Sun } from "lucide-react";
import { useSyncExternalStore } from "react";

import { choose, chosen, subscribe } from "./choice";
import { themes, type Theme } from "./theme";

const looks = {
  system: { label: "As the system", Icon: Monitor },
  light: { label: "Light", Icon: Sun },
  dark: { label: "Dark", Icon: Moon },
} as const;

/** Three radio buttons: as the system, light, dark. */
export function ThemeChoice() {
  // A cached page is the same for everyone, so what was chosen shows once the browser has read it.
  const theme = useSyncExternalStore<Theme>(subscribe, chosen, () => "system");
  return (
    <fieldset className="inline-flex w-fit rounded-full border border-line bg-surface p-0.5">
      <legend className="sr-only">Colours</legend>
      {themes.map((name) => {
        const { label, Icon } = looks[name];
        return (
          <label
            key={name}
            className="grid size-7 cursor-pointer place-items-center rounded-full text-faint hover:text-ink has-checked:bg-hover has-checked:text-ink has-focus-visible:outline-2 has-focus-visible:outline-accent"
          >
            <input
              type="radio"
              name="theme"
              className="sr-only"
              checked={theme === name}
              onChange={() => {
                choose(name);
              }}
            />
            <Icon aria-hidden className="size-3.5" />
            <span className="sr-only">{label}</span>
          </label>
        );
      })}
    </fieldset>
  );
}
