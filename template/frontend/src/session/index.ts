import "server-only";

import { pages as provider } from "./choice/pages";
import { issuer } from "./development/issuer";
import { pages as development } from "./development/pages";
import type { SessionPages } from "./session";

/** Who is signed in; in development without an account, one of the demo people. */
export const session: SessionPages = issuer() ? development : provider;
