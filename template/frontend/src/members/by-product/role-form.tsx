"use client";

import { useActionState } from "react";

import { Button } from "@/components/ui/button";
import { Select } from "@/components/ui/select";

import { changeRole } from "./actions";
import { roles } from "./roles";

/** A member's role, to be changed. */
export function RoleForm({ id, name, role }: { id: string; name: string; role: string }) {
  const [state, send, busy] = useActionState(changeRole.bind(null, id), {});
  return (
    <form action={send} className="grid gap-1">
      <div className="flex items-center gap-2">
        <Select key={role} name="role" defaultValue={role} aria-label={`Role of ${name}`}>
          {roles.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </Select>
        <Button type="submit" size="small" variant="secondary" busy={busy} aria-label={`Change the role of ${name}`}>
          Change
        </Button>
      </div>
      <p role="status" className={state.problem ? "text-sm text-danger" : "text-sm text-muted"}>
        {state.problem ?? state.done}
      </p>
    </form>
  );
}
