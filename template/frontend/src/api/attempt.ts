import "server-only";

import { unstable_rethrow } from "next/navigation";

import type { FormState } from "./form-state";
import { ApiProblem } from "./problem";

/** Do what a form asks for: null when it worked, else what the form has to say. */
export async function attempt(
  work: () => Promise<unknown>,
  form?: FormData,
): Promise<FormState | null> {
  try {
    await work();
    return null;
  } catch (error) {
    unstable_rethrow(error);
    const values = form ? typed(form) : {};
    if (error instanceof ApiProblem) {
      const told = Object.keys(error.fields).length > 0 ? "Some fields need another look." : error.detail;
      return { problem: told, fields: error.fields, values };
    }
    console.error(error);
    return { problem: "The server cannot be reached. Try again in a moment.", values };
  }
}

function typed(form: FormData): Record<string, string> {
  const entries = [...form].filter(
    (entry): entry is [string, string] => typeof entry[1] === "string" && !entry[0].startsWith("$"),
  );
  return Object.fromEntries(entries);
}
