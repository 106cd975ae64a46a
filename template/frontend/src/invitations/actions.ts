"use server";

import { revalidatePath } from "next/cache";
import { redirect } from "next/navigation";

import { api, held, type Schemas } from "@/api";
import { attempt } from "@/api/attempt";
import type { FormState } from "@/api/form-state";
import { text } from "@/forms";
import { rememberOrganization } from "@/organizations/chosen";

const PATH = "/app/invitations";

export async function invite(_before: FormState, form: FormData): Promise<FormState> {
  const body = {
    email: text(form, "email"),
    // The API refuses what is no role.
    role: text(form, "role") as Schemas["NewInvitation"]["role"],
  };
  const failed = await attempt(async () => held((await api()).POST("/api/v1/invitations", { body })), form);
  revalidatePath(PATH);
  return failed ?? { done: `${body.email} was invited.` };
}

export async function resend(id: string): Promise<FormState> {
  const params = { path: { invitation_id: id } };
  const failed = await attempt(async () =>
    held((await api()).POST("/api/v1/invitations/{invitation_id}/resend", { params })),
  );
  revalidatePath(PATH);
  return failed ?? {};
}

export async function revoke(id: string): Promise<FormState> {
  const params = { path: { invitation_id: id } };
  const failed = await attempt(async () =>
    held((await api()).DELETE("/api/v1/invitations/{invitation_id}", { params })),
  );
  revalidatePath(PATH);
  return failed ?? {};
}

/** Become a member, as whom the mail was sent to, and work there from now on. */
export async function accept(_before: FormState, form: FormData): Promise<FormState> {
  const token = text(form, "token");
  const failed = await attempt(async () => {
    const accepted = await held((await api()).POST("/api/v1/invitations/accept", { body: { token } }));
    await rememberOrganization(accepted.organization_id);
  });
  if (failed) return failed;
  redirect("/app");
}
