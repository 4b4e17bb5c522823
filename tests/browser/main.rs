//! The documentation and the operator page in a real browser: no console error, no request to another host, nothing wider than the screen.
//!
//! Debian's `chromium` and `nginx` are needed. The screenshots are kept in a folder that the test prints: look at them.
//!
//! ```text
//! cargo test --test browser -- --ignored --nocapture
//! ```

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod chromium;
#[path = "../support/demo.rs"]
#[expect(dead_code, reason = "the page sends the calls, no shell")]
mod demo;
#[path = "../support/gateway_process.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod gateway_process;
mod ops;
mod proxy;
#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;

use std::path::PathBuf;

use chromium::{Chromium, Look};
use demo::Demo;
use proxy::Proxy;

/// The pages, with an expression that is true once the page is complete.
const PAGES: &[(&str, &str, &str)] = &[
    ("reference", "docs", "document.querySelectorAll('.opblock').length > 20"),
    ("operation", "docs/#/contacts/createContact", "document.querySelector('.samples pre') !== null"),
    ("guide", "docs/guide", "document.querySelector('article img').complete"),
    ("quickstart", "docs/guide/quickstart", "document.querySelector('button.copy') !== null"),
    ("fields", "docs/guide/fields", "document.querySelector('article table') !== null"),
    ("security", "docs/guide/security", "document.querySelectorAll('article table').length > 5"),
    ("errors", "docs/errors", "document.querySelectorAll('.codes li').length > 40"),
    ("error", "docs/errors/contact_exists", "document.querySelector('button.copy') !== null"),
];

/// Where the pages are: at the root, and where a proxy serves them under a prefix.
fn places(demo: &Demo, proxy: &Proxy) -> [(&'static str, String); 2] {
    [
        ("root", format!("http://{}/", demo.address)),
        ("prefix", format!("http://{}/some/prefix/", proxy.address)),
    ]
}

fn screenshots() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
#[ignore = "needs chromium and nginx; see the head of this file"]
fn every_page_is_whole_in_light_dark_and_on_a_phone() {
    let demo = Demo::start();
    let proxy = Proxy::start(&demo.address);
    let mut chromium = Chromium::start();
    for (place, base) in places(&demo, &proxy) {
        for look in Look::ALL {
            for (name, path, complete) in PAGES {
                chromium.open(&format!("{base}{path}"), look);
                chromium.wait(complete);
                chromium.picture(&screenshots().join(format!("{name}-{}-{place}.png", look.name)));
                let wide = chromium.evaluate("document.documentElement.scrollWidth > innerWidth");
                assert_eq!(wide, false, "{name} is wider than the screen: {}", look.name);
                chromium.is_clean(&base);
            }
        }
    }
    println!("screenshots: {}", screenshots().display());
}

#[test]
#[ignore = "needs chromium and nginx; see the head of this file"]
fn the_guide_has_its_contents_at_the_top_of_a_phone_and_the_picture_fits() {
    let demo = Demo::start();
    let mut chromium = Chromium::start();
    for (look, is_phone) in [(&Look::LIGHT, false), (&Look::PHONE, true)] {
        chromium.open(&format!("http://{}/docs/guide", demo.address), look);
        chromium.wait("document.querySelector('article img').complete");
        let shown = chromium.evaluate("document.querySelector('.contents').offsetHeight > 0");
        assert_eq!(shown, is_phone, "{}", look.name);
        let fits = "(() => { const { left, right } = document.querySelector('article img').getBoundingClientRect(); \
                    return left >= 0 && right <= innerWidth })()";
        assert_eq!(chromium.evaluate(fits), true, "{}", look.name);
    }
    click(&mut chromium, ".contents summary");
    click(&mut chromium, ".contents a[href='#start']");
    chromium.wait("location.hash === '#start'");
    chromium.picture(&screenshots().join("guide-contents-phone.png"));
}

#[test]
#[ignore = "needs chromium and nginx; see the head of this file"]
fn pages_are_small_as_transferred() {
    let demo = Demo::start();
    let mut chromium = Chromium::start();
    for (path, complete, most) in [
        ("docs/", "document.querySelectorAll('.opblock').length > 20", 700_000),
        ("docs/guide/", "document.querySelector('article img').complete", 60_000),
    ] {
        chromium.call("Network.setCacheDisabled", &serde_json::json!({ "cacheDisabled": true }));
        chromium.open(&format!("http://{}/{path}", demo.address), &Look::LIGHT);
        chromium.wait(complete);
        let bytes = chromium.evaluate(
            "['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind)) \
             .reduce((sum, { transferSize }) => sum + transferSize, 0)",
        );
        println!("{path}: {bytes} bytes as transferred");
        assert!((10_000..most).contains(&bytes.as_u64().unwrap()), "{path}: {bytes}");
    }
}

#[test]
#[ignore = "needs chromium and nginx; see the head of this file"]
fn an_unknown_code_has_a_page_in_a_browser() {
    let demo = Demo::start();
    let mut chromium = Chromium::start();
    chromium.open(&format!("http://{}/docs/errors/contact_exist", demo.address), &Look::LIGHT);
    chromium.wait("document.querySelector('main a[href=contact_exists]') !== null");
    chromium.picture(&screenshots().join("unknown-code.png"));
}

/// Sets a field of the page as a user does; Swagger UI listens to the event.
fn fill(chromium: &mut Chromium, selector: &str, value: &str) {
    chromium.evaluate(&format!(
        "(() => {{ const field = document.querySelector({selector:?}); \
         const prototype = Object.getPrototypeOf(field); \
         Object.getOwnPropertyDescriptor(prototype, 'value').set.call(field, {value:?}); \
         for (const event of ['input', 'change', 'focusout']) field.dispatchEvent(new Event(event, {{ bubbles: true }})); }})()"
    ));
}

fn click(chromium: &mut Chromium, selector: &str) {
    chromium.wait(&format!("document.querySelector({selector:?}) !== null"));
    chromium.evaluate(&format!("document.querySelector({selector:?}).click()"));
}

fn open_operation(chromium: &mut Chromium, tag: &str, id: &str) {
    click(chromium, &format!("#operations a[href='#/{tag}/{id}']"));
    chromium.wait(&format!("document.querySelector('#operations-{tag}-{id} .execute') !== null"));
}

/// The command that can be copied has a variable instead of the key; and the responses have one heading.
fn shows_no_key(chromium: &mut Chromium, operation: &str, key: &str) {
    let command = chromium.evaluate(&format!("document.querySelector('{operation} .sent pre').textContent"));
    let command = command.as_str().unwrap();
    assert!(command.contains("\"Authorization: Bearer $KEY\"") && !command.contains(key), "{command}");
    let headings = chromium.evaluate(&format!(
        "[...document.querySelectorAll('{operation} .responses-wrapper h4')].filter((heading) => \
         heading.textContent === 'Responses' && getComputedStyle(heading).display !== 'none').length"
    ));
    assert_eq!(headings, 1, "{operation}");
}

#[test]
#[ignore = "needs chromium and nginx; see the head of this file"]
fn a_key_is_kept_for_the_tab_and_used_for_requests_to_both_crms() {
    for place in 0..2 {
        let demo = Demo::start();
        let proxy = Proxy::start(&demo.address);
        let base = &places(&demo, &proxy)[place].1;
        let mut chromium = Chromium::start();
        chromium.open(&format!("{base}docs"), &Look::LIGHT);
        chromium.wait("document.querySelectorAll('.opblock').length > 20");

        fill(&mut chromium, "#bearer", demo.key());
        click(&mut chromium, "#keys .button");
        chromium.wait("document.querySelector('#state').textContent === 'The key works.'");
        chromium.reload();
        chromium.wait("document.querySelectorAll('.opblock').length > 20");
        assert_eq!(chromium.evaluate("document.querySelector('#bearer').value"), demo.key());
        assert_eq!(chromium.evaluate("localStorage.length"), 0, "a key is kept although nobody asked for it");

        for (crm, example) in [("demo-aptly", "aptly"), ("demo-pipeline", "pipeline")] {
            for id in ["listContacts", "createContact"] {
                open_operation(&mut chromium, "contacts", id);
                let operation = format!("#operations-contacts-{id}");
                // The example of the document.
                let credential = format!("{operation} [data-param-name=credentialId] input");
                chromium.wait(&format!("document.querySelector('{credential}').value === 'demo-aptly'"));
                fill(&mut chromium, &credential, crm);
                if id == "createContact" {
                    let select =
                        format!("{operation} .opblock-section-request-body .examples-select-element");
                    fill(&mut chromium, &select, example);
                }
                click(&mut chromium, &format!("{operation} .execute"));
                let status = format!(
                    "document.querySelector('{operation} .live-responses-table tbody .response-col_status')?.textContent"
                );
                chromium.wait(&format!("{status} !== undefined"));
                let text = chromium.evaluate(&status);
                assert!(text.as_str().unwrap().starts_with("200"), "{crm} {id}: {text}");
                shows_no_key(&mut chromium, &operation, demo.key());
                let url = chromium
                    .evaluate(&format!("document.querySelector('{operation} .request-url pre').textContent"));
                let sent = format!("{base}crm/contacts?credentialId={crm}");
                assert!(url.as_str().unwrap().starts_with(&sent), "{url}");
                chromium
                    .evaluate(&format!("document.querySelector('{operation} .execute').scrollIntoView()"));
                chromium.picture(&screenshots().join(format!("{id}-{crm}-{place}.png")));
                click(&mut chromium, &format!("{operation} .btn-clear"));
                click(&mut chromium, &format!("{operation} .opblock-summary-control"));
            }
        }

        chromium.evaluate("document.querySelector('#keep').checked = true");
        click(&mut chromium, "#keys .button");
        chromium.wait("localStorage.length === 1 && sessionStorage.length === 0");
        click(&mut chromium, "#forget");
        chromium.wait("localStorage.length === 0 && document.querySelector('#bearer').value === ''");

        fill(&mut chromium, "#search", "export");
        chromium.wait("document.querySelectorAll('.opblock').length === 1");
        assert_eq!(chromium.evaluate("document.querySelectorAll('#operations li:not([hidden])').length"), 1);
        fill(&mut chromium, "#search", "nothing-like-it");
        chromium.wait("document.querySelector('#swagger-ui').textContent.includes('No operation matches.')");
        chromium.is_clean(base);
    }
}
