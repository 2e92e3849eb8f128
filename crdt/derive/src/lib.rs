//! `#[derive(Crdt)]` for structs of data types; re-exported by `meshwork-crdt`, which has the rest.
//!
//! A struct with attributes → `declared`: what they say, or why that makes no sense → `written`: the
//! implementations. All that needs no macro is in `meshwork_crdt::product`.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod declared;
mod written;

/// Makes a struct of data types a data type.
///
/// Its fields are joined side by side. Byte for byte it is a record of them, so that a node which lacks the
/// Rust type still merges, shows, explains and edits it.
///
/// ```
/// use meshwork_crdt::{
///     AwSet, Causal, Crdt, HybridTime, Lattice, LogId, LwwRegister, PnCounter, Record, Text, Writer,
/// };
///
/// #[derive(Crdt, Clone, Debug, Default, PartialEq)]
/// struct Author {
///     #[crdt(lww)]
///     name: LwwRegister<String>,
/// }
///
/// #[derive(Crdt, Clone, Debug, Default, PartialEq)]
/// #[crdt(rename_all = "camelCase")]
/// struct Todo {
///     #[crdt(lww, default = "untitled")]
///     title: LwwRegister<String>,
///     #[crdt(counter, rename = "stars")]
///     votes: PnCounter,
///     #[crdt(text)]
///     long_notes: Text,
///     tags: AwSet<String>,
///     #[crdt(nested)]
///     author: Author,
///     #[crdt(rest)]
///     rest: Record,
/// }
///
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut one = Causal::<Todo>::default();
/// let mut two = one.clone();
/// assert_eq!(one.value_at(&["title".into()]), Some("untitled".into()));
///
/// // A change says what it changes, and takes the rest from the default, which says nothing.
/// one.edit(&at(1), |todo, change| Todo {
///     title: todo.title.set(change, "Milk".to_owned()),
///     tags: todo.tags.add(change, "shop".to_owned()),
///     ..Todo::default()
/// });
/// two.edit(&at(2), |todo, change| Todo {
///     votes: todo.votes.add(change, 2),
///     author: Author { name: todo.author.name.set(change, "Ann".to_owned()) },
///     ..Todo::default()
/// });
/// one.join(two);
/// assert_eq!(
///     one.value().to_string(),
///     r#"{"author":{"name":"Ann"},"longNotes":"","stars":2,"tags":["shop"],"title":"Milk"}"#
/// );
/// ```
///
/// # Fields
/// Each field is of a type that is `Described`: one of the catalogue, or a struct with this derive. A field is
/// known to others by its name and its shape; to change either is to remove the field and to add another.
/// One of these words says what type is meant; if the type is of another kind, the struct does not compile:
///
/// | word | the type is |
/// |---|---|
/// | `lww`, `mv` | the register whose latest write wins; that keeps concurrent writes |
/// | `counter`, `flag`, `set`, `map` | any of that family |
/// | `list`, `text`, `rich_text` | that |
/// | `nested` | a struct with this derive |
/// | `with = "path"` | one that the `const fn(&About) -> bool` of that name accepts |
///
/// Further words:
/// - `rename = "name"`: the name by which others know the field. `rename_all = "camelCase"`, `"kebab-case"` or
///   `"snake_case"` on the struct writes every other name that way.
/// - `default = value`: what `value`, `value_at` and `explain` show while nothing is known in the field; anything
///   from which there is a `Value`. A path is a function, which is called. Nothing is written by it.
/// - `skip`: the field stays here. It is `Default` wherever a value is decoded or made, a join leaves it alone,
///   and no bytes, values or paths mention it. The derived `PartialEq` does compare it, by which replicas that
///   differ in it differ: `meshwork_crdt::product::Local<T>` is a type for such fields that is always equal.
/// - `rest`: a `Record` that keeps what the struct has no place for: fields of newer programs, fields of another
///   shape, and who put the known ones there. It shows in `value` and is reached by paths. Write to it
///   (`todo.rest.call(…)`) under unknown names only.
///
/// # What a struct does not know
/// With a `rest`, everything is kept and passed on. Without one, decoding refuses bytes that say more than the
/// struct can keep; `Object::store` and `Edit::typed`, which only look, leave it out. A struct inside another
/// has a `rest` of its own.
///
/// A change in words notes who put a field there, and so does `Edit::typed`; `Causal::edit` with a struct update
/// does not. So a field whose type holds no dots (a counter, the largest value) and that was only changed in that
/// way does not show to those who lack the type.
///
/// # Generics
/// Parameters need the bounds that make the fields `Described`, and what the standard derives ask for:
/// `struct Page<T: Datum + Default>`. A struct that contains itself has no shape; directly it does not compile,
/// by way of other structs `shape` does not return.
#[proc_macro_derive(Crdt, attributes(crdt))]
pub fn derive(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    match declared::Struct::read(input) {
        Ok(declared) => written::implementations(&declared).into(),
        Err(errors) => errors.into_compile_error().into(),
    }
}
