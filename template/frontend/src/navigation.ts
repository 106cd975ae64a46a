import { FileUp, History, KeyRound, LayoutDashboard, UserRound } from "lucide-react";

import { organizations } from "@/organizations/choice";
import type { Screen } from "@/organizations/organizations";

/** The pages of the product, in their order. */
export const screens: readonly Screen[] = [
  { href: "/app", label: "Overview", Icon: LayoutDashboard, permission: "imports:read" },
  { href: "/app/contacts", label: "Contacts", Icon: UserRound, permission: "contacts:read" },
  { href: "/app/imports", label: "Imports", Icon: FileUp, permission: "imports:read" },
  ...organizations.screens,
  { href: "/app/audit", label: "Audit trail", Icon: History, permission: "audit:read" },
  { href: "/app/api-keys", label: "API keys", Icon: KeyRound, permission: "api_keys:read" },
];
