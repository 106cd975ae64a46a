import "server-only";

import { headers } from "next/headers";
import { notFound, redirect } from "next/navigation";
import createClient, { type Client } from "openapi-fetch";
import { cache } from "react";

import { chosenOrganization } from "@/organizations/chosen";
import { session } from "@/session";
import { ASKED_FOR, signInAddress } from "@/session/session";

import { ApiProblem, problemOf } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

export function apiUrl(): string {
  return process.env.API_URL ?? "http://127.0.0.1:8000";
}

async function toSignIn(error?: string): Promise<never> {
  redirect(signInAddress(error, (await headers()).get(ASKED_FOR)));
}

/** The headers that say who asks, and in which organization; without a session, off to sign in. */
export async function credentials(): Promise<Record<string, string>> {
  return (await credentialsIfAny()) ?? toSignIn();
}

/** The same for what no sign-in page can answer: null without a session. */
export async function credentialsIfAny(): Promise<Record<string, string> | null> {
  const token = await session.token();
  if (!token) return null;
  const organization = await chosenOrganization();
  return {
    Authorization: `Bearer ${token}`,
    ...(organization ? { "X-Organization": organization } : {}),
  };
}

/** The API in the name of who is signed in. Its paths and answers have the types of its own schema. */
export async function api(): Promise<Client<paths>> {
  return createClient<paths>({
    baseUrl: apiUrl(),
    headers: await credentials(),
    cache: "no-store",
  });
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * What an answer holds.
 *
 * @throws ApiProblem if it is an error, except that one who is not signed in is sent to sign in.
 */
export async function held<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await answer;
  if (response.ok) return data as T;
  if (response.status === 401) return toSignIn("expired");
  throw problemOf(response, error);
}

/** The same for a page about one thing: where there is none, the page is not found. */
export async function found<T>(answer: Promise<Answer<T>>): Promise<T> {
  try {
    return await held(answer);
  } catch (error) {
    // A malformed id in the address is a wrong address too.
    if (error instanceof ApiProblem && [404, 422].includes(error.status)) notFound();
    throw error;
  }
}

/** Who is signed in, where they work, and what they may do there; asked once per request. */
export const me = cache(async (): Promise<Schemas["Me"]> => {
  return held((await api()).GET("/api/v1/me"));
});
