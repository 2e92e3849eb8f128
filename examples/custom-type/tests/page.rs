//! The page that leads a newcomer here shows this program as it is.

#[test]
fn the_page_shows_the_program_and_what_it_prints() {
    let page = include_str!("../../../docs/custom-types.md");
    let program = include_str!("../src/main.rs");
    assert!(page.contains(program), "docs/custom-types.md shows another program");
    assert!(program.lines().count() < 60);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_custom-type")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(page.contains(&printed), "the page shows something else than\n{printed}");
}
