import type { Schemas } from "@/api";

interface MemberActionsProps {
  member: Schemas["MemberOut"];
  mine: Schemas["Me"];
}

/** A member's role, which is changed at the sign-in provider. */
export function MemberActions({ member }: MemberActionsProps) {
  return member.role;
}
