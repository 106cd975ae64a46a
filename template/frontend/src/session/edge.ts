import { edge as provider } from "./choice/edge";
import { edge as development } from "./development/edge";
import { issuer } from "./development/issuer";
import type { SessionEdge } from "./session";

/** The provider's part before a page; in development without an account, the issuer's. */
export const edge: SessionEdge = issuer() ? development : provider;
