//! `meshwork up`.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use clap::Args;
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use super::Context;
use super::key::{PHRASE_ADVICE, phrase_table};
use super::passphrase::PassphraseSource;
use super::terminal::table;
use crate::builder::Builder;
use crate::config::{Config, Overrides};
use crate::failure::{Failure, Result};
use crate::files;
use crate::identity::{self, Passphrase, Seal};
use crate::node::Node;

/// Most threads that serve network and API.
const THREADS_MAX: usize = 4;

/// Run this device, in the foreground, until Ctrl-C.
///
/// The first start makes the device's keys and a config file, and shows the recovery phrase once: on a terminal, or
/// as `recovery_phrase` with --json. Log lines go to standard error; MESHWORK_LOG says how many (error, warn, info,
/// debug).
#[derive(Debug, Args)]
pub(super) struct Up {
    /// Where peers may connect to, as a multiaddress; may be repeated.
    ///
    /// [default: /ip4/0.0.0.0/tcp/0 and /ip4/0.0.0.0/udp/0/quic-v1] Port 0 chooses a free port and
    /// keeps it. Also MESHWORK_LISTEN, separated by commas.
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// What tickets say instead of the addresses found out; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    advertise: Vec<String>,
    /// Where the API and the dashboard listen [default: 127.0.0.1:0, a free port].
    #[arg(long, value_name = "HOST:PORT")]
    api: Option<SocketAddr>,
    /// Do not look for peers on the local network.
    #[arg(long)]
    no_mdns: bool,
    /// What other people see this device as [default: the host name].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Do not show the recovery phrase of a first start, nor say that it was not shown.
    #[arg(long)]
    no_phrase: bool,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

#[derive(Serialize)]
struct Started {
    device: String,
    member: String,
    name: String,
    data_dir: String,
    listening: Vec<String>,
    api: String,
    dashboard: String,
    /// Of a first start.
    #[serde(flatten)]
    phrase: FirstPhrase,
}

/// The recovery phrase of a first start, if there was one and it may be shown.
#[derive(Default, Serialize)]
struct FirstPhrase {
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_phrase: Option<Zeroizing<String>>,
}

impl Up {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        start_log()?;
        let overrides = Overrides {
            listen: self.listen,
            advertise: self.advertise,
            api: self.api,
            mdns: self.no_mdns.then_some(false),
            name: self.name,
            ..context.overrides.clone()
        };
        let config = Config::resolve(&overrides, &|name| std::env::var(name).ok())?;
        let passphrase = passphrase_for(&config, &self.passphrase)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .map_err(|error| Failure::internal(format!("cannot start threads: {error}")))?
            .block_on(serve(&config, passphrase, self.no_phrase, context))
    }
}

/// What opens the identity, asked for if it is sealed under a passphrase.
fn passphrase_for(config: &Config, source: &PassphraseSource) -> Result<Option<Passphrase>> {
    let sealed =
        identity::read(&config.data_dir)?.is_some_and(|stored| stored.seal() == Seal::Passphrase);
    if sealed { source.existing("this device's keys").map(Some) } else { source.given() }
}

async fn serve(
    config: &Config,
    passphrase: Option<Passphrase>,
    no_phrase: bool,
    context: &Context,
) -> Result<()> {
    let stop_asked = stop_signal()?;
    let told = Arc::new(Mutex::new(FirstPhrase::default()));
    let mut builder = Builder::from(config);
    if let Some(passphrase) = passphrase {
        builder = builder.passphrase(passphrase);
    }
    if !no_phrase {
        builder = tell_phrase(builder, context, told.clone());
    }
    let started = start(builder, config, context).await;
    let phrase = std::mem::take(&mut *told.lock().expect("who tells does not panic"));
    let node = match started {
        Ok(node) => node,
        Err(failure) => {
            // The keys are there although the start failed, and the next one will not tell the phrase again.
            if phrase.recovery_phrase.is_some() {
                context.terminal.data(&phrase, |_| String::new())?;
            }
            return Err(failure);
        }
    };
    let running = announce(&node, phrase, context);
    if running.is_ok() {
        tokio::select! {
            outcome = node.stopped() => return outcome,
            () = stop_asked => context.terminal.talk("stopping"),
        }
    }
    running.and(node.shutdown().await)
}

/// Brings the node up, and writes the config file of a first start.
async fn start(builder: Builder, config: &Config, context: &Context) -> Result<Node> {
    let node = builder.start().await?;
    if let Err(failure) = write_config(config, context) {
        node.shutdown().await?;
        return Err(failure);
    }
    Ok(node)
}

fn write_config(config: &Config, context: &Context) -> Result<()> {
    if config.file.exists() {
        return Ok(());
    }
    if let Some(dir) = config.file.parent() {
        files::create_private_dir(dir)?;
    }
    files::write_private(&config.file, config.to_toml().as_bytes())?;
    context.terminal.talk(&format!("first start: wrote {}", config.file.display()));
    Ok(())
}

/// Shows the phrase of a first start on the terminal, keeps it for the answer to a program, or says why not.
fn tell_phrase(builder: Builder, context: &Context, told: Arc<Mutex<FirstPhrase>>) -> Builder {
    if context.terminal.json() {
        return builder.on_first_start(move |phrase| {
            let recovery_phrase = Some(Zeroizing::new(phrase.to_string()));
            *told.lock().expect("who tells does not panic") = FirstPhrase { recovery_phrase };
        });
    }
    builder.on_first_start(|phrase| {
        if io::stderr().is_terminal() {
            eprintln!("first start: you are a new member, and this is your recovery phrase\n");
            eprintln!("{}\n{PHRASE_ADVICE}\n", phrase_table(phrase).as_str());
            return;
        }
        eprintln!("first start: made a new member; its recovery phrase was not shown for want of a terminal");
        eprintln!("to have one, start over before anything is shared: stop, remove the data directory, meshwork key init");
    })
}

fn announce(node: &Node, phrase: FirstPhrase, context: &Context) -> Result<()> {
    let endpoint = node.endpoint().expect("the command line always serves the API");
    let started = Started {
        device: node.device().to_string(),
        member: node.member().to_string(),
        name: node.name(),
        data_dir: node.data_dir().display().to_string(),
        listening: node.listening(),
        api: format!("http://{}", endpoint.address),
        dashboard: format!("http://{}/#token={}", endpoint.address, endpoint.token),
        phrase,
    };
    context.terminal.data(&started, |started| {
        let row = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        let mut rows = vec![
            row("device", &started.device),
            row("member", &started.member),
            row("name", &started.name),
            row("data", &started.data_dir),
        ];
        rows.extend(started.listening.iter().map(|address| row("listening", address)));
        rows.push(row("api", &started.api));
        rows.push(row("dashboard", &started.dashboard));
        table(&rows)
    })?;
    context.terminal.talk("share something: meshwork space create NAME, then meshwork invite NAME");
    context.terminal.talk("stop with Ctrl-C");
    Ok(())
}

/// Resolves when the process is asked to stop; installed when this returns.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let install = |kind| {
        signal(kind).map_err(|error| Failure::internal(format!("cannot catch signals: {error}")))
    };
    let mut interrupt = install(SignalKind::interrupt())?;
    let mut terminate = install(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn start_log() -> Result<()> {
    let wanted = std::env::var("MESHWORK_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = EnvFilter::try_new(&wanted)
        .map_err(|error| Failure::config(format!("MESHWORK_LOG: `{wanted}`: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .try_init()
        .map_err(|error| Failure::internal(format!("cannot start the log: {error}")))
}
