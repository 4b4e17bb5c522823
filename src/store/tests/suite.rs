//! What holds on both databases.

use super::{TestPlace, audit, credential, key, on_both, open_together, tenant};
use crate::domain::{CredentialId, FailureKind, TenantId, Text, Timestamp};
use crate::store::{
    After, AuditQuery, AuditRecord, CheckRecord, CredentialRecord, SealedRecord, TenantRecord, now, schema,
};

on_both! {
    many_open_one_new_database_together,
    records_come_back_as_they_were_also_after_a_restart,
    a_credential_is_loaded_by_its_own_tenant_alone,
    taken_names_and_missing_tenants_are_told_apart,
    a_change_of_what_was_changed_meanwhile_is_refused,
    listings_go_on_behind_a_row_whatever_was_made_in_the_same_millisecond,
    audit_records_outlive_their_tenant_and_never_change,
    secrets_are_found_by_their_head_and_put_back_once,
}

async fn records_come_back_as_they_were_also_after_a_restart(place: &TestPlace) {
    let (one, key, credential) = {
        let store = place.open().await;
        let one = tenant("one");
        let (key, credential) = (key("key_1", &one.id), credential("cred_1", &one.id));
        store.tenants.insert(&one).await.unwrap();
        store.keys.insert(&key).await.unwrap();
        store.credentials.insert(&credential).await.unwrap();
        store.database.close().await;
        (one, key, credential)
    };
    let store = place.open().await;
    assert_eq!(store.tenants.get(&one.id).await.unwrap().as_ref(), Some(&one));
    assert_eq!(store.tenants.find("one").await.unwrap(), Some(one.clone()));
    assert_eq!(store.keys.get(&key.id).await.unwrap(), Some(key));
    assert_eq!(store.credentials.get(&one.id, &credential.id).await.unwrap(), Some(credential));
    assert_eq!(store.database.schema().await, Ok(schema::known()));
}

async fn a_credential_is_loaded_by_its_own_tenant_alone(place: &TestPlace) {
    let store = place.open().await;
    let (one, two) = (tenant("one"), tenant("two"));
    for tenant in [&one, &two] {
        store.tenants.insert(tenant).await.unwrap();
    }
    store.credentials.insert(&credential("cred_1", &one.id)).await.unwrap();
    let id = CredentialId::from("cred_1");
    let strange = CredentialId::from("cred_1\0");
    assert_eq!(store.credentials.get(&one.id, &strange).await, Ok(None));
    assert!(store.credentials.get(&two.id, &id).await.unwrap().is_none());
    assert!(store.credentials.list(&two.id, None, 10).await.unwrap().is_empty());
    assert!(!store.credentials.delete(&two.id, &id).await.unwrap());
    assert!(!store.credentials.update(&credential("cred_1", &two.id)).await.unwrap());
    assert!(store.credentials.get(&one.id, &id).await.unwrap().is_some());
}

async fn taken_names_and_missing_tenants_are_told_apart(place: &TestPlace) {
    let store = place.open().await;
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    let again = TenantRecord { id: "ten_other".into(), ..one.clone() };
    assert_eq!(store.tenants.insert(&again).await.unwrap_err().kind, FailureKind::NameTaken);
    let mut first = credential("cred_1", &one.id);
    store.credentials.insert(&first).await.unwrap();
    let second = CredentialRecord { id: "cred_2".into(), ..first.clone() };
    assert_eq!(store.credentials.insert(&second).await.unwrap_err().kind, FailureKind::NameTaken);
    store.credentials.insert(&CredentialRecord { name: "other".into(), ..second }).await.unwrap();
    first.name = "other".into();
    assert_eq!(store.credentials.update(&first).await.unwrap_err().kind, FailureKind::NameTaken);
    let nobody = TenantId::from("ten_nobody");
    assert_eq!(
        store.keys.insert(&key("key_1", &nobody)).await.unwrap_err().kind,
        FailureKind::TenantNotFound
    );
}

async fn a_change_of_what_was_changed_meanwhile_is_refused(place: &TestPlace) {
    let store = place.open().await;
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    let first = credential("cred_1", &one.id);
    store.credentials.insert(&first).await.unwrap();
    assert!(
        store.credentials.update(&CredentialRecord { name: "mine".into(), ..first.clone() }).await.unwrap()
    );
    assert!(
        !store.credentials.update(&CredentialRecord { name: "late".into(), ..first.clone() }).await.unwrap()
    );
    let check = CheckRecord { at: now(), since: now(), ok: true, code: None };
    store.credentials.note_check(&one.id, &first.id, 1, &check).await.unwrap();
    let held = store.credentials.get(&one.id, &first.id).await.unwrap().unwrap();
    assert_eq!((held.name.as_str(), held.revision, held.last_check), ("mine", 2, first.last_check));
    store.credentials.note_check(&one.id, &first.id, 2, &check).await.unwrap();
    let held = store.credentials.get(&one.id, &first.id).await.unwrap().unwrap();
    assert_eq!(held.last_check, Some(check.clone()));
    // What calls show is stored only if it is another result.
    let refused =
        CheckRecord { ok: false, code: Some("upstream_credential_rejected".into()), ..check.clone() };
    for (revision, noted, is_stored) in [
        (2, &check, false),
        (1, &refused, false),
        (2, &refused, true),
        (2, &refused, false),
        (2, &check, true),
    ] {
        let stored = store.credentials.note_change(&one.id, &first.id, revision, noted).await.unwrap();
        assert_eq!(stored, is_stored, "{revision} {noted:?}");
    }
    // As the version before writes.
    place.statement("UPDATE credentials SET checked_at = 7, check_since = NULL").await.unwrap();
    let last = store.credentials.get(&one.id, &first.id).await.unwrap().unwrap().last_check.unwrap();
    assert_eq!((last.at.as_millisecond(), last.since), (7, last.at));
}

async fn listings_go_on_behind_a_row_whatever_was_made_in_the_same_millisecond(place: &TestPlace) {
    let store = place.open().await;
    let at = now();
    for n in 0..7 {
        let record =
            TenantRecord { id: format!("ten_{n}").into(), name: format!("{n}").into(), created_at: at };
        store.tenants.insert(&record).await.unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let rows = store.tenants.list(after.as_ref(), 3).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(After { created_at: last.created_at, id: Text::from(last.id.as_str()) });
        seen.extend(rows.into_iter().map(|row| row.name.as_str().to_owned()));
    }
    assert_eq!(seen.join(""), "0123456");
}

async fn audit_records_outlive_their_tenant_and_never_change(place: &TestPlace) {
    let store = place.open().await;
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    let records: Vec<_> = (0..5).map(|n| audit(&format!("aud_{n}"), Some(&one.id), 100 + n / 2)).collect();
    store.audit.append_many(&records).await.unwrap();
    let operators = AuditRecord { actor_id: None, request_id: None, ..audit("aud_x", None, 101) };
    store.audit.append(&operators).await.unwrap();
    store.audit.append(&operators).await.unwrap();
    store.tenants.delete(&one.id).await.unwrap();
    let ask = |query: AuditQuery| {
        let store = store.clone();
        async move {
            let found = store.audit.list(&AuditQuery { limit: 2, ..query }).await.unwrap();
            found.into_iter().map(|record| record.id.as_str()[4..].to_owned()).collect::<String>()
        }
    };
    let at = |at| Timestamp::from_millisecond(at).ok();
    let behind =
        |at, id: &str| Some(After { created_at: Timestamp::from_millisecond(at).unwrap(), id: id.into() });
    let all = AuditQuery::default();
    assert_eq!(ask(all.clone()).await, "4x");
    assert_eq!(ask(AuditQuery { after: behind(101, "aud_x"), ..all.clone() }).await, "32");
    assert_eq!(ask(AuditQuery { after: behind(101, "aud_2"), ..all.clone() }).await, "10");
    assert_eq!(ask(AuditQuery { after: behind(100, "aud_0"), ..all.clone() }).await, "");
    let ones = AuditQuery { tenant: Some(one.id.clone()), ..all.clone() };
    assert_eq!(ask(AuditQuery { to: at(101), ..ones.clone() }).await, "32");
    assert_eq!(ask(AuditQuery { from: at(102), ..ones.clone() }).await, "4");
    assert_eq!(ask(AuditQuery { action: Some("key.revoke".into()), ..all.clone() }).await, "x");
    assert_eq!(ask(AuditQuery { action: Some("key.revoke".into()), ..ones }).await, "");
    let everything = store.audit.list(&AuditQuery { limit: 100, ..all.clone() }).await.unwrap();
    assert_eq!((everything.len(), &everything[0], &everything[1]), (6, &records[4], &operators));
    let moment = Timestamp::from_millisecond(101).unwrap();
    for (limit, erased) in [(1, 1), (9, 1), (9, 0)] {
        assert_eq!(store.audit.erase_before(moment, limit).await, Ok(erased));
    }
    assert_eq!(store.audit.list(&AuditQuery { limit: 100, ..all }).await.unwrap().len(), 4);
    assert!(
        place.statement("UPDATE audit SET outcome = 'other'").await.unwrap_err().contains("never change")
    );
}

async fn secrets_are_found_by_their_head_and_put_back_once(place: &TestPlace) {
    let store = place.open().await;
    let (one, two) = (tenant("one"), tenant("two"));
    for (tenant, heads) in [(&one, [b"1old", b"1new"]), (&two, [b"1old", b"1old"])] {
        store.tenants.insert(tenant).await.unwrap();
        for (n, head) in heads.into_iter().enumerate() {
            let secret = [head.as_slice(), b" and the rest"].concat();
            let id = format!("cred_{n}");
            store
                .credentials
                .insert(&CredentialRecord { secret, ..credential(&id, &tenant.id) })
                .await
                .unwrap();
        }
    }
    let mut heads = store.sealed.heads(4).await.unwrap();
    heads.sort();
    assert_eq!(heads, [(b"1new".to_vec(), 1), (b"1old".to_vec(), 3)]);
    let first = store.sealed.unlike(b"1new", None, 2).await.unwrap();
    let place_of = |held: &SealedRecord| (held.tenant.as_str().to_owned(), held.id.as_str().to_owned());
    let named = |tenant: &TenantId, id: &str| (tenant.as_str().to_owned(), id.to_owned());
    assert_eq!(
        first.iter().map(place_of).collect::<Vec<_>>(),
        [named(&one.id, "cred_0"), named(&two.id, "cred_0")]
    );
    let rest = store.sealed.unlike(b"1new", Some(&first[1]), 2).await.unwrap();
    assert_eq!(rest.iter().map(place_of).collect::<Vec<_>>(), [named(&two.id, "cred_1")]);

    assert_eq!(store.sealed.reseal(&first[0], b"1new resealed").await, Ok(true));
    assert_eq!(store.sealed.reseal(&first[0], b"1new again").await, Ok(false));
    let held = store.credentials.get(&one.id, &first[0].id).await.unwrap().unwrap();
    assert_eq!((held.secret.as_slice(), held.revision), (b"1new resealed".as_slice(), 2));
    // A change that was begun before must not bring the former secret back.
    let late = CredentialRecord { revision: 1, secret: first[0].secret.clone(), ..held };
    assert_eq!(store.credentials.update(&late).await, Ok(false));
    assert_eq!(store.sealed.unlike(b"1new", None, 9).await.unwrap().len(), 2);
}

async fn many_open_one_new_database_together(place: &TestPlace) {
    for opened in open_together(&place.location) {
        assert_eq!(opened, Ok(schema::known()));
    }
}
