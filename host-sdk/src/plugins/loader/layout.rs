//! Says in one line how two layouts of an interface differ.

use abi_stable::{
    abi_stability::abi_checking::{
        AbiInstability, AbiInstabilityErrors, check_layout_compatibility,
    },
    type_layout::{TLFieldOrFunction, TypeLayout},
};

/// The most telling difference between what is expected and what is there, if any.
pub(super) fn difference(
    interface: &'static TypeLayout,
    implementation: &'static TypeLayout,
) -> Option<String> {
    let errors = check_layout_compatibility(interface, implementation).err()?;
    Some(describe(&errors))
}

/// abi_stable reports every type along the way to the one that differs; the innermost is the most specific.
fn describe(errors: &AbiInstabilityErrors) -> String {
    let Some(error) = errors.errors.iter().max_by_key(|error| error.stack_trace.len()) else {
        return "the layouts differ".to_owned();
    };
    // The name of a misplaced field is more specific than a count of fields.
    let named = |error: &&AbiInstability| matches!(error, AbiInstability::UnexpectedField(_));
    let what = error.errs.iter().find(named).or_else(|| error.errs.first());
    let what = what.map_or_else(|| "it differs".to_owned(), one_error);
    let names: Vec<String> =
        error.stack_trace.iter().filter_map(|at| type_of(&at.expected)).collect();
    match where_in(&names) {
        Some(place) => format!("in {place}, {what}"),
        None => what,
    }
}

fn type_of(at: &TLFieldOrFunction) -> Option<String> {
    match at {
        TLFieldOrFunction::Field(field) => Some(field.full_type().to_string()),
        TLFieldOrFunction::Function(_) => None,
    }
}

/// The innermost type that an author of plugins knows: a struct, or the trait that a table of
/// functions (`VTable`) belongs to.
fn where_in(names: &[String]) -> Option<&str> {
    let innermost = names.last()?;
    if innermost != "VTable" {
        return Some(innermost);
    }
    let object = names.iter().rev().find_map(|name| name.strip_suffix("_TO"));
    Some(object.unwrap_or(innermost))
}

fn one_error(error: &AbiInstability) -> String {
    match error {
        AbiInstability::FieldCountMismatch(counts) => {
            format!("{} fields where {} are expected", counts.found, counts.expected)
        }
        AbiInstability::UnexpectedField(fields) => {
            let (found, expected) = (fields.found.name(), fields.expected.name());
            format!("{found} where {expected} is expected")
        }
        AbiInstability::Name(names) => {
            let (found, expected) = (&names.found, &names.expected);
            format!("the type {found} where {expected} is expected")
        }
        AbiInstability::Size(sizes) => {
            format!("{} bytes where {} are expected", sizes.found, sizes.expected)
        }
        AbiInstability::PackageVersion(versions) => {
            format!("version {} where {} is expected", versions.found, versions.expected)
        }
        AbiInstability::MismatchedPrefixSize(sizes) => {
            let (found, expected) = (sizes.found, sizes.expected);
            format!("a prefix of {found} fields where {expected} are expected")
        }
        other => one_line(&format!("{other:?}")),
    }
}

/// The start of a text, on one line.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 160;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
