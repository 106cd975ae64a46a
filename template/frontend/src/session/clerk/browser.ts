import type { Clerk } from "@clerk/nextjs/types";

import type { SessionBrowser } from "../session";

declare global {
  interface Window {
    /** Clerk's own script, which is not in the page of development without an account. */
    Clerk?: Clerk;
  }
}

export const browser: SessionBrowser = {
  // It writes each new token into the cookie, and sleeps while nobody looks at the tab.
  async renew() {
    await window.Clerk?.session?.getToken({ skipCache: true });
  },
};
