//! The calls of the README and of the guide, run against the demo, must answer what is printed beside them.

use std::ops::Range;
use std::process::Command;

use contacts_gateway::app::SIMULATED;
use contacts_gateway::json;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Demo, NODE, PYTHON, SHELL};

/// Sample people are as old as the demo, so moments differ from run to run; nothing else does.
fn without_moments(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(without_moments),
        Value::Array(elements) => elements.iter_mut().for_each(without_moments),
        Value::String(text) if text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T' => {
            "a moment".clone_into(text);
        }
        _ => {}
    }
}

fn parsed(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    without_moments(&mut value);
    value
}

/// The JSON texts of an output, one after another; an output that is no JSON is a text.
fn answers(text: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(text).into_iter().collect::<Result<Vec<Value>, _>>();
    let mut values = values.unwrap_or_else(|_| vec![text.trim().into()]);
    values.iter_mut().for_each(without_moments);
    values
}

/// JSON in its own order, broken into lines where it is too wide for one.
fn pretty(text: &str, indent: usize) -> String {
    if text.len() + indent <= 110 {
        return text.to_owned();
    }
    let inner = " ".repeat(indent + 2);
    let (parts, open, close) = match json::members(text) {
        Some(members) => {
            let part =
                |(name, raw): &(_, json::Raw<'_>)| format!("\"{name}\": {}", pretty(raw.get(), indent + 2));
            (members.0.iter().map(part).collect::<Vec<_>>(), '{', '}')
        }
        None => match json::elements(text) {
            Some(elements) => (elements.iter().map(|raw| pretty(raw.get(), indent + 2)).collect(), '[', ']'),
            None => return text.to_owned(),
        },
    };
    format!("{open}\n{inner}{}\n{}{close}", parts.join(&format!(",\n{inner}")), " ".repeat(indent))
}

/// A block that is marked as run: what to type, and where the document prints what is answered.
struct RunBlock {
    language: String,
    source: String,
    printed: Range<usize>,
}

fn blocks(document: &str) -> Vec<RunBlock> {
    let block = |(begin, mark): (usize, &str)| {
        // The text behind the next fence, and the fence that ends it.
        let fenced = |from: usize| {
            let open = from + document[from..].find("```").unwrap();
            let text = open + document[open..].find('\n').unwrap() + 1;
            let end = text + document[text..].find("```").unwrap();
            (&document[open + 3..text - 1], text..end)
        };
        let (language, source) = fenced(begin + mark.len());
        let (_, printed) = fenced(source.end + 3);
        RunBlock { language: language.to_owned(), source: document[source].to_owned(), printed }
    };
    document.match_indices("<!-- run -->\n").map(block).collect()
}

/// JSON texts, each broken into lines; another output as it is.
fn shown(output: &str) -> String {
    let values = serde_json::Deserializer::from_str(output).into_iter::<Box<RawValue>>();
    match values.collect::<Result<Vec<_>, _>>() {
        Ok(values) => values.iter().map(|value| pretty(value.get(), 0) + "\n").collect(),
        Err(_) => format!("{}\n", output.trim_end()),
    }
}

impl RunBlock {
    /// What it prints; `None` if its interpreter is missing.
    fn run(&self, demo: &Demo) -> Option<String> {
        let interpreter = match self.language.as_str() {
            "python" => PYTHON,
            "ts" => NODE,
            _ => SHELL,
        };
        interpreter.is_there().then(|| demo.interpret(interpreter.command, self.source.trim_end()))
    }
}

/// The README, and the pages of the guide.
fn documents() -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide =
        std::fs::read_dir(root.join("src/api/docs/guide")).unwrap().map(|entry| entry.unwrap().path());
    let pages = guide.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    [root.join("README.md")].into_iter().chain(pages).collect()
}

#[test]
fn the_calls_of_the_readme_and_of_the_guide_answer_what_is_printed_there() {
    let mut run = 0;
    for path in documents() {
        let mut document = std::fs::read_to_string(&path).unwrap();
        // Each document begins anew, as its reader does.
        let demo = Demo::start();
        for part in document.split("<!-- printed by the demo -->\n```text\n").skip(1) {
            let printed = part.split("```").next().unwrap();
            assert!(demo.printed.contains(printed), "{}: {printed}", path.display());
        }
        let outputs: Vec<_> =
            blocks(&document).into_iter().filter_map(|block| Some((block.run(&demo)?, block))).collect();
        run += outputs.len();
        // From the last on, so that the places of the others stay.
        for (output, block) in outputs.into_iter().rev() {
            if std::env::var_os("UPDATE_DOCS").is_some() {
                document.replace_range(block.printed, &shown(&output));
                std::fs::write(&path, &document).unwrap();
            } else {
                let expected = answers(&document[block.printed]);
                assert_eq!(answers(&output), expected, "{}: {}", path.display(), block.source);
            }
        }
    }
    assert!(run >= 6 || !SHELL.is_there(), "{run}");
}

#[test]
fn the_calls_that_the_demo_prints_work_as_printed() {
    if !SHELL.is_there() {
        return;
    }
    let demo = Demo::start();
    for page in [
        "docs/",
        "docs/guide/",
        "docs/assets/pages.css",
        "openapi.json",
        "ops",
        "metrics",
        "livez",
        "nowhere",
    ] {
        demo.run(&format!("curl -s -o /dev/null http://127.0.0.1:8080/{page}"));
    }
    let calls: Vec<&str> =
        demo.printed.lines().filter(|line| line.starts_with("curl ") || line.starts_with("for ")).collect();
    let [lists @ .., create, search] = &calls[..] else { panic!("{}", demo.printed) };
    assert_eq!(lists.len(), SIMULATED.len());
    for call in lists {
        let people = parsed(&demo.run(call))["contacts"].as_array().unwrap().clone();
        assert_eq!(people.len(), 2, "{call}");
    }
    let created = demo.run(create);
    let created: Vec<Value> =
        serde_json::Deserializer::from_str(&created).into_iter().map(Result::unwrap).collect();
    assert_eq!(created.len(), SIMULATED.len());
    assert!(created.iter().all(|created| created["contact"]["firstName"] == "Ada"), "{created:?}");
    let found = parsed(&demo.run(search));
    let contacts = found["people"][0]["contacts"].as_array().unwrap();
    assert_eq!((contacts.len(), &found["complete"]), (SIMULATED.len(), &true.into()), "{found}");
    // The operator's token is printed too.
    let token = demo.printed.split("sign in with ").nth(1).unwrap().lines().next().unwrap();
    let tenants = format!("curl -s -H 'Authorization: Bearer {token}' http://127.0.0.1:8080/admin/tenants");
    assert!(demo.run(&tenants).contains("ten_demo"));
    // Each call of the API is a line, without a value, and so is what failed elsewhere.
    let log = demo.log(2 * SIMULATED.len() + 3);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 2 * SIMULATED.len() + 3, "{log}");
    assert!(lines[0].starts_with("GET    none                     404 route_not_found · "), "{log}");
    assert!(lines[1].starts_with("GET    /crm/contacts            200 · demo-aptly · "), "{log}");
    assert!(lines[3].starts_with("POST   /crm/contacts            200 · demo-aptly · "), "{log}");
    assert!(!log.contains("okafor"), "{log}");
    assert!(!log.contains('\x1b') && !demo.printed.contains('\x1b'), "colours are for terminals");
}

#[test]
fn a_ctrl_c_ends_the_demo_at_once_and_leaves_nothing() {
    let mut demo = Demo::start();
    let folder = demo.folder.path().to_owned();
    let listed = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(listed(), 1, "the demo keeps its database in a folder of its own");
    let interrupted = Command::new("kill").args(["-INT", &demo.process.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert!(demo.process.wait().unwrap().success());
    assert_eq!(listed(), 0, "the folder is removed");
    let said = demo.log(1);
    assert!(said.ends_with("The demo has stopped; its data is removed.\n"), "{said}");
}
