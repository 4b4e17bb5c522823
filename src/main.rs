//! Starts the command line.

/// Returns memory to the system after load. Resident MiB when idle, and a minute after 9,800 connections of one request each:
/// the system's allocator 35 and 190 (with `MALLOC_ARENA_MAX=2` 189, with trim thresholds of 64 to 128 KiB 190), mimalloc 47
/// and 185 (154 if it purges at once), jemalloc with its background thread 40 and 43.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    contacts_gateway::cli::run()
}
