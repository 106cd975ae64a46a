"use server";

import { redirect } from "next/navigation";

import { api, held } from "@/api";
import { attempt } from "@/api/attempt";
import type { FormState } from "@/api/form-state";
import { text } from "@/forms";

function contact(form: FormData) {
  return {
    name: text(form, "name"),
    email: text(form, "email"),
    company: text(form, "company"),
    amount: text(form, "amount") || "0",
  };
}

export async function createContact(_before: FormState, form: FormData): Promise<FormState> {
  const failed = await attempt(
    async () => held((await api()).POST("/api/v1/contacts", { body: contact(form) })),
    form,
  );
  if (failed) return failed;
  redirect("/app/contacts");
}

export async function updateContact(
  id: string,
  _before: FormState,
  form: FormData,
): Promise<FormState> {
  const params = { path: { contact_id: id } };
  const failed = await attempt(
    async () =>
      held((await api()).PATCH("/api/v1/contacts/{contact_id}", { params, body: contact(form) })),
    form,
  );
  if (failed) return failed;
  redirect("/app/contacts");
}

export async function deleteContact(id: string): Promise<FormState> {
  const params = { path: { contact_id: id } };
  const failed = await attempt(async () =>
    held((await api()).DELETE("/api/v1/contacts/{contact_id}", { params })),
  );
  if (failed) return failed;
  redirect("/app/contacts");
}
