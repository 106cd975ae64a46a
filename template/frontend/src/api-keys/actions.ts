"use server";

import { revalidatePath } from "next/cache";

import { api, held, type Schemas } from "@/api";
import { attempt } from "@/api/attempt";
import type { FormState } from "@/api/form-state";
import { text } from "@/forms";

const DAY = 24 * 60 * 60 * 1000;

/** `key` is the new key: it is shown this once and kept nowhere. */
export type NewKeyState = FormState & { key?: string };

export async function createKey(_before: NewKeyState, form: FormData): Promise<NewKeyState> {
  const days = Number(text(form, "days"));
  let made: Schemas["MadeApiKey"] | undefined;
  const failed = await attempt(async () => {
    made = await held(
      (await api()).POST("/api/v1/api-keys", {
        body: {
          name: text(form, "name"),
          // The API refuses what is no permission.
          scopes: form.getAll("scopes").map(String) as Schemas["NewApiKey"]["scopes"],
          expires_at: days > 0 ? new Date(Date.now() + days * DAY).toISOString() : null,
        },
      }),
    );
  }, form);
  if (failed) return failed;
  revalidatePath("/app/api-keys");
  return made ? { key: made.key } : {};
}

export async function revokeKey(id: string): Promise<FormState> {
  const params = { path: { api_key_id: id } };
  const failed = await attempt(async () =>
    held((await api()).DELETE("/api/v1/api-keys/{api_key_id}", { params })),
  );
  revalidatePath("/app/api-keys");
  return failed ?? {};
}
