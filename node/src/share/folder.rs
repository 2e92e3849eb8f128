//! The folder's side: what is in it, and writing to it without ever overwriting what was not expected.
//!
//! Names are relative, with `/`. Names of other devices are hostile input: what could lead out of the folder,
//! or to a place editors and tools keep for themselves, is refused. Symbolic links are never followed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Longest text file that is shared, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most files of one folder.
pub(crate) const FILES_MAX: usize = 50_000;
/// Deepest directory.
const DEPTH_MAX: usize = 64;
/// Longest name of one file or directory, in bytes.
const COMPONENT_BYTES_MAX: usize = 255;
const TEMPORARY: &str = ".meshwork-tmp-";
const IGNORE_FILE: &str = ".meshworkignore";

/// Why a file is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    Binary,
    TooLarge,
    Link,
    Special,
    Name,
    Unreadable,
    TooMany,
}

impl Skip {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Binary => "binary files are not yet supported",
            Self::TooLarge => "text files over 1 MiB are not yet supported",
            Self::Link => "symbolic links are not followed",
            Self::Special => "neither a file nor a directory",
            Self::Name => "the name cannot be shared",
            Self::Unreadable => "cannot be read",
            Self::TooMany => "the folder has more files than can be shared",
        }
    }
}

/// What a file contains, as far as sharing is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text { text: String, hash: [u8; 32] },
    Skipped(Skip),
}

pub(crate) fn hash(text: &str) -> [u8; 32] {
    *blake3::hash(text.as_bytes()).as_bytes()
}

/// What distinguishes a file from what it was, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
    inode: u64,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
            inode: metadata.ino(),
        }
    }
}

/// A directory whose files are shared.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    identity: (u64, u64),
    /// What was read last, so that unchanged files are not read again; texts are not kept.
    known: BTreeMap<String, (Stamp, Result<[u8; 32], Skip>)>,
    ignored: Vec<String>,
    temporaries: u64,
}

/// One look at a folder: what each file is. Texts are there only where the file has changed.
pub(crate) type Scan = BTreeMap<String, Seen>;

/// One file of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A text with this hash.
    Text([u8; 32]),
    /// Left alone.
    Skipped(Skip),
}

impl Folder {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        let metadata = fs::metadata(&root)?;
        if !metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a directory"));
        }
        let identity = (metadata.dev(), metadata.ino());
        let known = BTreeMap::new();
        Ok(Self { root, identity, known, ignored: Vec::new(), temporaries: 0 })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the folder is still the one that was shared, not an empty mount point in its place.
    pub(crate) fn there(&self) -> bool {
        fs::metadata(&self.root)
            .is_ok_and(|now| now.is_dir() && (now.dev(), now.ino()) == self.identity)
    }

    /// Looks at every file; reads those that may have changed.
    pub(crate) fn scan(&mut self) -> io::Result<Scan> {
        self.ignored = fs::read_to_string(self.root.join(IGNORE_FILE))
            .unwrap_or_default()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(ToOwned::to_owned)
            .collect();
        let mut scan = Scan::new();
        let mut directories = vec![(self.root.clone(), String::new(), 0)];
        while let Some((directory, prefix, depth)) = directories.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                let Some(component) = entry.file_name().to_str().map(ToOwned::to_owned) else {
                    let shown = format!("{prefix}{}", entry.file_name().to_string_lossy());
                    scan.insert(shown, Seen::Skipped(Skip::Name));
                    continue;
                };
                let name = format!("{prefix}{component}");
                if self.ignores(&name) {
                    continue;
                }
                if scan.len() >= FILES_MAX {
                    scan.insert(name, Seen::Skipped(Skip::TooMany));
                    return Ok(scan);
                }
                let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
                if metadata.is_dir() {
                    if depth < DEPTH_MAX {
                        directories.push((entry.path(), format!("{name}/"), depth + 1));
                    }
                    continue;
                }
                let seen = self.look(&name, &metadata);
                scan.insert(name, seen);
            }
        }
        self.known.retain(|name, _| scan.contains_key(name));
        Ok(scan)
    }

    fn look(&mut self, name: &str, metadata: &fs::Metadata) -> Seen {
        let stamp = Stamp::of(metadata);
        if let Some((known, result)) = self.known.get(name)
            && *known == stamp
        {
            return result.map_or_else(Seen::Skipped, Seen::Text);
        }
        let skip = if metadata.is_symlink() {
            Some(Skip::Link)
        } else if !metadata.is_file() {
            Some(Skip::Special)
        } else if metadata.len() > FILE_BYTES_MAX {
            Some(Skip::TooLarge)
        } else if !may_be_shared(name) {
            Some(Skip::Name)
        } else {
            None
        };
        let result = match skip {
            Some(skip) => Err(skip),
            None => match self.read(name) {
                Content::Text { hash, .. } => Ok(hash),
                Content::Skipped(skip) => Err(skip),
            },
        };
        self.known.insert(name.to_owned(), (stamp, result));
        result.map_or_else(Seen::Skipped, Seen::Text)
    }

    /// Reads one file.
    pub(crate) fn read(&self, name: &str) -> Content {
        let mut bytes = Vec::new();
        let read = File::open(self.root.join(name))
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        if read.is_err() {
            return Content::Skipped(Skip::Unreadable);
        }
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Content::Skipped(Skip::TooLarge);
        }
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => {
                let hash = hash(&text);
                Content::Text { text, hash }
            }
            _ => Content::Skipped(Skip::Binary),
        }
    }

    fn ignores(&self, name: &str) -> bool {
        let component = name.rsplit('/').next().unwrap_or(name);
        reserved(component)
            || self.ignored.iter().any(|pattern| {
                let pattern = pattern.trim_end_matches('/');
                matches(pattern, component) || matches(pattern.trim_start_matches('/'), name)
            })
    }

    /// Whether a file of this name, which another device chose, may be written here.
    pub(crate) fn accepts(&self, name: &str) -> bool {
        may_be_shared(name) && !self.ignores_any_part(name) && self.leads_nowhere_else(name)
    }

    fn ignores_any_part(&self, name: &str) -> bool {
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        ends.into_iter().any(|end| self.ignores(&name[..end]))
    }

    /// Whether every directory on the way that exists is a real one.
    fn leads_nowhere_else(&self, name: &str) -> bool {
        name.match_indices('/').all(|(at, _)| {
            match fs::symlink_metadata(self.root.join(&name[..at])) {
                Ok(metadata) => metadata.is_dir(),
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            }
        })
    }

    /// Writes a file that must not exist yet.
    pub(crate) fn create(&mut self, name: &str, text: &str) -> io::Result<()> {
        let path = self.root.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let temporary = self.write_temporary(&path, text)?;
        let placed = renameat_with(CWD, &temporary, CWD, &path, RenameFlags::NOREPLACE);
        if placed.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        placed.map_err(io::Error::from)
    }

    /// Replaces a file whose content must be `expected`. If it was something else, the file is left as it
    /// was found, and this says so.
    pub(crate) fn replace(
        &mut self,
        name: &str,
        text: &str,
        expected: [u8; 32],
    ) -> io::Result<bool> {
        let path = self.root.join(name);
        let temporary = self.write_temporary(&path, text)?;
        if let Ok(metadata) = fs::metadata(&path) {
            fs::set_permissions(&temporary, metadata.permissions())?;
        }
        if let Err(error) = renameat_with(CWD, &temporary, CWD, &path, RenameFlags::EXCHANGE) {
            let _ = fs::remove_file(&temporary);
            return Err(error.into());
        }
        let found = fs::read(&temporary)?;
        if *blake3::hash(&found).as_bytes() == expected {
            fs::remove_file(&temporary)?;
            return Ok(true);
        }
        renameat_with(CWD, &temporary, CWD, &path, RenameFlags::EXCHANGE)?;
        fs::remove_file(&temporary)?;
        Ok(false)
    }

    fn write_temporary(&mut self, beside: &Path, text: &str) -> io::Result<PathBuf> {
        self.temporaries += 1;
        let name = format!("{TEMPORARY}{}-{}", std::process::id(), self.temporaries);
        let temporary = beside.with_file_name(name);
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(temporary)
    }

    /// Gives a file another name that must be free.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, path) = (self.root.join(from), self.root.join(to));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        renameat_with(CWD, &from, CWD, &path, RenameFlags::NOREPLACE)?;
        self.prune(&from);
        Ok(())
    }

    /// Removes a file, and the directories that became empty by that.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        fs::remove_file(&path)?;
        self.prune(&path);
        Ok(())
    }

    fn prune(&self, path: &Path) {
        let parents = path.ancestors().skip(1).take_while(|parent| *parent != self.root);
        for parent in parents {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }
}

/// Whether a name can stand for a file on every device.
fn may_be_shared(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= meshwork_protocol::limits::NAME_BYTES_MAX
        && !name.starts_with("meshwork/")
        && !name.contains('\\')
        && !name.chars().any(char::is_control)
        && name.split('/').all(|component| {
            !component.is_empty()
                && component != "."
                && component != ".."
                && component.len() <= COMPONENT_BYTES_MAX
        })
        && name.split('/').count() <= DEPTH_MAX
}

/// What version control, editors and this program keep for themselves.
fn reserved(component: &str) -> bool {
    matches!(component, ".git" | ".hg" | ".svn" | ".jj" | ".DS_Store" | "4913")
        || component.starts_with(TEMPORARY)
        || component.starts_with(".#")
        || component.starts_with(".~lock.")
        || component.ends_with('~')
        || component.ends_with(".swp")
        || component.ends_with(".swx")
        || (component.starts_with('#') && component.ends_with('#'))
}

/// Whether `text` matches a pattern in which `*` stands for anything and `?` for one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*' {
            p += 1;
            t += 1;
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("link")).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        for name in [
            "../x",
            "/etc/passwd",
            "a/../../x",
            "a//b",
            "",
            ".",
            "a\\b",
            "a\0b",
            "link/x",
            ".git/hooks/x",
        ] {
            assert!(!folder.accepts(name), "{name:?}");
        }
        for name in ["a", "a/b.md", "ä/…", ".hidden"] {
            assert!(folder.accepts(name), "{name:?}");
        }
    }

    #[test]
    fn an_unexpected_content_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(dir.path()).unwrap();
        folder.create("a/b.txt", "one").unwrap();
        assert!(folder.create("a/b.txt", "two").is_err());
        assert!(!folder.replace("a/b.txt", "two", hash("something else")).unwrap());
        assert_eq!(fs::read_to_string(dir.path().join("a/b.txt")).unwrap(), "one");
        assert!(folder.replace("a/b.txt", "two", hash("one")).unwrap());
        assert_eq!(fs::read_to_string(dir.path().join("a/b.txt")).unwrap(), "two");
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
        folder.remove("a/b.txt").unwrap();
        assert!(!dir.path().join("a").exists());
    }

    #[test]
    fn what_is_no_text_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("picture"), b"\x89PNG\0\x01").unwrap();
        fs::write(dir.path().join("latin1"), b"caf\xe9").unwrap();
        fs::write(dir.path().join("big"), vec![b'x'; 2 * 1024 * 1024]).unwrap();
        fs::write(dir.path().join("text"), "fine").unwrap();
        fs::write(dir.path().join("notes.log"), "noise").unwrap();
        fs::write(dir.path().join(IGNORE_FILE), "# logs\n*.log\n").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        let scan = Folder::open(dir.path()).unwrap().scan().unwrap();
        assert_eq!(scan.get("picture"), Some(&Seen::Skipped(Skip::Binary)));
        assert_eq!(scan.get("latin1"), Some(&Seen::Skipped(Skip::Binary)));
        assert_eq!(scan.get("big"), Some(&Seen::Skipped(Skip::TooLarge)));
        assert_eq!(scan.get("link"), Some(&Seen::Skipped(Skip::Link)));
        assert_eq!(scan.get("text"), Some(&Seen::Text(hash("fine"))));
        assert_eq!(scan.get("notes.log"), None);
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        assert!(matches("*.log", "a.log") && matches("a?c", "abc") && matches("*", ""));
        assert!(!matches("*.log", "a.logs") && !matches("a?c", "ac"));
        assert!(matches("a*b*c", "a-b--b-c") && !matches("a*b*c", "a-b--b"));
    }
}
