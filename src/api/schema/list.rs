//! A page of contacts in an answer.

use serde::Serialize;
use utoipa::ToSchema;

use super::contact::ContactShape;
use super::warning::WarningShape;
use super::{Each, Show};
use crate::domain::{Contact, FilterName, Text, Warning};
use crate::gateway::contacts::ContactPage;

/// One page of contacts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ContactListAnswer)]
pub(in crate::api) struct ContactListAnswer<'a> {
    /// The contacts.
    #[schema(value_type = Vec<ContactShape>)]
    contacts: Each<'a, (Text, Contact)>,
    page_info: PageInfo<'a>,
    filters: FiltersShape,
    /// What the caller should know although the call succeeded.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

/// Where the page stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PageInfo)]
pub(in crate::api) struct PageInfo<'a> {
    /// The page's number, where it was asked for by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    page_number: Option<u64>,
    /// The size asked for.
    page_size: u32,
    /// Whether there are more.
    has_next: bool,
    /// The cursor of the next page; null at the end.
    #[schema(required = true)]
    next_cursor: Option<&'a str>,
    /// How many match in all; null where the CRM does not tell, or does not answer all filters exactly.
    #[schema(required = true)]
    total: Option<u64>,
}

/// Who applied which filter: none is ever ignored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AppliedFilters)]
pub(in crate::api) struct FiltersShape {
    /// Parameters that the CRM answered; where it finds more than what matches, the gateway checks each row.
    pushed_down: Vec<&'static str>,
    /// Parameters that the gateway applied to the rows of the CRM's list.
    applied_here: Vec<&'static str>,
}

impl<'a> ContactListAnswer<'a> {
    /// The answer that shows `listed`.
    pub(in crate::api) fn of(listed: &'a ContactPage) -> Self {
        let ContactPage {
            contacts,
            page_number,
            page_size,
            next_cursor,
            total,
            pushed_down,
            applied_here,
            warnings,
        } = listed;
        Self {
            contacts: Each(contacts),
            page_info: PageInfo {
                page_number: *page_number,
                page_size: *page_size,
                has_next: next_cursor.is_some(),
                next_cursor: next_cursor.as_deref(),
                total: *total,
            },
            filters: FiltersShape {
                pushed_down: parameters(pushed_down),
                applied_here: parameters(applied_here),
            },
            warnings: Each(warnings),
        }
    }
}

fn parameters(filters: &[FilterName]) -> Vec<&'static str> {
    filters.iter().map(|filter| filter.parameter()).collect()
}

impl Show for (Text, Contact) {
    type Shape<'a> = ContactShape<'a>;

    fn show(&self) -> ContactShape<'_> {
        let (id, contact) = self;
        ContactShape::of(id, contact)
    }
}
