import "server-only";

import type { Route } from "next";
import { redirect } from "next/navigation";

import { organizations } from "@/organizations/choice";

/** After signing in: settle where to work, then go there. Only where cookies can be set. */
export async function arrive(to: Route): Promise<never> {
  const instead = await organizations.start();
  // Who follows an invitation belongs nowhere yet.
  redirect(instead && !to.startsWith("/invitations") ? instead : to);
}
