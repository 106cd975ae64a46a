"use server";

import { text } from "@/forms";

import { arrive } from "../arrive";
import { safeReturn } from "../session";

import { client } from "./client";

export interface SignInState {
  error?: string;
  told?: string;
  email?: string;
}

/** Sign in with a password, or make an account with one. */
export async function signIn(_before: SignInState, form: FormData): Promise<SignInState> {
  const email = text(form, "email");
  const password = form.get("password");
  const to = safeReturn(text(form, "to"));
  if (!email || typeof password !== "string" || !password) {
    return { error: "Enter your address and your password.", email };
  }
  const supabase = await client();
  if (text(form, "intent") === "join") {
    const { data, error } = await supabase.auth.signUp({
      email,
      password,
      options: { emailRedirectTo: new URL("/session/confirm", process.env.APP_URL).href },
    });
    if (error) return { error: error.message, email };
    if (!data.session) return { told: "Look into your mail: it holds a link to continue.", email };
  } else {
    const { error } = await supabase.auth.signInWithPassword({ email, password });
    if (error) return { error: error.message, email };
  }
  return arrive(to);
}
