//! The whole help reference, as one snapshot.

#[test]
fn the_help_reference_is_what_it_was() {
    insta::assert_snapshot!(meshwork::cli::reference());
}
