//! What the ledger leaves on the disk: no plain text of a person or a key, and no request when its outcome is known.

use super::{SHORT, all, code, database, next_write_meets, status, swept_to};
use crate::support::crm::Crm;
use crate::support::person::ada;

const PLAIN: [&str; 6] =
    ["ada@example.com", "Byron", "4165550277", "a-key-nobody-may-read", "Ada\"", "416-555"];

fn on_disk(crm: &Crm) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(crm.gateway.folder()).unwrap() {
        all.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(all.len() > 4096);
    all
}

fn assert_nothing_plain(crm: &Crm) {
    let all = on_disk(crm);
    for plain in PLAIN {
        assert!(!all.windows(plain.len()).any(|part| part.eq_ignore_ascii_case(plain.as_bytes())), "{plain}");
    }
}

async fn sealed(crm: &Crm) -> Option<Vec<u8>> {
    sqlx::query_scalar("SELECT sealed FROM idempotency").fetch_one(&mut database(crm).await).await.unwrap()
}

#[tokio::test]
async fn no_row_shows_anything_and_the_request_goes_with_the_outcome() {
    for crm in all().await {
        let key = "a-key-nobody-may-read";
        next_write_meets(&crm, status(500));
        assert_eq!(code(&crm.keyed(key).within(SHORT).create(ada()).await), "outcome_unknown");
        let request = sealed(&crm).await.unwrap();
        assert_nothing_plain(&crm);
        swept_to(&crm, "absent").await;
        // What is left says where it was sent.
        assert!(sealed(&crm).await.unwrap().len() < request.len() / 2);
        assert_nothing_plain(&crm);
        crm.keyed(key).create(ada()).await.unwrap();
        let answer = sealed(&crm).await.unwrap();
        assert_ne!(answer, request);
        assert_nothing_plain(&crm);
        // Only the gateway's sweep has truly erased it, from the log of the database too.
        crm.gateway.ledger.erase_expired().await.unwrap();
        let all = on_disk(&crm);
        let part = &request[request.len() - 24..];
        assert!(!all.windows(part.len()).any(|held| held == part), "the sealed request is still on the disk");
    }
}
