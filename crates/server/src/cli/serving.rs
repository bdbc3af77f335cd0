//! What `alpine serve` takes.

use std::{net::SocketAddr, path::PathBuf};

use alpine_domain::settings::parse_listen_address;
use clap::Args;

use crate::config::{Sources, read_layers};

/// Of `serve`.
#[derive(Debug, Args, Clone, Default)]
pub struct ServeArgs {
    /// Where to listen, instead of `http.bind`: 127.0.0.1:8000, localhost:8000 or 8000
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen_address)]
    pub bind: Option<SocketAddr>,
    /// On which port to listen, at the address of `http.bind`
    #[arg(long, conflicts_with = "bind")]
    pub port: Option<u16>,
    /// The folder for the embedded database and what else is kept, instead of `data_dir`
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Let something move: a simulated producer with some days of past, marked as simulated wherever it shows, and one
    /// account per tier, in a database of its own (`demo.db`). Development profile only
    #[arg(long)]
    pub demo: bool,
}

impl ServeArgs {
    /// Whether anything was said.
    pub fn is_given(&self) -> bool {
        self.demo || self.bind.is_some() || self.port.is_some() || self.data_dir.is_some()
    }

    /// These sources with what the command line says on top.
    pub fn over(&self, mut sources: Sources) -> Sources {
        let mut set = |key, value: String, option| {
            sources.arguments.push((key, toml::Value::String(value), option));
        };
        if let Some(bind) = self.bind {
            set("http.bind", bind.to_string(), "--bind");
        }
        if let Some(folder) = &self.data_dir {
            set("data_dir", folder.display().to_string(), "--data-dir");
        }
        if self.demo {
            // Whatever database is configured: what is made up never stands where real signals go.
            let layers = read_layers(&sources);
            let folder = layers.settings.get("data_dir").and_then(|it| it.value.as_str());
            let file = std::path::Path::new(folder.unwrap_or_default()).join("demo.db");
            for (key, value) in [
                ("database.url", format!("sqlite:{}", file.display()).into()),
                // It makes its database itself.
                ("database.migrate_on_start", true.into()),
                // What the banner prints is good for as long as somebody watches.
                ("accounts.access_ttl", "7d".into()),
                ("redis.url", "".into()),
            ] {
                let value: toml::Value = value;
                sources.arguments.push((key, value, "--demo"));
            }
        }
        if let Some(port) = self.port {
            let written = read_layers(&sources);
            let written = written.settings.get("http.bind").and_then(|it| it.value.as_str());
            let address = written.and_then(|text| parse_listen_address(text).ok());
            // What is no address is told of when settings are loaded.
            if let Some(mut address) = address {
                address.set_port(port);
                let value = toml::Value::String(address.to_string());
                sources.arguments.push(("http.bind", value, "--port"));
            }
        }
        sources
    }
}
