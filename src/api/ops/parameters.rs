//! What the address of the operator page asks for: a page of each list, and whether the browser loads it again.

use utoipa::openapi::path::Parameter;

use crate::api::extract::{Parameters, QueryReader, Read};
use crate::gateway::overview::RowRange;

/// How many rows each list shows at once.
pub(super) const PAGE_SIZE: u32 = 25;
/// The farthest page that can be asked for.
const PAGE_MOST: u64 = 1_000_000;

/// Which list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OpsList {
    Writes,
    Credentials,
    Tenants,
}

impl OpsList {
    /// In the order of declaration: `pages` is indexed by it.
    const ALL: [Self; 3] = [Self::Writes, Self::Credentials, Self::Tenants];

    /// Its name in the query and as the anchor of its section.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::Credentials => "credentials",
            Self::Tenants => "tenants",
        }
    }
}

/// What the address of the page asks for.
#[derive(Clone, Debug)]
pub(super) struct OpsParameters {
    /// The page of each list.
    pages: [u32; OpsList::ALL.len()],
    pub(super) refresh: Option<u32>,
}

impl Parameters for OpsParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let read = OpsList::ALL.map(|list| query.number(list.name(), 1..=PAGE_MOST));
        let refresh = query.number("refresh", 5..=3_600);
        let number = |read: Option<u64>| read.and_then(|number| u32::try_from(number).ok());
        let mut pages = [1; OpsList::ALL.len()];
        for (page, read) in pages.iter_mut().zip(read) {
            *page = number(read?).unwrap_or(1);
        }
        Ok(Self { pages, refresh: number(refresh?) })
    }

    /// None, because the page is not in the document.
    fn documented() -> Vec<Parameter> {
        Vec::new()
    }
}

impl OpsParameters {
    pub(super) const fn page(&self, list: OpsList) -> u32 {
        self.pages[list as usize]
    }

    pub(super) fn with_page(&self, list: OpsList, page: u32) -> Self {
        let mut other = self.clone();
        other.pages[list as usize] = page;
        other
    }

    /// The same with a page that the browser loads again after so many seconds, or not.
    pub(super) fn with_refresh(&self, refresh: Option<u32>) -> Self {
        Self { refresh, ..self.clone() }
    }

    /// The query of the address; empty for the page as it is at first.
    pub(super) fn query(&self) -> String {
        let pages = OpsList::ALL.map(|list| (list.name(), Some(self.page(list)).filter(|page| *page > 1)));
        let all = pages.into_iter().chain([("refresh", self.refresh)]);
        let pairs: Vec<String> = all.filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }

    pub(super) fn range(&self, list: OpsList) -> RowRange {
        RowRange { skip: (self.page(list) - 1).saturating_mul(PAGE_SIZE), take: PAGE_SIZE }
    }
}
