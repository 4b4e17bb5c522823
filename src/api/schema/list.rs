//! A page of contacts in a response.

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
pub(in crate::api) struct ContactListResponse<'a> {
    /// The contacts.
    #[schema(value_type = Vec<ContactShape>)]
    contacts: Each<'a, (Text, Contact)>,
    page_info: PageInfo<'a>,
    filters: FiltersShape,
    /// Warnings about the result.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

/// The position of the page in the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PageInfo)]
pub(in crate::api) struct PageInfo<'a> {
    /// The number of the page, if it is the first or was requested by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    page_number: Option<u64>,
    /// The requested page size.
    page_size: u32,
    /// Whether there is a next page.
    has_next: bool,
    /// The cursor of the next page; null at the end.
    #[schema(required = true)]
    next_cursor: Option<&'a str>,
    /// The total number of matching contacts, in a walk that at its start; null if the CRM does not show it, or does not apply all filters exactly.
    #[schema(required = true)]
    total: Option<u64>,
}

/// The filters by who applied them. No filter is ignored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AppliedFilters)]
pub(in crate::api) struct FiltersShape {
    /// Filters that the CRM applied. If it returns more than the matching rows, the gateway checks each row.
    pushed_down: Vec<&'static str>,
    /// Filters that the gateway applied to the rows of the CRM's list.
    applied_here: Vec<&'static str>,
}

impl<'a> ContactListResponse<'a> {
    /// The response that shows `listed`.
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
