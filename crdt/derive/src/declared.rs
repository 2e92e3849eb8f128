//! What a struct and its `#[crdt(…)]` attributes declare, or why that makes no sense.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, Fields, Generics, Ident, LitStr, Path, Result, Type,
};

/// As many fields as a record can declare (`SHAPE_FIELDS_MAX`).
const FIELDS_MAX: usize = 256;

/// A struct as declared.
pub(crate) struct Struct {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// The fields that are sent, ascending by name.
    pub(crate) fields: Vec<Field>,
    /// The field that keeps what the struct does not know.
    pub(crate) rest: Option<Local>,
    /// The fields that stay here.
    pub(crate) skipped: Vec<Local>,
}

/// A field that is sent.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// Its name in bytes, values and paths.
    pub(crate) name: String,
    pub(crate) strategy: Option<Strategy>,
    /// What it shows while nothing is written.
    pub(crate) unwritten: Option<Expr>,
}

/// A field that is no field of the record.
pub(crate) struct Local {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
}

/// How a field is declared to settle conflicts.
pub(crate) enum Strategy {
    /// A word, and the variant of `product::Strategy` that stands for it.
    Word(&'static str, Ident),
    /// A struct with the same derive.
    Nested,
    /// A function from `&About` to `bool`.
    With(Path),
}

/// The words for strategies, with the variants that stand for them.
const WORDS: [(&str, &str); 9] = [
    ("lww", "Lww"),
    ("mv", "Mv"),
    ("counter", "Counter"),
    ("flag", "Flag"),
    ("set", "Set"),
    ("map", "Map"),
    ("list", "List"),
    ("text", "Text"),
    ("rich_text", "RichText"),
];

/// What the attributes of one field say.
#[derive(Default)]
struct Said {
    strategy: Option<(Span, Strategy)>,
    rename: Option<LitStr>,
    unwritten: Option<(Span, Expr)>,
    skip: Option<Span>,
    rest: Option<Span>,
}

/// How names of fields are written.
#[derive(Clone, Copy)]
enum Case {
    Camel,
    Kebab,
    Snake,
}

impl Struct {
    /// Reads a struct.
    pub(crate) fn read(input: DeriveInput) -> Result<Self> {
        let what = match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(_) => None,
                Fields::Unnamed(fields) => Some((fields.span(), "a tuple struct")),
                Fields::Unit => Some((input.ident.span(), "a unit struct")),
            },
            Data::Enum(data) => Some((data.enum_token.span, "an enum")),
            Data::Union(data) => Some((data.union_token.span, "a union")),
        };
        if let Some((span, what)) = what {
            let why = "only a struct with named fields can be `Crdt`: each field needs a name that \
                       other programs know it by";
            return Err(Error::new(span, format!("{what} cannot be `Crdt`; {why}")));
        }
        let Data::Struct(data) = input.data else {
            return Err(Error::new(input.ident.span(), "only structs can be `Crdt`"));
        };
        let mut errors = Errors::default();
        let case = errors.note(case_of(&input.attrs)).flatten();
        let mut found = Self {
            ident: input.ident,
            generics: input.generics,
            fields: Vec::new(),
            rest: None,
            skipped: Vec::new(),
        };
        for field in data.fields {
            errors.note(found.take(field, case));
        }
        found.fields.sort_by(|one, two| one.name.cmp(&two.name));
        for (first, second) in found.fields.iter().zip(found.fields.iter().skip(1)) {
            if first.name == second.name {
                let text = format!("two fields are named `{}`", first.name);
                errors.note::<()>(Err(Error::new(second.ident.span(), text)));
            }
        }
        if let Some(field) = found.fields.get(FIELDS_MAX) {
            let text = format!("a struct can have at most {FIELDS_MAX} fields");
            errors.note::<()>(Err(Error::new(field.ident.span(), text)));
        }
        errors.none_or(found)
    }

    /// Takes in a field.
    fn take(&mut self, field: syn::Field, case: Option<Case>) -> Result<()> {
        let Some(ident) = field.ident.clone() else {
            return Err(Error::new(field.span(), "the field has no name"));
        };
        let said = Said::read(&field.attrs)?;
        let local = said.skip.map(|span| (span, "skip")).or(said.rest.map(|span| (span, "rest")));
        if let Some((span, word)) = local {
            let other = [
                said.rest.filter(|_| word != "rest"),
                said.strategy.as_ref().map(|(span, _)| *span),
                said.rename.as_ref().map(LitStr::span),
                said.unwritten.as_ref().map(|(span, _)| *span),
            ];
            if let Some(other) = other.into_iter().flatten().next() {
                let text = format!(
                    "a field marked `{word}` is no field of the record; nothing else can be \
                     said of it"
                );
                return Err(Error::new(other, text));
            }
            let local = Local { ident, ty: field.ty };
            if word == "skip" {
                self.skipped.push(local);
            } else if self.rest.replace(local).is_some() {
                return Err(Error::new(span, "only one field can keep the rest"));
            }
            return Ok(());
        }
        if is_itself(&field.ty, &self.ident) {
            return Err(Error::new(
                field.ty.span(),
                "a struct cannot contain itself: its shape would have no end",
            ));
        }
        let name = match said.rename {
            Some(name) => name.value(),
            None => {
                let name = ident.to_string();
                let name = name.strip_prefix("r#").unwrap_or(&name);
                case.map_or_else(|| name.to_owned(), |case| case.write(name))
            }
        };
        self.fields.push(Field {
            ident,
            ty: field.ty,
            name,
            strategy: said.strategy.map(|(_, strategy)| strategy),
            unwritten: said.unwritten.map(|(_, unwritten)| unwritten),
        });
        Ok(())
    }
}

impl Said {
    fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut said = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("crdt")) {
            attribute.parse_nested_meta(|meta| said.take(&meta))?;
        }
        Ok(said)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let span = meta.path.span();
        let Some(word) = meta.path.get_ident().map(Ident::to_string) else {
            return Err(meta.error(unknown_field_word()));
        };
        if let Some((word, variant)) = WORDS.into_iter().find(|(known, _)| *known == word) {
            return self.declare(span, Strategy::Word(word, Ident::new(variant, span)));
        }
        match word.as_str() {
            "nested" => self.declare(span, Strategy::Nested),
            "with" => {
                let path: LitStr = meta.value()?.parse()?;
                self.declare(span, Strategy::With(path.parse()?))
            }
            "rename" => {
                let name: LitStr = meta.value()?.parse()?;
                if name.value().is_empty() {
                    return Err(Error::new(name.span(), "a field needs a name"));
                }
                once(&mut self.rename, name, span, "rename")
            }
            "default" => {
                let unwritten = meta.value()?.parse()?;
                once(&mut self.unwritten, (span, unwritten), span, "default")
            }
            "skip" => once(&mut self.skip, span, span, "skip"),
            "rest" => once(&mut self.rest, span, span, "rest"),
            "rename_all" => Err(meta.error("`rename_all` is said of the struct, not of a field")),
            _ => Err(meta.error(unknown_field_word())),
        }
    }

    fn declare(&mut self, span: Span, strategy: Strategy) -> Result<()> {
        if self.strategy.is_some() {
            return Err(Error::new(span, "a field can have only one strategy"));
        }
        self.strategy = Some((span, strategy));
        Ok(())
    }
}

fn unknown_field_word() -> String {
    let words = WORDS.map(|(word, _)| format!("`{word}`")).join(", ");
    format!(
        "this is no attribute of a field; there are {words}, `nested`, `with = \"path\"`, \
         `rename = \"name\"`, `default = value`, `skip` and `rest`"
    )
}

fn once<T>(place: &mut Option<T>, value: T, span: Span, word: &str) -> Result<()> {
    if place.replace(value).is_some() {
        return Err(Error::new(span, format!("`{word}` is said twice")));
    }
    Ok(())
}

/// Whether a type is the struct under its own name.
fn is_itself(ty: &Type, ident: &Ident) -> bool {
    let Type::Path(path) = ty else { return false };
    let alone = path.path.segments.len() == 1;
    path.path.segments.iter().any(|segment| {
        let inside = match &segment.arguments {
            syn::PathArguments::AngleBracketed(arguments) => arguments.args.iter().any(|argument| {
                matches!(argument, syn::GenericArgument::Type(ty) if is_itself(ty, ident))
            }),
            _ => false,
        };
        inside || alone && (segment.ident == *ident || segment.ident == "Self")
    })
}

/// What the attributes of a struct say about names.
fn case_of(attributes: &[Attribute]) -> Result<Option<Case>> {
    let mut case = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("crdt")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("rename_all") {
                return Err(
                    meta.error("this is no attribute of a struct; there is `rename_all = \"…\"`")
                );
            }
            let written: LitStr = meta.value()?.parse()?;
            let found = match written.value().as_str() {
                "camelCase" => Case::Camel,
                "kebab-case" => Case::Kebab,
                "snake_case" => Case::Snake,
                _ => {
                    return Err(Error::new(
                        written.span(),
                        "names can be in `camelCase`, `kebab-case` or `snake_case`",
                    ));
                }
            };
            once(&mut case, found, meta.path.span(), "rename_all")
        })?;
    }
    Ok(case)
}

impl Case {
    fn write(self, name: &str) -> String {
        match self {
            Self::Snake => name.to_owned(),
            Self::Kebab => name.replace('_', "-"),
            Self::Camel => {
                let mut written = String::new();
                let mut upper = false;
                for letter in name.chars() {
                    if letter == '_' {
                        upper = !written.is_empty();
                    } else if std::mem::take(&mut upper) {
                        written.extend(letter.to_uppercase());
                    } else {
                        written.push(letter);
                    }
                }
                written
            }
        }
    }
}

/// Everything that is wrong, so that it can be said at once.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                match &mut self.0 {
                    Some(errors) => errors.combine(error),
                    None => self.0 = Some(error),
                }
                None
            }
        }
    }

    fn none_or<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(input: DeriveInput) -> Option<String> {
        Struct::read(input).err().map(|error| error.to_string())
    }

    #[test]
    fn a_struct_cannot_contain_itself() {
        let endless =
            Some("a struct cannot contain itself: its shape would have no end".to_owned());
        for field in ["Tree", "Self", "AwMap<String, Tree>", "AwMap<String, AwMap<String, Self>>"] {
            let ty: Type = syn::parse_str(field).unwrap();
            let input = syn::parse_quote!(struct Tree { title: Text, children: #ty });
            assert_eq!(refusal(input), endless, "{field}");
        }
        for field in ["other::Tree", "AwMap<String, Trees>", "AwMap<String, other::Tree>"] {
            let ty: Type = syn::parse_str(field).unwrap();
            let input = syn::parse_quote!(struct Tree { title: Text, children: #ty });
            assert_eq!(refusal(input), None, "{field}");
        }
    }

    #[test]
    fn a_struct_has_as_many_fields_as_a_record_can_declare() {
        let fields = |count: usize| {
            let names = (0..count).map(|at| Ident::new(&format!("f{at}"), Span::call_site()));
            syn::parse_quote!(struct Wide { #(#names: Text),* })
        };
        assert_eq!(refusal(fields(FIELDS_MAX)), None);
        let wide = refusal(fields(FIELDS_MAX + 1));
        assert_eq!(wide, Some("a struct can have at most 256 fields".to_owned()));
    }

    #[test]
    fn names_are_written_in_the_case_asked_for() {
        for (name, camel, kebab) in [
            ("due_date", "dueDate", "due-date"),
            ("_due__date2_x", "dueDate2X", "-due--date2-x"),
            ("plain", "plain", "plain"),
        ] {
            assert_eq!(Case::Camel.write(name), camel);
            assert_eq!(Case::Kebab.write(name), kebab);
            assert_eq!(Case::Snake.write(name), name);
        }
    }
}
