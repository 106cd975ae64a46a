import "server-only";

import { signInAddress, type SessionPages } from "../session";

import { client } from "./client";
import { PasswordForm } from "./form";

export const pages: SessionPages = {
  async token() {
    const supabase = await client();
    // Who made this cookie does not matter here: the API verifies the token that it holds.
    const { data } = await supabase.auth.getSession();
    return data.session?.access_token ?? null;
  },
  SignIn: PasswordForm,
  async signOut() {
    const supabase = await client();
    await supabase.auth.signOut({ scope: "local" });
    return signInAddress();
  },
  Shell: ({ children }) => children,
  accountUrl: null,
};
