"use server";

import { redirect, RedirectType } from "next/navigation";

import { rememberOrganization } from "@/organizations/chosen";

import { session } from ".";

export async function signOut(): Promise<never> {
  const next = await session.signOut();
  await rememberOrganization(null);
  redirect(next, RedirectType.replace);
}
