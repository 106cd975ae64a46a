/** The roles in an organization, from the least to the greatest. */
export const roles = ["viewer", "member", "admin", "owner"] as const;
