"use server";

import { text } from "@/forms";

import { arrive } from "../arrive";
import { safeReturn } from "../session";

import { write } from "./cookie";
import { ask } from "./issuer";

interface Issued {
  token: string;
  expires_in: number;
}

/** Sign in as whom the form names: one of the demo people, or anybody. */
export async function signIn(form: FormData): Promise<void> {
  const wanted = Object.fromEntries(
    ["user", "organization", "role", "email"]
      .map((name) => [name, text(form, name)] as const)
      .filter(([, value]) => value !== ""),
  );
  const issued = (await ask("token", wanted)) as Issued;
  await write(issued.token, issued.expires_in);
  await arrive(safeReturn(text(form, "to")));
}
