import type { Metadata } from "next";

import { api, found, me } from "@/api";
import { ConfirmedAction } from "@/components/confirmed-action";
import { PageHeader } from "@/components/page-header";
import { Card, CardBody } from "@/components/ui/card";
import { deleteContact, updateContact } from "@/contacts/actions";
import { ContactForm } from "@/contacts/contact-form";
import { amount, inWords } from "@/format";

export const metadata: Metadata = { title: "Contact" };

export default async function ContactPage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  const client = await api();
  const [{ permissions }, contact] = await Promise.all([
    me(),
    found(client.GET("/api/v1/contacts/{contact_id}", { params: { path: { contact_id: id } } })),
  ]);
  if (!permissions.includes("contacts:write")) {
    return (
      <PageHeader title={contact.name}>
        {[contact.email, contact.company, amount(contact.amount)].filter(Boolean).join(" · ")}
      </PageHeader>
    );
  }
  const { name, email, company } = contact;
  return (
    <>
      <PageHeader
        title={name}
        actions={
          <ConfirmedAction
            label="Delete"
            title={`Delete ${name}?`}
            action={deleteContact.bind(null, id)}
            size="medium"
          >
            The contact is gone for everybody here. The audit trail keeps what it was.
          </ConfirmedAction>
        }
      >
        {`Added ${inWords(contact.created_at)}`}
      </PageHeader>
      <Card>
        <CardBody>
          <ContactForm
            action={updateContact.bind(null, id)}
            values={{ name, email, company, amount: contact.amount }}
            submit="Save"
          />
        </CardBody>
      </Card>
    </>
  );
}
