//! `alpine serve`: from settings to a banner, and from signals to an orderly end.

use alpine_persistence::ServingLock;
use anyhow::{Context as _, Result};
use prometheus::Registry;

use super::output::tell;
use crate::{
    application::{Application, BackgroundTask, Ports, StopHandle, database_settings, explain},
    banner,
    config::{self, Config, Sources},
    demo, logging,
};

/// Exit code of a process that was told twice to stop.
const FORCED: i32 = 130;

pub(super) fn run(sources: &Sources, is_demo: bool) -> Result<()> {
    let mut loaded = config::load(sources)?;
    config::keep_generated_secrets(&mut loaded.config, &mut loaded.layers)?;
    let (config, warnings) = (loaded.config, loaded.layers.warnings);
    anyhow::ensure!(
        !is_demo || config.is_development(),
        "--demo makes accounts whose passwords it prints, so it is refused outside the development \
         profile; set profile = \"development\" or leave --demo out"
    );
    let logging = logging::start(&config)?;
    // In the log, whose lines may be JSON and nothing else.
    for warning in warnings.into_iter().chain(config::exposed(&config)) {
        tracing::warn!("{warning}");
    }
    if !config.is_development() && config.mail.smtp.is_none() {
        let folder = config.outbox();
        tracing::warn!(
            folder = %folder.display(),
            "`mail.smtp` is empty, so mail goes to files and to nobody; set it to your server"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let result = runtime.block_on(serve(&config, sources, is_demo, &logging));
    // Nothing of value is left in it: blocking calls under way have answered or been given up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}

async fn serve(
    config: &Config,
    sources: &Sources,
    is_demo: bool,
    logging: &logging::Logging,
) -> Result<()> {
    // Until the process ends. Two that serve from one file would not tell each other what changed.
    let _only_one = ServingLock::take(&database_settings(config)).map_err(explain)?;
    if is_demo {
        demo::past(config).await.context("making up a past for the demonstration")?;
    }
    let registry = Registry::new();
    logging.register(&registry)?;
    let mut application =
        Application::build_with(config, &Ports::default(), |_| Vec::new(), registry).await?;
    tokio::spawn(stop_on_signals(application.stop_handle()));

    let core = application.core().clone();
    let address = application.address();
    tracing::info!(
        %address,
        profile = ?config.profile,
        database = config.database_in_words(),
        "serving"
    );
    // Where programs read the log, nothing else is written beside it.
    if !config.logs_json() {
        let addresses = (address, application.metrics_address());
        let banner = banner::text(config, sources, addresses, banner::fast(&core).await);
        if let Err(error) = tell(&banner) {
            // It serves all the same.
            tracing::warn!(%error, "nobody reads the banner");
        }
    }
    let (ours, sources) = (config.clone(), sources.clone());
    application.spawn(BackgroundTask::LogSummaries, logging.summaries());
    application.spawn(BackgroundTask::FirstSteps, async move {
        if is_demo {
            demo::run(core, &ours, address, &banner::invocation(&sources)).await;
        } else {
            banner::invite_first_admin(&core, &ours, &sources).await;
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
    // The terminal was closed, or a supervisor asks for a new start: nothing is read again while it runs.
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
        result = tokio::signal::ctrl_c() => result,
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
