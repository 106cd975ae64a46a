import "server-only";

import { Building2, MailPlus, Users } from "lucide-react";

import { api, held } from "@/api";

import { rememberOrganization } from "./chosen";
import type { Organizations } from "./organizations";
import { OrganizationMenu } from "./organization-menu";

/** The product decides: people make organizations here and invite others. */
export const organizations: Organizations = {
  needed: true,
  screens: [
    { href: "/app/members", label: "Members", Icon: Users, permission: "members:read" },
    { href: "/app/invitations", label: "Invitations", Icon: MailPlus, permission: "members:write" },
    { href: "/app/organization", label: "Organization", Icon: Building2, permission: "organization:read" },
  ],

  async Switcher({ me }) {
    const { items } = await held((await api()).GET("/api/v1/organizations"));
    return <OrganizationMenu current={me.organization} all={items} />;
  },

  async start() {
    await rememberOrganization(null);
    const client = await api();
    // A token that names an organization leads into that one and no other. What the cookie said
    // was sent with this request, so it is asked without.
    const mine = await held(client.GET("/api/v1/me", { headers: { "X-Organization": null } }));
    if (mine.organization) return null;
    const { items } = await held(client.GET("/api/v1/organizations", { headers: { "X-Organization": null } }));
    const first = items[0];
    if (!first) return "/app/welcome";
    await rememberOrganization(first.id);
    return null;
  },
};
