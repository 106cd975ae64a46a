"use server";

import { redirect } from "next/navigation";

import { api, held } from "@/api";
import { attempt } from "@/api/attempt";
import type { FormState } from "@/api/form-state";
import { text } from "@/forms";
import { arrive } from "@/session/arrive";

import { rememberOrganization } from "./chosen";

/** Work in another organization from now on. */
export async function chooseOrganization(form: FormData): Promise<void> {
  const id = text(form, "id");
  await held(
    (await api()).POST("/api/v1/organizations/{organization_id}/choose", {
      params: { path: { organization_id: id } },
      headers: { "X-Organization": null },
    }),
  );
  await rememberOrganization(id);
  redirect("/app");
}

/** Make an organization and work there. */
export async function createOrganization(_before: FormState, form: FormData): Promise<FormState> {
  const failed = await attempt(async () => {
    const made = await held(
      (await api()).POST("/api/v1/organizations", { body: { name: text(form, "name") } }),
    );
    await rememberOrganization(made.id);
  }, form);
  if (failed) return failed;
  redirect("/app");
}

export async function renameOrganization(_before: FormState, form: FormData): Promise<FormState> {
  const failed = await attempt(
    async () =>
      held((await api()).PATCH("/api/v1/organizations/current", { body: { name: text(form, "name") } })),
    form,
  );
  if (failed) return failed;
  redirect("/app/organization");
}

/** Leave the organization that one works in. Its last owner cannot. */
export async function leaveOrganization(): Promise<FormState> {
  const failed = await attempt(async () => held((await api()).DELETE("/api/v1/members/me")));
  if (failed) return failed;
  await rememberOrganization(null);
  return arrive("/app");
}
