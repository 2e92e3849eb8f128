//! The demo's folders: copies of a real one, compared byte by byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::failure::{Failure, Result};

/// Copies the text files of a directory; tells how many.
pub(super) fn copy(from: &Path, to: &Path) -> Result<usize> {
    if !from.is_dir() {
        return Err(Failure::usage(format!("{} is no directory", from.display()))
            .hint("name a folder with text files: --dir DIR"));
    }
    let files = contents(from)?;
    for (name, content) in &files {
        let path = to.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, content)).map_err(|error| failed(&path, &error))?;
    }
    Ok(files.len())
}

/// Copies `docs/` and `README.md` of a directory.
pub(super) fn copy_docs(from: &Path, to: &Path) -> Result<usize> {
    let (docs, readme) = (from.join("docs"), from.join("README.md"));
    if !docs.is_dir() || !readme.is_file() {
        return Err(Failure::usage("there are no docs/ and README.md here to share")
            .hint("name a folder with text files: --dir DIR"));
    }
    let files = copy(&docs, &to.join("docs"))?;
    fs::copy(&readme, to.join("README.md")).map_err(|error| failed(&readme, &error))?;
    Ok(files + 1)
}

/// Every text file below a directory, hidden ones excepted, by name.
pub(super) fn contents(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![(dir.to_owned(), String::new())];
    while let Some((directory, prefix)) = directories.pop() {
        let entries = fs::read_dir(&directory).map_err(|error| failed(&directory, &error))?;
        for entry in entries.flatten() {
            let Ok(component) = entry.file_name().into_string() else { continue };
            if component.starts_with('.') {
                continue;
            }
            let name = format!("{prefix}{component}");
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                directories.push((entry.path(), format!("{name}/")));
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                files.insert(name, text);
            }
        }
    }
    Ok(files)
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::storage(format!("{}: {error}", path.display()))
}
