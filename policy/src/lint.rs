//! Load-time checks over a parsed condition: everything it names must exist, and its evaluation
//! must be bounded.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, SourceInfo, operators};

use crate::policy::On;
use crate::prescan::Finding;
use crate::vocabulary::Vocabulary;

/// Facts that are a single value or list, with nothing to select.
const PLAIN_FACTS: &[&str] = &[
    "dialect",
    "model",
    "not_evaluated",
    "not_evaluated_reasons",
    "principal",
    "route",
    "side",
    "tags",
];
/// Facts with members.
const MEMBER_FACTS: &[&str] = &["groups", "metadata", "signals", "sizes", "usage"];

const OPERATORS: &[&str] = &[
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
    operators::NOT_STRICTLY_FALSE,
];
const FUNCTIONS: &[&str] = &[
    "contains",
    "double",
    "endsWith",
    "int",
    "size",
    "startsWith",
    "string",
];

/// Loops that may nest, and items a written list or map may have: with the bound on the lists of
/// facts this limits a condition's steps.
const LOOPS_MAX: usize = 2;
const LITERAL_ITEMS_MAX: usize = 64;

/// Levels a condition's tree may have once brackets are gone and `&&` and `||` are balanced.
/// Evaluation takes up to 50 KiB of stack for each in an unoptimised build, and runs on whatever
/// thread the caller has.
const TREE_DEPTH_MAX: usize = 16;

/// Checks `expression`. Gives the labels (and families, as `family.*`) it reads.
pub(crate) fn lint(
    expression: &IdedExpr,
    places: &SourceInfo,
    vocabulary: &Vocabulary,
    on: On,
) -> Result<BTreeSet<String>, Vec<Finding>> {
    let mut lint = Lint {
        places,
        vocabulary,
        on,
        depth: 0,
        bound: Vec::new(),
        reads: BTreeSet::new(),
        findings: Vec::new(),
    };
    lint.visit(expression, 0);
    if lint.findings.is_empty() {
        Ok(lint.reads)
    } else {
        Err(lint.findings)
    }
}

struct Lint<'a> {
    places: &'a SourceInfo,
    vocabulary: &'a Vocabulary,
    on: On,
    depth: usize,
    bound: Vec<&'a str>,
    reads: BTreeSet<String>,
    findings: Vec<Finding>,
}

impl<'a> Lint<'a> {
    fn report(&mut self, id: u64, message: impl Into<String>) {
        let start = self.places.offset_for(id).map_or(0, |(start, _)| start);
        let offset = usize::try_from(start).unwrap_or_default();
        self.findings.push(Finding::new(offset, message));
    }

    fn visit(&mut self, node: &'a IdedExpr, loops: usize) {
        if self.depth == TREE_DEPTH_MAX {
            let message = format!("operators nest deeper than {TREE_DEPTH_MAX} levels");
            self.report(node.id, message);
            return;
        }
        self.depth += 1;
        self.node(node, loops);
        self.depth -= 1;
    }

    fn node(&mut self, node: &'a IdedExpr, loops: usize) {
        match &node.expr {
            Expr::Literal(_) => {}
            Expr::Ident(name) => self.path(node.id, &[name]),
            Expr::Select(select) => match segments(node) {
                Some(path) => self.path(root(node).id, &path),
                None => self.visit(&select.operand, loops),
            },
            Expr::Call(call) => self.call(node.id, call, loops),
            Expr::List(list) => {
                self.literal_size(node.id, list.elements.len());
                list.elements
                    .iter()
                    .for_each(|element| self.visit(element, loops));
            }
            Expr::Map(map) => {
                self.literal_size(node.id, map.entries.len());
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.visit(&entry.key, loops);
                        self.visit(&entry.value, loops);
                    }
                }
            }
            Expr::Comprehension(comprehension) => self.comprehension(node.id, comprehension, loops),
            Expr::Struct(_) | Expr::Unspecified => {
                self.report(node.id, "messages cannot be built in a condition");
            }
        }
    }

    fn call(&mut self, id: u64, call: &'a cel::common::ast::CallExpr, loops: usize) {
        let name = call.func_name.as_str();
        if !OPERATORS.contains(&name) && !FUNCTIONS.contains(&name) {
            let known = FUNCTIONS.join(", ");
            self.report(id, format!("unknown function `{name}`; there are: {known}"));
        }
        // A text or list that grows on each turn of a loop would not be bounded. The expansion of
        // `map` and `filter` itself adds to a variable that starts with `@`.
        let accumulates = matches!(
            call.args.first().map(|arg| &arg.expr), Some(Expr::Ident(name)) if name.starts_with('@')
        );
        if name == operators::ADD && loops > 0 && !accumulates {
            self.report(id, "`+` cannot be used inside a loop");
        }
        call.target
            .iter()
            .for_each(|target| self.visit(target, loops));
        call.args.iter().for_each(|arg| self.visit(arg, loops));
    }

    fn comprehension(
        &mut self,
        id: u64,
        comprehension: &'a cel::common::ast::ComprehensionExpr,
        loops: usize,
    ) {
        let loops = loops + 1;
        if loops > LOOPS_MAX {
            self.report(id, format!("more than {LOOPS_MAX} loops are nested"));
            return;
        }
        // A loop over a loop's result counts as nested: it runs as often.
        self.visit(&comprehension.iter_range, loops);
        let variable = comprehension.iter_var.as_str();
        if is_fact(variable) {
            self.report(id, format!("the loop variable `{variable}` hides a fact"));
        }
        let depth = self.bound.len();
        self.bound.push(variable);
        self.bound.extend(comprehension.iter_var2.as_deref());
        for part in [
            &comprehension.accu_init,
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ] {
            self.visit(part, loops);
        }
        self.bound.truncate(depth);
    }

    fn literal_size(&mut self, id: u64, items: usize) {
        if items > LITERAL_ITEMS_MAX {
            self.report(
                id,
                format!("a list or map has more than {LITERAL_ITEMS_MAX} items"),
            );
        }
    }

    fn path(&mut self, id: u64, path: &[&str]) {
        let Some((&root, members)) = path.split_first() else {
            return;
        };
        if root.starts_with('@') || self.bound.contains(&root) {
            return;
        }
        match (root, members) {
            ("signals", _) => self.signal(id, members),
            ("groups", [family, "present"]) if self.vocabulary.families.contains(*family) => {
                self.reads.insert(format!("{family}.*"));
            }
            ("groups", _) => {
                let families: Vec<&str> = self
                    .vocabulary
                    .families
                    .iter()
                    .map(String::as_str)
                    .collect();
                let known = families.join(", ");
                self.report(
                    id,
                    format!("write `groups.FAMILY.present`; there are: {known}"),
                );
            }
            ("usage", _) if self.on != On::Output => {
                self.report(id, "`usage` is known on the output side only");
            }
            ("metadata", [] | [_])
            | ("sizes", ["bytes" | "channels"])
            | ("usage", ["input_tokens" | "output_tokens"]) => {}
            ("metadata", _) => self.report(id, "metadata values are texts and have no members"),
            ("sizes", _) => self.report(id, "write `sizes.bytes` or `sizes.channels`"),
            ("usage", _) => {
                self.report(id, "write `usage.input_tokens` or `usage.output_tokens`");
            }
            (name, []) if PLAIN_FACTS.contains(&name) => {}
            (name, _) if PLAIN_FACTS.contains(&name) => {
                self.report(id, format!("`{name}` has no members"));
            }
            (name, _) => {
                let known = [PLAIN_FACTS, MEMBER_FACTS].concat().join(", ");
                self.report(id, format!("unknown variable `{name}`; there are: {known}"));
            }
        }
    }

    fn signal(&mut self, id: u64, members: &[&str]) {
        let (label, complete) = match members {
            [label @ .., "score" | "present"] if !label.is_empty() => (label.join("."), true),
            _ => (members.join("."), false),
        };
        if !self.vocabulary.labels.contains(&label) {
            let message = if label.is_empty() {
                "write `signals.LABEL.score` or `signals.LABEL.present`".to_owned()
            } else {
                format!("unknown label `{label}`")
            };
            self.report(id, message);
        } else if complete {
            self.reads.insert(label);
        } else {
            let message = format!("write `signals.{label}.score` or `signals.{label}.present`");
            self.report(id, message);
        }
    }
}

fn is_fact(name: &str) -> bool {
    PLAIN_FACTS.contains(&name) || MEMBER_FACTS.contains(&name)
}

/// The names of `a.b.c`, root first; `None` when the root is not a name.
fn segments(node: &IdedExpr) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut node = node;
    loop {
        match &node.expr {
            Expr::Select(select) => {
                names.push(select.field.as_str());
                node = &select.operand;
            }
            Expr::Ident(name) => {
                names.push(name);
                names.reverse();
                return Some(names);
            }
            _ => return None,
        }
    }
}

fn root(node: &IdedExpr) -> &IdedExpr {
    let mut node = node;
    while let Expr::Select(select) = &node.expr {
        node = &select.operand;
    }
    node
}
