//! What is the same for every CRM whose list has numbered pages: which page shows a row, and whether it is the one asked for.

use async_trait::async_trait;

use super::lenient_reader::unreadable;
use super::paging::{ListPosition, Paging};
use super::reading::Rows;
use crate::domain::{CallContext, Page, PageToken, Result};

/// A query parameter of the CRM and its value.
pub(super) type Parameter = (&'static str, String);

/// A CRM's list of contacts in numbered pages.
#[async_trait]
pub(super) trait ContactList: Sync {
    /// The number of the first page.
    const FIRST_PAGE: u64;
    /// How large its pages are.
    const PAGING: Paging;

    /// Reads the page `number` of `size` rows.
    async fn rows(
        &self,
        context: &CallContext,
        number: u64,
        size: u64,
        filters: &[Parameter],
    ) -> Result<Rows>;
}

/// Reads rows of `list` from `at` on.
pub(super) async fn read_page<L: ContactList>(
    list: &L,
    context: &CallContext,
    filters: &[Parameter],
    at: Option<&PageToken>,
    limit: usize,
) -> Result<Page> {
    let offset = ListPosition::of(at)?.skip;
    let mut size = L::PAGING.page_size(offset, limit);
    // The CRM may answer pages of another size; with the one that it echoes, the page is another one too.
    for _ in 0..2 {
        let (index, first) = (offset / size, (offset / size).saturating_mul(size));
        let number = index.saturating_add(L::FIRST_PAGE);
        let rows = list.rows(context, number, size, filters).await?;
        match rows.size {
            Some(echoed) if echoed != size => size = echoed,
            _ => return rows.from(offset, number, first, size),
        }
    }
    Err(unreadable("the page size", "the same in two answers"))
}
