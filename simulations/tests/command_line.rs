//! The program as people and scripts use it.

use std::path::Path;
use std::process::{Command, Output};

fn sim(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshwork-sim"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

/// A folder of its own for each test, gone in the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const IMPOSSIBLE: &str = "name = \"a\"\nabout = \"b\"\nsafety = \"10 s\"\nliveness = \"1 min\"\n\
    [[region]]\nname = \"here\"\n[[group]]\nname = \"all\"\ncount = 3\nregion = \"here\"\n\
    work = [{ kind = \"count\", every = \"1 s\" }]\n[[space]]\nof = [\"all\"]\n\
    [expect]\nsent_bytes_max = 1\n";

#[test]
fn a_run_that_fails_is_made_smaller_saved_and_replayed_to_the_same_trace() {
    let folder = Folder::new("fails");
    std::fs::write(folder.0.join("a.toml"), IMPOSSIBLE).unwrap();
    let arguments = ["explore", "--scenario", "a.toml", "--seeds", "1", "--start", "7", "--json"];
    let output = sim(&arguments, &folder.0);
    assert_eq!(output.status.code(), Some(1));
    let found = json(&output);
    assert_eq!(found["seeds"], 1);
    let failure = &found["failures"][0];
    assert_eq!((&failure["seed"], &failure["invariant"]), (&7.into(), &"expectation".into()));
    assert!(found["seeds_per_s"].as_f64().unwrap() > 0.0);
    assert!(found["node_hours_per_cpu_hour"].as_f64().unwrap() > 0.0);
    let file = failure["file"].as_str().unwrap();
    assert!(file.ends_with("a-7-small.json") && folder.0.join("failures/a-7.json").exists());
    let output = sim(&["replay", file, "--json", "--transcript", "story.txt"], &folder.0);
    assert_eq!(output.status.code(), Some(1), "it still fails");
    assert_eq!(json(&output)["same_trace"], true);
    let story = std::fs::read_to_string(folder.0.join("story.txt")).unwrap();
    assert!(story.contains("are linked") && story.contains("FAILED expectation"), "{story}");
}

#[test]
fn a_report_is_written_with_json_beside_it_and_two_are_compared() {
    let folder = Folder::new("report");
    for (seed, page) in [("1", "one.html"), ("2", "two.html")] {
        let arguments = ["run", "lan-of-3", "--small", "--seed", seed, "--report", page];
        assert!(sim(&arguments, &folder.0).status.success());
    }
    let page = std::fs::read_to_string(folder.0.join("one.html")).unwrap();
    assert!(
        page.starts_with("<!doctype html>") && page.contains("How soon an entry is everywhere")
    );
    let output =
        sim(&["report", "one.json", "two.json", "--out", "both.html", "--json"], &folder.0);
    let rows = json(&output);
    assert_eq!(rows["devices"], serde_json::json!([3, 3]));
    assert!(std::fs::read_to_string(folder.0.join("both.html")).unwrap().contains("change</th>"));
}

#[test]
fn a_scenario_that_is_wrong_is_refused_with_its_line() {
    let folder = Folder::new("wrong");
    let wrong = IMPOSSIBLE.replace("safety = \"10 s\"", "safety = \"soon\"");
    std::fs::write(folder.0.join("a.toml"), wrong).unwrap();
    let output = sim(&["run", "a.toml"], &folder.0);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("a.toml line 3: ") && told.contains("\"10 s\""), "{told}");
    let output = sim(&["run", "no-such-scenario"], &folder.0);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("lan-of-3"));
}

/// A trace in which somebody writes words and takes some of them back.
fn recorded() -> String {
    let word = |n: usize| format!("{{\"patches\": [[{}, {}, \"word {n} \"]]}}", n * 5, n % 4);
    let typed: Vec<String> = (0..300).map(word).collect();
    format!("{{\"startContent\": \"\", \"txns\": [\n{}\n]}}", typed.join(",\n"))
}

const TYPED: &str = "name = \"a\"\nabout = \"b\"\nsafety = \"30 s\"\nliveness = \"1 min\"\n\
    [[region]]\nname = \"here\"\n[[group]]\nname = \"all\"\ncount = 3\nregion = \"here\"\n\
    work = [{ kind = \"typing\", every = \"1 s\", trace = \"typed.json\" }]\n\
    [[space]]\nof = [\"all\"]\n";

#[test]
fn recorded_typing_is_typed_again_packed_or_not_and_a_saved_run_needs_no_file() {
    let folder = Folder::new("typed");
    let scenario = folder.0.join("in/a.toml");
    std::fs::create_dir(folder.0.join("in")).unwrap();
    std::fs::write(&scenario, TYPED).unwrap();
    std::fs::write(folder.0.join("in/typed.json"), recorded()).unwrap();
    let output = sim(&["run", "in/a.toml", "--json", "--report", "a.html"], &folder.0);
    let run = json(&output);
    assert!(output.status.success(), "{run}");
    assert!(run["granted"].as_u64().unwrap() > 100);
    assert_eq!(run["plan"]["scene"]["traces"][0].as_array().unwrap().len(), 300);
    let page = std::fs::read_to_string(folder.0.join("a.html")).unwrap();
    assert!(!page.contains("word 299"), "the page tells the plan without what was typed");
    let packed = std::fs::File::create(folder.0.join("in/typed.json.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, recorded().as_bytes()).unwrap();
    packed.finish().unwrap();
    std::fs::write(&scenario, TYPED.replace("typed.json", "typed.json.gz")).unwrap();
    let again = json(&sim(&["run", "in/a.toml", "--json"], &folder.0));
    assert_eq!(again["trace_hash"], run["trace_hash"]);
    std::fs::write(&scenario, TYPED.replace(", trace = \"typed.json\"", "")).unwrap();
    let made_up = json(&sim(&["run", "in/a.toml", "--json"], &folder.0));
    assert_ne!(made_up["trace_hash"], run["trace_hash"]);
}

#[test]
fn a_trace_that_is_missing_or_none_is_refused_with_its_line() {
    let folder = Folder::new("untyped");
    let run = |scenario: &str| {
        std::fs::write(folder.0.join("a.toml"), scenario).unwrap();
        let output = sim(&["run", "a.toml"], &folder.0);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = run(TYPED);
    assert!(told.contains("a.toml line 11: cannot read the trace typed.json: "), "{told}");
    std::fs::write(folder.0.join("typed.json"), recorded().replacen("\"word 0 \"", "7", 1))
        .unwrap();
    let told = run(TYPED);
    assert!(told.contains("a.toml line 11: ") && told.contains("at line 2 column"), "{told}");
    std::fs::write(folder.0.join("typed.json"), recorded()).unwrap();
    let told = run(&TYPED.replace("\"typing\"", "\"count\""));
    assert!(told.contains("means nothing for work of the kind Count"), "{told}");
}
