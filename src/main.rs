//! Starts the command line.

fn main() -> std::process::ExitCode {
    contacts_gateway::cli::run()
}
