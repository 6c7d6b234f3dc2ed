//! Names of hosts, as DNS can hold them.

use std::fmt;

/// The most bytes of a name, without the dot that may end it.
const LONGEST_NAME: usize = 253;
/// The most bytes between two dots.
const LONGEST_LABEL: usize = 63;

/// The name of a host: labels of ASCII letters, digits, hyphens and underscores between dots.
///
/// Underscores are no part of a host's name by the letter, but DNS holds them, and networks of containers
/// give such names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// The name, if it is one. Names in other scripts come in their ASCII form.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_name = name.len() <= LONGEST_NAME && name.split('.').all(is_label);
        is_name.then(|| Self(name.to_ascii_lowercase()))
    }

    /// Whether the name leads to the machine itself by definition (RFC 6761).
    pub fn is_localhost(&self) -> bool {
        self.0 == "localhost" || self.0.ends_with(".localhost")
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(known)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_between_dots() {
        let longest_label = "a".repeat(63);
        let longest = format!("{0}.{0}.{0}.{1}", longest_label, "b".repeat(61));
        for name in [
            "example.com",
            "a",
            "1.example",
            "example.com.",
            "xn--bcher-kva.example",
            "my_hook",
            &longest,
        ] {
            assert!(HostName::parse(name).is_some(), "{name}");
        }
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "a..",
            "-a.com",
            "a-.com",
            "*.example.com",
            "x,y.com",
            "b\u{fc}cher",
            &format!("{longest_label}a.com"),
            &format!("{longest}b"),
        ] {
            assert_eq!(HostName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn some_names_are_the_machine_itself() {
        let is_localhost = |name| HostName::parse(name).is_some_and(|name| name.is_localhost());
        assert!(is_localhost("localhost") && is_localhost("A.Localhost."));
        assert!(!is_localhost("notlocalhost") && !is_localhost("localhost.example"));
    }
}
