//! What is open, and who asks what. One thread reads; this one answers. Changes that arrived in the meantime are compiled once.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::{
    CompletionOptions, CompletionParams, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DocumentFormattingParams, GotoDefinitionParams, HoverParams,
    HoverProviderCapability, InitializeResult, InlayHintParams, OneOf, Position, PublishDiagnosticsParams,
    Range, ReferenceParams, RenameParams, ServerCapabilities, ServerInfo, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextEdit, Uri, WorkspaceEdit,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tern_compiler::diagnostics::FileId;
use tern_format::{Unformatted, format};

use crate::across::Text;
use crate::analysis::Analysis;
use crate::complete::Before;
use crate::wire::{self, Incoming};
use crate::{Compile, LIBRARY_SCHEME, complete, hints, hover, messages, places, reference, rename};

/// Serves one client until it says goodbye or its stream ends; gives whether it said so in the way that the protocol wants.
///
/// # Errors
/// Those of the output, and a stream that is none of messages.
pub fn serve(
    mut input: impl BufRead + Send + 'static,
    output: impl Write,
    compile: &Compile<'_>,
) -> io::Result<bool> {
    let (sender, receiver) = mpsc::channel();
    // It is not waited for: it may stand in a read that never returns.
    std::thread::Builder::new().name("reader".into()).spawn(move || {
        loop {
            let next = wire::read(&mut input);
            let last = matches!(next, Incoming::End | Incoming::Broken(_));
            if sender.send(next).is_err() || last {
                return;
            }
        }
    })?;
    let mut server =
        Server { output, compile, documents: BTreeMap::new(), closed: Vec::new(), phase: Phase::New };
    loop {
        let next = match receiver.try_recv() {
            Ok(next) => next,
            Err(_nothing_yet) => {
                server.publish()?;
                receiver.recv().unwrap_or(Incoming::End)
            }
        };
        match next {
            Incoming::Message(message) => {
                if let Some(orderly) = server.message(message)? {
                    return Ok(orderly);
                }
            }
            Incoming::Malformed(why) => wire::refuse(&mut server.output, &why)?,
            Incoming::End => return Ok(false),
            Incoming::Broken(why) => return Err(io::Error::new(io::ErrorKind::InvalidData, why)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    ShutDown,
}

/// An open file.
struct Document {
    path: PathBuf,
    text: String,
    version: i32,
    /// What is known of the present text, once somebody wanted to know.
    analysis: Option<Analysis>,
    /// Whether the client knows the messages of the present text.
    published: bool,
}

struct Server<'c, W> {
    output: W,
    compile: &'c Compile<'c>,
    documents: BTreeMap<Uri, Document>,
    /// What was closed, and whose messages the client still shows.
    closed: Vec<Uri>,
    phase: Phase,
}

/// How many files beside an open one are looked at for a name.
const MAX_BESIDE: usize = 1000;

/// What a request comes to.
type Answer = Result<Value, (ErrorCode, String)>;

impl<W: Write> Server<'_, W> {
    /// Takes a message. At the end, gives whether that was orderly.
    fn message(&mut self, message: Message) -> io::Result<Option<bool>> {
        match message {
            Message::Request(request) => self.request(request)?,
            Message::Notification(note) if note.method == "exit" => {
                return Ok(Some(self.phase == Phase::ShutDown));
            }
            Message::Notification(note) => self.notification(note),
            Message::Response(_) => {} // nothing was asked
        }
        Ok(None)
    }

    fn send(&mut self, message: Message) -> io::Result<()> {
        wire::write(&mut self.output, message)
    }

    // ---- what the client says

    /// A notification that cannot be read changes nothing; there is nobody to tell.
    fn notification(&mut self, note: Notification) {
        if self.phase != Phase::Running {
            return;
        }
        match note.method.as_str() {
            "textDocument/didOpen" => {
                if let Some(DidOpenTextDocumentParams { text_document: it }) = read(note.params) {
                    self.keep(it.uri, it.text, it.version);
                }
            }
            "textDocument/didChange" => {
                if let Some(DidChangeTextDocumentParams { text_document: it, content_changes }) =
                    read(note.params)
                    && self.documents.contains_key(&it.uri)
                    && let Some(change) = content_changes.into_iter().rfind(|change| change.range.is_none())
                {
                    self.keep(it.uri, change.text, it.version);
                }
            }
            "textDocument/didClose" => {
                if let Some(DidCloseTextDocumentParams { text_document: it }) = read(note.params)
                    && self.documents.remove(&it.uri).is_some()
                {
                    self.closed.push(it.uri);
                }
            }
            // what was changed elsewhere may be a module of an open file
            "workspace/didChangeWatchedFiles" | "textDocument/didSave" => {
                self.documents.values_mut().for_each(Document::forget);
            }
            _ => {}
        }
    }

    fn keep(&mut self, uri: Uri, text: String, version: i32) {
        let path = places::path(&uri);
        let stem = path.file_stem().map(|stem| format!("use {}", stem.to_string_lossy()));
        let users =
            self.documents.values_mut().filter(|d| stem.as_ref().is_some_and(|stem| d.text.contains(stem)));
        users.for_each(Document::forget);
        self.documents.insert(uri, Document { path, text, version, analysis: None, published: false });
    }

    /// Tells the client the messages of all texts that have changed, and that those of closed ones are over.
    fn publish(&mut self) -> io::Result<()> {
        for uri in std::mem::take(&mut self.closed) {
            if !self.documents.contains_key(&uri) {
                let params = PublishDiagnosticsParams { uri, diagnostics: Vec::new(), version: None };
                self.send(Notification::new("textDocument/publishDiagnostics".into(), params).into())?;
            }
        }
        let stale = self.documents.iter().filter(|(_, document)| !document.published);
        for uri in stale.map(|(uri, _)| uri.clone()).collect::<Vec<_>>() {
            let known = catch_unwind(AssertUnwindSafe(|| {
                let analysis = self.analysis(&uri)?;
                Some(messages::messages(analysis, &uri))
            }));
            let Some(document) = self.documents.get_mut(&uri) else { continue };
            document.published = true;
            let version = Some(document.version);
            let diagnostics = known.ok().flatten().unwrap_or_default();
            let params = PublishDiagnosticsParams { uri, diagnostics, version };
            self.send(Notification::new("textDocument/publishDiagnostics".into(), params).into())?;
        }
        Ok(())
    }

    /// What is known of a file's present text.
    fn analysis(&mut self, uri: &Uri) -> Option<&Analysis> {
        if self.documents.get(uri)?.analysis.is_none() {
            let document = &self.documents[uri];
            let analysis = self.compiled(&document.path, &document.text);
            self.documents.get_mut(uri)?.analysis = Some(analysis);
        }
        self.documents.get(uri)?.analysis.as_ref()
    }

    fn compiled(&self, path: &Path, text: &str) -> Analysis {
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let open: BTreeMap<&Path, &str> = self
            .documents
            .values()
            .map(|document| (document.path.as_path(), document.text.as_str()))
            .collect();
        let resolve = |name: &str| {
            let path = directory.join(format!("{name}.mpc"));
            let name = path.display().to_string();
            if let Some(text) = open.get(path.as_path()) {
                return Some((name, Ok((*text).to_string())));
            }
            Some((name, program(&path)?))
        };
        Analysis::new(path, text, &resolve, self.compile)
    }

    // ---- what the client asks

    fn request(&mut self, request: Request) -> io::Result<()> {
        let Request { id, method, params } = request;
        let answer = match (self.phase, method.as_str()) {
            (Phase::New, "initialize") => {
                self.phase = Phase::Running;
                Ok(json!(InitializeResult { capabilities: capabilities(), server_info: Some(info()) }))
            }
            (Phase::New, _) => Err((ErrorCode::ServerNotInitialized, "initialize comes first".to_string())),
            (Phase::Running, "shutdown") => {
                self.phase = Phase::ShutDown;
                Ok(Value::Null)
            }
            (Phase::ShutDown, _) => Err((ErrorCode::InvalidRequest, "the server has shut down".to_string())),
            // whatever the compiler does, the others' questions are answered
            (Phase::Running, method) => catch_unwind(AssertUnwindSafe(|| self.answer(method, params)))
                .unwrap_or_else(|_| Err((ErrorCode::InternalError, "this question failed".to_string()))),
        };
        self.send(response(id, answer).into())
    }

    fn answer(&mut self, method: &str, params: Value) -> Answer {
        match method {
            "textDocument/hover" => {
                let HoverParams { text_document_position_params: it, .. } = parsed(params)?;
                self.at(&it.text_document.uri, it.position, |analysis, offset, _| {
                    json!(hover::hover(analysis, offset))
                })
            }
            "textDocument/inlayHint" => {
                let InlayHintParams { text_document, range, .. } = parsed(params)?;
                self.at(&text_document.uri, range.start, |analysis, _, _| {
                    json!(hints::hints(analysis, range))
                })
            }
            "textDocument/definition" => {
                let GotoDefinitionParams { text_document_position_params: it, .. } = parsed(params)?;
                self.at(&it.text_document.uri, it.position, |analysis, offset, uri| {
                    json!(rename::definition(analysis, offset, uri))
                })
            }
            "textDocument/references" => {
                let ReferenceParams { text_document_position: it, .. } = parsed(params)?;
                let (texts, offset) = self.around(&it.text_document.uri, it.position)?;
                Ok(json!(rename::references(&texts, offset)))
            }
            "textDocument/rename" => self.rename(parsed(params)?),
            "textDocument/completion" => self.complete(parsed(params)?),
            "textDocument/formatting" => self.format(parsed(params)?),
            "tern/library" => library(parsed(params)?),
            _ => Err((ErrorCode::MethodNotFound, format!("{method} is not known here"))),
        }
    }

    /// Something about a position of an open file.
    fn at(&mut self, uri: &Uri, position: Position, f: impl FnOnce(&Analysis, u32, &Uri) -> Value) -> Answer {
        let analysis = self.analysis(uri).ok_or_else(|| not_open(uri))?;
        Ok(f(analysis, places::offset(analysis.file(), position), uri))
    }

    /// An open file and those beside it that have the name at a position, the asked one first; and the position's offset in it.
    fn around(&self, uri: &Uri, position: Position) -> Result<(Vec<Text>, u32), (ErrorCode, String)> {
        let document = self.documents.get(uri).ok_or_else(|| not_open(uri))?;
        let asked = Text::new(uri.clone(), &document.path, &document.text);
        let offset = places::offset(asked.file(), position);
        let name = asked.names.at(offset).map(|used| used.name.clone());
        let directory = document.path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut paths: Vec<PathBuf> = self.documents.values().map(|other| other.path.clone()).collect();
        paths.extend(std::fs::read_dir(&directory).into_iter().flatten().flatten().map(|entry| entry.path()));
        paths.retain(|path| {
            path.parent() == Some(directory.as_path())
                && path.extension().is_some_and(|extension| extension == "mpc")
                && *path != document.path
        });
        paths.sort();
        paths.dedup();
        let mut texts = vec![asked];
        for path in paths.into_iter().take(MAX_BESIDE) {
            let open = self.documents.iter().find(|(_, other)| other.path == path);
            let text = match open {
                Some((_, other)) => Some(other.text.clone()),
                None => program(&path).and_then(Result::ok),
            };
            let text = text.filter(|text| name.as_ref().is_some_and(|name| text.contains(name)));
            let address = open.map(|(uri, _)| uri.clone()).or_else(|| places::uri(&path));
            texts.extend(text.zip(address).map(|(text, uri)| Text::new(uri, &path, &text)));
        }
        Ok((texts, offset))
    }

    fn rename(&mut self, params: RenameParams) -> Answer {
        let RenameParams { text_document_position: it, new_name, .. } = params;
        let (texts, offset) = self.around(&it.text_document.uri, it.position)?;
        let edits =
            rename::rename(&texts, offset, &new_name).map_err(|why| (ErrorCode::RequestFailed, why))?;
        // as JSON: an address is no key of a map that could not change
        let changes: BTreeMap<String, Vec<TextEdit>> =
            edits.into_iter().map(|(uri, edits)| (uri.as_str().to_string(), edits)).collect();
        let mut edit = json!(WorkspaceEdit::default());
        edit["changes"] = json!(changes);
        Ok(edit)
    }

    fn complete(&mut self, params: CompletionParams) -> Answer {
        let it = params.text_document_position;
        let analysis = self.analysis(&it.text_document.uri).ok_or_else(|| not_open(&it.text_document.uri))?;
        let file = analysis.file();
        let offset = places::offset(file, it.position);
        let items = match complete::before(&file.text, offset) {
            Before::Prose => Vec::new(),
            Before::Module(name) => complete::of_module(analysis, &name),
            Before::Name => complete::names(analysis, offset),
            Before::Dot(dot) => {
                // without what is being written, the rest can be compiled
                let text = [&file.text[..dot as usize], &file.text[offset as usize..]].concat();
                let document = &self.documents[&it.text_document.uri];
                complete::fields(&self.compiled(&document.path, &text), dot)
            }
        };
        Ok(json!(items))
    }

    fn format(&mut self, params: DocumentFormattingParams) -> Answer {
        let uri = params.text_document.uri;
        let document = self.documents.get(&uri).ok_or_else(|| not_open(&uri))?;
        match format(&document.text, FileId(0)) {
            Ok(text) if text == document.text => Ok(json!([])),
            Ok(text) => {
                let end = Position { line: document.text.lines().count() as u32 + 1, character: 0 };
                Ok(json!([TextEdit::new(Range::new(Position::default(), end), text)]))
            }
            Err(Unformatted::Mistakes(_)) => Ok(Value::Null), // the messages are shown already
            Err(Unformatted::Changed) => Err((
                ErrorCode::RequestFailed,
                "formatting would change the program; it is left as it is".into(),
            )),
        }
    }
}

impl Document {
    fn forget(&mut self) {
        self.analysis = None;
        self.published = false;
    }
}

/// The text of a file that may be a program; nothing if there is none.
fn program(path: &Path) -> Option<Result<String, String>> {
    // a pipe or a device might never end, or never begin
    let kind = std::fs::metadata(path).ok()?;
    let fits = kind.is_file() && kind.len() <= tern_compiler::syntax::MAX_SOURCE as u64;
    Some(if fits {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    } else {
        Err("it is no program".into())
    })
}

/// The text of a file of the library.
fn library(params: LibraryParams) -> Answer {
    let name = params.uri.strip_prefix(LIBRARY_SCHEME).and_then(|name| name.strip_suffix(".mpc"));
    let text = name.and_then(reference::module).and_then(|module| module.sources.get(FileId(0)));
    let text =
        text.ok_or_else(|| (ErrorCode::InvalidParams, format!("the library has no {}", params.uri)))?;
    Ok(json!(&*text.text))
}

#[derive(Deserialize)]
struct LibraryParams {
    uri: String,
}

fn read<P: DeserializeOwned>(params: Value) -> Option<P> {
    serde_json::from_value(params).ok()
}

fn parsed<P: DeserializeOwned>(params: Value) -> Result<P, (ErrorCode, String)> {
    serde_json::from_value(params).map_err(|error| (ErrorCode::InvalidParams, error.to_string()))
}

fn not_open(uri: &Uri) -> (ErrorCode, String) {
    (ErrorCode::InvalidParams, format!("{} is not open", uri.as_str()))
}

fn response(id: RequestId, answer: Answer) -> Response {
    match answer {
        Ok(value) => Response::new_ok(id, value),
        Err((code, message)) => Response::new_err(id, code as i32, message),
    }
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec![".".into(), ":".into()]),
            ..CompletionOptions::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        inlay_hint_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

fn info() -> ServerInfo {
    ServerInfo { name: "tern".into(), version: Some(env!("CARGO_PKG_VERSION").into()) }
}
