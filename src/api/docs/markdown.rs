//! Markdown of the guide and of the error pages as HTML.

use std::fmt::Write as _;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::page::escaped;

/// A text as HTML, with its headings.
pub(super) struct MarkdownText {
    /// The first heading, without markup.
    pub(super) title: String,
    pub(super) html: String,
    /// Anchors and texts of the headings of the second level.
    pub(super) headings: Vec<(String, String)>,
}

/// Renders a text of this repository. Headings get the anchors that code hosts give them, and links to other files become
/// links to the pages that show them.
pub(super) fn render(text: &str) -> MarkdownText {
    let mut events: Vec<Event<'_>> = Vec::new();
    let (mut title, mut headings) = (String::new(), Vec::new());
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            // A wide table scrolls in a box of its own.
            Event::Start(Tag::Table(columns)) => {
                events.push(Event::Html("<div class=\"scroll\">".into()));
                events.push(Event::Start(Tag::Table(columns)));
            }
            Event::End(TagEnd::Table) => {
                events.extend([Event::End(TagEnd::Table), Event::Html("</div>\n".into())]);
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let dest_url = CowStr::from(target(&dest_url));
                events.push(Event::Start(Tag::Link { link_type, dest_url, title, id }));
            }
            Event::End(TagEnd::Heading(level)) => {
                let words = heading_text(&events);
                let anchor = anchor(&words);
                if let Some(Event::Start(Tag::Heading { id, .. })) =
                    events.iter_mut().rfind(|event| is_heading(event))
                {
                    *id = Some(anchor.clone().into());
                }
                if level == HeadingLevel::H1 {
                    title = words;
                } else {
                    let link = format!(
                        "<a class=\"anchor\" href=\"#{anchor}\" aria-label=\"Link to this section\">#</a>"
                    );
                    events.push(Event::InlineHtml(link.into()));
                    if level == HeadingLevel::H2 {
                        headings.push((anchor, words));
                    }
                }
                events.push(Event::End(TagEnd::Heading(level)));
            }
            other => events.push(other),
        }
    }
    label_cells(&mut events);
    let mut rendered = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut rendered, events.into_iter());
    MarkdownText { title, html: rendered, headings }
}

/// Gives each cell of a table its column's title as an attribute. Phones show it where each row is a card.
fn label_cells(events: &mut [Event<'_>]) {
    let (mut titles, mut is_head, mut column) = (Vec::<String>::new(), false, 0);
    for event in events {
        match event {
            Event::Start(Tag::TableHead) => {
                titles.clear();
                is_head = true;
            }
            Event::End(TagEnd::TableHead) => is_head = false,
            Event::Start(Tag::TableCell) if is_head => titles.push(String::new()),
            Event::Text(text) | Event::Code(text) if is_head => {
                titles.last_mut().into_iter().for_each(|title| title.push_str(text));
            }
            Event::Start(Tag::TableRow) => column = 0,
            Event::Start(Tag::TableCell) => {
                let title = titles.get(column).map_or("", String::as_str);
                *event = Event::Html(format!("<td data-label=\"{}\">", escaped(title)).into());
                column += 1;
            }
            Event::End(TagEnd::TableCell) if !is_head => *event = Event::Html("</td>".into()),
            _ => {}
        }
    }
}

/// One paragraph or several, without headings.
pub(super) fn html_of(text: &str) -> String {
    render(text).html
}

fn is_heading(event: &Event<'_>) -> bool {
    matches!(event, Event::Start(Tag::Heading { .. }))
}

/// The words of the heading that the last events begin.
fn heading_text(events: &[Event<'_>]) -> String {
    let begin = events.iter().rposition(is_heading).unwrap_or(events.len());
    let mut words = String::new();
    for event in &events[begin..] {
        if let Event::Text(text) | Event::Code(text) = event {
            words.push_str(text);
        }
    }
    words
}

/// Lower case, without punctuation, with hyphens for spaces.
fn anchor(words: &str) -> String {
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Where a link leads on the page: `filters.md#text` is the page `filters`, and the `docs.md` of a CRM is the page with the
/// name of its folder.
fn target(link: &str) -> String {
    let (path, fragment) =
        link.split_once('#').map_or((link, None), |(path, fragment)| (path, Some(fragment)));
    let page = match path.strip_suffix("/docs.md") {
        Some(folder) => folder.rsplit('/').next().unwrap_or_default(),
        None if link.contains("://") => path,
        None => path.strip_suffix(".md").unwrap_or(path),
    };
    let mut target = if page == "index" { "./".to_owned() } else { page.to_owned() };
    if let Some(fragment) = fragment {
        let _ = write!(target, "#{fragment}"); // Writing to a string does not fail.
    }
    target
}

/// A block of code.
pub(super) fn code_block(code: &str) -> String {
    format!("<pre><code>{}</code></pre>\n", escaped(code))
}

/// A block of code whose long lines are wrapped.
pub(super) fn wrapped_block(code: &str) -> String {
    format!("<pre><code class=\"wrap\">{}</code></pre>\n", escaped(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_have_anchors_and_links_lead_to_pages() {
        let page = render(
            "# A *title*\n\n## Don't `stop`: 2 ways\n\n[x](filters.md#text) [y](../../../adapters/aptly/docs.md) [z](index.md) [e](../errors/x)",
        );
        assert_eq!(page.title, "A title");
        assert_eq!(page.headings, [("dont-stop-2-ways".to_owned(), "Don't stop: 2 ways".to_owned())]);
        assert!(page.html.contains("<h2 id=\"dont-stop-2-ways\">"), "{}", page.html);
        for link in ["filters#text", "aptly", "./", "../errors/x"] {
            assert!(page.html.contains(&format!("href=\"{link}\"")), "{link}: {}", page.html);
        }
    }

    #[test]
    fn each_cell_has_the_title_of_its_column() {
        let html = html_of("| a | `b` read |\n|---|---|\n| **1** | |\n\n| c |\n|---|\n| 2 |\n");
        for cell in [
            "<th>a</th><th><code>b</code> read</th>",
            "<td data-label=\"a\"><strong>1</strong></td><td data-label=\"b read\"></td>",
            "<td data-label=\"c\">2</td>",
        ] {
            assert!(html.contains(cell), "{cell}: {html}");
        }
    }

    #[test]
    fn what_code_holds_is_text() {
        assert_eq!(code_block("a < \"b\" & c"), "<pre><code>a &lt; &quot;b&quot; &amp; c</code></pre>\n");
    }
}
