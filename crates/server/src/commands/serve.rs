//! `alpine serve`: from settings to a banner, and from signals to an orderly end.

use anyhow::{Context as _, Result};
use prometheus::Registry;

use crate::{
    application::{Application, Ports, StopHandle},
    banner,
    cli::ServeArgs,
    config::{self, Config, Sources},
    demo, logging,
};

/// Exit code of a process that was told twice to stop.
const FORCED: i32 = 130;

pub(super) fn run(sources: &Sources, arguments: ServeArgs) -> Result<()> {
    let mut loaded = config::load(sources)?;
    config::keep_generated_secrets(&mut loaded.config, &mut loaded.layers)?;
    let config = loaded.config;
    anyhow::ensure!(
        !arguments.demo || config.is_development(),
        "--demo makes accounts whose passwords it prints, so it is refused outside the development \
         profile; set profile = \"development\" or leave --demo out"
    );
    let logging = logging::start(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let result = runtime.block_on(serve(&config, sources, arguments, &logging));
    // Nothing of value is left in it: blocking calls under way have answered or been given up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}

async fn serve(
    config: &Config,
    sources: &Sources,
    arguments: ServeArgs,
    logging: &logging::Logging,
) -> Result<()> {
    let registry = Registry::new();
    logging.register(&registry)?;
    let mut application =
        Application::build_with(config, &Ports::default(), |_| Vec::new(), registry).await?;
    tokio::spawn(stop_on_signals(application.stop_handle()));

    let core = application.core().clone();
    let address = application.address();
    tracing::info!(%address, profile = ?config.profile, "serving");
    print!("{}", banner::text(config, sources, address, application.metrics_address()));
    let (ours, sources) = (config.clone(), sources.clone());
    application.spawn(logging.summaries());
    application.spawn(async move {
        if arguments.demo {
            demo::run(core, &ours, address).await;
        } else {
            banner::invite_first_admin(&core, &sources).await;
        }
    });
    application.run().await
}

/// The first signal stops in order, the second one at once.
async fn stop_on_signals(stop: StopHandle) {
    for attempt in 0_u32.. {
        if let Err(error) = wait_for_signal().await {
            tracing::error!(%error, "signals cannot be received; stop the process by force");
            return;
        }
        match attempt {
            0 => stop.stop(),
            1 => stop.force(),
            _ => std::process::exit(FORCED),
        }
    }
}

#[cfg(unix)]
async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        result = tokio::signal::ctrl_c() => result,
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
