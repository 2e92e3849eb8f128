//! The command line: one verb per file in `cli/`, all but `up` talking to the daemon's API.
//!
//! Data on standard output, talk on standard error, `--json` for programs, exit codes from
//! [`FailureKind`]. Doc comments on arguments are the help.

mod adopt;
mod client;
mod del;
mod demo;
mod device;
mod duration;
mod edit;
mod explain;
mod get;
mod invite;
mod invites;
mod join;
mod key;
mod members;
mod online;
mod passphrase;
mod peers;
mod presence;
mod put;
mod share;
mod space;
mod status;
mod stop;
mod terminal;
mod types;
mod up;
mod watch;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::config::{Config, Overrides};
use crate::failure::{FailureKind, Result};

use client::Client;
use terminal::Terminal;

/// Share spaces of data between devices, without a server.
///
/// Every device keeps a full copy of the spaces it shares, and works offline. `meshwork up` runs this
/// device; the other commands talk to it.
#[derive(Debug, Parser)]
#[command(name = "meshwork", version, after_long_help = exit_codes(), max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Where this device keeps its keys and data; one directory is one device.
    ///
    /// [default: $XDG_DATA_HOME/meshwork] Also MESHWORK_DATA_DIR, or `data_dir` in the config file.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The config file [default: in DIR if that was named, else $XDG_CONFIG_HOME/meshwork].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Up(up::Up),
    #[command(subcommand)]
    Key(key::Key),
    #[command(subcommand)]
    Space(space::Space),
    Invite(invite::Invite),
    Join(join::Join),
    Invites(invites::Invites),
    Members(members::Members),
    Presence(presence::Presences),
    #[command(subcommand)]
    Member(members::MemberVerb),
    Leave(members::Leave),
    Adopt(adopt::Adopt),
    #[command(subcommand)]
    Device(device::Device),
    Put(put::Put),
    Get(get::Get),
    Del(del::Del),
    Edit(edit::Edit),
    Explain(explain::Explain),
    Types(types::Types),
    Watch(watch::Watch),
    Status(status::Status),
    Share(share::Share),
    Peers(peers::Peers),
    Why(why::Why),
    Online(online::Online),
    Offline(online::Offline),
    Stop(stop::Stop),
    Demo(demo::Demo),
}

/// What every verb gets.
struct Context {
    overrides: Overrides,
    terminal: Terminal,
}

impl Context {
    fn config(&self) -> Result<Config> {
        Config::resolve(&self.overrides, &|name| std::env::var(name).ok())
    }

    fn client(&self) -> Result<Client> {
        Client::connect(&self.config()?.data_dir)
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context {
        overrides: Overrides {
            config: cli.global.config,
            data_dir: cli.global.data_dir,
            ..Overrides::default()
        },
        terminal: Terminal::new(cli.global.json),
    };
    match cli.verb.run(&context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            context.terminal.failed(&failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

impl Verb {
    fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Up(verb) => verb.run(context),
            Self::Key(verb) => verb.run(context),
            Self::Space(verb) => verb.run(context),
            Self::Invite(verb) => verb.run(context),
            Self::Join(verb) => verb.run(context),
            Self::Invites(verb) => verb.run(context),
            Self::Members(verb) => verb.run(context),
            Self::Presence(verb) => verb.run(context),
            Self::Member(verb) => verb.run(context),
            Self::Leave(verb) => verb.run(context),
            Self::Adopt(verb) => verb.run(context),
            Self::Device(verb) => verb.run(context),
            Self::Put(verb) => verb.run(context),
            Self::Get(verb) => verb.run(context),
            Self::Del(verb) => verb.run(context),
            Self::Edit(verb) => verb.run(context),
            Self::Explain(verb) => verb.run(context),
            Self::Types(verb) => verb.run(context),
            Self::Watch(verb) => verb.run(context),
            Self::Status(verb) => verb.run(context),
            Self::Share(verb) => verb.run(context),
            Self::Peers(verb) => verb.run(context),
            Self::Why(verb) => verb.run(context),
            Self::Online(verb) => verb.run(context),
            Self::Offline(verb) => verb.run(context),
            Self::Stop(verb) => verb.run(context),
            Self::Demo(verb) => verb.run(context),
        }
    }
}

fn exit_codes() -> String {
    let mut text = String::from("Exit codes:\n   0  done");
    for kind in FailureKind::ALL {
        text.push_str(&format!("\n  {:2}  {}", kind.exit_code(), kind.meaning()));
    }
    text
}

/// The long help of every command, one after the other.
#[must_use]
pub fn reference() -> String {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut text = String::new();
    append_help(&mut root, &mut text);
    text
}

fn append_help(command: &mut clap::Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    text.push_str(&format!("### {name}\n\n{}\n\n", help.trim_end()));
    for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
        append_help(below, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
