//! One-way order within the layers: no two modules of one folder import each other, not even by way
//! of others. A parent and its own child may, as Rust has it by nature.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, paths_in, sources, used};

/// The parts of `lifecycle`, and the parts that each may use.
const PARTS_OF_LIFECYCLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("rules", &["model"]),
    ("decide", &["model", "rules"]),
    ("conclude", &["model", "rules", "decide"]),
    ("status", &["model", "rules", "decide", "conclude"]),
];

#[test]
fn no_modules_of_a_folder_import_each_other_in_a_circle() {
    let circles = Imports::of(&sources()).circles();
    let closed: Vec<_> = circles.iter().map(|circle| circle.message.as_str()).collect();
    assert!(closed.is_empty(), "\n{}", closed.join("\n"));
}

#[test]
fn the_parts_of_lifecycle_use_only_the_parts_below_them() {
    let imports = Imports::of(&sources());
    let edges = &imports.edges[&vec!["lifecycle".to_owned()]];
    assert!(edges.len() > PARTS_OF_LIFECYCLE.len(), "the search finds only {edges:?}");
    let upwards = |((from, to), place): (&(String, String), &String)| {
        let part = PARTS_OF_LIFECYCLE.iter().find(|(part, _)| part == from);
        let allowed = part.is_some_and(|(_, below)| below.contains(&to.as_str()));
        (!allowed).then(|| format!("{place}: lifecycle/{from} does not use lifecycle/{to}"))
    };
    let broken: Vec<_> = edges.iter().filter_map(upwards).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let files = [
        ("lifecycle", "pub use self::{a::A, b::deep};"),
        ("lifecycle/a", "use super::b::B;"),
        ("lifecycle/b", "mod deep;"),
        // By a name that its parent exports.
        ("lifecycle/b/deep", "use crate::{\n    api::Reason,\n    lifecycle::{A, c::C},\n};"),
        ("lifecycle/c", "fn c() -> super::a::A {}"),
        ("lifecycle/d", "// super::e is only mentioned\nuse super::a;"),
        ("lifecycle/e", "use super::d;\n#[cfg(test)]\nmod tests {\nuse crate::lifecycle::a; }"),
    ];
    let modules = files.map(|(path, text)| {
        let path = format!("src/{path}.rs");
        Source { layer: &super::LAYERS[2], path: path.into(), text: format!("{text}\n") }
    });
    let circles = Imports::of(&modules).circles();
    let members: Vec<_> = circles.iter().map(|circle| circle.members.join(", ")).collect();
    assert_eq!(members, ["a, b, c"], "nothing that d and e use comes back to them");
}

type Module = Vec<String>;

/// The imports between modules of one folder, by folder: from, to, and a place that has it.
struct Imports {
    edges: BTreeMap<Module, BTreeMap<(String, String), String>>,
}

struct Circle {
    members: Vec<String>,
    message: String,
}

impl Imports {
    fn of(sources: &[Source]) -> Self {
        let names = Names::of(sources);
        let mut edges: BTreeMap<Module, BTreeMap<(String, String), String>> = BTreeMap::new();
        for source in sources {
            let from = module(source);
            for (number, statement) in source.statements() {
                for path in paths_in(&statement) {
                    let Some(to) = names.resolve(&from, &from, &path, 0) else { continue };
                    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                    if let (Some(a), Some(b)) = (from.get(common), to.get(common)) {
                        let place = format!("{}:{number}: {path}", source.path.display());
                        let folder = edges.entry(from[..common].to_vec()).or_default();
                        folder.entry((a.clone(), b.clone())).or_insert(place);
                    }
                }
            }
        }
        Self { edges }
    }

    /// The groups of modules that reach each other, with the imports that close them.
    fn circles(&self) -> Vec<Circle> {
        let mut circles = Vec::new();
        for (folder, edges) in &self.edges {
            let modules: BTreeSet<&String> = edges.keys().flat_map(|(from, to)| [from, to]).collect();
            let reached: BTreeMap<&String, BTreeSet<&String>> =
                modules.iter().map(|from| (*from, reached(edges, from))).collect();
            let mut seen = BTreeSet::new();
            for first in modules {
                let members: Vec<String> = reached[first]
                    .iter()
                    .filter(|it| reached[**it].contains(first))
                    .map(|it| (*it).clone())
                    .collect();
                if members.len() < 2 || !seen.insert(members.clone()) {
                    continue;
                }
                let within = |(from, to): &(String, String)| members.contains(from) && members.contains(to);
                let places: Vec<_> =
                    edges.iter().filter(|(edge, _)| within(edge)).map(|(_, place)| place.as_str()).collect();
                let message = format!(
                    "src/{}: {} import each other in a circle:\n  {}",
                    folder.join("/"),
                    members.join(", "),
                    places.join("\n  ")
                );
                circles.push(Circle { members, message });
            }
        }
        circles
    }
}

/// All modules that `from` uses, and that those use in turn.
fn reached<'a>(edges: &'a BTreeMap<(String, String), String>, from: &String) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(next) = open.pop() {
        for (_, to) in edges.keys().filter(|(from, _)| from == next) {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}

/// The modules of the crate, and the names that they import or export.
struct Names {
    modules: BTreeSet<Module>,
    imported: BTreeMap<(Module, String), String>,
}

impl Names {
    fn of(sources: &[Source]) -> Self {
        let modules = sources.iter().map(module).collect();
        let mut imported = BTreeMap::new();
        for source in sources {
            let imports = source.statements().into_iter().filter(|(_, statement)| used(statement).is_some());
            for path in imports.flat_map(|(_, statement)| paths_in(&statement)) {
                let (path, name) = match path.split_once(" as ") {
                    Some((path, name)) => (path, name),
                    None => (path.as_str(), path.rsplit("::").next().unwrap_or_default()),
                };
                imported.insert((module(source), name.to_owned()), path.to_owned());
            }
        }
        Self { modules, imported }
    }

    /// Returns the module of a path in `user` that begins at `from`; `None` if it is not ours.
    fn resolve(&self, user: &Module, from: &Module, path: &str, depth: usize) -> Option<Module> {
        let path = path.split(" as ").next()?.trim();
        let mut segments = path.split("::").peekable();
        let mut at = match segments.next()? {
            "crate" => Module::new(),
            "self" => from.clone(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            child => {
                let child: Module = from.iter().cloned().chain([child.to_owned()]).collect();
                self.modules.contains(&child).then_some(child)?
            }
        };
        while let Some(segment) = segments.next() {
            if segment == "super" {
                at.pop()?;
                continue;
            }
            let inner: Module = at.iter().cloned().chain([segment.to_owned()]).collect();
            if self.modules.contains(&inner) {
                at = inner;
                continue;
            }
            // A parent passes on the names of its other children.
            let name = (at.clone(), segment.to_owned());
            match self.imported.get(&name).filter(|_| user.starts_with(&at) && depth < 9) {
                None => break,
                Some(target) => {
                    let rest: String = segments.map(|segment| format!("::{segment}")).collect();
                    return self.resolve(user, &at, &format!("{target}{rest}"), depth + 1);
                }
            }
        }
        Some(at)
    }
}

fn module(source: &Source) -> Module {
    let path = source.path.with_extension("");
    let names = path.iter().skip(1).map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}
