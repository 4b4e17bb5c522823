//! The figures as tables for the README, as JSON, and as a plot.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::measure::{CaseFigures, Figures, Spread};

impl Figures {
    /// The tables in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = "| CPU per request, 32 connections | response | CRM calls | nginx µs | gateway µs | gateway / nginx | gateway requests/s, one core |\n\
             |---|---|---|---|---|---|---|\n"
            .to_owned();
        for case in &self.cases {
            let ratio = if case.key == "one-identity" { String::new() } else { spread(&case.ratio, 1) };
            line(
                &mut text,
                format!(
                    "| {} | {} B | {:.2} | {} | {} | {ratio} | {} ({:.0} % busy) |",
                    case.title,
                    case.bytes,
                    case.calls,
                    spread(&case.nginx, 1),
                    spread(&case.gateway, 0),
                    spread(&case.rate, 0),
                    case.busy * 100.0,
                ),
            );
        }
        text.push_str("\n| added latency, p50 | arrivals/s | the CRM alone, µs | added by nginx, µs | added by the gateway, µs |\n|---|---|---|---|---|\n");
        for latency in &self.latency {
            line(
                &mut text,
                format!(
                    "| {} | {} | {} | {} | {} |",
                    latency.title,
                    latency.per_second,
                    spread(&latency.direct, 0),
                    spread(&latency.nginx, 0),
                    spread(&latency.gateway, 0),
                ),
            );
        }
        let footprint = &self.footprint;
        text.push_str("\n| footprint | |\n|---|---|\n");
        line(&mut text, format!("| resident memory, idle | {:.1} MiB |", footprint.idle));
        line(&mut text, format!("| after this load | {:.1} MiB |", footprint.after_load));
        for (connections, resident) in &footprint.connections {
            line(&mut text, format!("| with {connections} idle connections | {resident:.1} MiB |"));
        }
        line(&mut text, format!("| start to the first contact | {} ms |", spread(&footprint.start, 0)));
        line(&mut text, format!("| binary | {:.1} MB |", footprint.binary_mb));
        text
    }

    pub(crate) fn json(&self) -> Value {
        let case = |case: &CaseFigures| {
            json!({
                "case": case.key, "responseBytes": case.bytes, "crmCalls": case.calls,
                "newCrmConnections": case.connections, "nginxMicros": figures(&case.nginx),
                "gatewayMicros": figures(&case.gateway), "ratio": figures(&case.ratio),
                "nginxPerSecond": figures(&case.nginx_rate), "gatewayPerSecond": figures(&case.rate), "busy": case.busy,
            })
        };
        let latency = |latency: &crate::measure::Latency| {
            json!({
                "case": latency.title, "perSecond": latency.per_second, "directMicros": figures(&latency.direct),
                "nginxAddedMicros": figures(&latency.nginx), "gatewayAddedMicros": figures(&latency.gateway),
            })
        };
        let footprint = &self.footprint;
        json!({
            "cases": self.cases.iter().map(case).collect::<Vec<_>>(),
            "latency": self.latency.iter().map(latency).collect::<Vec<_>>(),
            "idleMib": footprint.idle, "afterLoadMib": footprint.after_load,
            "idleConnectionsMib": footprint.connections, "startMillis": figures(&footprint.start),
            "binaryMb": footprint.binary_mb,
        })
    }

    /// Bars of the ratio to nginx, with whiskers from the least to the most.
    pub(crate) fn svg(&self) -> String {
        const LEFT: f64 = 260.0;
        const WIDTH: f64 = 380.0;
        const ROW: f64 = 34.0;
        let cases: Vec<_> = self.cases.iter().filter(|case| case.key != "one-identity").collect();
        let most = cases.iter().map(|case| case.ratio.most).fold(1.0, f64::max);
        let x = |ratio: f64| LEFT + ratio / most * WIDTH;
        let height = 64.0 + ROW * to_float(cases.len());
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"{height}\" viewBox=\"0 0 800 {height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"800\" height=\"{height}\" fill=\"white\"/>\n\
             <text x=\"10\" y=\"22\" font-size=\"15\">CPU per request, as a multiple of nginx passing the same bytes</text>\n"
        );
        for (index, case) in cases.iter().enumerate() {
            let y = 40.0 + ROW * to_float(index);
            let (end, least, most) = (x(case.ratio.median), x(case.ratio.least), x(case.ratio.most));
            let (middle, base) = (y + 10.0, y + 15.0);
            line(
                &mut text,
                format!(
                    "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>\n\
                     <rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"20\" fill=\"#4477aa\"/>\n\
                     <path d=\"M{least:.1} {middle}H{most:.1}\" stroke=\"black\" stroke-width=\"2\"/>\n\
                     <text x=\"{:.1}\" y=\"{base}\">{:.1} × ({:.0} µs)</text>",
                    LEFT - 8.0,
                    case.title,
                    end - LEFT,
                    most + 6.0,
                    case.ratio.median,
                    case.gateway.median,
                ),
            );
        }
        line(
            &mut text,
            format!(
                "<path d=\"M{0:.1} 36V{1}\" stroke=\"#cc3311\"/><text x=\"{2:.1}\" y=\"{3}\" fill=\"#cc3311\">nginx</text>\n</svg>",
                x(1.0),
                height - 20.0,
                x(1.0) + 4.0,
                height - 8.0
            ),
        );
        text
    }
}

fn line(text: &mut String, line: impl AsRef<str>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", line.as_ref());
}

fn spread(spread: &Spread, digits: usize) -> String {
    let Spread { median, least, most } = spread;
    format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
}

fn figures(spread: &Spread) -> Value {
    json!([spread.least, spread.median, spread.most])
}

#[expect(clippy::cast_precision_loss, reason = "few rows")]
fn to_float(number: usize) -> f64 {
    number as f64
}
