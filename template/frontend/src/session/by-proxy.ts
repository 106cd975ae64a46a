import type { SessionBrowser } from "./session";

/** For providers whose sessions are this server's to renew: the proxy does it for each request it sees. */
export const browser: SessionBrowser = {
  async renew() {
    await fetch("/session/renew");
  },
};
