"""A client that openapi-python-client made from the document: every operation on contacts, and every class of failure."""

import json
import os
import urllib.request

from contacts_gateway_client import AuthenticatedClient
from contacts_gateway_client.api.contacts import (
    create_contact,
    delete_contact,
    get_contact,
    list_contacts,
    search_contacts,
    update_contact,
    upsert_contact,
)
from contacts_gateway_client.models import ContactCreate, ContactUpdate, ContactUpsert, Problem, UpsertAnswerOutcome
from contacts_gateway_client.models import UpsertContactMatchOn

gateway, key, aptly = (os.environ[name] for name in ("GATEWAY", "KEY", "APTLY"))
client = AuthenticatedClient(base_url=gateway, token=key)


def refused(answer, status, code):
    assert isinstance(answer.parsed, Problem), answer
    assert (answer.status_code, answer.parsed.code) == (status, code), answer
    return answer.parsed


grace = {
    "firstName": "Grace",
    "lastName": "Moreau",
    "emailAddresses": [{"emailAddress": "grace.moreau@example.com"}],
    "phoneNumbers": [{"phoneNumber": "+1 416 555 0166"}],
}

for credential in ("demo-aptly", "demo-pipeline"):
    to = {"client": client, "credential_id": credential}
    created = create_contact.sync_detailed(**to, body=ContactCreate.from_dict(grace))
    assert created.status_code == 200, created
    contact = created.parsed.contact
    assert contact.remote_fields.to_dict() is not None
    refused(create_contact.sync_detailed(**to, body=ContactCreate.from_dict(grace)), 409, "contact_exists")

    seen, more = set(), {}
    while True:
        page = list_contacts.sync_detailed(**to, page_size=100, **more).parsed
        seen.update(contact.id for contact in page.contacts)
        if page.page_info.next_cursor is None:
            break
        more = {"cursor": page.page_info.next_cursor}
    assert len(seen) == 451, len(seen)

    tag = get_contact.sync_detailed(contact.id, **to).headers["ETag"]
    change = ContactUpdate.from_dict({"lastName": "Moreau-Diaz"})
    updated = update_contact.sync_detailed(contact.id, **to, if_match=tag, body=change)
    assert updated.parsed.contact.last_name == "Moreau-Diaz", updated
    lost = ContactUpdate.from_dict({"lastName": "Lost"})
    refused(update_contact.sync_detailed(contact.id, **to, if_match=tag, body=lost), 412, "contact_changed")

    match_on = UpsertContactMatchOn.EMAILADDRESS if credential == "demo-aptly" else UpsertContactMatchOn.PHONENUMBER
    upserted = upsert_contact.sync_detailed(**to, match_on=match_on, body=ContactUpsert.from_dict(grace))
    assert upserted.parsed.outcome == UpsertAnswerOutcome.UPDATED, upserted

    long = ContactCreate.from_dict({"lastName": "x" * 1001})
    assert refused(create_contact.sync_detailed(**to, body=long), 422, "validation_failed").errors[0].pointer
    refused(list_contacts.sync_detailed(**to, page_size=101), 400, "invalid_parameter")

found = search_contacts.sync_detailed(client=client, email_address="grace.moreau@example.com").parsed
assert len(found.people[0].contacts) == 2 and found.complete, found

to = {"client": client, "credential_id": "demo-aptly"}
stranger = AuthenticatedClient(base_url=gateway, token="cg_wrong")
refused(list_contacts.sync_detailed(client=stranger, credential_id="demo-aptly"), 401, "unauthenticated")
refused(list_contacts.sync_detailed(client=client, credential_id="nobody"), 404, "credential_not_found")
refused(delete_contact.sync_detailed("x", **to), 501, "operation_unsupported")
for fault, status, code in (
    ({"kind": "status", "code": 401}, 424, "upstream_credential_rejected"),
    ({"kind": "status", "code": 500}, 502, "upstream_error"),
    ({"kind": "never_answer"}, 504, "upstream_timeout"),
    ({"kind": "too_many_requests", "retry_after": "30"}, 429, "upstream_rate_limited"),
):
    url = f"{aptly}/_simulator/faults"
    urllib.request.urlopen(urllib.request.Request(url, data=json.dumps(fault).encode()))
    problem = refused(list_contacts.sync_detailed(**to, x_request_timeout_ms=2000), status, code)
    assert problem.origin == "upstream", problem
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE"))
print("Python: ok")
