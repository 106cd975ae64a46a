import type { SessionBrowser } from "../session";

export const browser: SessionBrowser = {
  // Clerk's own script has the session, and writes each new token into the cookie; it sleeps while nobody
  // looks at the tab. In development without an account it is not in the page, and nothing ends.
  async renew() {
    await window.Clerk?.session?.getToken({ skipCache: true });
  },
};
