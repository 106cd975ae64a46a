/**
 * Trusted Types: the policy lets no string become markup, a script or a script's address. What the
 * loader of this build needs, the addresses of the build's own files, is let through here.
 */

/** As far as it is used here; TypeScript's own library does not have it yet. */
interface WithTrustedTypes {
  trustedTypes?: {
    createPolicy: (name: string, rules: { createScriptURL: (address: string) => string }) => unknown;
  };
}

const { trustedTypes } = window as WithTrustedTypes;

trustedTypes?.createPolicy("default", {
  createScriptURL(address) {
    const { origin, pathname } = new URL(address, document.baseURI);
    if (origin === window.location.origin && pathname.startsWith("/_next/static/")) return address;
    throw new TypeError(`No script is loaded from ${address}.`);
  },
});
