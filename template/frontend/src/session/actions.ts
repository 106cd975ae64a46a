"use server";

import type { Route } from "next";

import { rememberOrganization } from "@/organizations/chosen";

import { session } from ".";

/** End the session, and say where to go. */
export async function signOut(): Promise<Route> {
  const next = await session.signOut();
  await rememberOrganization(null);
  return next;
}
