//! The implementations that are written for a struct.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident, Type};

use crate::declared::{Field, Strategy, Struct};

/// Everything that is written for a struct.
pub(crate) fn implementations(declared: &Struct) -> TokenStream {
    let mut generics = declared.generics.clone();
    if generics.type_params().next().is_some() {
        // What the standard derives demand of the parameters is demanded here too.
        generics.make_where_clause().predicates.push(syn::parse_quote!(
            Self: ::core::clone::Clone
                + ::core::fmt::Debug
                + ::core::default::Default
                + ::core::cmp::PartialEq
        ));
    }
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let ident = &declared.ident;
    let head = |of: TokenStream| {
        quote! {
            #[automatically_derived]
            #[allow(unused_variables, clippy::all, clippy::pedantic)]
            impl #parameters #of for #ident #arguments #bounds
        }
    };
    let product = head(quote!(::meshwork_crdt::product::Product));
    let product_body = product_body(declared);
    let store = head(quote!(::meshwork_crdt::DotStore));
    let store_body = store_body(declared);
    let encode = head(quote!(::meshwork_crdt::Encode));
    let decode = head(quote!(::meshwork_crdt::Decode));
    let crdt = head(quote!(::meshwork_crdt::Crdt));
    let described = head(quote!(::meshwork_crdt::Described));
    let checks = checks(declared);
    let generic = !declared.generics.params.is_empty();
    let (outside, inside) = if generic { (None, Some(&checks)) } else { (Some(&checks), None) };
    let shapes = declared.fields.iter().map(|Field { name, ty, .. }| {
        let shape = quote_spanned!(ty.span()=> <#ty as ::meshwork_crdt::Described>::shape());
        quote!((::std::string::String::from(#name), #shape))
    });
    quote! {
        const _: () = {
            #outside
            #product { #product_body }
            #store { #store_body }
            #encode {
                fn encode(&self, out: &mut ::meshwork_crdt::Encoder<'_>) {
                    ::meshwork_crdt::product::encode(self, out);
                }
            }
            #decode {
                fn decode(
                    from: &mut ::meshwork_crdt::Decoder<'_>,
                ) -> ::core::result::Result<Self, ::meshwork_crdt::DecodeError> {
                    ::meshwork_crdt::product::decode(from)
                }
            }
            #crdt {
                fn value(&self) -> ::meshwork_crdt::Value {
                    ::meshwork_crdt::product::value(self)
                }
                fn value_at(
                    &self,
                    path: &[::meshwork_crdt::Value],
                ) -> ::core::option::Option<::meshwork_crdt::Value> {
                    ::meshwork_crdt::product::value_at(self, path)
                }
                fn explain(
                    &self,
                    path: &[::meshwork_crdt::Value],
                ) -> ::core::option::Option<::meshwork_crdt::Explanation> {
                    ::meshwork_crdt::product::explain(self, path)
                }
                fn claims(&self) -> ::std::vec::Vec<::meshwork_crdt::Claim> {
                    ::meshwork_crdt::product::claims(self)
                }
                fn call(
                    &self,
                    change: &mut ::meshwork_crdt::Change,
                    path: &[::meshwork_crdt::Value],
                    call: &::meshwork_crdt::Call,
                ) -> ::core::result::Result<Self, ::meshwork_crdt::EditError> {
                    ::meshwork_crdt::product::call(self, change, path, call)
                }
                fn about(&self) -> &'static ::meshwork_crdt::About {
                    &<::meshwork_crdt::Record as ::meshwork_crdt::Catalogued>::ABOUT
                }
            }
            #described {
                fn shape() -> ::meshwork_crdt::Shape {
                    #inside
                    ::meshwork_crdt::Shape::record([#(#shapes),*])
                }
            }
        };
    }
}

fn product_body(declared: &Struct) -> TokenStream {
    let names: Vec<&String> = declared.fields.iter().map(|field| &field.name).collect();
    let idents: Vec<&Ident> = declared.fields.iter().map(|field| &field.ident).collect();
    let unwritten = declared.fields.iter().filter_map(|Field { name, unwritten, .. }| {
        let unwritten = unwritten.as_ref()?;
        let shown = match unwritten {
            Expr::Path(function) => quote_spanned!(function.span()=> #function()),
            value => value.to_token_stream(),
        };
        let shown = quote_spanned!(unwritten.span()=> ::meshwork_crdt::Value::from(#shown));
        Some(quote!(#name => ::core::option::Option::Some(#shown)))
    });
    let (rest, rest_mut) = match &declared.rest {
        None => (quote!(::core::option::Option::None), quote!(::core::option::Option::None)),
        Some(rest) => {
            let ident = &rest.ident;
            let span = rest.ty.span();
            let rest = quote_spanned! {span=>
                let rest: &::meshwork_crdt::Record = &self.#ident;
            };
            let rest_mut = quote_spanned! {span=>
                let rest: &mut ::meshwork_crdt::Record = &mut self.#ident;
            };
            (
                quote!(#rest ::core::option::Option::Some(rest)),
                quote!(#rest_mut ::core::option::Option::Some(rest)),
            )
        }
    };
    quote! {
        const FIELDS: &'static [&'static str] = &[#(#names),*];

        fn part(
            &self,
            name: &str,
        ) -> ::core::option::Option<&dyn ::meshwork_crdt::product::Part> {
            match name {
                #(#names => ::core::option::Option::Some(&self.#idents),)*
                _ => ::core::option::Option::None,
            }
        }

        fn change_part(
            &self,
            name: &str,
            change: &mut ::meshwork_crdt::Change,
            path: &[::meshwork_crdt::Value],
            call: &::meshwork_crdt::Call,
        ) -> ::core::result::Result<Self, ::meshwork_crdt::EditError> {
            match name {
                #(#names => ::core::result::Result::Ok(Self {
                    #idents: ::meshwork_crdt::Crdt::call(&self.#idents, change, path, call)?,
                    ..<Self as ::core::default::Default>::default()
                }),)*
                _ => ::core::result::Result::Err(::meshwork_crdt::EditError::NoSuchPlace {
                    step: ::std::string::String::from(name),
                }),
            }
        }

        fn read_part(
            &mut self,
            name: &str,
            from: &mut ::meshwork_crdt::Decoder<'_>,
        ) -> ::core::result::Result<(), ::meshwork_crdt::DecodeError> {
            match name {
                #(#names => {
                    self.#idents = ::meshwork_crdt::Decode::decode(from)?;
                    ::core::result::Result::Ok(())
                })*
                _ => ::core::result::Result::Err(::meshwork_crdt::DecodeError::Invalid),
            }
        }

        fn unwritten(name: &str) -> ::core::option::Option<::meshwork_crdt::Value> {
            match name {
                #(#unwritten,)*
                _ => ::core::option::Option::None,
            }
        }

        fn rest(&self) -> ::core::option::Option<&::meshwork_crdt::Record> {
            #rest
        }

        fn rest_mut(&mut self) -> ::core::option::Option<&mut ::meshwork_crdt::Record> {
            #rest_mut
        }
    }
}

/// The struct as a store: field by field, `rest` among them.
fn store_body(declared: &Struct) -> TokenStream {
    let stores: Vec<&Ident> = declared
        .fields
        .iter()
        .map(|field| &field.ident)
        .chain(declared.rest.iter().map(|rest| &rest.ident))
        .collect();
    quote! {
        fn join_store(
            &mut self,
            seen: &::meshwork_crdt::CausalContext,
            other: Self,
            theirs: &::meshwork_crdt::CausalContext,
            turnover: &mut ::meshwork_crdt::Turnover,
        ) -> bool {
            let mut changed = ::meshwork_crdt::product::settle(self);
            let mut other = other;
            ::meshwork_crdt::product::settle(&mut other);
            #(changed |= ::meshwork_crdt::DotStore::join_store(
                &mut self.#stores,
                seen,
                other.#stores,
                theirs,
                turnover,
            );)*
            changed
        }

        fn dots(&self, each: &mut dyn ::core::ops::FnMut(::meshwork_crdt::DotRange)) {
            #(::meshwork_crdt::DotStore::dots(&self.#stores, each);)*
        }

        fn store_since(&self, seen: &::meshwork_crdt::CausalContext) -> Self {
            Self {
                #(#stores: ::meshwork_crdt::DotStore::store_since(&self.#stores, seen),)*
                ..<Self as ::core::default::Default>::default()
            }
        }

        fn split_store(self) -> ::std::vec::Vec<Self> {
            let mut parts = ::std::vec::Vec::new();
            #(if !::meshwork_crdt::DotStore::is_bottom(&self.#stores) {
                let stores = ::meshwork_crdt::DotStore::split_store(self.#stores);
                parts.extend(stores.into_iter().map(|store| Self {
                    #stores: store,
                    ..<Self as ::core::default::Default>::default()
                }));
            })*
            parts
        }

        fn authored_by(&self, author: ::meshwork_crdt::LogId) -> bool {
            true #(&& ::meshwork_crdt::DotStore::authored_by(&self.#stores, author))*
        }

        fn is_bottom(&self) -> bool {
            true #(&& ::meshwork_crdt::DotStore::is_bottom(&self.#stores))*
        }

        fn is_live(&self) -> bool {
            false #(|| ::meshwork_crdt::DotStore::is_live(&self.#stores))*
        }
    }
}

/// That the types of fields are what the attributes say.
fn checks(declared: &Struct) -> TokenStream {
    let checks = declared.fields.iter().filter_map(|field| {
        let Field { ident, ty, strategy, .. } = field;
        Some(match strategy.as_ref()? {
            Strategy::Word(word, variant) => {
                let test = quote_spanned! {ty.span()=>
                    ::meshwork_crdt::product::Strategy::#variant
                        .suits(&<#ty as ::meshwork_crdt::Catalogued>::ABOUT)
                };
                check(ident, ty, word, &test)
            }
            Strategy::With(path) => {
                let about = quote_spanned! {ty.span()=>
                    &<#ty as ::meshwork_crdt::Catalogued>::ABOUT
                };
                let word = format!("with = \"{}\"", path.to_token_stream());
                check(ident, ty, &word, &quote_spanned!(path.span()=> #path(#about)))
            }
            Strategy::Nested => quote_spanned! {ty.span()=>
                {
                    const fn nested<S: ::meshwork_crdt::product::Product>() {}
                    nested::<#ty>();
                }
            },
        })
    });
    let checks: Vec<TokenStream> = checks.collect();
    if declared.generics.params.is_empty() {
        quote!(#(const _: () = #checks;)*)
    } else {
        quote!(#(const { #checks };)*)
    }
}

fn check(ident: &Ident, ty: &Type, word: &str, test: &TokenStream) -> TokenStream {
    let text = format!("field `{ident}` is declared `{word}` but is of another kind");
    quote_spanned!(ty.span()=> ::core::assert!(#test, #text))
}
