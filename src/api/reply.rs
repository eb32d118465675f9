//! The result of a method, and how it is written: piece by piece, as the client reads it.
//!
//! A long list is never completely in memory: [`List`] reads its pages while they are written. If a
//! later page can't be read, the text is cut off, which every client notices.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::error::ApiError;
use super::value::write::{Wire, struct_reopen, text_part, write};
use crate::service::paging::Rows;

#[cfg(test)]
mod tests;

/// The outcome of a call.
pub type CallResult = Result<Reply, ApiError>;
/// A call in progress.
pub(super) type PendingCall = Pin<Box<dyn Future<Output = CallResult> + Send>>;

/// The size of a piece. Shorter responses, which are most, are a single piece.
const PIECE_BYTES: usize = 64 * 1024;
/// Entries of an existing list, written at once.
const CHUNK: usize = 1000;

/// The result of a method.
pub enum Reply {
    /// An existing value.
    Whole(Box<dyn Content>),
    /// An array, page by page.
    List(Stream<Box<dyn Page>>),
    /// A text, part by part.
    Text(Stream<String>),
    /// A struct whose last member is an array, which is read while it is written.
    Record {
        /// The other members.
        head: Box<dyn Content>,
        /// The array's name.
        name: &'static str,
        /// Its pages.
        pages: Stream<Box<dyn Page>>,
    },
    /// The outcomes of nested calls, in sequence.
    Calls(mpsc::Receiver<Called>),
}

/// Parts of a reply that are read while it is written.
pub type Stream<T> = BoxStream<'static, Result<T, ApiError>>;

/// The outcome of a nested call. The next one is made once this one is written.
#[derive(Debug)]
pub struct Called {
    /// Its outcome.
    pub outcome: Result<Reply, ApiError>,
    /// Returned with it.
    pub turn: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Reply::Whole(_) => "Whole",
            Reply::List(_) => "List",
            Reply::Text(_) => "Text",
            Reply::Record { .. } => "Record",
            Reply::Calls(_) => "Calls",
        })
    }
}

/// A value that can be written.
pub trait Content: Send {
    /// Appends it.
    fn write(&self, wire: Wire, out: &mut Vec<u8>) -> Result<(), ApiError>;
}

impl<T: Serialize + Send> Content for T {
    fn write(&self, wire: Wire, out: &mut Vec<u8>) -> Result<(), ApiError> {
        let is_there = write(wire, self, out).map_err(ApiError::unwritable)?;
        if !is_there {
            // Row 5: a method without a result returns 1.
            write(wire, &1, out).map_err(ApiError::unwritable)?;
        }
        Ok(())
    }
}

/// Entries of an array that can be written.
pub trait Page: Send {
    /// Appends them. `is_first` says that there is no entry before them.
    fn write(&self, wire: Wire, is_first: &mut bool, out: &mut Vec<u8>) -> Result<(), ApiError>;
}

impl<T: Serialize + Send> Page for Vec<T> {
    fn write(&self, wire: Wire, is_first: &mut bool, out: &mut Vec<u8>) -> Result<(), ApiError> {
        for entry in self {
            let mark = out.len();
            if wire == Wire::Json && !*is_first {
                out.push(b',');
            }
            if write(wire, entry, out).map_err(ApiError::unwritable)? {
                *is_first = false;
            } else {
                out.truncate(mark);
            }
        }
        Ok(())
    }
}

/// What a method's function may return.
pub trait IntoReply {
    /// As a reply.
    fn into_reply(self) -> Reply;
}

impl<T: Serialize + Send + 'static> IntoReply for T {
    fn into_reply(self) -> Reply {
        Reply::Whole(Box::new(self))
    }
}

/// A list that may be long: an array on both wires.
pub struct List<T>(BoxStream<'static, Result<Vec<T>, ApiError>>);

impl<T: Send + 'static> List<T> {
    /// From rows, each mapped to an entry when its page is read.
    pub fn of_rows<R: Send + 'static>(rows: Rows<R>, entry: fn(R) -> T) -> List<T> {
        let pages = rows.pages().map(move |page| {
            let page = page.map_err(ApiError::from)?;
            Ok(page.into_iter().map(entry).collect())
        });
        List(pages.boxed())
    }

    /// From existing values.
    pub fn whole(entries: Vec<T>) -> List<T> {
        let pages = stream::unfold(entries.into_iter(), |mut left| async move {
            let page: Vec<T> = left.by_ref().take(CHUNK).collect();
            (!page.is_empty()).then_some((Ok(page), left))
        });
        List(pages.boxed())
    }
}

impl<T: Serialize + Send + 'static> List<T> {
    fn into_pages(self) -> Stream<Box<dyn Page>> {
        let pages = self
            .0
            .map(|page| page.map(|page| Box::new(page) as Box<dyn Page>));
        pages.boxed()
    }

    /// A struct with the members of `head`, of which there must be one, and this list as `name`.
    pub fn below(self, head: impl Content + 'static, name: &'static str) -> Reply {
        Reply::Record {
            head: Box::new(head),
            name,
            pages: self.into_pages(),
        }
    }
}

impl<T: Serialize + Send + 'static> IntoReply for List<T> {
    fn into_reply(self) -> Reply {
        Reply::List(self.into_pages())
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

/// A text that may be long.
pub struct LongText(Stream<String>);

impl LongText {
    /// Of its parts.
    pub fn of_rows(parts: Rows<String>) -> LongText {
        let parts = parts
            .pages()
            .map(|page| Ok(page.map_err(ApiError::from)?.concat()));
        LongText(parts.boxed())
    }
}

impl IntoReply for LongText {
    fn into_reply(self) -> Reply {
        Reply::Text(self.0)
    }
}

impl JsonSchema for LongText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl Reply {
    /// Its text, piece by piece, between `before` and `after`.
    pub fn pieces(self, wire: Wire, before: &'static str, after: &'static str) -> Pieces {
        Pieces {
            wire,
            todo: vec![Todo::Text(after), Todo::Reply(self), Todo::Text(before)],
        }
    }

    /// All of it as a JSON tree; for responses that are known to be short.
    pub async fn json(self) -> Result<serde_json::Value, ApiError> {
        let mut pieces = self.pieces(Wire::Json, "", "");
        let mut text = Vec::new();
        while let Some(piece) = pieces.next().await? {
            text.extend_from_slice(&piece);
        }
        serde_json::from_slice(&text).map_err(ApiError::unwritable)
    }

    /// The same reply, whose later pages are only read while `goes_on` is true.
    pub(super) fn watched<F, W>(self, goes_on: F) -> Reply
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), ApiError>> + Send,
    {
        let goes_on = Arc::new(goes_on);
        match self {
            Reply::List(pages) => Reply::List(watched(pages, goes_on)),
            Reply::Text(parts) => Reply::Text(watched(parts, goes_on)),
            Reply::Record { head, name, pages } => Reply::Record {
                head,
                name,
                pages: watched(pages, goes_on),
            },
            other => other,
        }
    }
}

fn watched<T, F, W>(parts: Stream<T>, goes_on: Arc<F>) -> Stream<T>
where
    T: Send + 'static,
    F: Fn() -> W + Send + Sync + 'static,
    W: Future<Output = Result<(), ApiError>> + Send,
{
    let checked = parts.then(move |part| {
        let goes_on = Arc::clone(&goes_on);
        async move {
            goes_on().await?;
            part
        }
    });
    checked.boxed()
}

/// A reply's text, piece by piece.
pub struct Pieces {
    wire: Wire,
    /// What is still to be written, the next one last.
    todo: Vec<Todo>,
}

enum Todo {
    Text(&'static str),
    Reply(Reply),
    Pages(Stream<Box<dyn Page>>, bool),
    Parts(Stream<String>),
    Calls(mpsc::Receiver<Called>, bool),
    /// The turn ends here.
    Turn(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit),
}

impl Pieces {
    /// The next piece; `None` after the last one or an error.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        if self.is_done() {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(1024);
        while out.len() < PIECE_BYTES {
            let Some(todo) = self.todo.pop() else { break };
            if let Err(error) = self.write(todo, &mut out).await {
                self.todo.clear();
                return Err(error);
            }
        }
        Ok(Some(out))
    }

    /// Whether all pieces have been returned.
    pub fn is_done(&self) -> bool {
        self.todo.is_empty()
    }

    fn either(&self, xml: &'static str, json: &'static str) -> &'static str {
        match self.wire {
            Wire::Xml => xml,
            Wire::Json => json,
        }
    }

    async fn write(&mut self, todo: Todo, out: &mut Vec<u8>) -> Result<(), ApiError> {
        match todo {
            Todo::Text(text) => out.extend_from_slice(text.as_bytes()),
            Todo::Turn(_) => {}
            Todo::Reply(reply) => self.begin(reply, out)?,
            Todo::Pages(mut pages, mut is_first) => {
                if let Some(page) = pages.next().await {
                    page?.write(self.wire, &mut is_first, out)?;
                    self.todo.push(Todo::Pages(pages, is_first));
                }
            }
            Todo::Parts(mut parts) => {
                if let Some(part) = parts.next().await {
                    text_part(self.wire, &part?, out).map_err(ApiError::unwritable)?;
                    self.todo.push(Todo::Parts(parts));
                }
            }
            Todo::Calls(mut calls, is_first) => {
                if let Some(called) = calls.recv().await {
                    if !is_first {
                        out.extend_from_slice(self.either("", ",").as_bytes());
                    }
                    self.todo
                        .extend([Todo::Calls(calls, false), Todo::Turn(called.turn)]);
                    self.outcome(called.outcome, out)?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, reply: Reply, out: &mut Vec<u8>) -> Result<(), ApiError> {
        const ARRAY: (&str, &str) = ("<value><array><data>", "</data></array></value>");
        let (begin, end, parts) = match reply {
            Reply::Whole(content) => return content.write(self.wire, out),
            Reply::List(pages) => {
                let (begin, end) = (self.either(ARRAY.0, "["), self.either(ARRAY.1, "]"));
                (begin, end, Todo::Pages(pages, true))
            }
            Reply::Record { head, name, pages } => {
                head.write(self.wire, out)?;
                let end = struct_reopen(self.wire, name, out).map_err(ApiError::unwritable)?;
                self.todo
                    .extend([Todo::Text(end), Todo::Reply(Reply::List(pages))]);
                return Ok(());
            }
            Reply::Calls(calls) => {
                let (begin, end) = (self.either(ARRAY.0, "["), self.either(ARRAY.1, "]"));
                (begin, end, Todo::Calls(calls, true))
            }
            Reply::Text(text) => {
                let begin = self.either("<value><string>", "\"");
                (
                    begin,
                    self.either("</string></value>", "\""),
                    Todo::Parts(text),
                )
            }
        };
        out.extend_from_slice(begin.as_bytes());
        self.todo.extend([Todo::Text(end), parts]);
        Ok(())
    }

    /// An array of the one result, or the fault as a struct.
    fn outcome(
        &mut self,
        outcome: Result<Reply, ApiError>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        match outcome {
            Ok(reply) => {
                let begin = self.either("<value><array><data>", "[");
                out.extend_from_slice(begin.as_bytes());
                let end = self.either("</data></array></value>", "]");
                self.todo.extend([Todo::Text(end), Todo::Reply(reply)]);
                Ok(())
            }
            Err(error) => Content::write(&Fault::of(&error), self.wire, out),
        }
    }
}

/// A fault as a struct, as in XML-RPC.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault<'e> {
    fault_code: i32,
    fault_string: &'e str,
}

impl<'e> Fault<'e> {
    /// Of an error.
    pub fn of(error: &'e ApiError) -> Fault<'e> {
        Fault {
            fault_code: error.code(),
            fault_string: error.message(),
        }
    }
}
