// SPDX-License-Identifier: Apache-2.0
//! `slight:sql/database@0.2.0`. Parameters go to C as they lie in the guest's
//! memory; rows go into it from where C has them.

use std::mem::MaybeUninit;

use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext,
};
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};
use wasmtime::Result;

use crate::abi::{
    required, slice, Answer, SlBytes, SlColumns, SlHeld, SlSqlAnswer, SlSqlColumn, SlSqlData,
    SlSqlParameters, SlSqlRequest, SlSqlType, SlSqlValue, SlSqlVerb, SlView, SQL_PARAMETERS_MAX,
    SQL_SETS_MAX, SQL_STATEMENT_MAX,
};
use crate::call::{check, drop_handle, make, one, open, within_call, Later, Reply, Store};
use crate::instance::State;
use crate::lift::{Blob, Converted, Gather, Lists, One, Text, Touched, CALL_BYTES_MAX};

/// The resource types. Only C knows what their handles mean.
struct Connection;
struct Cursor;
struct Transaction;

/// A parameter, in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum Parameter {
    #[component(name = "null")]
    Null,
    #[component(name = "boolean")]
    Boolean(bool),
    #[component(name = "int64")]
    Int64(i64),
    #[component(name = "float64")]
    Float64(f64),
    #[component(name = "decimal")]
    Decimal(Text),
    #[component(name = "text")]
    Text(Text),
    #[component(name = "bytes")]
    Bytes(Blob),
    #[component(name = "date")]
    Date(Text),
    #[component(name = "time")]
    Time(Text),
    #[component(name = "timestamp")]
    Timestamp(Text),
    #[component(name = "uuid")]
    Uuid(Text),
    #[component(name = "json")]
    Json(Text),
}

/// The same of a row; borrows from the answer's memory, see `Kept`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum Value {
    #[component(name = "null")]
    Null,
    #[component(name = "boolean")]
    Boolean(bool),
    #[component(name = "int64")]
    Int64(i64),
    #[component(name = "float64")]
    Float64(f64),
    #[component(name = "decimal")]
    Decimal(&'static str),
    #[component(name = "text")]
    Text(&'static str),
    #[component(name = "bytes")]
    Bytes(&'static [u8]),
    #[component(name = "date")]
    Date(&'static str),
    #[component(name = "time")]
    Time(&'static str),
    #[component(name = "timestamp")]
    Timestamp(&'static str),
    #[component(name = "uuid")]
    Uuid(&'static str),
    #[component(name = "json")]
    Json(&'static str),
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Column {
    name: &'static str,
    #[component(name = "type-name")]
    type_name: &'static str,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Rows {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Done {
    affected: u64,
    #[component(name = "last-insert-id")]
    last_insert_id: Option<i64>,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code)] // the guest makes them
enum Isolation {
    #[component(name = "default")]
    Default,
    #[component(name = "read-committed")]
    ReadCommitted,
    #[component(name = "repeatable-read")]
    RepeatableRead,
    #[component(name = "serializable")]
    Serializable,
}

/// What borrows from an answer's memory, together with that memory: the `'static`
/// in `T` holds as long as this lives, and `T` never leaves it.
struct Kept<T> {
    value: T,
    _memory: SlHeld,
}

// SAFETY: all of it is what Wasmtime does for a T.
unsafe impl<T: ComponentType> ComponentType for Kept<T> {
    type Lower = T::Lower;
    const ABI: CanonicalAbiInfo = T::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        T::typecheck(ty, types)
    }
}

// SAFETY: as above.
unsafe impl<T: Lower> Lower for Kept<T> {
    fn linear_lower_to_flat<U>(
        &self,
        context: &mut LowerContext<'_, U>,
        ty: InterfaceType,
        to: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        self.value.linear_lower_to_flat(context, ty, to)
    }

    fn linear_lower_to_memory<U>(
        &self,
        context: &mut LowerContext<'_, U>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        self.value.linear_lower_to_memory(context, ty, offset)
    }
}

/// The parameters of a call, in C's terms; and the texts among them, which are read
/// when all lengths are known.
struct Sets {
    values: Vec<SlSqlValue>,
    ends: Vec<usize>,
    /// By the place of its value.
    texts: Vec<(usize, Text)>,
    touched: Touched,
}

// SAFETY: what its values point to is read only by the host function that lifted
// them.
unsafe impl Send for Sets {}
// SAFETY: as above.
unsafe impl Sync for Sets {}

impl Gather for Sets {
    type Element = Parameter;
    const LISTS_MAX: usize = SQL_SETS_MAX;
    const ELEMENTS_MAX: usize = SQL_PARAMETERS_MAX;

    /// Room for what is going to be taken: for nothing where there are too many.
    fn begin(lists: usize, elements: usize) -> Self {
        let touched = Touched { read: 0, copied: elements.saturating_mul(size_of::<SlSqlValue>()) };
        let room = if touched.bytes() > CALL_BYTES_MAX { 0 } else { elements };
        Sets {
            values: Vec::with_capacity(room),
            ends: Vec::with_capacity(lists),
            texts: Vec::new(),
            touched,
        }
    }

    fn add(&mut self, parameter: Parameter) -> bool {
        let bytes = |bytes| SlSqlData { bytes };
        let mut text = |type_: SlSqlType, text: Text| {
            self.touched = self.touched.text(&text);
            self.texts.push((self.values.len(), text));
            (type_, bytes(SlBytes::EMPTY))
        };
        let (type_, data) = match parameter {
            Parameter::Null => (SlSqlType::NULL, bytes(SlBytes::EMPTY)),
            Parameter::Boolean(boolean) => (SlSqlType::BOOLEAN, SlSqlData { boolean }),
            Parameter::Int64(int64) => (SlSqlType::INT64, SlSqlData { int64 }),
            Parameter::Float64(float64) => (SlSqlType::FLOAT64, SlSqlData { float64 }),
            Parameter::Decimal(value) => text(SlSqlType::DECIMAL, value),
            Parameter::Text(value) => text(SlSqlType::TEXT, value),
            Parameter::Bytes(value) => {
                self.touched = self.touched.blob(&value);
                (SlSqlType::BYTES, bytes(value.bytes()))
            }
            Parameter::Date(value) => text(SlSqlType::DATE, value),
            Parameter::Time(value) => text(SlSqlType::TIME, value),
            Parameter::Timestamp(value) => text(SlSqlType::TIMESTAMP, value),
            Parameter::Uuid(value) => text(SlSqlType::UUID, value),
            Parameter::Json(value) => text(SlSqlType::JSON, value),
        };
        self.values.push(SlSqlValue { type_: type_.0, data1: data });
        self.touched.bytes() <= CALL_BYTES_MAX
    }

    fn end_list(&mut self) {
        self.ends.push(self.values.len());
    }
}

impl Sets {
    /// Read the texts; what it gives borrows from this and from `texts`.
    fn parameters(&mut self, texts: &mut Converted) -> Result<Vec<SlSqlParameters>> {
        for (place, text) in &self.texts {
            let bytes = text.read(CALL_BYTES_MAX, texts)?;
            if let Some(value) = self.values.get_mut(*place) {
                value.data1 = SlSqlData { bytes };
            }
        }
        let mut begin = 0;
        let set = |end: &usize| {
            let values = &self.values[begin..*end];
            begin = *end;
            SlSqlParameters { values: values.as_ptr(), count: values.len() }
        };
        Ok(self.ends.iter().map(set).collect())
    }
}

/// Run `go` with a request for the statement and its parameters, unless those are
/// too much together.
fn with_statement<'a, T: Send + 'a>(
    verb: SlSqlVerb,
    statement: Text,
    mut sets: Sets,
    in_transaction: bool,
    go: impl FnOnce(&SlSqlRequest) -> Later<'a, Reply<T>> + Send + 'a,
) -> Later<'a, Reply<T>> {
    within_call(sets.touched, usize::MAX, move || {
        let mut texts = Converted::default();
        let parameters = sets.parameters(&mut texts)?;
        let text = statement.read(SQL_STATEMENT_MAX, &mut texts)?;
        let mut request = SlSqlRequest { statement: text, ..SlSqlRequest::new(verb) };
        request.sets = parameters.as_ptr();
        request.set_count = parameters.len();
        request.in_transaction = in_transaction;
        Ok(go(&request))
    })
}

/// # Safety
/// The bytes live, unchanged, as long as what is made of this.
unsafe fn text(bytes: SlBytes) -> &'static str {
    // SAFETY: the caller's promise. C promises UTF-8; what is none is left away.
    std::str::from_utf8(unsafe { bytes.get() }).unwrap_or("")
}

/// # Safety
/// As `text`.
unsafe fn value(value: &SlSqlValue) -> Value {
    // SAFETY: the type says which member counts, and the caller's promise.
    unsafe {
        let data = value.data1;
        match SlSqlType(value.type_) {
            SlSqlType::BOOLEAN => Value::Boolean(data.boolean),
            SlSqlType::INT64 => Value::Int64(data.int64),
            SlSqlType::FLOAT64 => Value::Float64(data.float64),
            SlSqlType::DECIMAL => Value::Decimal(text(data.bytes)),
            SlSqlType::TEXT => Value::Text(text(data.bytes)),
            SlSqlType::BYTES => Value::Bytes(data.bytes.get()),
            SlSqlType::DATE => Value::Date(text(data.bytes)),
            SlSqlType::TIME => Value::Time(text(data.bytes)),
            SlSqlType::TIMESTAMP => Value::Timestamp(text(data.bytes)),
            SlSqlType::UUID => Value::Uuid(text(data.bytes)),
            SlSqlType::JSON => Value::Json(text(data.bytes)),
            _ => Value::Null,
        }
    }
}

/// # Safety
/// As `text`.
unsafe fn columns(columns: &[SlSqlColumn]) -> Vec<Column> {
    let column = |column: &SlSqlColumn| {
        // SAFETY: the caller's promise.
        unsafe { Column { name: text(column.name), type_name: text(column.type_name) } }
    };
    columns.iter().map(column).collect()
}

/// # Safety
/// As `text`.
unsafe fn rows(answer: &SlSqlAnswer) -> Vec<Vec<Value>> {
    let width = answer.column_count;
    // SAFETY: an answer has as many values.
    let values = unsafe { slice(answer.values, width * answer.row_count) };
    // SAFETY: the caller's promise.
    let row = |row: &[SlSqlValue]| row.iter().map(|v| unsafe { value(v) }).collect();
    values.chunks(width.max(1)).map(row).collect()
}

fn keep<T>(answer: &mut SlSqlAnswer, value: T) -> Kept<T> {
    Kept { value, _memory: std::mem::take(&mut answer.memory) }
}

/// The results of the functions, from their answers.
fn queried(answer: &mut SlSqlAnswer) -> Reply<Kept<Rows>> {
    check(answer.head())?;
    // SAFETY: what borrows from the answer's memory is kept together with it.
    let rows = unsafe {
        let all = slice(answer.columns, answer.column_count);
        Rows { columns: columns(all), rows: rows(answer) }
    };
    Ok(keep(answer, rows))
}

fn fetched(answer: &mut SlSqlAnswer) -> Reply<Kept<Vec<Vec<Value>>>> {
    check(answer.head())?;
    // SAFETY: as in `queried`.
    let rows = unsafe { rows(answer) };
    Ok(keep(answer, rows))
}

fn done(answer: &mut SlSqlAnswer) -> Reply<Done> {
    check(answer.head())?;
    let last_insert_id = answer.has_last_insert_id.then_some(answer.last_insert_id);
    Ok(Done { affected: answer.affected, last_insert_id })
}

fn nothing(answer: &mut SlSqlAnswer) -> Reply<()> {
    check(answer.head())
}

/// A statement on a connection or a transaction, for what its answer is.
fn statement<'a, T: Send + 'static>(
    store: Store<'a>,
    on: (u32, bool),
    verb: SlSqlVerb,
    text: Text,
    sets: Sets,
    convert: fn(&mut SlSqlAnswer) -> Reply<T>,
) -> Later<'a, Reply<T>> {
    with_statement(verb, text, sets, on.1, move |request| one(&store, on.0, request, convert))
}

fn open_cursor<'a>(
    store: Store<'a>,
    on: (u32, bool),
    text: Text,
    sets: Sets,
) -> Later<'a, Reply<Resource<Cursor>>> {
    with_statement(SlSqlVerb::CURSOR_OPEN, text, sets, on.1, move |request| {
        make(store, on.0, request, |_: &mut SlSqlAnswer, made| Resource::new_own(made))
    })
}

fn begin<'a>(
    store: Store<'a>,
    connection: &Resource<Connection>,
    isolation: Isolation,
    read_only: bool,
) -> Later<'a, Reply<Resource<Transaction>>> {
    let mut request = SlSqlRequest::new(SlSqlVerb::BEGIN);
    request.isolation = isolation as u32;
    request.read_only = read_only;
    make(store, connection.rep(), &request, |_: &mut SlSqlAnswer, made| Resource::new_own(made))
}

/// `commit` and `rollback` take the transaction, whatever they answer.
fn end<'a>(
    store: Store<'a>,
    transaction: &Resource<Transaction>,
    verb: SlSqlVerb,
) -> Later<'a, Reply<()>> {
    let handle = transaction.rep();
    let ended = one(&store, handle, &SlSqlRequest::new(verb), nothing);
    Box::new(async move {
        let ended = Box::into_pin(ended).await;
        drop_handle(&store, handle)?;
        ended
    })
}

fn cursor_columns(store: &Store<'_>, cursor: &Resource<Cursor>) -> Vec<OwnedColumn> {
    let state = store.data();
    let mut known = MaybeUninit::<SlColumns>::uninit();
    // SAFETY: where C answers true it is filled, and lives as long as the cursor; it
    // is copied.
    unsafe {
        let out = known.as_mut_ptr().cast();
        if !required(state.host().view)(state.instance(), cursor.rep(), SlView::COLUMNS, out) {
            return Vec::new();
        }
        let known = known.assume_init_ref();
        let column = |column: Column| OwnedColumn {
            name: column.name.into(),
            type_name: column.type_name.into(),
        };
        columns(slice(known.columns, known.count)).into_iter().map(column).collect()
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct OwnedColumn {
    name: String,
    #[component(name = "type-name")]
    type_name: String,
}

type ThisConnection = Resource<Connection>;
type ThisTransaction = Resource<Transaction>;
type Parameters = One<Sets>;
type ParameterLists = Lists<Sets>;

/// The functions that a connection and a transaction both have.
macro_rules! statements {
    ($sql:ident, $resource:literal, $This:ty, $in_transaction:literal) => {
        $sql.func_wrap_async(
            concat!("[method]", $resource, ".query"),
            |store, (this, text, list): ($This, Text, Parameters)| {
                let on = (this.rep(), $in_transaction);
                statement(store, on, SlSqlVerb::QUERY, text, list.0, queried)
            },
        )?;
        $sql.func_wrap_async(
            concat!("[method]", $resource, ".execute"),
            |store, (this, text, list): ($This, Text, Parameters)| {
                let on = (this.rep(), $in_transaction);
                statement(store, on, SlSqlVerb::EXECUTE, text, list.0, done)
            },
        )?;
        $sql.func_wrap_async(
            concat!("[method]", $resource, ".execute-many"),
            |store, (this, text, lists): ($This, Text, ParameterLists)| {
                let on = (this.rep(), $in_transaction);
                statement(store, on, SlSqlVerb::EXECUTE_MANY, text, lists.0, done)
            },
        )?;
        $sql.func_wrap_async(
            concat!("[method]", $resource, ".open-cursor"),
            |store, (this, text, list): ($This, Text, Parameters)| {
                open_cursor(store, (this.rep(), $in_transaction), text, list.0)
            },
        )?;
    };
}

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    let mut sql = linker.instance("slight:sql/database@0.2.0")?;

    sql.resource("connection", ResourceType::host::<Connection>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    sql.resource("cursor", ResourceType::host::<Cursor>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    sql.resource("transaction", ResourceType::host::<Transaction>(), |store, handle| {
        drop_handle(&store, handle)
    })?;
    sql.func_wrap("[static]connection.open", |store: Store<'_>, (name,): (Text,)| {
        Ok((open(&store, c"sql", &name)?.map(Resource::<Connection>::new_own),))
    })?;
    statements!(sql, "connection", ThisConnection, false);
    statements!(sql, "transaction", ThisTransaction, true);
    sql.func_wrap_async(
        "[method]connection.begin",
        |store, (this, isolation, read_only): (ThisConnection, Isolation, bool)| {
            begin(store, &this, isolation, read_only)
        },
    )?;
    sql.func_wrap_async("[static]transaction.commit", |store, (this,): (ThisTransaction,)| {
        end(store, &this, SlSqlVerb::COMMIT)
    })?;
    sql.func_wrap_async("[static]transaction.rollback", |store, (this,): (ThisTransaction,)| {
        end(store, &this, SlSqlVerb::ROLLBACK)
    })?;
    sql.func_wrap("[method]cursor.columns", |store: Store<'_>, (this,): (Resource<Cursor>,)| {
        Ok((cursor_columns(&store, &this),))
    })?;
    sql.func_wrap_async("[method]cursor.next", |store, (this, limit): (Resource<Cursor>, u32)| {
        let mut request = SlSqlRequest::new(SlSqlVerb::CURSOR_NEXT);
        request.limit = limit;
        one(&store, this.rep(), &request, fetched)
    })?;
    Ok(())
}
