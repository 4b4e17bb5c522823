//! Starts the command line.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    contacts_gateway::app::demo("127.0.0.1:8080".parse()?, |text| {
        drop(std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()))
    })
    .await
}
