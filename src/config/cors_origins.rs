//! The origins whose browser apps may call the API.

use url::Url;

/// Exact origins, such as `https://app.example.com`; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsOrigins(Vec<String>);

impl CorsOrigins {
    /// Reads origins between commas. Fails with what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        origins.map(origin).collect::<Result<_, _>>().map(Self)
    }

    /// Each origin, as browsers send it.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn origin(text: &str) -> Result<String, &'static str> {
    if text.contains('*') || text == "null" {
        return Err(
            "must list exact origins; patterns, `*` and `null` are refused, because they would admit any site",
        );
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    // Browsers send it in this form; another one would never match.
    url.map(|url| url.origin().ascii_serialization()).filter(|origin| origin == text).ok_or(
        "must be origins such as https://app.example.com, comma-separated: in lower case, without a path, a slash at the end or \
         a default port",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_as_browsers_send_it() {
        let origins = CorsOrigins::parse("https://app.example.com, http://localhost:3000").unwrap();
        assert_eq!(origins.iter().collect::<Vec<_>>(), ["https://app.example.com", "http://localhost:3000"]);
        assert!(CorsOrigins::parse("").unwrap().is_empty());
        for wrong in [
            "*",
            "null",
            "app.example.com",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com/x",
            "https://App.example.com",
            "https://app.example.com:443",
            "https://u:p@app.example.com",
            "file:///x",
            "https://app.example.com https://b.example.com",
        ] {
            assert!(CorsOrigins::parse(wrong).is_err(), "{wrong}");
        }
    }
}
