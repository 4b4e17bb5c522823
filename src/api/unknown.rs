//! Requests for which there is no route: what was probably meant.

use std::sync::LazyLock;

use axum::http::{Method, Uri};
use utoipa::openapi::PathItem;

use super::routes::{open_routes, operator_routes, tenant_routes};
use crate::domain::{Failure, FailureKind, suggestion};

/// What other unified APIs serve beside contacts.
const OTHER_OBJECTS: [&str; 6] = ["accounts", "leads", "opportunities", "notes", "tasks", "users"];
/// A longer path is not compared.
const COMPARED_MOST: usize = 200;

/// A documented path, such as `/crm/contacts/{id}`, and its methods.
struct KnownPath {
    template: String,
    methods: String,
    is_of_operators: bool,
}

static KNOWN: LazyLock<Vec<KnownPath>> = LazyLock::new(|| {
    let tables = [(tenant_routes(), false), (open_routes(), false), (operator_routes(), true)];
    let known = tables.into_iter().flat_map(|(table, is_of_operators)| {
        let paths = table.split_for_parts().1.paths.paths;
        paths.into_iter().map(move |(template, item)| {
            let methods = methods(&item);
            KnownPath { template, methods, is_of_operators }
        })
    });
    known.collect()
});

impl KnownPath {
    /// The path with the values that `path` has for its variables, if it has as many segments.
    fn filled(&self, path: &str) -> Option<String> {
        if self.template.matches('/').count() != path.matches('/').count() {
            return None;
        }
        let segments = self.template.split('/').zip(path.split('/'));
        let segments = segments.map(|(known, given)| if known.starts_with('{') { given } else { known });
        Some(segments.collect::<Vec<_>>().join("/"))
    }
}

fn methods(item: &PathItem) -> String {
    let all = [
        ("GET, HEAD", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    let methods = all.into_iter().filter_map(|(method, operation)| operation.as_ref().map(|_| method));
    methods.collect::<Vec<_>>().join(", ")
}

pub(super) async fn unknown_path(uri: Uri) -> Failure {
    let object = uri.path().strip_prefix("/crm/").and_then(|rest| rest.split('/').next());
    if let Some(object) = object.filter(|object| OTHER_OBJECTS.contains(object)) {
        let detail = format!("This gateway serves contacts. It has no {object}.");
        return Failure::new(FailureKind::OperationUnsupported, detail);
    }
    let detail = match nearest_path(uri.path()) {
        Some(meant) => format!("Unknown path. Did you mean `{meant}`? See /docs for the API."),
        None => "Unknown path. See /docs for the API.".to_owned(),
    };
    Failure::new(FailureKind::RouteNotFound, detail)
}

fn nearest_path(path: &str) -> Option<String> {
    // Without an admin token the paths of operators do not exist.
    let known = KNOWN.iter().filter(|known| path.len() <= COMPARED_MOST && !known.is_of_operators);
    let known: Vec<String> =
        known.map(|known| known.filled(path).unwrap_or_else(|| known.template.clone())).collect();
    suggestion(path, known.iter().map(String::as_str)).map(str::to_owned)
}

pub(super) async fn unknown_method(method: Method, uri: Uri) -> Failure {
    let path = uri.path();
    let is_meant = |known: &&KnownPath| known.filled(path).is_some_and(|filled| filled == path);
    // The path itself goes before one with a variable.
    let exact = KNOWN.iter().find(|known| known.template == path);
    let detail = match exact.or_else(|| KNOWN.iter().find(is_meant)) {
        Some(known) => format!("This path does not support {method}. It supports {}.", known.methods),
        None => "The path does not support this method. The header `Allow` lists the methods it supports."
            .to_owned(),
    };
    Failure::new(FailureKind::MethodNotAllowed, detail)
}
