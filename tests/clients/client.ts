// A client that openapi-typescript and openapi-fetch made from the document, in strict mode: every operation on contacts, and
// every class of failure. The types are part of the check: it does not compile if the document loses one.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Problem = components["schemas"]["Problem"];
const { GATEWAY, KEY, APTLY } = process.env;
const clientWith = (key: string | undefined) =>
  createClient<paths>({ baseUrl: GATEWAY!, headers: { Authorization: `Bearer ${key}` } });
const client = clientWith(KEY);

const fail = (text: string): never => { throw new Error(text); };
const is = (found: unknown, expected: unknown, what: string) => {
  if (found !== expected) fail(`${what}: ${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
};
/** The problem of a response that must be one, with its status and code. */
const refused = (answer: { error?: unknown; response: Response }, status: number, code: string): Problem => {
  const problem = answer.error as Problem;
  is(`${answer.response.status} ${problem?.code}`, `${status} ${code}`, "refusal");
  return problem;
};

const grace = {
  firstName: "Grace",
  lastName: "Moreau",
  emailAddresses: [{ emailAddress: "grace.moreau@example.com" }],
  phoneNumbers: [{ phoneNumber: "+1 416 555 0166" }],
};

for (const credentialId of ["demo-aptly", "demo-pipeline"]) {
  const query = { credentialId };

  const created = await client.POST("/crm/contacts", { params: { query }, body: grace });
  if (!created.data || "dryRun" in created.data) throw fail("no contact");
  const id: string = created.data.contact.id;
  const remote: unknown = created.data.contact.remoteFields["anything"];
  is(remote, undefined, "a remote field that the CRM has not");
  refused(await client.POST("/crm/contacts", { params: { query }, body: grace }), 409, "contact_exists").candidates?.at(0)?.id
    ?? fail("no candidate");

  const seen = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await client.GET("/crm/contacts", { params: { query: { ...query, pageSize: 100, cursor } } });
    if (!page.data) throw fail("no page");
    page.data.contacts.forEach((contact) => seen.add(contact.id));
    cursor = page.data.pageInfo.nextCursor ?? undefined;
  } while (cursor);
  is(seen.size, 451, "contacts");

  const read = await client.GET("/crm/contacts/{id}", { params: { query, path: { id } } });
  const tag = read.response.headers.get("ETag") ?? fail("no tag");
  const update = (lastName: string) => client.PATCH("/crm/contacts/{id}", {
    params: { query, path: { id }, header: { "If-Match": tag } }, body: { lastName },
  });
  const updated = await update("Moreau-Diaz");
  if (!updated.data || "dryRun" in updated.data) throw fail("not updated");
  is(updated.data.contact.lastName, "Moreau-Diaz", "last name");
  refused(await update("Lost"), 412, "contact_changed");

  const matchOn = credentialId === "demo-aptly" ? "emailAddress" : "phoneNumber";
  const upserted = await client.POST("/crm/contacts/upsert", {
    params: { query: { ...query, matchOn }, header: { "Idempotency-Key": crypto.randomUUID() } }, body: grace,
  });
  if (!upserted.data || "dryRun" in upserted.data) throw fail("no upsert");
  const outcome: "created" | "updated" = upserted.data.outcome;
  is(outcome, "updated", "outcome");

  refused(await client.POST("/crm/contacts", { params: { query }, body: { lastName: "x".repeat(1001) } }), 422, "validation_failed")
    .errors?.at(0)?.pointer ?? fail("no pointer");
  refused(await client.GET("/crm/contacts", { params: { query: { ...query, pageSize: 101 } } }), 400, "invalid_parameter");
}

const found = await client.GET("/crm/contacts/search", { params: { query: { emailAddress: "grace.moreau@example.com" } } });
is(found.data?.people[0]?.contacts.length, 2, "contacts of one person");
is(found.data?.complete, true, "a complete search");

const query = { credentialId: "demo-aptly" };
refused(await clientWith("cg_wrong").GET("/crm/contacts", { params: { query } }), 401, "unauthenticated");
refused(await client.GET("/crm/contacts", { params: { query: { credentialId: "nobody" } } }), 404, "credential_not_found");
refused(await client.DELETE("/crm/contacts/{id}", { params: { query, path: { id: "x" } } }), 501, "operation_unsupported");
const faults: [object, number, string][] = [
  [{ kind: "status", code: 401 }, 424, "upstream_credential_rejected"],
  [{ kind: "status", code: 500 }, 502, "upstream_error"],
  [{ kind: "never_answer" }, 504, "upstream_timeout"],
  [{ kind: "too_many_requests", retry_after: "30" }, 429, "upstream_rate_limited"],
];
for (const [fault, status, code] of faults) {
  await fetch(`${APTLY}/_simulator/faults`, { method: "POST", body: JSON.stringify(fault) });
  const header = { "X-Request-Timeout-Ms": 2000 };
  const problem = refused(await client.GET("/crm/contacts", { params: { query, header } }), status, code);
  is(problem.origin, "upstream", "origin");
  await fetch(`${APTLY}/_simulator/faults`, { method: "DELETE" });
}

// A body that is not of its provider does not compile.
const credential: components["schemas"]["CreateCredential"] = {
  provider: "pipeline", name: "second", settings: { baseUrl: "https://crm.example.com" }, secret: { token: "t" },
};
const stored = await client.POST("/credentials", { params: { query: { verify: false } }, body: credential });
is(stored.response.status, 201, "a new credential");
console.log("TypeScript: ok");
