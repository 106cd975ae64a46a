import type { LucideIcon } from "lucide-react";
import type { Route } from "next";
import type { ReactNode } from "react";

import type { Schemas } from "@/api";

/** A page of the product, for the navigation. */
export interface Screen {
  href: Route;
  label: string;
  Icon: LucideIcon;
  /** Whoever lacks it does not see the page in the navigation. */
  permission: string;
}

/**
 * What organizations are to this product: one module for each way in which it is decided who
 * belongs to one. Pages know neither.
 */
export interface Organizations {
  /** Whether one works in an organization, or else for oneself. */
  needed: boolean;
  screens: readonly Screen[];
  /** Names the organization, and leads into another. */
  Switcher(props: { me: Schemas["Me"] }): Promise<ReactNode> | ReactNode;
  /** After signing in: settle where to work. Returns the page to go to instead, if there is one. */
  start(): Promise<Route | null>;
}
