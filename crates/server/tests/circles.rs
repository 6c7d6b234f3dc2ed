//! Inside a crate, files import each other in one direction: whoever reads one file needs those below it
//! and none above. `Cargo.toml` says which crates may import which; this says it of files.
//!
//! A file and the one that its module lies in are excepted: a parent declares its children and hands on what
//! is in them, and they use what is in it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(crates).unwrap() {
        let directory = entry.unwrap().path();
        let mut files = BTreeMap::new();
        read(&directory.join("src"), &mut Vec::new(), &mut files);
        let name = directory.file_name().unwrap().to_str().unwrap();
        found.extend(circles(&files).iter().map(|it| format!("{name}: {it}")));
    }
    assert!(
        found.is_empty(),
        "files import each other in a circle; move what they share into a file below them: {found:#?}"
    );
}

#[test]
fn a_circle_is_found_however_it_is_closed() {
    let circle = |b: &str| {
        let files = [
            ("a", "use super::b::B;"),
            ("b", b),
            ("b::c", ""),
            ("", "mod a; mod b;"),
        ];
        let files = files.map(|(name, text)| (module(name), text.parse().unwrap()));
        circles(&files.into()).into_iter().collect::<Vec<_>>()
    };
    let there = ["a → b → a"];
    assert_eq!(circle("use crate::a::A;"), there);
    assert_eq!(
        circle("use crate::{c::{self, C}, a::{A as Other, *}};"),
        there
    );
    assert_eq!(circle("fn f() { vec![super::a::A] }"), there);
    let none: [&str; 0] = [];
    assert_eq!(circle("// use crate::a::A;"), none);
    assert_eq!(circle("#[cfg(test)] mod tests { use crate::a::A; }"), none);
    assert_eq!(circle("mod c; use c::C; use super::B; use other::a;"), none);
}

/// The names on the way from the crate's root to a module; each file is one.
type Module = Vec<String>;

fn module(path: &str) -> Module {
    let names = path.split("::").filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The files below a directory, but for tests and what is not part of the library.
fn read(directory: &Path, at: &mut Module, files: &mut BTreeMap<Module, TokenStream>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            at.push(name);
            read(&path, at, files);
            at.pop();
        } else if path.extension().is_some_and(|it| it == "rs")
            && !["tests", "main"].contains(&name.as_str())
        {
            let mut module = at.clone();
            module.extend(Some(name).filter(|name| name != "mod" && name != "lib"));
            let text = fs::read_to_string(&path).unwrap();
            files.insert(module, text.parse().unwrap());
        }
    }
}

/// The shortest circle through each file that is in one.
fn circles(files: &BTreeMap<Module, TokenStream>) -> BTreeSet<String> {
    let imports: BTreeMap<_, _> = files
        .iter()
        .map(|(file, tokens)| (file, imports(file, tokens, files)))
        .collect();
    let shortest = files.keys().filter_map(|start| {
        let mut from = BTreeMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(file) = next.pop_front() {
            for imported in &imports[file] {
                if !from.contains_key(imported) {
                    from.insert(imported, file);
                    next.push_back(imported);
                }
            }
        }
        let mut circle = vec![*from.get(start)?];
        while circle[0] != start {
            circle.insert(0, from[circle[0]]);
        }
        let first = (0..circle.len()).min_by_key(|&at| circle[at])?;
        circle.rotate_left(first);
        circle.push(circle[0]);
        let names: Vec<_> = circle.iter().map(|module| module.join("::")).collect();
        Some(names.join(" → "))
    });
    shortest.collect()
}

/// The files that a file names, but for its parent and its children.
fn imports(
    file: &Module,
    tokens: &TokenStream,
    files: &BTreeMap<Module, TokenStream>,
) -> BTreeSet<Module> {
    let mut names = Names {
        file,
        files,
        modules: BTreeMap::new(),
        named: BTreeSet::new(),
    };
    let mut flat = Vec::new();
    flatten(tokens.clone(), &mut flat);
    names.read(&flat);
    let lies_in = |one: &Module, other: &Module| one.split_last().is_some_and(|it| it.1 == other);
    names
        .named
        .retain(|other| other != file && !lies_in(other, file) && !lies_in(file, other));
    names.named
}

/// The tokens one after the other, groups and all. What a text says is none.
fn flatten(tokens: TokenStream, flat: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::None => ("", ""),
                };
                flat.push(open.to_owned());
                flatten(group.stream(), flat);
                flat.push(close.to_owned());
            }
            TokenTree::Punct(sign) if sign.as_char() == ':' => match flat.last_mut() {
                Some(last) if last == ":" => last.push(':'),
                _ => flat.push(":".to_owned()),
            },
            TokenTree::Literal(_) => flat.push("\"\"".to_owned()),
            token => flat.push(token.to_string()),
        }
    }
}

/// What one file names.
struct Names<'a> {
    file: &'a Module,
    files: &'a BTreeMap<Module, TokenStream>,
    /// Modules by the names that they were imported under.
    modules: BTreeMap<String, Module>,
    named: BTreeSet<Module>,
}

impl Names<'_> {
    fn read(&mut self, tokens: &[String]) {
        const OF_TESTS: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            if rest.len() > OF_TESTS.len() && rest.iter().zip(OF_TESTS).all(|(it, of)| it == of) {
                at += OF_TESTS.len() + item(&rest[OF_TESTS.len()..]);
            } else if tokens[at] == "use" && rest[1] != "<" {
                at = self.tree(tokens, at + 1, Vec::new());
            } else if rest.get(1).is_some_and(|it| it == "::") {
                let names = rest
                    .chunks(2)
                    .take_while(|it| it.len() == 2 && it[1] == "::");
                let mut path: Module = names.map(|it| it[0].clone()).collect();
                at += 2 * path.len();
                path.extend(tokens.get(at).cloned());
                self.name(&path, None);
            } else {
                at += 1;
            }
        }
    }

    /// One branch of what is used, from `at` on; answers where it ends.
    fn tree(&mut self, tokens: &[String], mut at: usize, mut path: Module) -> usize {
        loop {
            match tokens[at].as_str() {
                "::" => {}
                "{" => {
                    while tokens[at] != "}" {
                        at = self.tree(tokens, at + 1, path.clone());
                    }
                    return at + 1;
                }
                "as" => {
                    self.name(&path, tokens.get(at + 1));
                    return at + 2;
                }
                "," | ";" | "}" => {
                    path.pop_if(|last| last == "self");
                    self.name(&path, path.last());
                    return at;
                }
                name => path.push(name.to_owned()),
            }
            at += 1;
        }
    }

    /// Notes the file that a path leads into, and the module itself where it was given a name.
    fn name(&mut self, path: &[String], alias: Option<&String>) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let child = || [self.file.as_slice(), std::slice::from_ref(first)].concat();
        let mut whole = match first.as_str() {
            "crate" => Module::new(),
            "self" | "super" => self.file.clone(),
            name => match self.modules.get(name) {
                Some(module) => module.clone(),
                None if self.files.contains_key(&child()) => child(),
                None => return,
            },
        };
        for name in [first].into_iter().filter(|it| *it == "super").chain(rest) {
            if name == "super" {
                whole.pop();
            } else {
                whole.push(name.clone());
            }
        }
        if let Some(alias) = alias
            && self.files.contains_key(&whole)
        {
            self.modules.insert(alias.clone(), whole.clone());
        }
        while !self.files.contains_key(&whole) {
            if whole.pop().is_none() {
                return;
            }
        }
        self.named.insert(whole);
    }
}

/// How many tokens the item has that they begin with.
fn item(tokens: &[String]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 && ["}", ";"].contains(&token.as_str()) {
            return at + 1;
        }
    }
    tokens.len()
}
