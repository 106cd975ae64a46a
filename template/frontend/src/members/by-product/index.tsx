import type { Schemas } from "@/api";
import { ConfirmedAction } from "@/components/confirmed-action";

import { removeMember } from "./actions";
import { RoleForm } from "./role-form";

interface MemberActionsProps {
  member: Schemas["MemberOut"];
  mine: Schemas["Me"];
}

/** A member's role, and for who decides about members, the means to change it. */
export function MemberActions({ member, mine }: MemberActionsProps) {
  if (!mine.permissions.includes("members:write") || member.user_id === mine.user.id) return member.role;
  const name = member.name ?? member.email ?? "this member";
  return (
    <div className="flex flex-wrap items-start gap-2">
      <RoleForm id={member.id} name={name} role={member.role} />
      <ConfirmedAction
        label="Remove"
        of={name}
        title={`Remove ${name}?`}
        action={removeMember.bind(null, member.id)}
      >
        They are out within seconds, and their API keys never work again.
      </ConfirmedAction>
    </div>
  );
}
