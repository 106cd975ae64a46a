import { Check, ChevronsUpDown, Plus } from "lucide-react";
import Link from "next/link";

import { Menu } from "@/components/menu";

import { chooseOrganization } from "./actions";

interface Organization {
  id: string;
  name: string;
}

interface OrganizationMenuProps {
  current: Organization | null;
  all: readonly (Organization & { role: string })[];
}

/** The organization one works in, and the others one belongs to. */
export function OrganizationMenu({ current, all }: OrganizationMenuProps) {
  return (
    <Menu
      label="Organization"
      button={
        <>
          <span className="truncate">{current?.name ?? "No organization"}</span>
          <ChevronsUpDown aria-hidden className="size-4 shrink-0 text-faint" />
        </>
      }
    >
      {all.map(({ id, name, role }) => (
        <form key={id} action={chooseOrganization}>
          <input type="hidden" name="id" value={id} />
          <button
            type="submit"
            aria-current={id === current?.id ? "true" : undefined}
            className="flex w-full items-center justify-between gap-3 rounded-control px-3 py-2 text-left text-sm hover:bg-hover"
          >
            <span className="truncate">{name}</span>
            {id === current?.id ? (
              <Check aria-hidden className="size-4 text-accent" />
            ) : (
              <span className="text-xs text-muted">{role}</span>
            )}
          </button>
        </form>
      ))}
      <Link
        href="/app/welcome"
        className="flex items-center gap-2 rounded-control px-3 py-2 text-sm hover:bg-hover"
      >
        <Plus aria-hidden className="size-4" />
        New organization
      </Link>
    </Menu>
  );
}
