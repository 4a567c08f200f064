//! Says in one line how two layouts of an interface differ.

use abi_stable::{
    abi_stability::abi_checking::{
        AbiInstability, AbiInstabilityErrors, check_layout_compatibility,
    },
    type_layout::TypeLayout,
};

/// The most telling difference between what is expected and what is there, if any.
pub(super) fn difference(
    interface: &'static TypeLayout,
    implementation: &'static TypeLayout,
) -> Option<String> {
    let errors = check_layout_compatibility(interface, implementation).err()?;
    Some(describe(&errors))
}

/// abi_stable reports every type along the way to the one that differs; the innermost tells most.
fn describe(errors: &AbiInstabilityErrors) -> String {
    let deepest = errors.errors.iter().max_by_key(|error| error.stack_trace.len());
    let Some(error) = deepest else { return "the layouts differ".to_owned() };
    let what = error.errs.iter().map(one_error).next().unwrap_or_else(|| "it differs".to_owned());
    match error.stack_trace.last() {
        Some(at) => format!("in {}, {what}", one_line(&at.expected.to_string())),
        None => what,
    }
}

fn one_error(error: &AbiInstability) -> String {
    match error {
        AbiInstability::FieldCountMismatch(counts) => {
            format!("{} fields where {} are expected", counts.found, counts.expected)
        }
        AbiInstability::UnexpectedField(fields) => {
            let (found, expected) = (fields.found.name(), fields.expected.name());
            format!("the field {found} where {expected} is expected")
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
