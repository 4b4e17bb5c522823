//! What the mock of the CRMs returns: bodies of the sizes that real accounts have, rendered once.

use std::fmt::Write;

/// A contact's number is in its id and in its phone number, so that the mock can render a contact that it has just been told.
const DIGITS: usize = 7;
/// The first number whose phone number is valid.
const FIRST: u32 = 2_000_000;

/// The id of the pipeline CRM's contact `number`.
pub(crate) fn id(number: u32) -> String {
    format!("64f0a1b2c3d4e5f6a{number:07}")
}

/// The E.164 phone number of contact `number`.
pub(crate) fn phone(number: u32) -> String {
    format!("+1416{:07}", FIRST + number)
}

/// The number of the contact with this id.
pub(crate) fn of_id(id: &str) -> Option<u32> {
    id.get(id.len().checked_sub(DIGITS)?..)?.parse().ok()
}

/// The number of the contact with the phone number in `body`.
pub(crate) fn of_phone(body: &str) -> Option<u32> {
    let (_, rest) = body.split_once("+1416")?;
    rest.get(..DIGITS)?.parse::<u32>().ok()?.checked_sub(FIRST)
}

/// The pipeline CRM's contact `number`.
pub(crate) fn pipeline_contact(number: u32, first_name: &str) -> String {
    let (id, phone) = (id(number), phone(number));
    format!(
        "{{\"_id\":\"{id}\",\"firstName\":\"{first_name}\",\"lastName\":\"Doe\",\"phoneNumber\":[{{\"value\":\"{phone}\",\
         \"isPrimary\":true}}],\"secondaryPhoneNumber\":[],\"email\":\"jane{number:07}@example.com\",\"status\":\"New Lead\",\
         \"pipelineId\":\"64f0a1b2c3d4e5f6a7b8c9d1\",\"pipelineStage\":\"64f0a1b2c3d4e5f6a7b8c9d2\",\
         \"organizationId\":\"64f0a1b2c3d4e5f6a7b8c9d3\",\"userId\":\"64f0a1b2c3d4e5f6a7b8c9d4\",\
         \"createdBy\":\"64f0a1b2c3d4e5f6a7b8c9d4\",\"assignees\":[\"64f0a1b2c3d4e5f6a7b8c9d4\"],\
         \"createdAt\":\"2026-05-01T14:30:00.000Z\",\"updatedAt\":\"2026-05-15T09:12:00.000Z\"}}"
    )
}

/// The response that shows one contact.
pub(crate) fn pipeline_single(number: u32, first_name: &str) -> String {
    format!("{{\"success\":true,\"data\":{{\"contact\":{}}}}}", pipeline_contact(number, first_name))
}

/// A page of the pipeline CRM's list, which shows each row twice.
pub(crate) fn pipeline_page(rows: u32) -> String {
    let rows: Vec<String> = (0..rows).map(|number| pipeline_contact(number, "Jané")).collect();
    let (size, rows) = (rows.len(), rows.join(","));
    format!(
        "{{\"success\":true,\"data\":{{\"contacts\":[{rows}],\"total\":450,\"page\":1,\"size\":{size}}},\
         \"meta\":{{\"total\":450,\"page\":1,\"size\":{size}}},\"contacts\":[{rows}],\"total\":450}}"
    )
}

/// The response to a search that finds nobody.
pub(crate) const PIPELINE_NOBODY: &str = "{\"success\":true,\"data\":{\"contacts\":[],\"total\":0,\"page\":1,\"size\":100},\
     \"meta\":{\"total\":0,\"page\":1,\"size\":100},\"contacts\":[],\"total\":0}";

/// The incomplete response to a create or an update.
pub(crate) fn pipeline_written(number: u32, first_name: &str) -> String {
    let id = id(number);
    format!(
        "{{\"success\":true,\"message\":\"Contact updated successfully\",\"data\":{{\"contact\":{{\"_id\":\"{id}\",\
         \"firstName\":\"{first_name}\",\"lastName\":\"Doe\",\"status\":\"New Lead\"}},\
         \"message\":\"Contact updated successfully\"}}}}"
    )
}

/// A page of Aptly's list, 200 rows with two custom fields each.
pub(crate) fn aptly_page(rows: u32) -> String {
    let mut page = "{\"data\":[".to_owned();
    for number in 0..rows {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "{comma}{{\"_id\":\"SLAqyjLpZ{number:08}\",\"firstname\":\"Jané\",\"lastname\":\"Smith\",\"fullname\":\"Jané Smith\",\
             \"contactType\":\"Tenant\",\"email\":[\"jane{number}@example.com\"],\"phone\":[{{\"number\":\"{}\",\
             \"type\":\"mobile\"}}],\"createdAt\":\"2024-01-15T10:00:00Z\",\"updatedAt\":\"2024-06-01T09:30:00Z\",\
             \"customFields\":{{\"DbJT6rMdnuds7vSbP\":{{\"name\":\"Named On Lease\",\"dataType\":\"boolean-checkbox\",\
             \"value\":true}},\"5D8LYiyMt54aKD7x9\":{{\"name\":\"Role\",\"dataType\":\"text\",\"value\":null}}}}}}",
            phone(number)
        );
    }
    let _ = write!(page, "],\"count\":450,\"page\":0,\"pageSize\":{rows}}}");
    page
}
