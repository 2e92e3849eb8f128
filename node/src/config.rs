//! Where settings come from: flag, then `MESHWORK_*` variable, then TOML file, then default.
//!
//! Data in: [`Overrides`] of the command line, a look-up of environment variables, the config file.
//! Data out: [`Config`], complete and typed. An unknown key or a wrong type is an error that names the
//! line. Paths follow the XDG base directory specification; a data directory that was named explicitly
//! keeps its config file inside, so that several devices can live on one machine.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use libp2p::Multiaddr;
use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::files;

const CONFIG_FILE: &str = "config.toml";
const CONFIG_BYTES_MAX: u64 = 256 * 1024;
/// Longest device name, in bytes.
pub const DEVICE_NAME_BYTES_MAX: usize = 128;

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Settings given on the command line; they win over everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--name`.
    pub name: Option<String>,
    /// `--listen`; empty when not given.
    pub listen: Vec<String>,
    /// `--advertise`; empty when not given.
    pub advertise: Vec<String>,
    /// `--no-mdns` is `Some(false)`.
    pub mdns: Option<bool>,
    /// `--api`.
    pub api: Option<SocketAddr>,
}

/// The effective settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The config file, whether or not it exists.
    pub file: PathBuf,
    /// Where identity, store and state live.
    pub data_dir: PathBuf,
    /// What this device is called by people.
    pub name: String,
    /// Where peers may connect to.
    pub listen: Vec<Multiaddr>,
    /// What tickets say instead of the addresses found out; empty to find out.
    pub advertise: Vec<Multiaddr>,
    /// Whether to look for peers on the local network.
    pub mdns: bool,
    /// Where the HTTP API listens; port 0 chooses a free one.
    pub api: SocketAddr,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    data_dir: Option<PathBuf>,
    name: Option<String>,
    listen: Option<Vec<String>>,
    advertise: Option<Vec<String>>,
    mdns: Option<bool>,
    api: Option<SocketAddr>,
}

/// Where a device listens for peers unless told otherwise.
#[must_use]
pub fn default_listen() -> Vec<Multiaddr> {
    ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"]
        .into_iter()
        .map(|address| address.parse().expect("the constant is a valid address"))
        .collect()
}

impl Config {
    /// Works out the effective settings.
    ///
    /// # Errors
    /// [`FailureKind::Config`](crate::FailureKind::Config) naming the source, and the line in a file.
    pub fn resolve(overrides: &Overrides, environment: Environment<'_>) -> Result<Self> {
        let from_env = |name: &str| environment(name).filter(|value| !value.is_empty());
        let named_dir =
            overrides.data_dir.clone().or_else(|| from_env("MESHWORK_DATA_DIR").map(PathBuf::from));
        let named_file =
            overrides.config.clone().or_else(|| from_env("MESHWORK_CONFIG").map(PathBuf::from));
        let path = match (&named_file, &named_dir) {
            (Some(file), _) => file.clone(),
            (None, Some(dir)) => dir.join(CONFIG_FILE),
            (None, None) => xdg(environment, "XDG_CONFIG_HOME", ".config")?.join(CONFIG_FILE),
        };
        let file = read_file(&path, named_file.is_some())?;
        let data_dir = match named_dir.or(file.data_dir) {
            Some(dir) => dir,
            None => xdg(environment, "XDG_DATA_HOME", ".local/share")?,
        };
        let from_list = |name: &str| {
            from_env(name).map(|list| list.split(',').map(|one| one.trim().to_owned()).collect())
        };
        let listen = given(&overrides.listen)
            .or_else(|| from_list("MESHWORK_LISTEN"))
            .or(file.listen)
            .map_or_else(|| Ok(default_listen()), |list| addresses("listen", &list))?;
        let advertise = given(&overrides.advertise)
            .or_else(|| from_list("MESHWORK_ADVERTISE"))
            .or(file.advertise)
            .map_or_else(|| Ok(Vec::new()), |list| addresses("advertise", &list))?;
        let mdns = overrides.mdns.or(parsed("MESHWORK_MDNS", from_env("MESHWORK_MDNS"))?);
        let api = overrides.api.or(parsed("MESHWORK_API", from_env("MESHWORK_API"))?);
        let name = overrides.name.clone().or_else(|| from_env("MESHWORK_NAME")).or(file.name);
        Ok(Self {
            file: path,
            data_dir,
            name: checked_name(name.unwrap_or_else(default_name))?,
            listen,
            advertise,
            mdns: mdns.or(file.mdns).unwrap_or(true),
            api: api.or(file.api).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
        })
    }

    /// Writes another device name into the config file, and leaves the rest of it as it is.
    ///
    /// # Errors
    /// [`FailureKind::Config`](crate::FailureKind::Config) if the name cannot be one,
    /// [`FailureKind::Storage`](crate::FailureKind::Storage) if the file cannot be written.
    pub fn write_name(&self, name: &str) -> Result<()> {
        let line = format!("name = {}", quote(&checked_name(name.to_owned())?));
        let failed = |error: std::io::Error| {
            Failure::storage(format!("cannot read {}: {error}", self.file.display()))
        };
        let text = std::fs::read_to_string(&self.file).map_err(failed)?;
        crate::files::write_private(&self.file, with_name(&text, &line).as_bytes())
    }

    /// The settings as a commented TOML file that reads back as the same settings.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let list = |addresses: &[Multiaddr]| {
            let quoted: Vec<String> = addresses.iter().map(|one| quote(&one.to_string())).collect();
            format!("[{}]", quoted.join(", "))
        };
        let mut text = String::from("# Flags and MESHWORK_* variables win over this file.\n");
        let rows = [
            ("What other people see this device as.", "name", quote(&self.name)),
            (
                "Where peers may connect to; port 0 chooses a free one and keeps it.",
                "listen",
                list(&self.listen),
            ),
            (
                "What tickets say instead of the addresses found out.",
                "advertise",
                list(&self.advertise),
            ),
            ("Whether to look for peers on the local network.", "mdns", self.mdns.to_string()),
            ("Where the HTTP API and the dashboard listen.", "api", quote(&self.api.to_string())),
        ];
        for (comment, key, value) in rows {
            write!(text, "\n# {comment}\n{key} = {value}\n").expect("writing to a string succeeds");
        }
        text
    }
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn given(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn xdg(environment: Environment<'_>, variable: &str, below_home: &str) -> Result<PathBuf> {
    let absolute = |name| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .map(|base| base.join("meshwork"))
        .ok_or_else(|| {
            Failure::config(format!("neither {variable} nor HOME is set"))
                .hint("say where to keep data: --data-dir DIR")
        })
}

fn read_file(path: &Path, must_exist: bool) -> Result<ConfigFile> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::config(format!("cannot read the config file {}: {error}", path.display()))
    };
    let Some(content) = files::read_bounded(path, CONFIG_BYTES_MAX)
        .or_else(absent_below_file)
        .map_err(|e| failed(&e))?
    else {
        return if must_exist { Err(failed(&"no such file")) } else { Ok(ConfigFile::default()) };
    };
    let text = String::from_utf8(content).map_err(|_| failed(&"it is not UTF-8 text"))?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Failure::config(format!(
            "{} line {line}: {}",
            path.display(),
            error.message().replace('\n', ", ")
        ))
        .hint("known keys: data_dir, name, listen, advertise, mdns, api")
    })
}

/// A data directory that cannot exist is reported when it is made, not when its config is looked for.
fn absent_below_file(error: std::io::Error) -> std::io::Result<Option<Vec<u8>>> {
    if error.kind() == std::io::ErrorKind::NotADirectory { Ok(None) } else { Err(error) }
}

fn addresses(key: &str, list: &[String]) -> Result<Vec<Multiaddr>> {
    list.iter()
        .map(|text| {
            text.parse().map_err(|error| {
                Failure::config(format!("{key}: `{text}` is not a multiaddress: {error}")).hint(
                    "addresses look like /ip4/0.0.0.0/tcp/7700 or /ip4/0.0.0.0/udp/7700/quic-v1",
                )
            })
        })
        .collect()
}

fn parsed<T: std::str::FromStr>(variable: &str, text: Option<String>) -> Result<Option<T>>
where
    T::Err: std::fmt::Display,
{
    text.map(|text| {
        text.parse()
            .map_err(|error| Failure::config(format!("{variable}: `{text}` does not fit: {error}")))
    })
    .transpose()
}

/// A config file with another line for the name: in the place of the old one, or before everything else.
fn with_name(text: &str, line: &str) -> String {
    let is_name = |old: &str| {
        let rest = old.trim_start().strip_prefix("name");
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut lines: Vec<&str> = text.lines().collect();
    match lines.iter().position(|old| is_name(old)) {
        Some(at) => lines[at] = line,
        None => lines.insert(0, line),
    }
    lines.join("\n") + "\n"
}

fn checked_name(name: String) -> Result<String> {
    if name.is_empty() || name.len() > DEVICE_NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(Failure::config(format!(
            "name: a device name has 1 to {DEVICE_NAME_BYTES_MAX} bytes and no control characters"
        )));
    }
    Ok(name)
}

pub(crate) fn default_name() -> String {
    let uname = rustix::system::uname();
    uname
        .nodename()
        .to_str()
        .ok()
        .and_then(|name| checked_name(name.to_owned()).ok())
        .unwrap_or_else(|| "device".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use std::fs;

    fn resolve(overrides: &Overrides, variables: &[(&str, &str)]) -> Result<Config> {
        Config::resolve(overrides, &|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn in_dir(dir: &Path) -> Overrides {
        Overrides { data_dir: Some(dir.to_owned()), ..Overrides::default() }
    }

    #[test]
    fn flag_beats_variable_beats_file_beats_default() {
        let dir = tempfile::tempdir().unwrap();
        let flags = in_dir(dir.path());
        assert_eq!(resolve(&flags, &[]).unwrap().listen, default_listen());
        fs::write(dir.path().join("config.toml"), "name = \"file\"\nmdns = false").unwrap();
        let config = resolve(&flags, &[]).unwrap();
        assert_eq!((config.name.as_str(), config.mdns), ("file", false));
        let variables = [("MESHWORK_NAME", "variable"), ("MESHWORK_MDNS", "true")];
        let config = resolve(&flags, &variables).unwrap();
        assert_eq!((config.name.as_str(), config.mdns), ("variable", true));
        let flags = Overrides { name: Some("flag".to_owned()), ..flags };
        assert_eq!(resolve(&flags, &variables).unwrap().name, "flag");
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), "name = \"a\"\n\nmdsn = true\n").unwrap();
        let failure = resolve(&in_dir(dir.path()), &[]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Config);
        assert!(failure.message.contains("line 3"), "{failure}");
        assert!(failure.message.contains("mdsn"), "{failure}");
    }

    #[test]
    fn the_written_file_reads_back_as_the_same_settings() {
        let dir = tempfile::tempdir().unwrap();
        let flags = Overrides {
            name: Some("a \"quoted\" name".to_owned()),
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            mdns: Some(false),
            ..in_dir(dir.path())
        };
        let config = resolve(&flags, &[]).unwrap();
        fs::write(&config.file, config.to_toml()).unwrap();
        assert_eq!(resolve(&in_dir(dir.path()), &[]).unwrap(), config);
    }

    #[test]
    fn paths_follow_xdg_and_then_home() {
        let config = resolve(&Overrides::default(), &[("HOME", "/nowhere")]).unwrap();
        assert_eq!(config.data_dir, Path::new("/nowhere/.local/share/meshwork"));
        assert_eq!(config.file, Path::new("/nowhere/.config/meshwork/config.toml"));
        let variables = [("HOME", "/nowhere"), ("XDG_DATA_HOME", "/nowhere/data")];
        let config = resolve(&Overrides::default(), &variables).unwrap();
        assert_eq!(config.data_dir, Path::new("/nowhere/data/meshwork"));
        assert_eq!(resolve(&Overrides::default(), &[]).unwrap_err().kind, FailureKind::Config);
    }

    #[test]
    fn a_bad_address_names_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let variables = [("MESHWORK_ADVERTISE", "127.0.0.1:7700")];
        let failure = resolve(&in_dir(dir.path()), &variables).unwrap_err();
        assert!(failure.message.starts_with("advertise: `127.0.0.1:7700`"), "{failure}");
    }
}
