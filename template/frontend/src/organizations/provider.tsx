import { Users } from "lucide-react";

import { session } from "@/session";

import type { Organizations } from "./organizations";

/** The sign-in provider decides: its token says where one works, and its page changes that. */
export const organizations: Organizations = {
  needed: true,
  screens: [{ href: "/app/members", label: "Members", Icon: Users, permission: "members:read" }],
  Switcher({ me }) {
    const name = me.organization?.name ?? "No organization";
    if (!session.accountUrl) return <p className="truncate text-sm font-medium">{name}</p>;
    return (
      // A whole load: the page there has a policy of its own.
      <a href={session.accountUrl} className="truncate text-sm font-medium hover:underline">
        {name}
      </a>
    );
  },
  start: () => Promise.resolve(null),
};
