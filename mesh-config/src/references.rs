//! `${NAME}`, `${NAME:-default}` and `$${` in scalars; `file:PATH` as a whole scalar.
//!
//! The replaced text is a value, never syntax: a variable cannot add a key.

use std::borrow::Cow;

use crate::tree::Mistake;

/// Looks up a variable.
pub(crate) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A scalar that begins so is replaced by the file's content.
pub(crate) const FILE: &str = "file:";

/// The text with every variable in place. Borrowed if there was none.
pub(crate) fn replace<'t>(text: &'t str, environment: Environment<'_>) -> Result<Cow<'t, str>, Mistake> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            whole.push_str(escaped);
            whole.push_str("${");
            rest = after;
            continue;
        }
        whole.push_str(before);
        let Some((reference, after)) = after.split_once('}') else {
            return Err(Mistake::new("has a ${ without its }", "write ${NAME}, or $${ for the characters themselves"));
        };
        whole.push_str(&value(reference, environment)?);
        rest = after;
    }
    whole.push_str(rest);
    Ok(Cow::Owned(whole))
}

/// The default counts for a variable that is unset or empty, as in a shell.
fn value(reference: &str, environment: Environment<'_>) -> Result<String, Mistake> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_name(name) {
        return Err(Mistake::new(
            format!("names no variable in ${{{reference}}}"),
            "write ${NAME}, ${NAME:-default}, or $${ for the characters themselves",
        ));
    }
    match (environment(name), default) {
        (Some(set), Some(default)) if set.is_empty() => Ok(default.to_owned()),
        (Some(set), _) => Ok(set),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Mistake::new(
            format!("needs the environment variable {name}, which is not set"),
            format!("set it, or give a default: ${{{name}:-…}}"),
        )),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> Result<String, String> {
        let environment = |name: &str| match name {
            "PORT" => Some("8080".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        replace(text, &environment).map(Cow::into_owned).map_err(|mistake| mistake.is)
    }

    #[test]
    fn variables_defaults_and_escapes() {
        let table = [
            ("127.0.0.1:${PORT}", "127.0.0.1:8080"),
            ("${PORT}${PORT:-1}", "80808080"),
            ("${HOST:-localhost}:1", "localhost:1"),
            ("${EMPTY:-full}|${EMPTY}|", "full||"),
            ("${HOST:-}", ""),
            ("$${PORT} costs $5", "${PORT} costs $5"),
            ("$PORT", "$PORT"),
        ];
        for (text, expected) in table {
            assert_eq!(replaced(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_a_problem() {
        assert_eq!(replaced("${HOST}"), Err("needs the environment variable HOST, which is not set".into()));
        assert_eq!(replaced("a${HOST"), Err("has a ${ without its }".into()));
        assert_eq!(replaced("${}"), Err("names no variable in ${}".into()));
        assert_eq!(replaced("${A B}"), Err("names no variable in ${A B}".into()));
    }

    #[test]
    fn what_a_variable_holds_is_not_replaced_again() {
        let environment = |_: &str| Some("${OTHER}".to_owned());
        assert_eq!(replace("${ONE}", &environment).as_deref(), Ok("${OTHER}"));
    }
}
