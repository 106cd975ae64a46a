"use server";

import { revalidatePath } from "next/cache";

import { api, held, type Schemas } from "@/api";
import { attempt } from "@/api/attempt";
import type { FormState } from "@/api/form-state";
import { text } from "@/forms";

export async function changeRole(id: string, _before: FormState, form: FormData): Promise<FormState> {
  // The API refuses what is no role.
  const role = text(form, "role") as Schemas["MemberChanges"]["role"];
  const params = { path: { member_id: id } };
  const failed = await attempt(async () =>
    held((await api()).PATCH("/api/v1/members/{member_id}", { params, body: { role } })),
  );
  revalidatePath("/app/members");
  return failed ?? { done: "Changed." };
}

export async function removeMember(id: string): Promise<FormState> {
  const params = { path: { member_id: id } };
  const failed = await attempt(async () =>
    held((await api()).DELETE("/api/v1/members/{member_id}", { params })),
  );
  revalidatePath("/app/members");
  return failed ?? {};
}
