//! `report` and `baseline`: runs beside each other.

use std::path::Path;
use std::process::ExitCode;

use meshwork_sim::{baseline as stored, report as pages};
use serde_json::{Value, json};

use super::print;
use super::run::write;

fn read(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{} is no JSON: {error}", path.display()))
}

pub(crate) fn report(
    run: &Path,
    other: Option<&Path>,
    out: &Path,
    json: bool,
) -> Result<ExitCode, String> {
    let one = read(run)?;
    let Some(other) = other else {
        write(out, &pages::page(&one)?)?;
        eprintln!("wrote {}", out.display());
        if json {
            let rows = pages::rows(&one);
            print(json!(rows.into_iter().collect::<std::collections::BTreeMap<_, _>>()));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let other = read(other)?;
    write(out, &pages::comparison(&one, &other)?)?;
    eprintln!("wrote {}", out.display());
    let (left, right) = (pages::rows(&one), pages::rows(&other));
    let pairs = left.iter().zip(&right).map(|((name, a), (_, b))| (*name, *a, *b));
    if json {
        let rows = pairs.map(|(name, a, b)| (name.to_owned(), json!([a, b])));
        print(Value::Object(rows.collect()));
    } else {
        for (name, a, b) in pairs {
            let change = if a == 0 { 0.0 } else { (b as f64 / a as f64 - 1.0) * 100.0 };
            print(format!("{name:<32} {a:>14} {b:>14} {change:>+8.1} %"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn baseline(file: &Path, renew: bool, json: bool) -> Result<ExitCode, String> {
    let found = stored::measure()?;
    if renew {
        let text = serde_json::to_string_pretty(&found).map_err(|error| error.to_string())?;
        write(file, &(text + "\n"))?;
        eprintln!("wrote {}", file.display());
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let differences = stored::differences(&stored::read(&text)?, &found);
    if json {
        print(json!({ "scenarios": found, "differences": differences }));
    } else if differences.is_empty() {
        print("counts and bytes are those of the baseline");
    } else {
        differences.iter().for_each(print);
        eprintln!(
            "if that is meant to be: meshwork-sim baseline --renew, and commit the difference"
        );
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
