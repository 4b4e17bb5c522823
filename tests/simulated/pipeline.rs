//! The pipeline CRM's simulator against its documentation.
