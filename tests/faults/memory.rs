//! Answers without end do not fill the gateway's memory.

use std::time::{Duration, Instant};

use super::case::{Bench, Case, Operation};
use super::table::{Wrong, rows};
use super::worlds::WORLDS;

/// What the largest responses may add to the process's peak, in KiB. Growth of 32 MiB was seen with a reply of 5 MiB held as
/// text and as values and what the allocator keeps of earlier ones; one response of 100 MB that is read whole is far above.
const MOST: u64 = 48 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_do_not_fill_the_memory() {
    let bench = Bench::open().await;
    let rows = rows(&bench.canary.url);
    let huge = [
        "100 MB, declared",
        "100 MB, undeclared",
        "gzip bomb of 10 GB",
        "502 as HTML of 2 MiB",
        "a header of 1 MiB",
    ];
    // Whatever is made once, such as the certificates read, is made before it is measured.
    let calm = rows.iter().find(|row| matches!(row.wrong, Wrong::Tls("valid"))).unwrap();
    for operation in Operation::ALL {
        Case::prepare(&bench, calm, WORLDS[0], operation).await.ask().await;
    }
    let before = peak(bench.gateway.id());
    for name in huge {
        let row = rows.iter().find(|row| row.name == name).unwrap();
        for world in WORLDS {
            for operation in Operation::ALL {
                let began = Instant::now();
                Case::prepare(&bench, row, *world, operation).await.ask().await;
                // A gateway that read it all would need longer, whatever it kept.
                assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
            }
        }
        let grown = peak(bench.gateway.id()).saturating_sub(before);
        println!("{name:<36} peak memory {} MiB above {} MiB", grown / 1024, before / 1024);
        assert!(grown <= MOST, "{name}: {} MiB", grown / 1024);
    }
}

/// The most memory that the process ever held, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
