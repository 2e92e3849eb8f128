//! Traces that a scenario names: found beside its file, and read.
//!
//! Paths are those of the scenario file; `.gz` is unpacked. Deliberately not here: what is typed when (`plan/trace.rs`).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use super::Scenario;
use crate::plan::Trace;

/// Bytes of a trace that is read; the largest that are published take a tenth of it.
const TRACE_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl Scenario {
    /// Reads the traces it names; `text` is its own, from the file `name`.
    pub(super) fn read_traces(&mut self, name: &str, text: &str) -> Result<(), String> {
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        let mut traces = BTreeMap::new();
        for named in
            self.groups.iter().flat_map(|group| &group.work).filter_map(|w| w.trace.as_ref())
        {
            let path = named.as_ref();
            if traces.contains_key(path) {
                continue;
            }
            let trace = read(&folder.join(path)).map_err(|error| {
                let line = super::line(text, named.span().start);
                format!("{name} line {line}: cannot read the trace {path}: {error}")
            })?;
            traces.insert(path.clone(), trace);
        }
        self.traces = traces;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Trace, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let packed = path.extension().is_some_and(|end| end == "gz");
    let mut json = String::new();
    let read = if packed {
        flate2::read::GzDecoder::new(file).take(TRACE_BYTES_MAX).read_to_string(&mut json)
    } else {
        file.take(TRACE_BYTES_MAX).read_to_string(&mut json)
    };
    read.map_err(|error| error.to_string())?;
    Trace::read(&json)
}
