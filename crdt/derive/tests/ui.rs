//! What the compiler says to structs that cannot be derived. `TRYBUILD=overwrite` rewrites what is expected.

#[test]
fn what_makes_no_sense_is_said_where_it_stands() {
    let cases = trybuild::TestCases::new();
    // With one that passes, all are built to the end: the checks of generic structs come that late.
    cases.pass("tests/ui/a_generic.rs");
    for refused in [
        "a_rest_of_another_type",
        "a_union",
        "an_enum",
        "another_kind",
        "another_kind_in_a_generic",
        "contradictions",
        "duplicate_names",
        "malformed_attributes",
        "nested_that_is_no_struct",
        "tuple_and_unit_structs",
        "two_rests",
        "unknown_attributes",
    ] {
        cases.compile_fail(format!("tests/ui/{refused}.rs"));
    }
}
