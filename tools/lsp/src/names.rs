//! What each name of a file stands for, from its tree alone: so it is known of programs that do not compile, too.

use std::collections::HashMap;

use tern_compiler::diagnostics::Span;
use tern_compiler::syntax::ast::{
    Block, Dim, Elem, Expr, ExprKind, ExprOrRange, File, Function, Ident, If, Item, Model, Path, Pattern,
    Place, Range, RangeEnd, Results, Stmt, StmtKind, Sub, Type, TypeKind, Use as UseItem,
};

use crate::reference::{self, name_of};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Something that this file declares, by the place of its declaration.
    Here(Span),
    /// A module, or an item of one.
    Module(String, Option<String>),
    /// A parameter of a module's function, where an argument is given by its name.
    Parameter {
        /// The module.
        module: String,
        /// The function.
        function: String,
        /// The parameter.
        name: String,
    },
    /// A function of the language, by its full name.
    Language(String),
    /// A field of a model.
    Field,
    /// Nothing that is known.
    Unknown,
}

/// A name where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The place of the name alone.
    pub span: Span,
    /// The name.
    pub name: String,
    /// What it stands for.
    pub target: Target,
    /// Whether it also says what the receiver of an output calls it, as in `output p to party 2`.
    pub published: bool,
}

/// A local name, and where it is in scope.
#[derive(Debug, Clone)]
pub struct Local {
    /// The name.
    pub name: String,
    /// Where it is declared.
    pub declared: Span,
    /// The offsets between which it can be used.
    pub from: u32,
    /// Behind the last of them.
    pub to: u32,
}

/// All names of a file.
#[derive(Debug, Default)]
pub struct Names {
    /// In the order of the text.
    pub uses: Vec<Use>,
    /// In the order of their declarations.
    pub locals: Vec<Local>,
    /// What `use` brings, by name.
    pub imports: HashMap<String, Target>,
}

impl Names {
    /// The names of a file.
    pub fn of(file: &File) -> Names {
        let mut reader = Reader { file, names: Names::default(), scopes: Vec::new() };
        file.items.iter().for_each(|item| reader.import(item));
        file.items.iter().for_each(|item| reader.item(item));
        let mut names = reader.names;
        names.uses.sort_by_key(|used| (used.span.start, used.span.end));
        names
    }

    /// The name at an offset, also right behind it.
    pub fn at(&self, offset: u32) -> Option<&Use> {
        self.uses.iter().find(|used| used.span.start <= offset && offset <= used.span.end)
    }

    /// The local names in scope, the innermost first.
    pub fn locals_at(&self, offset: u32) -> impl Iterator<Item = &Local> {
        self.locals.iter().rev().filter(move |local| local.from <= offset && offset <= local.to)
    }
}

struct Reader<'t> {
    file: &'t File,
    names: Names,
    scopes: Vec<HashMap<String, Span>>,
}

impl<'t> Reader<'t> {
    fn note(&mut self, ident: &Ident, target: Target) {
        self.names.uses.push(Use { span: ident.span, name: ident.name.clone(), target, published: false });
    }

    // ---- scopes

    fn declare(&mut self, ident: &Ident, from: u32) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(ident.name.clone(), ident.span);
        }
        self.note(ident, Target::Here(ident.span));
        let (name, declared) = (ident.name.clone(), ident.span);
        // until the scope ends, which is not known yet
        self.names.locals.push(Local { name, declared, from, to: u32::MAX });
    }

    fn within(&mut self, end: u32, read: impl FnOnce(&mut Self)) {
        let first = self.names.locals.len();
        self.scopes.push(HashMap::new());
        read(self);
        self.scopes.pop();
        for local in &mut self.names.locals[first..] {
            local.to = local.to.min(end);
        }
    }

    fn find(&self, name: &str) -> Target {
        if let Some(span) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return Target::Here(*span);
        }
        if let Some(ident) = reference::item(self.file, name).and_then(name_of) {
            return Target::Here(ident.span);
        }
        match self.names.imports.get(name) {
            // a module and a function may have one name
            Some(Target::Module(_, None)) if reference::builtin(name).is_some() => {
                Target::Language(name.into())
            }
            Some(target) => target.clone(),
            None if reference::builtin(name).is_some() => Target::Language(name.into()),
            None => Target::Unknown,
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.find(name) != Target::Unknown
    }

    // ---- items

    fn import(&mut self, item: &Item) {
        let Item::Use(UseItem { path, names, .. }) = item else { return };
        let module = &path.segments[0].name;
        self.note(&path.segments[0], Target::Module(module.clone(), None));
        let single = path.segments.get(1);
        for ident in names.iter().flatten().chain(single) {
            let target = Target::Module(module.clone(), Some(ident.name.clone()));
            self.note(ident, target.clone());
            self.names.imports.insert(ident.name.clone(), target);
        }
        if names.is_none() && single.is_none() {
            self.names.imports.insert(module.clone(), Target::Module(module.clone(), None));
        }
    }

    fn item(&mut self, item: &'t Item) {
        if let Some(ident) = name_of(item) {
            self.note(ident, self.find(&ident.name));
        }
        match item {
            Item::Const(item) => self.expr(&item.value),
            Item::Input(item) => {
                self.ty(&item.ty, false);
                self.place(&item.from);
                item.options.iter().filter_map(|option| option.value.as_ref()).for_each(|v| self.either(v));
            }
            Item::Model(item) => self.model(item),
            Item::Fn(item) => self.function(item),
            Item::Test(item) => self.block(&item.body),
            Item::Use(_) | Item::Error(_) => {}
        }
    }

    fn model(&mut self, model: &'t Model) {
        self.within(model.span.end, |r| {
            model.params.iter().for_each(|param| r.declare(param, param.span.end));
            for field in &model.fields {
                r.note(&field.name, Target::Field);
                r.ty(&field.ty, false);
                field.default.iter().for_each(|value| r.expr(value));
            }
        });
    }

    fn function(&mut self, function: &'t Function) {
        self.within(function.span.end, |r| {
            for param in &function.params {
                r.ty(&param.ty, true);
                param.default.iter().for_each(|value| r.expr(value));
                r.declare(&param.name, function.body.span.start);
            }
            function.result.iter().for_each(|ty| r.ty(ty, true));
            // the rule of differentiation sees the body's variables
            r.statements(&function.body);
            if let Some(rule) = &function.grad {
                r.within(rule.span.end, |r| {
                    r.declare(&rule.seed, rule.body.span.start);
                    r.statements(&rule.body);
                });
            }
        });
    }

    // ---- types

    /// A type; in a function's head, a size that is nothing else is declared by it.
    fn ty(&mut self, ty: &'t Type, head: bool) {
        match &ty.kind {
            TypeKind::Tensor { elem, shape, .. } => {
                if let Elem::Fix(Some(precision)) = elem {
                    self.size(precision, head);
                }
                for dim in shape {
                    match dim {
                        Dim::One(expr) => self.size(expr, head),
                        Dim::Spread(name) => self.size_name(name, head),
                    }
                }
            }
            TypeKind::Model { path, args, .. } => {
                self.path(path);
                args.iter().for_each(|arg| self.size(arg, head));
            }
            TypeKind::Tuple(types) => types.iter().for_each(|ty| self.ty(ty, head)),
            TypeKind::AnyModel(name) => self.declare(name, name.span.end),
            TypeKind::Fn => {}
        }
    }

    fn size(&mut self, expr: &'t Expr, head: bool) {
        match &expr.kind {
            ExprKind::Path(path) if path.as_ident().is_some() => self.size_name(path.last(), head),
            _ => self.expr(expr),
        }
    }

    fn size_name(&mut self, name: &Ident, head: bool) {
        if head && !self.knows(&name.name) {
            self.declare(name, name.span.end);
        } else {
            self.note(name, self.find(&name.name));
        }
    }

    // ---- statements

    fn block(&mut self, block: &'t Block) {
        self.within(block.span.end, |r| r.statements(block));
    }

    fn statements(&mut self, block: &'t Block) {
        block.stmts.iter().for_each(|stmt| self.stmt(stmt));
        block.value.iter().for_each(|value| self.expr(value));
    }

    fn stmt(&mut self, stmt: &'t Stmt) {
        match &stmt.kind {
            StmtKind::Let(binding) | StmtKind::Var(binding) | StmtKind::Const(binding) => {
                binding.ty.iter().for_each(|ty| self.ty(ty, false));
                self.expr(&binding.value);
                self.pattern(&binding.pattern, stmt.span.end);
            }
            StmtKind::Assign { target, value } | StmtKind::Augment { target, value, .. } => {
                self.expr(target);
                self.expr(value);
            }
            StmtKind::Expr(expr) | StmtKind::Return(expr) => self.expr(expr),
            StmtKind::For(repeated) => {
                self.either(&repeated.iter);
                self.within(repeated.body.span.end, |r| {
                    r.pattern(&repeated.pattern, repeated.body.span.start);
                    r.statements(&repeated.body);
                });
            }
            StmtKind::Output { results, to } => {
                results.iter().for_each(|part| self.results(part));
                self.place(to);
            }
            StmtKind::Assert { condition, .. } => self.expr(condition),
            StmtKind::Require { value, range, .. } => {
                self.expr(value);
                range.iter().for_each(|range| self.range(range));
            }
            StmtKind::Break | StmtKind::Error => {}
        }
    }

    fn pattern(&mut self, pattern: &'t Pattern, from: u32) {
        match pattern {
            Pattern::Name(ident) => self.declare(ident, from),
            Pattern::Tuple(parts, _) => parts.iter().for_each(|part| self.pattern(part, from)),
            Pattern::Hole(_) => {}
        }
    }

    /// The values of an output, or the variables that are named by it.
    fn results(&mut self, part: &'t Results) {
        if let Some(value) = &part.value {
            return self.expr(value);
        }
        for name in &part.names {
            let (span, target) = (name.span, self.find(&name.name));
            self.names.uses.push(Use { span, name: name.name.clone(), target, published: true });
        }
    }

    fn place(&mut self, place: &'t Place) {
        if let Place::Party { number, .. } = place {
            self.expr(number);
        }
    }

    // ---- expressions

    fn expr(&mut self, expr: &'t Expr) {
        match &expr.kind {
            ExprKind::Path(path) => self.path(path),
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Call { callee, args } => {
                self.expr(callee);
                for arg in args {
                    arg.name.iter().for_each(|name| self.argument(callee, name));
                    self.expr(&arg.value);
                }
            }
            ExprKind::Convert { elem, value } => {
                if let Elem::Fix(Some(precision)) = elem {
                    self.expr(precision);
                }
                self.expr(value);
            }
            ExprKind::Index { base, subs } => {
                self.expr(base);
                for sub in subs {
                    match sub {
                        Sub::At(expr) => self.expr(expr),
                        Sub::Range(range) => self.range(range),
                        Sub::Full(_) | Sub::Ellipsis(_) => {}
                    }
                }
            }
            ExprKind::Field { base, name } => {
                self.expr(base);
                self.note(name, Target::Field);
            }
            ExprKind::Tuple(parts) => parts.iter().for_each(|part| self.expr(part)),
            ExprKind::List(dims) => {
                for dim in dims {
                    match dim {
                        Dim::One(expr) => self.expr(expr),
                        Dim::Spread(name) => self.note(name, self.find(&name.name)),
                    }
                }
            }
            ExprKind::Comprehension { body, name, iter } => {
                self.either(iter);
                self.within(expr.span.end, |r| {
                    r.declare(name, body.span.start);
                    r.expr(body);
                });
            }
            ExprKind::If(choice) => self.choice(choice),
            ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Hole => {}
        }
    }

    fn choice(&mut self, choice: &'t If) {
        self.expr(&choice.condition);
        self.block(&choice.then);
        choice.otherwise.iter().for_each(|block| self.block(block));
    }

    fn either(&mut self, either: &'t ExprOrRange) {
        match either {
            ExprOrRange::Expr(expr) => self.expr(expr),
            ExprOrRange::Range(range) => self.range(range),
        }
    }

    fn range(&mut self, range: &'t Range) {
        range.start.iter().chain(&range.step).for_each(|expr| self.expr(expr));
        match &range.end {
            RangeEnd::Before(expr) | RangeEnd::Length(expr) => self.expr(expr),
            RangeEnd::Open => {}
        }
    }

    /// The name of an argument is that of a parameter, of a function of this file or of a module.
    fn argument(&mut self, callee: &Expr, name: &Ident) {
        let ExprKind::Path(path) = &callee.kind else { return };
        let target = match path.segments.as_slice() {
            [function] => self.find(&function.name),
            [module, function] => match self.module(&module.name) {
                Some(Target::Module(module, None)) => {
                    Target::Module(module.clone(), Some(function.name.clone()))
                }
                _ => return,
            },
            _ => return,
        };
        match target {
            Target::Here(_) => {
                let Some(Item::Fn(function)) = reference::item(self.file, &path.last().name) else { return };
                if let Some(param) = reference::parameter(function, &name.name) {
                    self.note(name, Target::Here(param.span));
                }
            }
            Target::Module(module, Some(function)) => {
                self.note(name, Target::Parameter { module, function, name: name.name.clone() });
            }
            _ => {}
        }
    }

    /// What stands before `::`: an import, or a module of the library, which needs none.
    fn module(&self, name: &str) -> Option<Target> {
        let of_library = || reference::module(name).map(|_| Target::Module(name.to_string(), None));
        self.names.imports.get(name).cloned().or_else(of_library)
    }

    fn path(&mut self, path: &Path) {
        match path.segments.as_slice() {
            [name] => self.note(name, self.find(&name.name)),
            [first, second] => {
                let module = self.module(&first.name);
                if let Some(Target::Module(module, None)) = module {
                    self.note(first, Target::Module(module.clone(), None));
                    self.note(second, Target::Module(module, Some(second.name.clone())));
                } else {
                    let full = format!("{}::{}", first.name, second.name);
                    let known = reference::builtin(&full).is_some();
                    self.note(second, if known { Target::Language(full) } else { Target::Unknown });
                }
            }
            _ => {}
        }
    }
}
